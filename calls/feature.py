"""What the call model adds to the desk."""

from typing import Final

from calls.model import (
    BlindWindow,
    Call,
    CallText,
    Leg,
    LogRead,
    PbxState,
    Recovery,
    SetAside,
    StoredFact,
)
from store.feature import Feature

__all__ = ["FEATURE"]

FEATURE: Final = Feature(
    name="calls",
    tables=(
        BlindWindow,
        Call,
        CallText,
        Leg,
        LogRead,
        PbxState,
        Recovery,
        SetAside,
        StoredFact,
    ),
)
