"""After a gap: read what the PBX kept, mend the calls, close the blind window.

AMI has no replay. A gap is known only from the spool that Asterisk itself wrote (DESIGN §5) and
from the list of live channels (CoreShowChannels). Everything here may be done twice: facts that add
nothing change nothing.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from ami import actions, spool
from ami.actions import LiveChannel
from ami.asking import Link
from ami.errors import AmiError, SpoolUnread
from ami.events import BridgeEnter, ChannelEvent, DialBegin, Hangup, Newchannel
from ami.inbox import LinkDown, LinkUp
from ami.replies import Reply
from ami.spool import SpoolPress
from calls import recoveries, resync, storage
from calls.facts import Fact
from calls.model import BlindWindow, PbxState
from calls.numbers import NumberRules
from calls.story import CallStory
from people.access.audience import Audience
from people.model import Role
from store.outbox import publish
from telephony.events import LinkLost, LinkRestored
from telephony.log_follower import LogFollower
from telephony.pipeline import Pipeline
from telephony.recorder import Recorder

__all__ = ["SETTLED", "CatchUp"]

log = structlog.get_logger(__name__)

_OVERLAP = timedelta(minutes=10)
_AHEAD = timedelta(minutes=1)
_MAY_BE_BLIND = timedelta(days=1)  # before the clock of a PBX went back
_SWEEP_BACK = timedelta(minutes=1)
SETTLED = timedelta(seconds=5)
_STORED_AT_ONCE = 25  # presses a commit: pings, screens and the lease wait no longer than for one
_EVERYONE_IN_CHARGE = Audience(roles=(Role.SUPERVISOR, Role.ADMIN), departments=None).to_json()


class CatchUp:
    """Mends one PBX's gaps.

    `begin`, `link_up` and `link_down` are the pipeline's hooks; `sweep` and `follow_logs` run by
    the clock. A gap stays owed until it is read to the end. Until then its window stays open with
    the same beginning, whatever events come meanwhile. Each sweep and each login try it again.
    """

    def __init__(
        self,
        recorder: Recorder,
        link: Link,
        numbers: NumberRules,
        logs: LogFollower | None = None,
    ) -> None:
        self._recorder = recorder
        self._link = link
        self._numbers = numbers
        self._logs = logs
        self._owed: LinkUp | None = None
        self._blind_until: datetime | None = None  # PBX time of the last login
        self._unread: set[str] = set()  # minutes of the spool, in the last try

    async def begin(self, pipeline: Pipeline) -> None:
        """Open the blind window that lasts until the login.

        The PBX may be away for long, or never have been reached.
        """
        await self._blind_since(await self._state(), self._recorder.now())

    async def link_down(self, pipeline: Pipeline, item: LinkDown) -> None:
        """Open the blind window at the last sign of life; publish `link.lost` once."""
        self._owed = None  # the next login begins again
        if item.reason == "closed":  # we are stopping; the next start opens the window from here on
            await self._recorder.store((), contact_at=item.pbx_now)
            return
        pbx, now = self._recorder.pbx, self._recorder.now()

        async def work(session: AsyncSession) -> None:
            state = await session.get(PbxState, pbx)
            if state is None or await storage.open_window(session, pbx) is not None:
                return
            storage.begin_window(session, pbx, state.last_contact_at, item.reason)
            _publish(session, LinkLost(pbx=pbx), now)

        await self._recorder.write(work)
        log.error(
            "link to the PBX lost: calls go on there and are read when it is back",
            pbx=pbx,
            reason=item.reason,
        )

    async def link_up(self, pipeline: Pipeline, item: LinkUp) -> None:
        """Read the gap; what can't be read now stays owed."""
        self._owed, self._blind_until = item, item.pbx_now
        try:
            await self._mend(pipeline, item, item.pbx_now, item.channels)
        except AmiError as error:
            log.error(
                "the gap can't be read now; it is tried again",
                pbx=self._recorder.pbx,
                error=str(error),
            )

    async def sweep(self, pipeline: Pipeline) -> None:
        """Read the newest presses again, and those of calls that began unseen.

        No event comes of the latter. Leave the marks of the last seconds to the events, which may
        still be on their way. Read a gap that is still owed too.
        """
        async with pipeline.turn:
            at = pipeline.taken_until(await actions.ping(self._link))
            if at is None:
                return  # the login itself still waits to be taken in, and the gap with it
            settled = at - SETTLED
            await self._read_spool(at - _SWEEP_BACK, at, settled_before=settled)
            unseen = self._unseen(pipeline)
            for story in unseen:
                await self._read_again(story, settled)
            if unseen:
                there = await _on_the_line(self._link, pipeline)
                await self._roll_call(pipeline, settled, self._unseen(pipeline), there)
            await self._recorder.store((), contact_at=at)
            if self._owed is not None:
                await self._mend(pipeline, self._owed, settled)

    async def follow_logs(self, pipeline: Pipeline) -> None:
        """Read on in the PBX's logs, unless a gap is owed: mending reads them too."""
        async with pipeline.turn:
            if self._logs is None or self._owed is not None:
                return
            at = pipeline.taken_until(await actions.ping(self._link))
            if at is not None:
                await self._logs.read_on(at - SETTLED, self._blind_until)

    def _unseen(self, pipeline: Pipeline) -> list[CallStory]:
        """Return open calls unknown to the tracker: they began in a blind window."""
        tracked = pipeline.tracker.open_calls()
        return [story for story in self._recorder.open_stories if story.id not in tracked]

    async def _read_again(self, story: CallStory, settled: datetime) -> None:
        if story.press_key is None:
            return
        press = await spool.read_press(self._link, story.press_key)
        if press is not None:
            # A press ahead of the clock is none of the last seconds: the clock was set back.
            if press.pressed_at > settled + _AHEAD:
                settled = press.pressed_at + _MAY_BE_BLIND
            known = await self._story_of(press)
            await self._recorder.store(self._beyond(known, press, settled))

    async def _mend(
        self,
        pipeline: Pipeline,
        login: LinkUp,
        at: datetime,
        channels: Sequence[Reply] | None = None,
    ) -> None:
        """Read the gap before `at`; events describe what came since.

        `at` is PBX time, that of `login` or later.
        `channels` are those on the line at `at`; None: the PBX is asked for them.
        """
        self._unread = set()
        state = await self._state()
        blind_since = await self._blind_since(state, at)
        # Asked before the reading takes its time: a channel that leaves meanwhile sends its Hangup.
        there = await _on_the_line(self._link, pipeline, channels)
        since, until = _span(blind_since, self._recorder.open_stories, at)
        set_back = blind_since > at + _AHEAD
        settled = until if set_back else at
        await self._read_spool(since, until, settled_before=settled)
        if self._logs is not None:
            await self._logs.read_gap(since, settled, there.alive)
        if state is not None and state.startup != login.startup:
            await self._after_restart(pipeline, blind_since, there)
        stories = self._recorder.open_stories
        await self._roll_call(pipeline, at, stories, there, join=there.rows)
        if set_back:  # calls of the clock before: their facts keep to that clock
            ahead = [story for story in self._recorder.open_stories if story.started_at > at]
            latest = max([blind_since, *(story.started_at for story in ahead)])
            await self._roll_call(pipeline, latest, ahead, there)
        await self._close_window(login, at)

    async def _state(self) -> PbxState | None:
        return await self._recorder.read(lambda session: session.get(PbxState, self._recorder.pbx))

    async def _blind_since(self, state: PbxState | None, at: datetime) -> datetime:
        """Return when the open blind window began; open it where no LinkDown did.

        `at` is now: the PBX's time, and before a login ours. The last contact would not do: after a
        login whose gap could not be read, it lies behind the gap.
        """
        pbx, now = self._recorder.pbx, self._recorder.now()
        started, reason = (
            (state.last_contact_at, "press3 was not running")
            if state
            else (at - spool.KEPT, storage.FIRST_START)
        )

        async def work(session: AsyncSession) -> datetime:
            window = await storage.open_window(session, pbx)
            if window is None:
                window = storage.begin_window(session, pbx, started, reason)
                if state is not None:  # press3 was not running to publish the loss when it came
                    _publish(session, LinkLost(pbx=pbx), now)
            elif state is None:  # opened by our clock, before that of the PBX was known
                window.started_at = min(window.started_at, started)
            return window.started_at

        return await self._recorder.write(work)

    async def _read_spool(
        self,
        since: datetime,
        until: datetime,
        *,
        settled_before: datetime,
    ) -> None:
        try:
            async for presses in spool.read_families(self._link, since, until):
                for n in range(0, len(presses), _STORED_AT_ONCE):
                    some = presses[n : n + _STORED_AT_ONCE]
                    await self._take_up(some, settled_before)
        except SpoolUnread as error:  # raised after all the others
            self._unread.update(error.minutes)
            log.error(
                "presses can't be read from the PBX: compare by `press3 reconcile`, "
                "look with `doctor`",
                pbx=self._recorder.pbx,
                minutes=error.minutes,
            )

    async def _take_up(self, presses: Sequence[SpoolPress], settled_before: datetime) -> None:
        """Store the facts of `presses`; one query finds which are known at all."""
        pbx, uniqueids = self._recorder.pbx, {press.uniqueid for press in presses}
        known = await self._recorder.read(
            lambda session: storage.known_channels(session, pbx, uniqueids)
        )
        facts: list[Fact] = []
        for press in presses:
            story = await self._story_of(press) if press.uniqueid in known else None
            facts += self._beyond(story, press, settled_before)
        await self._recorder.store(facts)

    def _beyond(
        self,
        story: CallStory | None,
        press: SpoolPress,
        settled_before: datetime,
    ) -> list[Fact]:
        return resync.from_spool(
            story,
            press,
            pbx=self._recorder.pbx,
            numbers=self._numbers,
            settled_before=settled_before,
            blind_until=self._blind_until,
        )

    async def _story_of(self, press: SpoolPress) -> CallStory | None:
        for story in self._recorder.open_stories:
            if story.press_uniqueid == press.uniqueid or story.uniqueid == press.uniqueid:
                return story
        pbx = self._recorder.pbx
        return await self._recorder.read(
            lambda session: storage.find_by_press(session, pbx, press.uniqueid)
        )

    async def _after_restart(
        self, pipeline: Pipeline, last_contact: datetime, there: "_OnTheLine"
    ) -> None:
        """End the calls of before the restart.

        A channel on the line belongs to none of them, though it may seem to: of a call learned from
        the spool only the second is known in which it began.
        """
        log.warning("the PBX was restarted: its calls of before are over", pbx=self._recorder.pbx)
        facts = pipeline.tracker.restarted(last_contact)
        facts += resync.from_channels(self._recorder.open_stories, there.alive, last_contact)
        await self._recorder.store(facts)

    async def _roll_call(
        self,
        pipeline: Pipeline,
        at: datetime,
        stories: Iterable[CallStory],
        there: "_OnTheLine",
        *,
        join: Iterable[LiveChannel] = (),
    ) -> None:
        """End the calls that are off the line; take up `join`, which began unseen."""
        facts = pipeline.tracker.end_missing(there.alive, at)
        facts += resync.from_channels(stories, there.alive, at)
        facts += pipeline.tracker.join(join, at)
        await self._recorder.store(facts)

    async def _close_window(self, login: LinkUp, at: datetime) -> None:
        pbx, now = self._recorder.pbx, self._recorder.now()
        unread = ", ".join(sorted(self._unread))

        async def work(session: AsyncSession) -> tuple[int, int]:
            await storage.note_login(session, pbx, at, login.startup)
            window: BlindWindow | None = await storage.open_window(session, pbx)
            if window is None:
                return 0, 0
            window.ended_at = max(login.pbx_now, window.started_at)
            if unread:
                window.reason += f"; the presses of {unread} (UTC minutes) could not be read"
            _publish(session, LinkRestored(pbx=pbx), now)
            return await recoveries.count(session, window.id)

        recovered, brought = await self._recorder.write(work)
        self._owed = None
        log.info(
            "caught up with the PBX",
            pbx=pbx,
            calls_recovered=recovered,
            appeals_recovered=brought,
        )


