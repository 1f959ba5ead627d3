"""The day's presses, read afresh from the PBX for the reconciliation.

Our own tables are never asked.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from ami import actions, spool
from ami.asking import Asking
from ami.errors import AmiError, LogUnreadable, SpoolUnread
from ami.log_tail import lines_between, oldest_line_at
from ami.spool import SpoolPress
from appeals.case.errors import PbxUnread
from appeals.reconciliation.read import Press, PressReading, PressSource
from telephony.catch_up import SETTLED
from telephony.pbx_logs import PbxLog, PbxLogs

__all__ = ["PbxReader"]

log = structlog.get_logger(__name__)

# A call that began before the period may write in it, and one that began in it after its end.
_CALLS_LAST = timedelta(hours=6)


class PbxReader:
    """Reads the presses of a period from every PBX: its AstDB, its `logs` (by name).

    A source is incomplete when it can't be read, when the dialplan has pruned the period, when a
    log does not reach back to it, when a queue_log lacks presses that AstDB has, and when the key
    of an observed menu leads to no queue of its own.
    """

    def __init__(self, links: Sequence[Asking], logs: Mapping[str, PbxLogs]) -> None:
        self._links = links
        self._logs = logs

    async def read(self, start: datetime, end: datetime) -> PressReading:
        """Return the presses from `start` to `end` (PBX time) with their sources.

        The best timed source comes first. Leave out presses of the last seconds: they may be on
        their way yet. A PBX that does not answer now is unread, unless one of its logs has the
        whole period.

        Raises:
            PbxUnread: every PBX is unread.
        """
        pressed: list[Press] = []
        sources: list[PressSource] = []
        unread: list[str] = []
        read_until: dict[str, datetime] = {}
        for link in self._links:
            until = await _settled(link, end)
            if until < end:
                read_until[link.pbx] = until
            astdb = await _read_astdb(link, start, until)
            of_logs, logs_read = await asyncio.to_thread(
                _read_logs, self._logs[link.pbx], astdb.pressed, start, until
            )
            pressed += [*astdb.pressed, *of_logs]
            sources += [PressSource(name=f"{link.pbx}: AstDB", complete=astdb.complete), *logs_read]
            if not astdb.answered and not any(each.complete for each in logs_read):
                unread.append(link.pbx)
        if unread and len(unread) == len(self._links):
            raise PbxUnread(unread)
        return PressReading(
            pressed=tuple(pressed),
            sources=tuple(sources),
            unread=tuple(unread),
            read_until=read_until,
        )


@dataclass(frozen=True, kw_only=True)
class _AstDb:
    """The presses of one PBX's AstDB.

    `answered`: it was read to the end; `complete`: it has the whole period.
    """

    pressed: Sequence[Press]
    answered: bool
    complete: bool


async def _settled(link: Asking, end: datetime) -> datetime:
    """Return `end`, or the PBX time before which no press is still on its way."""
    try:
        return min(end, await actions.ping(link) - SETTLED)
    except AmiError:  # it is away: `_read_astdb` logs that
        return end


async def _read_astdb(link: Asking, start: datetime, end: datetime) -> _AstDb:
    found: list[Press] = []
    answered = complete = False
    try:
        async for presses in spool.read_families(link, start, end):
            found += [_press(link.pbx, p) for p in presses if start <= p.pressed_at < end]
        complete = start >= await actions.ping(link) - spool.KEPT
        answered = True
    except SpoolUnread as error:  # raised after all the others
        answered = True
        log.warning("presses can't be read from the PBX", pbx=link.pbx, minutes=error.minutes)
    except AmiError as error:
        log.warning("presses can't be read from the PBX", pbx=link.pbx, error=str(error))
    return _AstDb(pressed=found, answered=answered, complete=complete)


def _press(pbx: str, press: SpoolPress) -> Press:
    return Press(
        pbx=pbx,
        uniqueid=press.uniqueid,
        pressed_at=press.pressed_at,
        key=press.key,
        observed=press.key is None,
    )


def _read_logs(
    logs: PbxLogs, of_astdb: Sequence[Press], start: datetime, end: datetime
) -> tuple[list[Press], list[PressSource]]:
    pressed: list[Press] = []
    sources: list[PressSource] = []
    for each in logs.logs:
        found, complete = _read_log(each, logs, of_astdb, start, end)
        pressed += found
        sources.append(PressSource(name=f"{each.pbx}: {each.name}", complete=complete))
    if logs.observed:
        shown = logs.is_shown and any(source.complete for source in sources)
        sources.append(PressSource(name=f"{logs.pbx}: observed menu", complete=shown))
    return pressed, sources


def _read_log(
    source: PbxLog, logs: PbxLogs, of_astdb: Sequence[Press], start: datetime, end: datetime
) -> tuple[list[Press], bool]:
    """Return the presses of the period in `source`, and whether it has all of them."""
    try:
        lines = lines_between(source.path, start - _CALLS_LAST, end + _CALLS_LAST, source.time_of)
        calls = source.calls_of(lines)
        oldest = oldest_line_at(source.path, source.time_of)
    except LogUnreadable as error:
        log.warning("presses can't be read from a log of the PBX", pbx=source.pbx, error=str(error))
        return [], False
    pressed = [call for call in calls if call.key is not None or logs.is_observed_press(call)]
    found = [_press(source.pbx, call) for call in pressed if start <= call.pressed_at < end]
    keys = {press.key for press in found}
    lacks = [p for p in of_astdb if source.has_keys and p.key not in keys and p.pressed_at < end]
    if oldest is None or oldest > start:
        return found, False
    if lacks:
        log.warning(
            "queue_log lacks presses that AstDB has: is it written to this file?",
            pbx=source.pbx,
            presses=len(lacks),
        )
    return found, not lacks
