"""Follow a PBX's own logs, which prove presses and have some that nothing else has.

Those are presses that AstDB lost, and observed presses of a gap. The facts of AMI and AstDB stand;
a log only adds what they lack. The database keeps how far each log is read, so that a restart goes
on there.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from ami import spool
from ami.asking import Link
from ami.errors import LogUnreadable
from ami.log_tail import CHUNK_BYTES, LogChunk, LogPosition, lines_between, read_on
from ami.spool import SpoolPress
from calls import resync, storage
from calls.facts import Fact
from calls.model import LogRead
from calls.storage import Gap
from calls.story import CallChange, CallStory
from calls.switchboard import born_at
from telephony.pbx_logs import PbxLog, PbxLogs
from telephony.recorder import Recorder

__all__ = ["LogFollower", "came_in_gap", "known_now"]

log = structlog.get_logger(__name__)

# queue_log cuts the fraction of a second off.
_CUT_OFF = timedelta(seconds=1)
# Between the key and the queue stand prompts: a press at the end of a gap may enter the queue after
# it.
_ON_THE_WAY = timedelta(minutes=1)
_CALLS_LAST = timedelta(hours=6)
_STORED_AT_ONCE = 25  # calls a commit: pings, screens and the lease wait no longer than for one


@dataclass(frozen=True, slots=True)
class _Reading:
    """One reading of the logs.

    In a gap no event brought the marks of calls; `alive` are the channels on the line after it.
    `blind_until`: when the last gap ended; None within one.
    """

    until: datetime
    in_gap: bool
    alive: frozenset[str] = frozenset()
    blind_until: datetime | None = None


class LogFollower:
    """Reads the logs of one PBX for one run of its pipeline.

    Callers hold the pipeline's turn.
    """

    def __init__(
        self,
        sources: PbxLogs,
        recorder: Recorder,
        link: Link,
        *,
        chunk_bytes: int = CHUNK_BYTES,
    ) -> None:
        self._recorder = recorder
        self._link = link
        self._sources = sources
        self._chunk_bytes = chunk_bytes
        self._since: datetime | None = None
        self._positions: dict[str, LogPosition | None] = {}
        self._trouble: dict[str, str] = {}

    async def read_gap(
        self, since: datetime, until: datetime, alive: Collection[str]
    ) -> list[CallChange]:
        """Read the lines before `until`; of logs never read those from `since` on."""
        self._since = min(since, self._since or since)  # what could not be read then is read now
        return await self._read(_Reading(until, True, frozenset(alive)))

    async def read_on(self, until: datetime, blind_until: datetime | None) -> list[CallChange]:
        """Read the lines since the last reading and before `until`."""
        return await self._read(_Reading(until, False, blind_until=blind_until))

    async def _read(self, reading: _Reading) -> list[CallChange]:
        """Read each log, then keep its place: a crash repeats the whole reading."""
        changes: list[CallChange] = []
        for source in self._sources.logs:
            position = await self._position(source)
            in_hand = _in_hand(self._recorder)
            new: dict[str, SpoolPress] = {}
            restarted = False
            while chunk := await self._next(source, position, reading):
                position = chunk.position
                restarted = restarted or any(map(source.is_start, chunk.lines))
                for call in source.calls_of(chunk.lines):
                    if call.uniqueid in in_hand or self._may_be_pressed(call):
                        new.setdefault(call.uniqueid, call)
            if restarted and reading.in_gap:  # it ended calls without a line of theirs
                for uniqueid in in_hand.keys() - reading.alive - new.keys():
                    new[uniqueid] = _of_before(in_hand[uniqueid], uniqueid)
            calls = await self._whole(source, new, reading)
            for n in range(0, len(calls), _STORED_AT_ONCE):
                part = calls[n : n + _STORED_AT_ONCE]
                changes += await self._recorder.store(await self._facts(part, reading))
            if position is not None and position != self._positions[source.name]:
                await self._note(source, position)
        return changes

    async def _position(self, source: PbxLog) -> LogPosition | None:
        if source.name not in self._positions:
            self._positions[source.name] = await self._recorder.read(partial(_position_of, source))
        return self._positions[source.name]

    async def _next(
        self, source: PbxLog, position: LogPosition | None, reading: _Reading
    ) -> LogChunk | None:
        """Return the next lines; None if there are none or the file can't be read."""

        def is_later(line: bytes) -> bool:
            at = source.time_of(line)
            return at is not None and at >= reading.until

        ask = partial(
            read_on,
            source.path,
            position,
            since=self._since or reading.until,
            time_of=source.time_of,
            stop=is_later,
            limit_bytes=self._chunk_bytes,
        )
        try:
            chunk = await asyncio.to_thread(ask)
        except LogUnreadable as error:
            self._say(source, str(error))
            return None
        self._say(source, "")
        if chunk.lost and chunk.lines:
            log.warning(
                "a log of the PBX was replaced; lines written before that may be missing",
                pbx=source.pbx,
                file=str(source.path),
            )
        return chunk if chunk.lines else None

    def _may_be_pressed(self, call: SpoolPress) -> bool:
        queues = {call.queue, *(stay.queue for stay in call.stays)}
        return call.key is not None or not queues.isdisjoint(self._sources.queues)

    async def _whole(
        self,
        source: PbxLog,
        new: Mapping[str, SpoolPress],
        reading: _Reading,
    ) -> list[SpoolPress]:
        """Return the calls with their older lines: a reading may end anywhere.

        Of a call known from events the new lines are evidence alone, and are enough.
        """
        known = set() if reading.in_gap else await self._pressed(new)
        wanted = {uniqueid: call for uniqueid, call in new.items() if uniqueid not in known}
        if not wanted:
            return list(new.values())
        try:
            lines = await asyncio.to_thread(_lines_of, source, wanted, reading.until)
        except LogUnreadable as error:
            self._say(source, str(error))
            return list(new.values())
        whole = {call.uniqueid: call for call in source.calls_of(lines)}
        return [whole.get(uniqueid, call) for uniqueid, call in new.items()]

    async def _pressed(self, uniqueids: Collection[str]) -> set[str]:
        """Return which channels are known to have pressed 3."""
        if not uniqueids:
            return set()
        pbx = self._recorder.pbx
        return await self._recorder.read(
            lambda session: storage.pressed_channels(session, pbx, uniqueids)
        )

    def _say(self, source: PbxLog, trouble: str) -> None:
        """Log that a file can't be read, and that it can again, once each."""
        if trouble != self._trouble.get(source.name, ""):
            self._trouble[source.name] = trouble
            if trouble:
                log.error(
                    "a log of the PBX can't be read: evidence and missed presses wait for it",
                    pbx=source.pbx,
                    error=trouble,
                )
            else:
                log.info("a log of the PBX can be read again", pbx=source.pbx, log=source.name)

    async def _note(self, source: PbxLog, position: LogPosition) -> None:
        async def work(session: AsyncSession) -> None:
            await session.merge(
                LogRead(
                    pbx=source.pbx,
                    log=source.name,
                    inode=position.inode,
                    offset=position.offset,
                    head=position.head,
                )
            )

        await self._recorder.write(work)
        self._positions[source.name] = position

    async def _facts(self, calls: Iterable[SpoolPress], reading: _Reading) -> list[Fact]:
        open_stories = _in_hand(self._recorder)
        facts: list[Fact] = []
        for call in calls:
            facts += await self._facts_of(call, open_stories.get(call.uniqueid), reading)
        return facts

    async def _facts_of(
        self, call: SpoolPress, story: CallStory | None, reading: _Reading
    ) -> list[Fact]:
        is_observed = self._sources.is_observed_press(call)
        if story is None and (call.key is not None or is_observed):
            story = await self._stored(call)
        press: SpoolPress | None = None
        if story is not None and story.pressed_at is not None:
            press = _of_known(
                call, story, reading, is_observed or story.queue in self._sources.queues
            )
        elif call.key is not None:
            press = await self._of_lost(call, reading)
        elif is_observed and came_in_gap(call, await self._gaps(call, reading)):
            press = call
        if press is None:
            return []
        return resync.from_spool(
            story,
            known_now(press, reading.alive) if reading.in_gap else press,
            pbx=self._recorder.pbx,
            numbers=self._sources.numbers,
            blind_until=None if press.key is None else reading.blind_until,
        )

    async def _stored(self, call: SpoolPress) -> CallStory | None:
        pbx = self._recorder.pbx
        return await self._recorder.read(
            lambda session: storage.find_by_press(session, pbx, call.uniqueid)
        )

    async def _of_lost(self, call: SpoolPress, reading: _Reading) -> SpoolPress:
        """Return AstDB's row of a press that came by no event, `call` if AstDB lost it.

        In a gap AstDB was just read.
        """
        kept = None
        if call.key is not None and not reading.in_gap:
            kept = await spool.read_press(self._link, call.key)
        return kept or call

    async def _gaps(self, call: SpoolPress, reading: _Reading) -> Sequence[Gap]:
        pbx, since = self._recorder.pbx, call.pressed_at - _CALLS_LAST
        return await self._recorder.read(
            lambda session: storage.gaps(session, pbx, since, now=reading.until)
        )


