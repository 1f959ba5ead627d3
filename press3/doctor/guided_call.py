"""`press3 doctor --call`: somebody calls and presses 3, and is told what press3 sees of it.

It listens in an AMI session of its own, with the very account of the service, beside it or without
it; it writes nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from ami import actions, spool
from ami.connection import AmiLink
from ami.errors import AmiError
from ami.events import Newchannel
from ami.inbox import EventArrived, LinkItem
from ami.wire import event_type
from calls.tracker import Tracker
from people.model import Employee, Extension
from press3.config.recordings import recording_settings
from press3.config.sections import AsteriskSettings
from press3.config.settings import Settings
from press3.doctor.database import opened
from press3.doctor.watched_call import WatchedCall
from press3.doctor.watched_calls import WatchedCalls
from press3.errors import Press3Error
from press3.one_link import one_link
from press3.telephony_parts import keep_rules, number_rules, trigger_rules
from recordings import files

__all__ = ["guide"]

_LOOK_EVERY_S = 0.5
_CALL_LIMIT_S = 300.0  # a test call that lasts longer is reported as it stands
_SETTLE_S = 2.0  # the last marks and events after the end
_WHOLE_FILE_BYTES = 1024  # what is larger holds sound: MixMonitor writes in pieces of 32 KiB


async def guide(
    settings: Settings,
    say: Callable[[str], None],
    *,
    pbx: str | None = None,
    caller: str = "",
    wait_s: float = 120,
) -> bool:
    """Tell of one call as it happens, then what did not come; return whether nothing failed.

    `pbx`: None is the first one. `caller`: only a call of this number; empty: the next one that comes.
    """
    chosen = _choose(settings, pbx)
    async with opened(settings) as (state, sessions):
        if sessions is None:
            say(str(state))
        owners = await _owners(sessions)
        guided = _Guided(settings, chosen, owners, caller, say)
        async with one_link(chosen, on_item=guided.take) as link:
            return await guided.run(link, wait_s)


def _choose(settings: Settings, name: str | None) -> AsteriskSettings:
    for pbx in settings.asterisk:
        if name in (None, pbx.name):
            return pbx
    known = ", ".join(pbx.name for pbx in settings.asterisk) or "none"
    raise Press3Error(f"no [[asterisk]] {name or ''!r} in the configuration; there is: {known}")


async def _owners(
    sessions: async_sessionmaker[AsyncSession] | None,
) -> Callable[[str], str | None]:
    """Return who tells the name of an extension's owner of now; "?" when the database can't be read."""
    if sessions is None:
        return lambda extension: "?"
    query = (
        select(Extension.number, Employee.name)
        .join(Employee, Employee.id == Extension.employee_id)
        .where(Extension.until.is_(None), Employee.disabled_at.is_(None))
    )
    async with sessions() as session:
        return {row.number: row.name for row in await session.execute(query)}.get


class _Guided:
    """One run: events come by `take`, the rest is asked for by the clock."""

    def __init__(
        self,
        settings: Settings,
        pbx: AsteriskSettings,
        owner: Callable[[str], str | None],
        caller: str,
        say: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._pbx = pbx
        self._owner = owner
        self._caller = caller
        self._say = say
        self._tracker = Tracker(
            pbx.name,
            trigger_rules(settings, pbx.name),
            number_rules(settings),
            keep_rules(settings),
        )
        self._story: WatchedCalls | None = None
        self._trouble = ""
        self._sizes: dict[str, int] = {}
        self._listed: set[str] = set()
        self._heard: set[str] = set()

    def take(self, item: LinkItem) -> None:
        """Called for whatever the link says."""
        if not isinstance(item, EventArrived) or self._story is None:
            return
        if event_type(item.raw) != b"FullyBooted":  # the greeting never has a time
            self._story.untimed |= b"\r\nTimestamp: " not in item.raw
        if isinstance(item.event, Newchannel):
            self._heard.add(item.event.channel.uniqueid)
            self._story.notice(item.event)
        for line in self._story.hear(self._tracker.feed(item.event)):
            self._say(line)

    async def run(self, link: AmiLink, wait_s: float) -> bool:
        begun = await actions.ping(link)
        there = await actions.show_channels(link)
        self._story = story = WatchedCalls(
            begun=begun,
            zone=self._settings.zone,
            there=frozenset(each for row in there for each in (row.uniqueid, row.linkedid) if each),
            owner=self._owner,
            caller=self._caller,
        )
        whose = f" from {self._caller}" if self._caller else ""
        self._say(f"Call now{whose} and press 3. I wait {wait_s:.0f} s; here is what I see:")
        async for _ in _ticks(wait_s, until=lambda: story.is_decided):
            await self._look(link, story)
        async for _ in _ticks(_CALL_LIMIT_S, until=lambda: not story.is_undecided):
            await self._look(link, story)
        if (chosen := story.chosen) is not None:
            async for _ in _ticks(_CALL_LIMIT_S, until=lambda: chosen.is_over):
                await self._look(link, story)
        if story.has_begun:
            await self._settle(link, story)
        return self._conclude(story, timedelta(seconds=wait_s))

    async def _settle(self, link: AmiLink, story: WatchedCalls) -> None:
        """Wait for the last marks and events after the end, and ask AstDB before anything is said to lack."""
        async for _ in _ticks(_SETTLE_S, until=lambda: False):
            await self._look(link, story)

    def _conclude(self, story: WatchedCalls, waited: timedelta) -> bool:
        unheard = self._listed - story.there - self._heard
        findings = story.missing(waited, channels_unheard=bool(unheard))
        for finding in findings:
            self._say(str(finding))
        fine = not any(finding.level == "fail" for finding in findings)
        if fine:
            self._say("[  ok] the call was seen as it should be")
        return fine

    async def _look(self, link: AmiLink, story: WatchedCalls) -> None:
        """Ask for what no event tells. Trouble with one question is no reason to end the call."""
        try:
            await self._read_spool(link, story)
            if not story.has_begun:
                await self._look_for_channels(link)
            if story.chosen is not None:
                await self._look_at_files(link, story.chosen)
        except AmiError as error:
            if str(error) != self._trouble:
                self._say(f"  the PBX does not answer now: {error}")
            self._trouble = str(error)

    async def _read_spool(self, link: AmiLink, story: WatchedCalls) -> None:
        try:
            presses = await _presses(link, story)
        except AmiError as error:
            story.unasked = str(error)
            raise
        story.unasked = ""
        for press in presses:
            for line in story.read(press):
                self._say(line)

    async def _look_for_channels(self, link: AmiLink) -> None:
        self._listed |= {row.uniqueid for row in await actions.show_channels(link)}

    async def _look_at_files(self, link: AmiLink, watched: WatchedCall) -> None:
        if "grew" in watched.seen:
            return
        settings = recording_settings(self._settings)
        for path in watched.paths:
            seen = await asyncio.to_thread(files.look, self._pbx.name, path, settings)
            if not isinstance(seen, files.Present):
                continue
            before = self._sizes.setdefault(path, seen.size_bytes)
            at = link.pbx_now()
            if at is not None and (
                seen.size_bytes > max(before, _WHOLE_FILE_BYTES)
                or (watched.is_over and seen.size_bytes > _WHOLE_FILE_BYTES)
            ):
                self._say(watched.grew(at, str(seen.path), seen.size_bytes))
                return


async def _presses(link: AmiLink, story: WatchedCalls) -> list[spool.SpoolPress]:
    """Return what AstDB keeps: the press that is followed, or all since the beginning."""
    if story.chosen is not None and story.chosen.key is not None:
        press = await spool.read_press(link, story.chosen.key)
        return [press] if press is not None else []
    until = link.pbx_now() or story.begun
    read = spool.read_families(link, story.begun - timedelta(minutes=1), until)
    return [press async for batch in read for press in batch]


async def _ticks(limit_s: float, *, until: Callable[[], bool]) -> AsyncIterator[None]:
    """Come round every half second until `until` holds or `limit_s` is over."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limit_s
    while not until() and loop.time() < deadline:
        yield
        await asyncio.sleep(_LOOK_EVERY_S)
