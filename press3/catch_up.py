"""After a gap: read what the PBX kept, mend the calls, close the blind window.

AMI has no replay. What happened without a link is known only from what Asterisk itself wrote (the
spool, DESIGN §5) and from who is still on the line (CoreShowChannels). Everything here may be done
twice: facts that say nothing new change nothing.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from ami import actions, spool
from ami.errors import AmiError
from ami.inbox import LinkDown, LinkUp
from ami.spool import SpoolPress
from calls import history, resync
from calls.facts import Fact
from calls.model import BlindWindow, PbxState
from calls.numbers import NumberRules
from calls.story import CallChange, CallStory
from calls.switchboard import born_at
from people.audience import Audience
from people.model import Role
from press3.pipeline import Pipeline
from store.outbox import Message, emit

__all__ = ["CatchUp"]

log = structlog.get_logger(__name__)

_KEPT = timedelta(days=8)  # the dialplan prunes what is older
_OVERLAP = timedelta(minutes=10)
_AHEAD = timedelta(minutes=1)
_SWEEP_BACK = timedelta(minutes=1)
_SETTLED = timedelta(seconds=5)
_YOUNG = timedelta(seconds=1)  # a uniqueid tells the second of its birth
_EVERYONE_IN_CHARGE = Audience(roles=(Role.SUPERVISOR, Role.ADMIN), departments=None).to_json()


class CatchUp:
    """Mends one PBX's gaps. `link_up` and `link_down` are the pipeline's hooks; `sweep` runs by the clock."""

    def __init__(self, numbers: NumberRules) -> None:
        self._numbers = numbers

    async def link_down(self, pipeline: Pipeline, item: LinkDown) -> None:
        """Open the blind window at the PBX's last sign of life and tell those in charge, once."""
        if item.reason == "closed":
            return  # we are stopping; the next start opens the window
        pbx, now = pipeline.parts.pbx, pipeline.parts.now()

        async def work(session: AsyncSession) -> None:
            state = await session.get(PbxState, pbx)
            if state is None or await history.open_window(session, pbx) is not None:
                return
            history.begin_window(session, pbx, state.last_contact_at, item.reason)
            emit(
                session,
                Message(type="link.lost", at=now, audience=_EVERYONE_IN_CHARGE, data={"pbx": pbx}),
            )

        await pipeline.write(work)
        log.error(
            "link to the PBX lost: calls go on there and are read when it is back",
            pbx=pbx,
            reason=item.reason,
        )

    async def link_up(self, pipeline: Pipeline, item: LinkUp) -> None:
        """Read the gap; a link that breaks meanwhile leaves the window open for the next login."""
        try:
            await self._mend(pipeline, item)
        except AmiError as error:
            log.warning(
                "catching up was cut off; it begins again at the next login",
                pbx=pipeline.parts.pbx,
                error=str(error),
            )

    async def sweep(self, pipeline: Pipeline) -> None:
        """Read the newest presses again, and those whose call began unseen: events tell nothing of it.

        Marks of the last seconds are left to the events, which may still be on their way.
        """
        async with pipeline.turn:
            at = await actions.ping(pipeline.parts.link)
            settled = at - _SETTLED
            await self._read_spool(pipeline, at - _SWEEP_BACK, at, settled_before=settled)
            unseen = self._unseen(pipeline)
            for story in unseen:
                await self._read_again(pipeline, story, settled)
            if unseen:
                await self._roll_call(pipeline, settled, self._unseen(pipeline), join=False)
            await pipeline.store((), contact_at=at)

    def _unseen(self, pipeline: Pipeline) -> list[CallStory]:
        """Return the open calls that the tracker does not know: they began in a blind window."""
        tracked = pipeline.tracker.open_calls()
        return [story for story in pipeline.book.open_stories if story.id not in tracked]

    async def _read_again(self, pipeline: Pipeline, story: CallStory, settled: datetime) -> None:
        if story.press_key is None:
            return
        press = await spool.read_press(pipeline.parts.link, story.press_key)
        if press is not None:
            await pipeline.store(await self._told_by(pipeline, press, settled))

    async def _mend(self, pipeline: Pipeline, item: LinkUp) -> None:
        state = await self._state(pipeline)
        since = _read_from(state, pipeline.book.open_stories, item.pbx_now)
        await self._ensure_window(pipeline, state, since)
        changes = await self._read_spool(pipeline, since, item.pbx_now + _AHEAD)
        if state is not None and state.startup != item.startup:
            changes += await self._after_restart(pipeline, state.last_contact_at)
        changes += await self._roll_call(
            pipeline, item.pbx_now, pipeline.book.open_stories, join=True
        )
        await self._close_window(pipeline, item, changes)

    async def _state(self, pipeline: Pipeline) -> PbxState | None:
        async with pipeline.parts.sessions() as session:
            return await session.get(PbxState, pipeline.parts.pbx)

    async def _ensure_window(
        self, pipeline: Pipeline, state: PbxState | None, since: datetime
    ) -> None:
        pbx = pipeline.parts.pbx
        started, reason = (
            (state.last_contact_at, "press3 was not running") if state else (since, "first start")
        )

        async def work(session: AsyncSession) -> None:
            if await history.open_window(session, pbx) is None:
                history.begin_window(session, pbx, started, reason)

        await pipeline.write(work)

    async def _read_spool(
        self,
        pipeline: Pipeline,
        since: datetime,
        until: datetime,
        *,
        settled_before: datetime | None = None,
    ) -> list[CallChange]:
        changes: list[CallChange] = []
        async for presses in spool.read_families(pipeline.parts.link, since, until):
            facts: list[Fact] = []
            for press in presses:
                facts += await self._told_by(pipeline, press, settled_before)
            changes += await pipeline.store(facts)
        return changes

    async def _told_by(
        self, pipeline: Pipeline, press: SpoolPress, settled_before: datetime | None
    ) -> list[Fact]:
        return resync.from_spool(
            await self._story_of(pipeline, press),
            press,
            pbx=pipeline.parts.pbx,
            numbers=self._numbers,
            settled_before=settled_before,
        )

    async def _story_of(self, pipeline: Pipeline, press: SpoolPress) -> CallStory | None:
        for story in pipeline.book.open_stories:
            if story.press_uniqueid == press.uniqueid or story.uniqueid == press.uniqueid:
                return story
        async with pipeline.parts.sessions() as session:
            return await history.find_by_press(session, pipeline.parts.pbx, press.uniqueid)

    async def _after_restart(self, pipeline: Pipeline, last_contact: datetime) -> list[CallChange]:
        log.warning("the PBX was restarted: its calls of before are over", pbx=pipeline.parts.pbx)
        facts = pipeline.tracker.restarted(last_contact)
        facts += resync.from_channels(pipeline.book.open_stories, frozenset(), last_contact)
        return list(await pipeline.store(facts))

    async def _roll_call(
        self, pipeline: Pipeline, at: datetime, stories: Iterable[CallStory], *, join: bool
    ) -> list[CallChange]:
        """Compare with who is on the line: end what ended unseen, `join` what began unseen.

        Channels born since `at` are left to their own events, which follow.
        """
        rows = await actions.show_channels(pipeline.parts.link)
        alive = {row.uniqueid for row in rows}
        facts = pipeline.tracker.reconcile(alive, at)
        facts += resync.from_channels(stories, alive, at)
        if join:
            older = [row for row in rows if born_at(row.uniqueid, at) < at - _YOUNG]
            facts += pipeline.tracker.join(older, at)
        return list(await pipeline.store(facts))

    async def _close_window(
        self, pipeline: Pipeline, item: LinkUp, changes: Iterable[CallChange]
    ) -> None:
        pbx, now = pipeline.parts.pbx, pipeline.parts.now()
        recovered = {c.story.id for c in changes if any(fact.recovered for fact in c.facts)}
        appeals = {c.story.id for c in changes if _brought_press(c)}

        async def work(session: AsyncSession) -> None:
            await history.note_login(session, pbx, item.pbx_now, item.startup)
            window: BlindWindow | None = await history.open_window(session, pbx)
            if window is None:
                return
            window.ended_at = item.pbx_now
            window.calls_recovered += len(recovered)
            window.appeals_recovered += len(appeals)
            emit(
                session,
                Message(
                    type="link.restored", at=now, audience=_EVERYONE_IN_CHARGE, data={"pbx": pbx}
                ),
            )

        await pipeline.write(work)
        log.info(
            "caught up with the PBX",
            pbx=pbx,
            calls_recovered=len(recovered),
            appeals_recovered=len(appeals),
        )


def _read_from(state: PbxState | None, stories: Iterable[CallStory], pbx_now: datetime) -> datetime:
    """Return where the reading begins: last contact or the oldest open press, a bit before, 8 days at most."""
    oldest = pbx_now - _KEPT
    if state is None:
        return oldest
    pressed = [story.pressed_at for story in stories if story.pressed_at is not None]
    return max(oldest, min([state.last_contact_at, *pressed]) - _OVERLAP)


def _brought_press(change: CallChange) -> bool:
    return change.story.pressed_at is not None and (
        change.before is None or change.before.pressed_at is None
    )
