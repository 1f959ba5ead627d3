"""What intake adds to the desk."""

from typing import Final

from appeals.intake.entries import (
    BetterEvidence,
    CallEndedNews,
    CallOver,
    FirstContact,
    Opened,
    PressedAgain,
    Related,
)
from store.feature import Feature

__all__ = ["FEATURE"]

FEATURE: Final = Feature(
    name="intake",
    entries=(BetterEvidence, CallOver, FirstContact, Opened, PressedAgain, Related),
    events=(CallEndedNews,),
)
