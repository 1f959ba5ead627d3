"""What the others wrote down: the callers' and telephones' SIPp, the PBX's queue_log and CDR.

Nothing of press3 is used here: this is the other side of the comparison.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.walk.sip_trace import Lateness, SipTrace, message_id

__all__ = [
    "CallerLog",
    "Cdr",
    "QueueLine",
    "Ringing",
    "caller_log",
    "cdr",
    "lateness",
    "queue_log",
    "ringings",
]

_FLEETING = timedelta(milliseconds=50)
_ON_ITS_WAY = timedelta(milliseconds=300)


@dataclass(frozen=True)
class _Message:
    at: datetime
    sent: bool
    call: str
    cseq_of: str
    line: str

    @property
    def cseq(self) -> str:
        return self.cseq_of.rpartition(" ")[2]

    @property
    def answer(self) -> str:
        """`200 INVITE`, `487 INVITE` …; empty for a request."""
        status = self.line.removeprefix("SIP/2.0 ")
        return f"{status[:3]} {self.cseq}" if status != self.line else ""

    @property
    def request(self) -> str:
        return "" if self.answer else self.line.partition(" ")[0]


def _messages(file: Path) -> list[_Message]:
    """SIPp's short message log: date, time, epoch, S/R, call id, CSeq, first line."""
    rows = [line.split("\t") for line in file.read_text(errors="replace").splitlines()]
    return [
        _Message(
            at=datetime.fromtimestamp(float(row[2]), UTC),
            sent=row[3] == "S",
            call=row[4],
            cseq_of=row[5],
            line=row[6].strip(),
        )
        for row in rows
        if len(row) >= 7
    ]


def lateness(files: Iterable[Path], trace: SipTrace) -> Lateness:
    """How late telephones or PBX were with each message of these logs."""
    late = Lateness()
    for file in files:
        for message in _messages(file):
            its_id = message_id(message.call, message.cseq_of, message.line)
            late.note(message.at, trace.at.get(its_id))
    return late


@dataclass(frozen=True, kw_only=True)
class CallerLog:
    """One caller's side. `keys`: when he sent them; `hung_up`: he himself did, not the other side."""

    called_at: datetime
    answered_at: datetime | None
    keys: tuple[datetime, ...]
    ended_at: datetime | None
    hung_up: bool


def caller_log(file: Path) -> CallerLog:
    messages = _messages(file)
    byes = [m for m in messages if m.request == "BYE"]
    answers = [m.at for m in messages if m.answer == "200 INVITE" and not m.sent]
    return CallerLog(
        called_at=next(m.at for m in messages if m.request == "INVITE"),
        answered_at=answers[0] if answers else None,
        keys=tuple(m.at for m in messages if m.request == "INFO" and m.sent),
        ended_at=byes[0].at if byes else None,
        hung_up=bool(byes) and byes[0].sent,
    )


@dataclass(frozen=True, kw_only=True)
class Ringing:
    """One INVITE at one telephone. `end`: `answered`, `cancelled`, or the status that refused it.

    `over_at` is the end of the ringing, or of the talk when it was answered; `holds`: when it held.
    """

    telephone: str
    token: str
    rang_at: datetime
    answered_at: datetime | None
    end: str
    over_at: datetime | None
    holds: tuple[datetime, ...] = ()

    @property
    def fleeting(self) -> bool:
        """Taken back at once: the PBX may have ended it before it knew of it."""
        return self.end == "cancelled" and (
            self.over_at is None or self.over_at - self.rang_at < _FLEETING
        )

    @property
    def refused_at(self) -> datetime | None:
        return self.over_at if self.end not in ("answered", "cancelled") else None

    def went_on_at(self, at: datetime | None) -> bool:
        """Whether it rang at that moment; an INVITE may still be on its way, as may its CANCEL."""
        return at is not None and (
            self.rang_at <= at + _ON_ITS_WAY
            and (self.over_at is None or at <= self.over_at + _FLEETING)
        )

    @property
    def extension(self) -> str:
        return self.telephone[-3:]


