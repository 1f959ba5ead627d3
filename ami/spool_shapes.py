"""What a PBX kept of a press and its call, whoever kept it: AstDB, queue_log or the CDR. Import from `ami.spool`."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

__all__ = [
    "Hand",
    "SpoolAnswer",
    "SpoolDamage",
    "SpoolPress",
    "SpoolRecording",
    "SpoolStay",
    "SpoolTransfer",
    "TimedBy",
]

# What the time of a press is the time of: the key itself, or what followed or came before it.
TimedBy = Literal["key", "queue_entry", "call_start"]
Hand = Literal["caller", "operator"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolAnswer:
    """`uniqueid` is the answering channel's, empty in AstDB. queue_log may give the member's name as `channel`.

    `left_at`: when the operator's talk ended; None when the source does not say. `dialled`: what Dial()
    was given, `PJSIP/+79110000009@trunk`, where a line to the outside answered.
    """

    at: datetime
    channel: str
    uniqueid: str = ""
    dialled: str = ""
    left_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolRecording:
    at: datetime
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolStay:
    """One stay in one queue. `left`: (at, QUEUESTATUS), `CONTINUE` for whoever was answered.

    `entered_at` None: nothing says when. `left` None: the caller waits. `key`: pressed to leave.
    """

    queue: str
    entered_at: datetime | None
    left: tuple[datetime, str] | None = None
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolTransfer:
    """An operator sent the caller on. `to` is an extension (blind) or a channel (attended), empty if not known."""

    at: datetime
    kind: Literal["blind", "attended"]
    channel: str
    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolPress:
    """One press with its marks, all PBX time. `entered_at`: before Queue(); `queue_left`: (at, QUEUESTATUS).

    `key` is its AstDB key, null for a call that only queue_log or the CDR tell of (`ami.queue_log`).
    `stays` has every queue of the call, where the source tells more than one; `entered_at` is then that
    of the press's queue and `queue_left` the last one's. `ended_by`: who hung up, None when not known.
    `restarted_at`: the PBX began anew while the call went on. `channel`: the caller's, where it is told.
    """

    key: str | None
    uniqueid: str
    linkedid: str
    pressed_at: datetime
    number: str
    name: str
    did: str
    menu: str
    queue: str
    again: tuple[datetime, ...] = ()
    entered_at: datetime | None = None
    answered: tuple[SpoolAnswer, ...] = ()
    queue_left: tuple[datetime, str] | None = None
    recordings: tuple[SpoolRecording, ...] = ()
    ended_at: datetime | None = None
    timed_by: TimedBy = "key"
    stays: tuple[SpoolStay, ...] = ()
    transfers: tuple[SpoolTransfer, ...] = ()
    ended_by: Hand | None = None
    restarted_at: datetime | None = None
    channel: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolDamage:
    """A row that can't be read. The press it belongs to may be whole all the same."""

    key: str
    value: str
    problem: str