async def _position_of(source: PbxLog, session: AsyncSession) -> LogPosition | None:
    row = await session.get(LogRead, (source.pbx, source.name))
    return LogPosition(inode=row.inode, offset=row.offset, head=row.head) if row else None


def _in_hand(recorder: Recorder) -> dict[str, CallStory]:
    """Return the open calls by the channels that began them or pressed in them."""
    stories: dict[str, CallStory] = {}
    for story in recorder.open_stories:
        stories[story.uniqueid] = story
        if story.press_uniqueid is not None:
            stories[story.press_uniqueid] = story
    return stories


def _of_before(story: CallStory, uniqueid: str) -> SpoolPress:
    """Return a call that no new line is about."""
    return SpoolPress(
        key=None,
        uniqueid=uniqueid,
        linkedid=uniqueid,
        pressed_at=story.pressed_at or story.started_at,
        number="",
        name="",
        did="",
        menu="",
        queue="",
        timed_by="queue_entry",
    )


def _lines_of(source: PbxLog, calls: Mapping[str, SpoolPress], until: datetime) -> list[bytes]:
    """Return the lines before `until` of the channels in `calls` and of PBX starts.

    The line before a start is with it: until then the PBX lived.

    Raises:
        LogUnreadable: the log can't be read now.
    """
    since = min(born_at(uniqueid, call.pressed_at) for uniqueid, call in calls.items()) - _CUT_OFF
    lines: list[bytes] = []
    before: bytes | None = None
    for line in source.rows(lines_between(source.path, since, until, source.time_of)):
        if source.channel_of(line) in calls:
            lines.append(line)
            before = None
        elif source.is_start(line):
            lines += [line] if before is None else [before, line]
            before = None
        else:
            before = line
    return lines