def ringings(
    telephone: str, log: Path, notes: Path, *, hands: Iterable[Path] = ()
) -> list[Ringing]:
    """Every call that a telephone got; `notes` tell whose it was, `hands` what was done in it by hand."""
    lines = notes.read_text(errors="replace").splitlines() if notes.exists() else []
    told = [line.split(" ") for line in lines if line.startswith("token ")]
    tokens = {call: token for _, call, token in told}
    by_call: dict[str, list[_Message]] = defaultdict(list)
    for message in _messages(log):
        by_call[message.call].append(message)
    for message in (each for file in hands for each in _messages(file)):
        if message.call in by_call:
            by_call[message.call].append(message)
    return [
        _ringing(telephone, tokens.get(call, "").strip(), found) for call, found in by_call.items()
    ]


def _ringing(telephone: str, token: str, messages: Iterable[_Message]) -> Ringing:
    messages = list(messages)
    sent = {m.answer: m.at for m in reversed(messages) if m.sent and m.answer}
    answered_at = sent.get("200 INVITE")
    byes = [m.at for m in messages if m.request == "BYE"]
    cancelled = [m.at for m in messages if m.request == "CANCEL"]
    refused = [(each, at) for each, at in sent.items() if each[0] in "456" and each[:3] != "487"]
    if answered_at is not None:
        end, over_at = "answered", byes[0] if byes else None
    elif refused:
        end, over_at = refused[0][0][:3], refused[0][1]
    else:
        end, over_at = "cancelled", cancelled[0] if cancelled else None
    return Ringing(
        telephone=telephone,
        token=token,
        rang_at=next(m.at for m in messages if m.request == "INVITE"),
        answered_at=answered_at,
        end=end,
        over_at=over_at,
        holds=tuple(m.at for m in messages if m.request == "INVITE" and m.sent)[::2],
    )


@dataclass(frozen=True, kw_only=True)
class QueueLine:
    at: datetime
    event: str
    agent: str
    data: tuple[str, ...]


def queue_log(file: Path) -> Mapping[str, list[QueueLine]]:
    """The PBX's queue_log by the caller's uniqueid."""
    found: dict[str, list[QueueLine]] = defaultdict(list)
    for line in file.read_text(errors="replace").splitlines():
        at, call, _, agent, event, *data = line.split("|")
        when = datetime.fromtimestamp(float(at), UTC)
        found[call].append(QueueLine(at=when, event=event, agent=agent, data=tuple(data)))
    return found


@dataclass(frozen=True, kw_only=True)
class Cdr:
    """All CDR rows of one caller together; whole seconds."""

    uniqueid: str
    started_at: datetime
    ended_at: datetime
    dialled: frozenset[str] = field(default_factory=frozenset)


# accountcode, src, dst, dcontext, clid, channel, dstchannel, lastapp, lastdata, start, answer, end,
# duration, billsec, disposition, amaflags, uniqueid (cdr.conf: loguniqueid, usegmtime)
_ACCOUNT, _CHANNEL, _DEST, _START, _END, _UNIQUEID = 0, 5, 6, 9, 11, 16


def cdr(file: Path) -> Mapping[str, Cdr]:
    """The PBX's CDR by account code, which the walk's dialplan sets to the dialled number."""
    rows: dict[str, list[list[str]]] = defaultdict(list)
    with file.open(errors="replace", newline="") as lines:
        for row in csv.reader(lines):
            if row[_ACCOUNT]:
                rows[row[_ACCOUNT]].append(row)
    return {account: _one(found) for account, found in rows.items()}


def _one(rows: list[list[str]]) -> Cdr:
    own = min(rows, key=lambda row: (row[_START], row[_UNIQUEID]))
    return Cdr(
        uniqueid=own[_UNIQUEID],
        started_at=min(_time(row[_START]) for row in rows),
        ended_at=max(_time(row[_END]) for row in rows),
        dialled=frozenset(row[_DEST].partition("-")[0] for row in rows if row[_DEST]),
    )


def _time(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
