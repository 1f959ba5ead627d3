"""What Asterisk's CDR file (cdr_csv's Master.csv) tells of calls in queues. Pure.

A call has a row for each telephone that rang, all written when it ends. They must carry the uniqueid
(`loguniqueid = yes`): it says whose row it is, and when the call began in UTC, from which the zone of
the row's local times follows. When 3 was pressed and when somebody answered no row says.
Source: cdr_csv.c and rows of 16.28 and 22.10.
"""

import csv
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from ami.spool import SpoolAnswer, SpoolPress
from ami.wire import text_of

__all__ = ["BadRow", "CdrRow", "calls_in", "channel_of", "parse_row", "time_of"]

_UNIQUEID = re.compile(r"(?:.*-)?([0-9]{9,11})\.[0-9]+")
_NAME = re.compile(r'"(.*)" <[^<>]*>')
_QUARTER_S = 900  # zones differ from UTC by quarters of an hour
_LONGEST = timedelta(days=7)
_NEAR_S = 3  # the first row of a call begins when its channel does


@dataclass(frozen=True, slots=True, kw_only=True)
class CdrRow:
    """`start` and `end` as the PBX writes them, in a zone of its own; `born_at` is UTC."""

    uniqueid: str
    born_at: datetime
    src: str
    name: str
    place: tuple[str, str]
    dstchannel: str
    app: str
    queue: str
    start: datetime
    end: datetime
    answered: bool

    @property
    def zone(self) -> timedelta | None:
        """How far the row's times are from UTC; None for a row that began later than its call."""
        away_s = (self.start - self.born_at).total_seconds()
        quarters = round(away_s / _QUARTER_S)
        is_first = abs(away_s - quarters * _QUARTER_S) <= _NEAR_S
        return timedelta(seconds=quarters * _QUARTER_S) if is_first else None


class BadRow(ValueError):
    """Not a row of cdr_csv, or one without a uniqueid."""


def parse_row(line: bytes) -> CdrRow:
    """Return the row of one line; raises BadRow."""
    try:
        fields = next(csv.reader([text_of(line.strip(b"\0\r\n"))]), [])
    except csv.Error as error:
        raise BadRow(str(error)) from error
    found = _UNIQUEID.fullmatch(fields[16]) if len(fields) > 16 else None
    if found is None:
        raise BadRow("no row of cdr_csv with a uniqueid: set loguniqueid = yes in cdr.conf [csv]")
    try:
        start, end = _time(fields[9]), _time(fields[11])
    except ValueError as error:
        raise BadRow(str(error)) from error
    if not timedelta(0) <= end - start <= _LONGEST:
        raise BadRow(f"no row of cdr_csv: from {start} to {end}")
    name = _NAME.fullmatch(fields[4])
    return CdrRow(
        uniqueid=fields[16],
        born_at=datetime.fromtimestamp(int(found[1]), UTC),
        src=fields[1],
        name=name[1] if name else "",
        place=(fields[3], fields[2]),
        dstchannel=fields[6],
        app=fields[7],
        queue=fields[8].partition(",")[0] if fields[7] == "Queue" else "",
        start=start,
        end=end,
        answered=fields[14] == "ANSWERED",
    )


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
    by_channel: dict[str, list[CdrRow]] = {}
    for row in rows:
        by_channel.setdefault(row.uniqueid, []).append(row)
    leads = {(context, exten): queue for context, exten, queue in places}
    for told in by_channel.values():
        queue = next((row.queue for row in told if row.queue in queues), "")
        queue = queue or next((leads[row.place] for row in told if row.place in leads), "")
        if queue:
            yield _call(told, queue)


def _call(told: list[CdrRow], queue: str) -> SpoolPress:
    first, last = told[0], max(told, key=lambda row: row.end)
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
        ended_at=_utc(last.end, told),
        timed_by="call_start",
    )
    winner = next(
        (row for row in told if row.queue == queue and row.dstchannel and row.answered), None
    )
    if winner is None:
        if not last.queue:  # the queue gave him back
            return replace(call, queue_left=(_utc(last.start, told), "TIMEOUT"))
        return call
    others = [row.end for row in told if row.queue == queue and row.end < winner.end]
    at = _utc(max(others, default=winner.end), told)
    return replace(call, answered=(SpoolAnswer(at=at, channel=winner.dstchannel),))


def _utc(local: datetime, told: list[CdrRow]) -> datetime:
    zone = next((row.zone for row in told if row.zone is not None), None)
    if zone is None:  # no row of the call's beginning: its length is all that is known
        return told[0].born_at + (local - told[0].start)
    return max(local - zone, told[0].born_at)


def _time(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