def came_in_gap(call: SpoolPress, gaps: Iterable[Gap]) -> bool:
    """Return True if the key of `call`, now in a queue, may have come unseen."""
    born = born_at(call.uniqueid, call.pressed_at)
    for since, until in gaps:
        if call.timed_by == "queue_entry":
            unseen = since - _CUT_OFF <= call.pressed_at <= until + _ON_THE_WAY
        else:
            unseen = (call.ended_at or call.pressed_at) >= since - _CUT_OFF
        if unseen and born <= until:
            return True
    return False


def _of_known(
    call: SpoolPress, story: CallStory, reading: _Reading, is_evidence: bool
) -> SpoolPress | None:
    """Return what a log adds to a known press: evidence, and marks that are missing."""
    if call.uniqueid != story.press_uniqueid or not (call.key is not None or is_evidence):
        return None
    if reading.in_gap and story.ended_at is None:
        return call
    return replace(
        call,
        entered_at=None,
        answered=(),
        queue_left=None,
        ended_at=None,
        stays=(),
        transfers=(),
        restarted_at=None,
    )


def known_now(call: SpoolPress, alive: frozenset[str]) -> SpoolPress:
    """Return `call` with its end as known now.

    Out of the queue and off the line it has ended; on the line it has not. queue_log has no later
    time of an ended call; and after an operator's hang-up the dialplan may go on.
    """
    if call.uniqueid in alive:
        return _goes_on(call)
    last = [stay.left[0] for stay in call.stays if stay.left is not None]
    last += [call.queue_left[0]] if call.queue_left is not None else []
    last += [transfer.at for transfer in call.transfers]
    waits = bool(call.stays) and call.stays[-1].left is None
    if call.ended_at is None and last and not waits:
        return replace(call, ended_at=max(last))
    return call


def _goes_on(call: SpoolPress) -> SpoolPress:
    """Return `call` without its end: taken out of a queue it only seems given up."""
    stays, queue_left = call.stays, call.queue_left
    if queue_left is not None and queue_left[1] == "ABANDON":
        queue_left = queue_left[0], "TIMEOUT"
        if stays:
            stays = (*stays[:-1], replace(stays[-1], left=queue_left))
    return replace(
        call,
        stays=stays,
        queue_left=queue_left,
        ended_at=None,
        ended_by=None,
        restarted_at=None,
    )
