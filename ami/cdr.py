"""What Asterisk's CDR file (cdr_csv's Master.csv) tells of calls in queues. Pure.

A call has a row for each telephone that rang, all written when it ends. They must carry the uniqueid
(`loguniqueid = yes`) or the linkedid (`newcdrcolumns = yes`): it says whose row it is, and when the call
began in UTC, from which the zone of the row's local times follows. When 3 was pressed no row says, and
when somebody answered only those of a caller whom the menu had not answered before.
Source: cdr_csv.c and rows of 11, 16.28 and 22.10.
"""

import csv
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from ami.spool import SpoolAnswer, SpoolPress
from ami.wire import text_of

__all__ = ["BadRow", "CdrRow", "calls_in", "channel_of", "parse_row", "rows_of", "time_of"]

_UNIQUEID = re.compile(r"(?:.*-)?([0-9]{9,11})\.[0-9]+")
_NAME = re.compile(r'"(.*)" <[^<>]*>')
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
_QUARTER_S = 900  # zones differ from UTC by quarters of an hour
_LONGEST = timedelta(days=7)
_NEAR_S = 3  # the first row of a call begins when its channel does
_FIXED = (
    16  # columns that every row has; then uniqueid, userfield, and three new ones, as configured
)
_START, _ANSWER, _END = 9, 10, 11
_LINES_OF_ROW = 20  # a name or a user field may hold line ends
_HALVES = 5  # a Local behind a Local, and so on


@dataclass(frozen=True, slots=True, kw_only=True)
class CdrRow:
    """`start`, `answer` and `end` as the PBX writes them, in a zone of its own; `born_at` is UTC.

    `uniqueid` is the linkedid where the file has no uniqueid, `linkedid` the uniqueid where it has no other.
    """

    uniqueid: str
    linkedid: str
    born_at: datetime
    src: str
    name: str
    place: tuple[str, str]
    channel: str
    dstchannel: str
    app: str
    data: str
    start: datetime
    answer: datetime | None
    end: datetime
    answered: bool

    @property
    def queue(self) -> str:
        """Return the queue that the row is of, empty when it is of none."""
        return self.data.partition(",")[0] if self.app == "Queue" else ""

    @property
    def zone(self) -> timedelta | None:
        """How far the row's times are from UTC; None for a row that began later than its call."""
        away_s = (self.start - self.born_at).total_seconds()
        quarters = round(away_s / _QUARTER_S)
        is_first = abs(away_s - quarters * _QUARTER_S) <= _NEAR_S
        return timedelta(seconds=quarters * _QUARTER_S) if is_first else None


class BadRow(ValueError):
    """Not a row of cdr_csv, or one without a uniqueid."""


