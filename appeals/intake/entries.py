"""What intake records and publishes: the press, and what went on in its calls."""

from dataclasses import dataclass
from typing import ClassVar

from appeals.case.entry import Entry
from store.typed import Typed

__all__ = [
    "BetterEvidence",
    "CallEndedNews",
    "CallOver",
    "FirstContact",
    "Opened",
    "PressedAgain",
    "Related",
]


@dataclass(frozen=True, kw_only=True)
class Opened(Entry):
    """Key 3 opened the appeal.

    `pressed_at_is`: what stands for the time of the key, which the PBX did not keep.
    """

    TYPE: ClassVar = "opened"
    LEFT_OUT: ClassVar = frozenset({"pressed_at_is"})
    PERSONAL: ClassVar = ("raw", "e164", "name", "customer")
    STAGES: ClassVar = ("stage",)

    type: str
    source: str
    stage: str
    department: int | None
    press_key: str | None
    call: str | None
    evidence: str
    pressed_at: str
    deadline_at: str | None
    recovered: bool
    pressed_at_is: str | None = None
    raw: str | None
    e164: str | None
    name: str | None
    customer: int | None


@dataclass(frozen=True, kw_only=True)
class Related(Entry):
    """The customer has other open appeals: their numbers."""

    TYPE: ClassVar = "related"

    appeals: list[int]


@dataclass(frozen=True, kw_only=True)
class BetterEvidence(Entry):
    """The press is proved better than before."""

    TYPE: ClassVar = "evidence"

    old: str
    new: str


@dataclass(frozen=True, kw_only=True)
class PressedAgain(Entry):
    """The caller pressed 3 once more in the call of the appeal."""

    TYPE: ClassVar = "pressed_again"

    call: str
    at: str


@dataclass(frozen=True, kw_only=True)
class FirstContact(Entry):
    """The customer and a person spoke for the first time after the press.

    `extension`: the person's telephone.
    """

    TYPE: ClassVar = "first_contact"

    call: str
    at: str
    direction: str
    extension: str | None


@dataclass(frozen=True, kw_only=True)
class CallOver(Entry):
    """A call of the appeal has ended."""

    TYPE: ClassVar = "call_ended"

    call: str
    at: str
    direction: str
    outcome: str


@dataclass(frozen=True, kw_only=True)
class CallEndedNews(Typed):
    """A call is over. `appeal`: the one that it opened, else the newest that it belongs to."""

    TYPE: ClassVar = "call.ended"

    call: str
    outcome: str
    appeal: int | None
