"""The call as people see it: a pure fold over its facts.

`fold(story, fact)` returns the story with the fact told, or the same object when the fact says
nothing new; that is what makes events, spool and channel lists safe to tell twice.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from calls.facts import Direction, Evidence, Fact, Outcome, Party, RingStop

__all__ = ["CallChange", "CallStory", "LegStory", "RecordingStory", "TransferStory", "fold"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LegStory:
    """One ringing of one telephone. `outcome` null while it rings or talks."""

    uniqueid: str
    extension: str
    round: int
    rang_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    outcome: RingStop | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferStory:
    at: datetime
    kind: Literal["blind", "attended"]
    from_extension: str
    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingStory:
    path: str
    uniqueid: str
    started_at: datetime
    stopped_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStory:
    """All times are PBX time. `uniqueid` is the first channel's; `press_uniqueid` the pressing channel's."""

    id: str
    pbx: str
    uniqueid: str
    direction: Direction
    caller: Party
    to: Party
    started_at: datetime
    queue: str | None = None
    pressed_at: datetime | None = None
    press_uniqueid: str | None = None
    press_key: str | None = None
    evidence: Evidence | None = None
    queue_entered_at: datetime | None = None
    queue_left_at: datetime | None = None
    first_ring_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    outcome: Outcome | None = None
    recovered: bool = False
    legs: tuple[LegStory, ...] = ()
    transfers: tuple[TransferStory, ...] = ()
    recordings: tuple[RecordingStory, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CallChange:
    """What one batch added to one call: handed to every package that keeps something about calls.

    `facts` are only those that said something new, in order; `before` is null for a new call.
    """

    before: CallStory | None
    story: CallStory
    facts: tuple[Fact, ...]


def fold(story: CallStory | None, fact: Fact) -> CallStory | None:
    """Return `story` with `fact` told; the same object when it says nothing new.

    A story begins with CallArrived; any other fact without a story raises ValueError.
    """
    raise NotImplementedError  # written by the owner of calls/
