"""What reading adds to the desk."""

from typing import Final

from appeals.card.entries import ReadInConflict
from store.feature import Feature

__all__ = ["FEATURE"]

FEATURE: Final = Feature(
    name="card",
    entries=(ReadInConflict,),
)