def rows_of(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield whole rows: the lines of a row whose quoted text holds line ends are joined."""
    parts: list[bytes] = []
    for line in lines:
        parts.append(line)
        if sum(part.count(b'"') for part in parts) % 2 == 0:
            yield b"\n".join(parts)
            parts = []
        elif len(parts) == _LINES_OF_ROW:  # no row at all: each line for itself
            yield from parts
            parts = []
    yield from parts


def parse_row(line: bytes) -> CdrRow:
    """Return the row of one line; raises BadRow."""
    try:
        fields = next(csv.reader([text_of(line.strip(b"\0\r\n"))]), [])
    except csv.Error as error:
        raise BadRow(str(error)) from error
    if problem := _problem(fields):
        raise BadRow(problem)
    uniqueid, linkedid = _identities(fields)
    found = _UNIQUEID.fullmatch(uniqueid)
    if found is None:
        raise BadRow("no row of cdr_csv with a uniqueid: set loguniqueid = yes in cdr.conf [csv]")
    try:
        start, end = _time(fields[_START]), _time(fields[_END])
        answer = _time(fields[_ANSWER]) if fields[_ANSWER] else None
    except ValueError as error:
        raise BadRow(str(error)) from error
    if not timedelta(0) <= end - start <= _LONGEST:
        raise BadRow(f"no row of cdr_csv: from {start} to {end}")
    name = _NAME.fullmatch(fields[4])
    return CdrRow(
        uniqueid=uniqueid,
        linkedid=linkedid,
        born_at=datetime.fromtimestamp(int(found[1]), UTC),
        src=fields[1],
        name=name[1] if name else "",
        place=(fields[3], fields[2]),
        channel=fields[5],
        dstchannel=fields[6],
        app=fields[7],
        data=fields[8],
        start=start,
        answer=answer,
        end=end,
        answered=fields[14] == "ANSWERED",
    )


def _problem(fields: Sequence[str]) -> str:
    """Return why these can't be the columns of cdr_csv, empty when they can."""
    if len(fields) < _FIXED:
        return "no row of cdr_csv: it has too few columns"
    if all(_TIME.fullmatch(fields[n]) for n in (_START, _END)):
        return ""
    if any(_TIME.fullmatch(field) for field in fields):
        return (
            "no row of cdr_csv, its columns stand otherwise: cdr_custom wrote this file; name the one "
            "of cdr_csv, cdr-csv/Master.csv"
        )
    return "no row of cdr_csv: it has no times"


def _identities(fields: Sequence[str]) -> tuple[str, str]:
    """Return (uniqueid, linkedid) from whichever of the columns behind the fixed ones this PBX writes."""
    more = fields[_FIXED:]
    linkedid = more[-2] if len(more) >= 3 and _UNIQUEID.fullmatch(more[-2]) else ""
    has_uniqueid = len(more) != 3 and bool(more) and _UNIQUEID.fullmatch(more[0])
    uniqueid = more[0] if has_uniqueid else linkedid
    return uniqueid, linkedid or uniqueid


def channel_of(line: bytes) -> str:
    """Return the uniqueid of the row, empty for what is no row."""
    try:
        return parse_row(line).uniqueid
    except BadRow:
        return ""


def time_of(line: bytes) -> datetime | None:
    """Return when the call of the row ended, UTC; None when this row alone does not tell."""
    try:
        row = parse_row(line)
    except BadRow:
        return None
    return row.end - row.zone if row.zone is not None else None


def calls_in(
    rows: Iterable[CdrRow], queues: Collection[str], places: Collection[tuple[str, str, str]] = ()
) -> Iterator[SpoolPress]:
    """Yield the calls that were in one of `queues`, or ended at one of `places` (context, exten, its queue).

    `pressed_at` is the beginning of the call. The time of an answer is when the other telephones
    stopped ringing, else the end of the call.
    """
    by_call: dict[str, list[CdrRow]] = {}
    for row in rows:
        by_call.setdefault(row.linkedid, []).append(row)
    leads = {(context, exten): queue for context, exten, queue in places}
    for call, rows_of_call in by_call.items():
        own = [row for row in rows_of_call if row.uniqueid == call] or rows_of_call
        for n, row in enumerate(own):
            queue = row.queue if row.queue in queues else leads.get(row.place, "")
            if queue:
                yield _call(own, own[n:], rows_of_call, queue)
                break


def _call(own: list[CdrRow], since: list[CdrRow], rows: list[CdrRow], queue: str) -> SpoolPress:
    """`own` are the caller's rows, `since` those from the press on, `rows` also those of other channels."""
    first, last = own[0], max(own, key=lambda row: row.end)
    call = SpoolPress(
        key=None,
        uniqueid=first.uniqueid,
        linkedid=first.uniqueid,
        pressed_at=first.born_at,
        number=first.src,
        name=first.name,
        did="",
        menu="",
        queue=queue,
        ended_at=_utc(last.end, own),
        timed_by="call_start",
        channel=first.channel,
    )
    winners = [row for row in since if row.dstchannel and row.answered]
    if not winners:
        if not last.queue:  # the queue gave the caller back
            return replace(call, queue_left=(_utc(last.start, own), "TIMEOUT"))
        return call
    answers = (_answer(row, since, own, rows) for row in winners)
    return replace(call, answered=tuple(answers))


def _answer(
    winner: CdrRow, since: list[CdrRow], own: list[CdrRow], rows: list[CdrRow]
) -> SpoolAnswer:
    """Return the answer: at the row's own time, when the other telephones stopped ringing, or at its end."""
    others = [
        row.end
        for row in since
        if row.app == winner.app and row.queue == winner.queue and row.end < winner.end
        and not row.answered
    ]  # fmt: skip
    at = max(others, default=winner.end)
    if winner.answer is not None and winner.answer > winner.start:
        at = winner.answer  # the menu had not answered the caller
    telephone = _behind(winner, rows)
    return SpoolAnswer(
        at=_utc(at, own),
        channel=telephone.dstchannel,
        dialled=telephone.data.partition(",")[0] if telephone.app == "Dial" else "",
    )


def _behind(winner: CdrRow, rows: list[CdrRow]) -> CdrRow:
    """Return the row of the telephone that answered behind a Local channel, as far as rows show it."""
    row = winner
    for _ in range(_HALVES):
        local, half, _n = row.dstchannel.rpartition(";")
        behind = [
            each
            for each in rows
            if half and each.channel == f"{local};2" and each.dstchannel and each.answered
        ]
        if not behind:
            break
        row = behind[0]
    return row


def _utc(local: datetime, told: list[CdrRow]) -> datetime:
    zone = next((row.zone for row in told if row.zone is not None), None)
    if zone is None:  # no row of the call's beginning: its length is all that is known
        return told[0].born_at + (local - told[0].start)
    return max(local - zone, told[0].born_at)


def _time(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
