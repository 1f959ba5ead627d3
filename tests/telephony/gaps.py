"""One PBX played by a fake peer, its real link and pipeline: what the tests of gaps have in common."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from ami.connection import AmiLink, LinkSettings
from appeals.intake.presses import IntakeSettings
from calls import recoveries
from calls.model import BlindWindow, PbxState
from calls.numbers import NumberRules
from press3.telephony_parts import change_handlers
from store.lease import Lease
from store.outbox import OutboxRow
from store.writer import Writer
from telephony.catch_up import CatchUp
from telephony.log_follower import LogFollower
from telephony.pbx_logs import PbxLogs
from telephony.pipeline import Pipeline
from telephony.recorder import Recorder
from tests.fakes.ami_peer import Action, AmiPeer
from tests.telephony.parts import new_tracker

__all__ = [
    "BACK",
    "IN_THE_GAP",
    "PBX",
    "SEEN_LAST",
    "Fails",
    "Served",
    "channel_of",
    "incoming",
    "press",
    "served",
]

PBX = "main"
SEEN_LAST = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
IN_THE_GAP = SEEN_LAST + timedelta(hours=1)
BACK = SEEN_LAST + timedelta(hours=3)


def now() -> datetime:
    """Our own clock is three hours slow: every time that counts is the PBX's."""
    return SEEN_LAST


class Served:
    """One PBX, its link, recorder and pipeline; `sweep` is run by hand instead of by the clock."""

    def __init__(self, peer: AmiPeer, sessions: async_sessionmaker[AsyncSession]) -> None:
        self.peer = peer
        self.sessions = sessions
        self.logs: PbxLogs | None = None
        self.link: AmiLink
        self.recorder: Recorder
        self.catch_up: CatchUp
        self.pipeline: Pipeline
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, writer: Writer) -> None:
        self.create(await Lease(writer, PBX).acquire(), writer)
        self.run()
        await self.peer.logged_in()

    def create(self, fence: int, writer: Writer) -> None:
        settings = LinkSettings(
            pbx=PBX,
            host="127.0.0.1",
            port=self.peer.port,
            retry_min_s=0,
            retry_max_s=0,
            action_timeout_s=0.3,
            username="press3",
            secret="s3cret",
        )
        self.link = AmiLink(settings, now=now)
        self.recorder = Recorder(
            PBX,
            fence,
            writer=writer,
            sessions=self.sessions,
            handlers=change_handlers(IntakeSettings(departments={})),
            now=now,
        )
        self.catch_up = catch_up = self.new_catch_up()
        self.pipeline = Pipeline(
            self.link,
            self.recorder,
            new_tracker=lambda: new_tracker(PBX),
            catch_up=catch_up.link_up,
            link_down=catch_up.link_down,
            begin=catch_up.begin,
        )

    def new_catch_up(self) -> CatchUp:
        """Return one without a memory, as after a restart of press3."""
        follower = LogFollower(self.logs, self.recorder, self.link) if self.logs else None
        return CatchUp(self.recorder, self.link, NumberRules(), follower)

    def run(self) -> None:
        self._tasks = [
            asyncio.create_task(self.link.run()),
            asyncio.create_task(self.pipeline.run()),
        ]

    async def stop(self) -> None:
        await self.link.close()
        await asyncio.gather(*self._tasks)

    def has_open(self, call: str) -> bool:
        """Return True if `call` is stored and has not ended."""
        return any(story.id == call for story in self.recorder.open_stories)

    async def rows(self, table: Any) -> list[Any]:
        async with self.sessions() as session:
            return list(await session.scalars(select(table)))

    async def window(self) -> BlindWindow:
        (window,) = await self.rows(BlindWindow)
        assert isinstance(window, BlindWindow)
        return window

    async def brought(self) -> tuple[int, int]:
        """How many calls the window brought, and of how many the press."""
        window = await self.window()
        async with self.sessions() as session:
            return await recoveries.count(session, window.id)

    async def last_contact(self) -> datetime:
        (state,) = await self.rows(PbxState)
        contact: datetime = state.last_contact_at
        return contact

    async def told(self) -> list[str]:
        return [row.type for row in await self.rows(OutboxRow) if row.type.startswith("link.")]


@pytest.fixture
async def served(
    writer: Writer, sessions: async_sessionmaker[AsyncSession]
) -> AsyncIterator[Served]:
    """A service that saw the PBX last hours ago; 3 was pressed in the gap. Not started yet."""

    async def seen(session: AsyncSession) -> None:
        startup = "2026-11-21 18:33:41"
        session.add(PbxState(pbx=PBX, last_contact_at=SEEN_LAST, startup=startup))

    await writer.run(seen)
    async with AmiPeer() as peer:
        peer.clock = f"{BACK.timestamp():.6f}"
        press(peer, IN_THE_GAP)
        service = Served(peer, sessions)
        yield service
        await service.stop()


def press(peer: AmiPeer, at: datetime) -> None:
    uniqueid = f"{at.timestamp():.0f}.7"
    row = f"2|{uniqueid}|{uniqueid}|{at.timestamp():.3f}|+79110000001|Ivan|74951234567|press3|q"
    key = f"press3/{at:%Y%m%d%H%M}/{uniqueid}-1"
    peer.astdb |= {key: row, f"{key}/ended": f"{at.timestamp() + 20:.3f}"}


def incoming(peer: AmiPeer, at: datetime) -> str:
    """A call of now: what is heard of it moves the last contact on."""
    uniqueid = f"{at.timestamp():.0f}.9"
    channel = {"Timestamp": f"{at.timestamp():.6f}", **channel_of(uniqueid)}
    peer.event("Newchannel", channel)
    return f"{PBX}-{uniqueid}"


def channel_of(uniqueid: str) -> dict[str, str]:
    return {
        "Channel": "PJSIP/trunk-00000009",
        "ChannelState": "4",
        "ChannelStateDesc": "Ring",
        "CallerIDNum": "+79110000002",
        "CallerIDName": "Anna",
        "Context": "from-trunk",
        "Exten": "74951234567",
        "Priority": "1",
        "Uniqueid": uniqueid,
        "Linkedid": uniqueid,
        "Cause": "16",
    }


class Fails:
    """Refuses an action `times` times, then does what the peer does."""

    def __init__(self, peer: AmiPeer, name: str, times: int) -> None:
        self._then = peer._handlers[name.lower()]
        self.left = times
        peer.on(name, self)

    def __call__(self, action: Action) -> Any:
        if self.left:
            self.left -= 1
            return [action.error("Out of memory")]
        return self._then(action)
