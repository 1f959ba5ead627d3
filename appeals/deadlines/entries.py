"""What deadlines record and publish."""

from dataclasses import dataclass
from typing import ClassVar

from appeals.case.entry import Entry
from store.typed import Typed

__all__ = ["DeadlineDueSoon", "DeadlineOverdue", "DeadlineReached"]


@dataclass(frozen=True, kw_only=True)
class DeadlineReached(Entry):
    """A deadline is near or missed. `level` as of `appeals.deadlines.verbs.Level`."""

    TYPE: ClassVar = "deadline"

    name: str
    level: str
    due_at: str


@dataclass(frozen=True, kw_only=True)
class DeadlineDueSoon(Typed):
    """A deadline comes near."""

    TYPE: ClassVar = "deadline.due_soon"

    number: int
    name: str
    due_at: str


@dataclass(frozen=True, kw_only=True)
class DeadlineOverdue(Typed):
    """A deadline is missed."""

    TYPE: ClassVar = "deadline.overdue"

    number: int
    name: str
    due_at: str
