"""Follow a PBX's own logs: evidence for presses, presses that AstDB lost, observed presses of a gap.

What AMI and AstDB told stands; here only what they can't tell is added. How far each log was read is
kept in the database, so that a restart goes on there.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from ami import spool
from ami.errors import LogUnreadable
from ami.log_tail import CHUNK_BYTES, LogChunk, LogPosition, lines_between, read_on
from ami.spool import SpoolPress
from calls import history, resync
from calls.facts import Fact
from calls.history import Gap
from calls.model import LogRead
from calls.story import CallChange, CallStory
from calls.switchboard import born_at
from telephony.pbx_logs import PbxLog, PbxLogs
from telephony.pipeline import Pipeline

__all__ = ["LogFollower", "came_in_gap", "known_now"]

log = structlog.get_logger(__name__)

# queue_log cuts the fraction of a second off.
_CUT_OFF = timedelta(seconds=1)
# Between the key and the queue stand prompts: who pressed at the end of a gap may enter after it.
_ON_THE_WAY = timedelta(minutes=1)
_CALLS_LAST = timedelta(hours=6)
_STORED_AT_ONCE = 25  # calls a commit: pings, screens and the lease wait no longer than for one


@dataclass(frozen=True, slots=True)
class _Reading:
    """One reading of the logs. In a gap nobody told the marks of calls; `alive` are the channels after it.

    `blind_until`: when the last gap ended; None within one.
    """

    until: datetime
    in_gap: bool
    alive: frozenset[str] = frozenset()
    blind_until: datetime | None = None


class LogFollower:
    """The logs of one PBX for one run of its pipeline, whose turn the caller holds."""

    def __init__(self, sources: PbxLogs, *, chunk_bytes: int = CHUNK_BYTES) -> None:
        self._sources = sources
        self._chunk_bytes = chunk_bytes
        self._since: datetime | None = None
        self._positions: dict[str, LogPosition | None] = {}
        self._trouble: dict[str, str] = {}

    async def read_gap(
        self, pipeline: Pipeline, since: datetime, until: datetime, alive: Collection[str]
    ) -> list[CallChange]:
        """Read what was written before `until`; logs never read before from `since` on."""
        self._since = min(since, self._since or since)  # what could not be read then is read now
        return await self._read(pipeline, _Reading(until, True, frozenset(alive)))

    async def read_on(
        self, pipeline: Pipeline, until: datetime, blind_until: datetime | None
    ) -> list[CallChange]:
        """Read what was written since the last reading and before `until`, while events tell the rest."""
        return await self._read(pipeline, _Reading(until, False, blind_until=blind_until))

    async def _read(self, pipeline: Pipeline, reading: _Reading) -> list[CallChange]:
        """Read each log up to the reading's end; only then is its place kept, so that a crash repeats it whole."""
        changes: list[CallChange] = []
        for source in self._sources.logs:
            position = await self._position(pipeline, source)
            in_hand = _in_hand(pipeline)
            new: dict[str, SpoolPress] = {}
            restarted = False
            while chunk := await self._next(source, position, reading):
                position = chunk.position
                restarted = restarted or any(map(source.tells_start, chunk.lines))
                for call in source.calls_of(chunk.lines):
                    if call.uniqueid in in_hand or self._may_be_pressed(call):
                        new.setdefault(call.uniqueid, call)
            if restarted and reading.in_gap:  # it ended calls without a line of theirs
                for uniqueid in in_hand.keys() - reading.alive - new.keys():
                    new[uniqueid] = _of_before(in_hand[uniqueid], uniqueid)
            calls = await self._whole(pipeline, source, new, reading)
            for n in range(0, len(calls), _STORED_AT_ONCE):
                part = calls[n : n + _STORED_AT_ONCE]
                changes += await pipeline.store(await self._told(pipeline, part, reading))
            if position is not None and position != self._positions[source.name]:
                await self._note(pipeline, source, position)
        return changes

    async def _position(self, pipeline: Pipeline, source: PbxLog) -> LogPosition | None:
        if source.name not in self._positions:
            self._positions[source.name] = await pipeline.read(partial(_position_of, source))
        return self._positions[source.name]

    async def _next(
        self, source: PbxLog, position: LogPosition | None, reading: _Reading
    ) -> LogChunk | None:
        """Return the next lines; None when there are no more now, or the file can't be read now."""

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
        pipeline: Pipeline,
        source: PbxLog,
        new: Mapping[str, SpoolPress],
        reading: _Reading,
    ) -> list[SpoolPress]:
        """Return the calls with what older lines say of them: where a reading ends must not matter.

        Where the events told the call, new lines are evidence alone, and are enough.
        """
        told = set() if reading.in_gap else await self._pressed(pipeline, new)
        wanted = {uniqueid: call for uniqueid, call in new.items() if uniqueid not in told}
        if not wanted:
            return list(new.values())
        try:
            lines = await asyncio.to_thread(_lines_of, source, wanted, reading.until)
        except LogUnreadable as error:
            self._say(source, str(error))
            return list(new.values())
        whole = {call.uniqueid: call for call in source.calls_of(lines)}
        return [whole.get(uniqueid, call) for uniqueid, call in new.items()]

    async def _pressed(self, pipeline: Pipeline, uniqueids: Collection[str]) -> set[str]:
        """Return which channels are known to have pressed 3."""
        if not uniqueids:
            return set()
        pbx = pipeline.parts.pbx
        return await pipeline.read(
            lambda session: history.pressed_channels(session, pbx, uniqueids)
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

    async def _note(self, pipeline: Pipeline, source: PbxLog, position: LogPosition) -> None:
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

        await pipeline.write(work)
        self._positions[source.name] = position

    async def _told(
        self, pipeline: Pipeline, calls: Iterable[SpoolPress], reading: _Reading
    ) -> list[Fact]:
        open_stories = _in_hand(pipeline)
        facts: list[Fact] = []
        for call in calls:
            facts += await self._told_by(pipeline, call, open_stories.get(call.uniqueid), reading)
        return facts

    async def _told_by(
        self, pipeline: Pipeline, call: SpoolPress, story: CallStory | None, reading: _Reading
    ) -> list[Fact]:
        is_observed = self._sources.is_observed_press(call)
        if story is None and (call.key is not None or is_observed):
            story = await self._stored(pipeline, call)
        told: SpoolPress | None = None
        if story is not None and story.pressed_at is not None:
            told = _of_known(
                call, story, reading, is_observed or story.queue in self._sources.queues
            )
        elif call.key is not None:
            told = await self._of_lost(pipeline, call, reading)
        elif is_observed and came_in_gap(call, await self._gaps(pipeline, call, reading)):
            told = call
        if told is None:
            return []
        return resync.from_spool(
            story,
            known_now(told, reading.alive) if reading.in_gap else told,
            pbx=pipeline.parts.pbx,
            numbers=self._sources.numbers,
            blind_until=None if told.key is None else reading.blind_until,
        )

    async def _stored(self, pipeline: Pipeline, call: SpoolPress) -> CallStory | None:
        pbx = pipeline.parts.pbx
        return await pipeline.read(
            lambda session: history.find_by_press(session, pbx, call.uniqueid)
        )

    async def _of_lost(self, pipeline: Pipeline, call: SpoolPress, reading: _Reading) -> SpoolPress:
        """A press that nobody told of: AstDB knows more of it, unless it lost it. In a gap it was just read."""
        kept = None
        if call.key is not None and not reading.in_gap:
            kept = await spool.read_press(pipeline.parts.link, call.key)
        return kept or call

    async def _gaps(self, pipeline: Pipeline, call: SpoolPress, reading: _Reading) -> Sequence[Gap]:
        pbx, since = pipeline.parts.pbx, call.pressed_at - _CALLS_LAST
        return await pipeline.read(
            lambda session: history.gaps(session, pbx, since, now=reading.until)
        )


async def _position_of(source: PbxLog, session: AsyncSession) -> LogPosition | None:
    row = await session.get(LogRead, (source.pbx, source.name))
    return LogPosition(inode=row.inode, offset=row.offset, head=row.head) if row else None


def _in_hand(pipeline: Pipeline) -> dict[str, CallStory]:
    """Return the open calls by the channels that began them or pressed in them."""
    stories: dict[str, CallStory] = {}
    for story in pipeline.book.open_stories:
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
    """Return all lines before `until` of the channels in `calls`, and each start of the PBX.

    The line before a start is with it: until then the PBX lived. Raises LogUnreadable.
    """
    since = min(born_at(uniqueid, call.pressed_at) for uniqueid, call in calls.items()) - _CUT_OFF
    lines: list[bytes] = []
    before: bytes | None = None
    for line in source.rows(lines_between(source.path, since, until, source.time_of)):
        if source.channel_of(line) in calls:
            lines.append(line)
            before = None
        elif source.tells_start(line):
            lines += [line] if before is None else [before, line]
            before = None
        else:
            before = line
    return lines


def came_in_gap(call: SpoolPress, gaps: Iterable[Gap]) -> bool:
    """Return whether the key of `call`, in the queue it leads to, may have been pressed unseen."""
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
    """What a log adds to a press that is known: evidence; its marks where neither events nor AstDB told them."""
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
    """Return `call` as it is known now: who left the queue and is gone has ended, who is there has not.

    queue_log tells no later time of who is gone; and after an operator's hang-up the dialplan may go on.
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
    """Return `call` without its end. Whoever was taken out of a queue only seems to have given up."""
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
