"""What deadlines record."""

from dataclasses import dataclass
from typing import ClassVar

from appeals.case.entry import Entry

__all__ = ["DeadlineReached"]


@dataclass(frozen=True, kw_only=True)
class DeadlineReached(Entry):
    """A deadline is near or missed. `level` as of `appeals.deadlines.verbs.Level`."""

    TYPE: ClassVar = "deadline"

    name: str
    level: str
    due_at: str
