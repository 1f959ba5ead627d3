"""What reading records."""

from dataclasses import dataclass
from typing import ClassVar

from appeals.case.entry import Entry

__all__ = ["ReadInConflict"]


@dataclass(frozen=True, kw_only=True)
class ReadInConflict(Entry):
    """The author, an accused above whom nobody stands, read the appeal."""

    TYPE: ClassVar = "read_in_conflict"
