"""What the customer of a case adds to the desk."""

from typing import Final

from appeals.parties.entries import CallUnlinked, CustomerDetached, FirstContactCorrected
from store.feature import Feature

__all__ = ["FEATURE"]

FEATURE: Final = Feature(
    name="parties",
    entries=(CallUnlinked, CustomerDetached, FirstContactCorrected),
)
