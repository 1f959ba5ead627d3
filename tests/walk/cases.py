"""Who takes part in a call of the walk, and what a witness would say of it.

`Story` is the witness's word on one call: it is written by those who act, not by reading events.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from tests.walk.switch import Line

__all__ = ["OPERATORS", "REFUSALS", "Case", "Member", "Phone", "Story", "Where"]

OPERATORS = ("101", "102", "103", "104")
Member = Literal["plain", "local", "two_devices"]
Where = Literal["menu", "registering", "queue", "dialling", "talk", "parked", "leaving", "gone"]
# DialEnd's status and Hangup's cause of a telephone that refuses -> the reason.
REFUSALS = {
    "rejected": ("NOANSWER", 21),
    "busy": ("NOANSWER", 17),
    "failed": ("CHANUNAVAIL", 20),
}


@dataclass
class Story:
    """`rings`: (extension, why it stopped) in the order in which they stopped; `queue`: why it was left.

    `lost` means that the PBX forgot the call. `certain` is off once a thing happened of which two
    honest witnesses would tell differently.
    """

    direction: str = "in"
    presses: list[datetime] = field(default_factory=list)
    rings: list[tuple[str, str]] = field(default_factory=list)
    talks: list[str] = field(default_factory=list)
    first_talk_at: datetime | None = None
    queue: list[str] = field(default_factory=list)
    transfers: list[tuple[str, str, str]] = field(default_factory=list)
    holds: int = 0
    files: list[str] = field(default_factory=list)
    outcome: str = ""
    ended_at: datetime | None = None
    lost: bool = False
    certain: bool = True


@dataclass(eq=False, kw_only=True, repr=False)
class Phone:
    """One ringing of one operator in one call. `line` is what was dialled: his own or his Local's `;1`."""

    extension: str
    line: Line
    half: Line | None = None
    devices: list[Line] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"<{self.extension} by {self.line.name}>"

    @property
    def all(self) -> list[Line]:
        return [*self.devices, self.line, *([self.half] if self.half else [])]


@dataclass(eq=False, kw_only=True, repr=False)
class Case:
    """One caller (or called customer) and who rings or talks to him. `second`: the operator's other line."""

    line: Line
    story: Story
    where: Where = "menu"
    key: str = ""
    did: str = "74951234567"
    in_queue: bool = False
    phones: list[Phone] = field(default_factory=list)
    talker: Phone | None = None
    held: bool = False
    consulted: Phone | None = None
    second: Line | None = None

    def __repr__(self) -> str:
        return f"<{self.where} {self.line.number!r}>"
