"""The shapes of a call's story; import them from `calls.story`, which folds facts into them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from calls.facts import (
    Direction,
    EndedBy,
    Evidence,
    Fact,
    Outcome,
    Party,
    QueueLeftReason,
    RingStop,
    owned_as,
)

__all__ = [
    "CallChange",
    "CallStory",
    "KeyStory",
    "LegStory",
    "QueueStory",
    "RecordingStory",
    "TransferStory",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class LegStory:
    """One ringing of one telephone. `outcome` is why it stopped ringing, null while it rings.

    `rang_at` is null when it did not ring for this customer, or began to ring in a gap.
    `ended_at` is the end of the ringing, or of the talk when it was answered. `holds` are (from, to).
    An outside telephone has no `extension` but a `number`.
    """

    uniqueid: str
    extension: str | None
    round: int
    rang_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    outcome: RingStop | None
    holds: tuple[tuple[datetime, datetime | None], ...] = ()
    number: str | None = None

    @property
    def telephone(self) -> str:
        """As `calls.facts.LegFact.telephone`."""
        return self.extension or self.number or ""

    @property
    def owned_as(self) -> str:
        """As `calls.facts.LegFact.owned_as`."""
        return owned_as(self.extension, self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStory:
    """A key pressed after the first 3."""

    at: datetime
    digit: str
    context: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStory:
    """One stay in a queue. `left_at` and `reason` None while the caller waits; `key` pressed to leave."""

    queue: str
    entered_at: datetime
    left_at: datetime | None = None
    reason: QueueLeftReason | None = None
    key: str | None = None


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
    """All times are PBX time. `uniqueid` is the first channel's; `press_uniqueid` the pressing channel's.

    `queue` is the latest queue; `queue_entered_at` the first entering, `queue_left_at` the last
    leaving, null while he waits; `stays` has each. `lost` says why something is missing.
    """

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
    ended_by: EndedBy | None = None
    recovered: bool = False
    legs: tuple[LegStory, ...] = ()
    transfers: tuple[TransferStory, ...] = ()
    recordings: tuple[RecordingStory, ...] = ()
    stays: tuple[QueueStory, ...] = ()
    keys: tuple[KeyStory, ...] = ()
    lost: str | None = None

    @property
    def queue_wait_s(self) -> float | None:
        """Seconds in queues, all stays together; menus and talks between them do not count, and a
        queue within a queue does not count twice.

        None while the caller waits, and for a call that was in no queue.
        """
        stays = [(stay.entered_at, stay.left_at) for stay in self.stays if stay.left_at is not None]
        if not stays or len(stays) < len(self.stays):
            return None
        waited, until = timedelta(), min(entered for entered, _ in stays)
        for entered, left in sorted(stays):
            waited += max(left - max(entered, until), timedelta())
            until = max(until, left)
        return round(waited.total_seconds(), 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallChange:
    """What one batch added to one call: handed to every package that keeps something about calls.

    `facts` are only those that said something new, in order; `before` is null for a new call.
    """

    before: CallStory | None
    story: CallStory
    facts: tuple[Fact, ...]
