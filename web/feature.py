"""What the REST interface adds to the desk."""

from typing import Final

from store.feature import Feature
from web.model import (
    IdempotentReply,
)

__all__ = ["FEATURE"]

FEATURE: Final = Feature(name="web", tables=(IdempotentReply,))
