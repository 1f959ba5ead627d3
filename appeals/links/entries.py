"""What linking records."""

from dataclasses import dataclass
from typing import ClassVar

from appeals.case.entry import Entry

__all__ = ["CallLinked"]


@dataclass(frozen=True, kw_only=True)
class CallLinked(Entry):
    """A call belongs to the appeal. `link` as of `AppealCall`."""

    TYPE: ClassVar = "call_linked"

    call: str
    link: str
    direction: str
