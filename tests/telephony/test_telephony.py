"""Several PBXs in one process: one that fails in any way does not touch the other."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from structlog.testing import capture_logs

from ami.connection import LinkState
from appeals.case.model import Appeal
from appeals.intake.presses import IntakeSettings
from calls.model import BlindWindow, Call
from press3.config.settings import Settings
from press3.database import Database
from press3.telephony_parts import change_handlers, telephony_of
from store.errors import LeaseLost
from store.lease import LeaseRow
from store.writer import Writer
from telephony import serving as module
from telephony.recorder import Stored
from telephony.serving import Telephony
from tests.fakes.ami_peer import AmiPeer, message
from tests.waiting import until

pytestmark = pytest.mark.timing

NOW = datetime(2026, 11, 21, 18, 34, tzinfo=UTC)
UNIQUEID = "1795286020.7"


class TwoPbxs:
    """Served side by side; `stored` is called with each commit and may raise."""

    def __init__(
        self, writer: Writer, sessions: async_sessionmaker[AsyncSession], *peers: AmiPeer
    ) -> None:
        self.sessions = sessions
        self.stored: dict[str, Any] = {}
        database = Database(sessions=sessions, writer=writer, now=lambda: NOW)
        pbxs = [
            {"name": name, "port": peer.port, "secret": "s3cret"}
            for name, peer in zip("ab", peers, strict=True)
        ]
        settings = Settings.model_validate({"asterisk": pbxs})
        handlers = change_handlers(IntakeSettings(departments={}))
        self.a, self.b = (
            telephony_of(
                pbx, settings, database, handlers=handlers, on_stored=self._on_stored(pbx.name)
            )
            for pbx in settings.asterisk
        )

    def _on_stored(self, name: str) -> Any:
        def stored(what: Stored) -> None:
            self.stored.get(name, lambda what: None)(what)

        return stored

    async def rows(self, table: Any) -> list[Any]:
        async with self.sessions() as session:
            return list(await session.scalars(select(table)))

    async def appeals(self) -> set[str]:
        return {row.press_key for row in await self.rows(Appeal)}

    async def up(self, *served: Telephony) -> None:
        """Wait until these are linked and their gaps read."""

        async def caught_up() -> bool:
            windows = await self.rows(BlindWindow)
            closed = {w.pbx for w in windows} - {w.pbx for w in windows if w.ended_at is None}
            return all(each.pbx in closed for each in served)

        await until(caught_up, deadline_s=30, what=f"{[each.pbx for each in served]} caught up")


def press(peer: AmiPeer, uniqueid: str = UNIQUEID, number: str = "+79110000001") -> None:
    """Somebody presses 3: the row, then its event."""
    at = float(uniqueid)
    key = f"press3/202611211833/{uniqueid}-1"
    peer.astdb[key] = f"2|{uniqueid}|{uniqueid}|{at:.3f}|{number}|Ivan|74951234567|main|press3"
    caller = (
        ("Channel", "PJSIP/trunk-00000001"), ("ChannelState", "6"), ("ChannelStateDesc", "Up"),
        ("CallerIDNum", number), ("CallerIDName", "Ivan"), ("Context", "press3-complaint"),
        ("Exten", "s"), ("Priority", "1"), ("Uniqueid", uniqueid), ("Linkedid", uniqueid),
    )  # fmt: skip
    timed = ("Timestamp", f"{at:.6f}")
    peer.send(message(("Event", "Newchannel"), timed, *caller))
    user = (("UserEvent", "Press3"), ("Key", key), ("At", f"{at:.3f}"))
    peer.send(message(("Event", "UserEvent"), timed, *caller, *user))


@asynccontextmanager
async def serving(*served: Telephony) -> AsyncIterator[list["asyncio.Task[None]"]]:
    tasks = [asyncio.create_task(each.run()) for each in served]
    try:
        yield tasks
    finally:
        for each in served:
            await each.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def peers() -> AsyncIterator[tuple[AmiPeer, AmiPeer]]:
    async with AmiPeer() as a, AmiPeer() as b:
        yield a, b


@pytest.fixture
def two(
    writer: Writer,
    sessions: async_sessionmaker[AsyncSession],
    peers: tuple[AmiPeer, AmiPeer],
    monkeypatch: pytest.MonkeyPatch,
) -> TwoPbxs:
    monkeypatch.setattr(module, "_BEGIN_ANEW_S", (0.05,))
    return TwoPbxs(writer, sessions, *peers)


async def test_equal_uniqueids_of_two_pbxs_are_two_cases(
    two: TwoPbxs, peers: tuple[AmiPeer, AmiPeer]
) -> None:
    async with serving(two.a, two.b):
        await two.up(two.a, two.b)
        press(peers[0], number="+79110000001")
        press(peers[1], number="+79110000002")

        async def both() -> bool:
            return await two.appeals() == {f"a/{UNIQUEID}", f"b/{UNIQUEID}"}

        await until(both, deadline_s=30, what="an appeal of each")
    calls = {call.id: call.from_raw for call in await two.rows(Call)}
    assert calls == {f"a-{UNIQUEID}": "+79110000001", f"b-{UNIQUEID}": "+79110000002"}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("fault", ["down", "refused", "silent", "full of noise"])
async def test_a_link_that_fails_does_not_touch_the_other(
    two: TwoPbxs, peers: tuple[AmiPeer, AmiPeer], fault: str
) -> None:
    sick, sound = peers
    match fault:
        case "down":
            await sick.stop()
        case "refused":
            sick.login_error = "Authentication failed"
        case "silent":
            sick.silent = True
        case "full of noise":
            sick.on("Getvar", lambda action: [])  # the gap can't be read
    async with serving(two.a, two.b) as tasks:
        await two.up(two.b)
        press(sound)

        async def is_opened() -> bool:
            return await two.appeals() == {f"b/{UNIQUEID}"}

        await until(is_opened, deadline_s=30, what="the other PBX's appeal")
        assert two.b.link.counters.reconnects == 0
        assert not any(task.done() for task in tasks)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_fault_of_ours_begins_one_pbx_anew_and_loses_nothing(
    two: TwoPbxs, peers: tuple[AmiPeer, AmiPeer]
) -> None:
    faults = 0

    def stumble(what: Stored) -> None:
        nonlocal faults
        faults += 1
        if faults <= 2:
            raise RuntimeError("a bug")

    two.stored["a"] = stumble
    with capture_logs() as said:
        await _stumbles(two, peers, lambda: faults)
    assert [line["log_level"] for line in said if "begun anew" in line["event"]] == ["error"] * 2


async def _stumbles(
    two: TwoPbxs, peers: tuple[AmiPeer, AmiPeer], faults: Callable[[], int]
) -> None:
    async with serving(two.a, two.b) as tasks:
        await two.up(two.a, two.b)
        others = two.b.link
        press(peers[0])
        await until(lambda: faults() >= 1, deadline_s=30, what="the fault")
        later = f"{float(UNIQUEID) + 1:.1f}"
        press(peers[1], later)

        async def both() -> bool:
            return await two.appeals() == {f"a/{UNIQUEID}", f"b/{later}"}

        await until(both, deadline_s=30, what="both appeals, each once")
        await until(lambda: faults() >= 2, deadline_s=30, what="the second fault")
        await until(lambda: two.a.link.state is LinkState.UP, deadline_s=30, what="served again")
        await peers[0].logged_in()
        again = f"{float(UNIQUEID) + 2:.1f}"
        await two.up(two.a)

        async def third() -> bool:
            press(peers[0], again)
            return f"a/{again}" in await two.appeals()

        await until(third, deadline_s=30, what="events are taken again")
        assert len(await two.rows(Appeal)) == 3
        assert two.b.link is others
        assert others.counters.reconnects == 0
        assert not any(task.done() for task in tasks)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_who_was_replaced_ends(
    two: TwoPbxs, peers: tuple[AmiPeer, AmiPeer], writer: Writer
) -> None:
    async with serving(two.a) as tasks:
        await two.up(two.a)

        async def replace(session: AsyncSession) -> None:
            row = await session.get_one(LeaseRow, "a")
            row.fence += 1

        await writer.run(replace)
        press(peers[0])
        with pytest.raises(LeaseLost):
            await asyncio.wait_for(tasks[0], 10)
