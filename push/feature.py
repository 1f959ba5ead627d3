"""What pops add to the desk."""

from typing import Final

from push.events import CallLeft, PopAcked, PopShown, PopUnseen, PopWithdrawn
from push.model import (
    Pop,
    UnseenWatch,
)
from store.feature import Feature

__all__ = ["FEATURE"]

FEATURE: Final = Feature(
    name="push",
    tables=(
        Pop,
        UnseenWatch,
    ),
    events=(
        PopShown,
        PopAcked,
        PopWithdrawn,
        PopUnseen,
        CallLeft,
    ),
)
