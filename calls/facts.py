"""What happened in a call: past tense, frozen, stored as long as the call.

A fact is the unit of truth: `calls.story` folds facts into the call that people see, and every
number on a screen can be recomputed from them. `at` is PBX time. `recovered` marks a fact that was
learned after a blind window (from the spool or a channel list), not from an event as it happened.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

from ami.spool import TimedBy

__all__ = [
    "CallArrived",
    "CallEnded",
    "CallRetold",
    "CallerNamed",
    "ComplaintRequested",
    "EndedBy",
    "Evidence",
    "Fact",
    "HeldBy",
    "LegFact",
    "MenuKeyPressed",
    "OperatorAnswered",
    "OperatorLeft",
    "OperatorRang",
    "OperatorStoppedRinging",
    "Outcome",
    "Party",
    "QueueEntered",
    "QueueLeft",
    "QueueLeftReason",
    "RecordingStarted",
    "RecordingStopped",
    "Resumed",
    "RingStop",
    "StateLost",
    "Transferred",
    "owned_as",
]

Direction = Literal["in", "out", "internal"]
Evidence = Literal["verified", "verified_live", "unverified"]
# `closed`: the PBX ended the call, and nobody had answered it.
Outcome = Literal["answered", "abandoned", "no_answer", "busy", "failed", "closed"]
# Which side ended the call: the customer's, an employee's, or neither.
EndedBy = Literal["caller", "operator", "pbx"]
# Why a telephone stopped ringing. `elsewhere`: another operator answered; `forwarded`: the telephone
# itself sent the call on (302, call forward on the set).
RingStop = Literal[
    "answered",
    "elsewhere",
    "no_answer",
    "rejected",
    "busy",
    "failed",
    "abandoned",
    "transferred",
    "forwarded",
    "unknown",
]
# `key`: the caller pressed a key that leads out of the queue.
QueueLeftReason = Literal[
    "answered", "abandoned", "timeout", "empty", "transferred", "key", "unknown"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """One end of a call. `raw` is what the PBX said, `e164` is null when it is no public number.

    `kind`: `internal` (extension), `public` (E.164), `anonymous` (withheld or empty), `other` (SIP name).
    """

    raw: str
    e164: str | None
    name: str | None
    kind: Literal["internal", "public", "anonymous", "other"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """`call` is the call id `<pbx>-<uniqueid of its first channel>`.

    Each kind of fact has a `TYPE`, the name under which it is stored: it stays when the class is renamed.
    """

    TYPE: ClassVar[str]

    call: str
    at: datetime
    recovered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CallArrived(Fact):
    """`uniqueid` is the first channel's; `to` is the dialled number or extension."""

    TYPE: ClassVar[str] = "CallArrived"

    pbx: str
    uniqueid: str
    linkedid: str
    direction: Direction
    caller: Party
    to: Party


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRetold(CallArrived):
    """The call was read again from the journal: the facts that follow are its story.

    Those before stay stored as what was believed.
    """

    TYPE: ClassVar[str] = "CallRetold"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerNamed(Fact):
    """The dialplan looked up the caller's name or rewrote his number, before anybody saw him."""

    TYPE: ClassVar[str] = "CallerNamed"

    caller: Party


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuKeyPressed(Fact):
    TYPE: ClassVar[str] = "MenuKeyPressed"

    digit: str
    context: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintRequested(Fact):
    """The caller's first 3. `uniqueid` is the caller's channel at that moment: (pbx, uniqueid) is the
    unique key of the appeal. `key` is the AstDB key, null for an observed menu. `at` is the press, or
    what `timed_by` says where the key's own time is not known."""

    TYPE: ClassVar[str] = "ComplaintRequested"

    uniqueid: str
    key: str | None
    evidence: Evidence
    menu: str
    queue: str | None
    timed_by: TimedBy = "key"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueEntered(Fact):
    TYPE: ClassVar[str] = "QueueEntered"

    queue: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLeft(Fact):
    """`key` is what the caller pressed to leave; None for any other reason, or when nothing says."""

    TYPE: ClassVar[str] = "QueueLeft"

    queue: str
    reason: QueueLeftReason
    key: str | None = None


def owned_as(extension: str | None, number: str | None) -> str:
    return extension or (number if number is not None and number.startswith("+") else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class LegFact(Fact):
    """What happened at one telephone. `leg` is the uniqueid of its (first) channel.

    An employee's telephone has an `extension`. An outside telephone that takes part for the company
    (a follow-me mobile, an overflow) has none and has a `number`: E.164 where it is a public one.
    """

    leg: str
    extension: str | None = None
    number: str | None = None

    @property
    def telephone(self) -> str:
        """What distinguishes this telephone from the others of the call."""
        return self.extension or self.number or ""

    @property
    def owned_as(self) -> str:
        """As what `people.directory` knows its owner; empty for a short number of somebody else's PBX."""
        return owned_as(self.extension, self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorRang(LegFact):
    """`round` counts from 1 per (call, telephone).

    Recovered: it was found ringing at `at`, and began in a gap, nobody knows when.
    """

    TYPE: ClassVar[str] = "OperatorRang"

    round: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorStoppedRinging(LegFact):
    TYPE: ClassVar[str] = "OperatorStoppedRinging"

    reason: RingStop


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorAnswered(LegFact):
    """First non-holding bridge of customer and operator: human contact, not the menu's Answer()."""

    TYPE: ClassVar[str] = "OperatorAnswered"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorLeft(LegFact):
    """An operator who had answered is out of the call (hung up or transferred it away)."""

    TYPE: ClassVar[str] = "OperatorLeft"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBy(LegFact):
    """The operator put the customer on hold."""

    TYPE: ClassVar[str] = "HeldBy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed(LegFact):
    """The operator took the customer off hold."""

    TYPE: ClassVar[str] = "Resumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transferred(Fact):
    TYPE: ClassVar[str] = "Transferred"

    kind: Literal["blind", "attended"]
    from_extension: str
    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingStarted(Fact):
    """`path` as the PBX names it; relative paths are under the PBX's monitor folder."""

    TYPE: ClassVar[str] = "RecordingStarted"

    path: str
    uniqueid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingStopped(Fact):
    TYPE: ClassVar[str] = "RecordingStopped"

    path: str
    uniqueid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded(Fact):
    """`ended_by` None: the end was not seen, or its source does not say."""

    TYPE: ClassVar[str] = "CallEnded"

    outcome: Outcome
    ended_by: EndedBy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateLost(Fact):
    """The PBX restarted or a gap could not be mended: what is missing is missing for a reason."""

    TYPE: ClassVar[str] = "StateLost"

    reason: str
