"""What telephony publishes: the link to a PBX."""

from dataclasses import dataclass
from typing import ClassVar

from store.typed import Typed

__all__ = ["LinkLost", "LinkRestored"]


@dataclass(frozen=True, kw_only=True)
class LinkLost(Typed):
    """There is no connection to a PBX: what happens there is read afterwards."""

    TYPE: ClassVar = "link.lost"

    pbx: str


@dataclass(frozen=True, kw_only=True)
class LinkRestored(Typed):
    """The connection to a PBX is back, and what happened meanwhile is read."""

    TYPE: ClassVar = "link.restored"

    pbx: str
