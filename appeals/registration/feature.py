"""What registration adds to the desk."""

from typing import Final

from appeals.registration.entries import StageChanged
from store.feature import Feature

__all__ = ["FEATURE"]

FEATURE: Final = Feature(
    name="registration",
    entries=(StageChanged,),
)
