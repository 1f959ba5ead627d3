"""What pops add to the desk."""

from typing import Final

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
)
