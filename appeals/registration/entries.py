"""What the verbs of people record."""

from dataclasses import dataclass
from typing import ClassVar, TypedDict

from appeals.case.entry import Entry

__all__ = ["Chosen", "StageChanged"]


class Chosen(TypedDict):
    """Ids of the employees responsible before and now."""

    old: int | None
    new: int | None


@dataclass(frozen=True, kw_only=True)
class StageChanged(Entry):
    """A verb led the appeal on. `responsible`: the step chose the person responsible too.

    `as_`: an admin acts in place of a supervisor that is missing.
    """

    TYPE: ClassVar = "stage"
    LEFT_OUT: ClassVar = frozenset({"responsible", "as"})
    STAGES: ClassVar = ("from", "to")

    verb: str
    from_: str
    to: str
    responsible: Chosen | None = None
    as_: str | None = None
