"""What linking adds to the desk."""

from typing import Final

from appeals.links.entries import CallLinked
from store.feature import Feature

__all__ = ["FEATURE"]

FEATURE: Final = Feature(
    name="links",
    entries=(CallLinked,),
)
