"""What telephony adds to the desk."""

from typing import Final

from store.feature import Feature
from telephony.events import LinkLost, LinkRestored

__all__ = ["FEATURE"]

FEATURE: Final = Feature(name="telephony", events=(LinkLost, LinkRestored))