@dataclass(frozen=True)
class _OnTheLine:
    """Snapshot of live channels, corrected for events that wait in the queue.

    `alive` includes channels whose Hangup is queued: they end when that is taken in. `rows` leave
    out every channel, ringing or talk whose beginning is queued: it begins at its event's time.
    What has no event in the queue is older than the login, however young it is.
    """

    rows: Sequence[LiveChannel]
    alive: frozenset[str]


async def _on_the_line(
    link: Link, pipeline: Pipeline, channels: Sequence[Reply] | None = None
) -> _OnTheLine:
    """Return what is on the line; `channels` are the rows if the login has asked."""
    if channels is not None:
        rows = actions.live_channels(link.pbx, channels)
    else:
        rows = await actions.show_channels(link)
        await actions.ping(link)  # before its reply come the events of before the list
    alive = frozenset(row.uniqueid for row in rows) | _channels(pipeline.unheard(Hangup))
    born = _channels(pipeline.unheard(Newchannel))
    entering = _channels(pipeline.unheard(BridgeEnter))
    dialled = frozenset(event.dest.uniqueid for event in pipeline.unheard(DialBegin))
    older = [_as_before(row, dialled, entering) for row in rows if row.uniqueid not in born]
    return _OnTheLine(older, alive)


def _channels(events: Iterable[ChannelEvent]) -> frozenset[str]:
    return frozenset(event.channel.uniqueid for event in events)


def _as_before(
    row: LiveChannel, dialled: Collection[str], entering: Collection[str]
) -> LiveChannel:
    """Return `row` without the ringing or talk of which an event waits."""
    if row.uniqueid in dialled:
        row = replace(row, state="Down")
    if row.uniqueid in entering:
        row = replace(row, bridge_id="")
    return row


def _publish(session: AsyncSession, event: LinkLost | LinkRestored, now: datetime) -> None:
    publish(session, event, at=now, audience=_EVERYONE_IN_CHARGE)


def _span(
    blind_since: datetime, stories: Iterable[CallStory], at: datetime
) -> tuple[datetime, datetime]:
    """Return from when to when presses are read (PBX time).

    The span begins a bit before the blind window or the oldest open press, at most 8 days ago, and
    ends now. A PBX whose clock went back meanwhile has presses by both clocks: all it keeps is
    read.
    """
    if blind_since > at + _AHEAD:
        return at - spool.KEPT, blind_since + _MAY_BE_BLIND
    pressed = [story.pressed_at for story in stories if story.pressed_at is not None]
    return max(at - spool.KEPT, min([blind_since, *pressed]) - _OVERLAP), at + _AHEAD
