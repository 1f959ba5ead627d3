"""The life of a link: login, order of what it says, loss, refusal, silence, overflow, closing."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from ami import events
from ami.connection import (
    AmiLink,
    EventArrived,
    EventBroken,
    LinkDown,
    LinkItem,
    LinkSettings,
    LinkState,
    LinkUp,
)
from ami.errors import ActionTimeout, LinkDownError, MissingField
from tests.ami.frames import frame, snapshot
from tests.fakes.ami_peer import Action, AmiPeer, message
from tests.fakes.tcp_proxy import Mode, TcpProxy
from tests.waiting import patience, until

pytestmark = pytest.mark.timing

NOW = datetime(2026, 11, 21, 18, 33, 44, tzinfo=UTC)
QUICK: dict[str, Any] = {
    "connect_timeout_s": 0.5,
    "ping_every_s": 0.05,
    "ping_deadline_s": 0.3,
    "action_timeout_s": 0.3,
    "retry_min_s": 0.01,
    "retry_max_s": 0.02,
    "refused_max_s": 0.05,
}


@pytest.fixture
async def peer() -> AsyncIterator[AmiPeer]:
    async with AmiPeer() as peer:
        yield peer


def new_link(peer: AmiPeer, **changes: Any) -> AmiLink:
    known: dict[str, Any] = {"pbx": "main", "host": "127.0.0.1", "port": peer.port, **peer.account}
    return AmiLink(LinkSettings(**(known | QUICK | changes)), now=lambda: NOW)


@asynccontextmanager
async def running(link: AmiLink) -> AsyncIterator[AmiLink]:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(link.run())
        try:
            yield link
        finally:
            await link.close()


class Reading:
    """What a link said so far."""

    def __init__(self, link: AmiLink) -> None:
        self.items: list[LinkItem] = []
        self._link = link

    async def up_to(self, wanted: Callable[[LinkItem], bool]) -> LinkItem:
        async with patience(10):
            while True:
                self.items += (taken := await self._link.next_batch(1))
                if wanted(taken[0]):
                    return taken[0]

    async def to(self, kind: type[LinkItem], times: int = 1) -> Any:
        for _ in range(times):
            item = await self.up_to(lambda item: isinstance(item, kind))
        return item

    async def to_event(self, kind: type[events.Event]) -> Any:
        item = await self.up_to(
            lambda item: isinstance(item, EventArrived) and isinstance(item.event, kind)
        )
        assert isinstance(item, EventArrived)
        return item.event

    async def to_hangup(self, cause: int) -> None:
        await self.up_to(
            lambda item: (
                isinstance(item, EventArrived)
                and isinstance(item.event, events.Hangup)
                and item.event.cause == cause
            )
        )

    @property
    def causes(self) -> list[int]:
        told = [item.event for item in self.items if isinstance(item, EventArrived)]
        return [event.cause for event in told if isinstance(event, events.Hangup)]

    @property
    def kinds(self) -> list[str]:
        return [type(item).__name__ for item in self.items]


def hangup(cause: int) -> bytes:
    return frame("Hangup", snapshot(), {"Cause": str(cause)}) + b"\r\n\r\n"


async def test_after_login_the_link_says_who_and_when_the_pbx_is(peer: AmiPeer) -> None:
    async with running(new_link(peer)) as link:
        up = await Reading(link).to(LinkUp)
        assert up == LinkUp(
            at=NOW,
            version="22.10.1",
            startup="2026-11-21 18:33:41",
            pbx_now=datetime(2026, 11, 21, 18, 33, 43, 654136, UTC),
        )
        assert (link.state, link.version) == (LinkState.UP, "22.10.1")
        told = link.pbx_now()
        assert told is not None
        assert 0 <= (told - up.pbx_now).total_seconds() < 5


async def test_an_event_without_a_time_has_the_clock_of_the_pbx_not_ours(peer: AmiPeer) -> None:
    """`timestampevents` is off: our clock may be an hour away from the PBX's."""
    async with running(new_link(peer, ping_every_s=60)) as link:
        reading = Reading(link)
        up = await reading.to(LinkUp)
        assert abs(up.pbx_now - NOW).total_seconds() > 0.3
        without = b"\r\n".join(
            line for line in hangup(16).split(b"\r\n") if not line.startswith(b"Timestamp")
        )
        peer.send(without)
        first = await reading.to_event(events.Hangup)
        assert 0 <= (first.at - up.pbx_now).total_seconds() < 5
        assert (first.arrived_at, first.at != NOW) == (NOW, True)
        peer.send(hangup(17))
        told = await reading.to_event(events.Hangup)
        assert told.at == datetime.fromtimestamp(1795286023.657211, UTC)


async def test_events_come_in_order_after_the_link_up_of_their_session(peer: AmiPeer) -> None:
    def login(action: Action) -> list[bytes]:
        action.client.logged_in = True
        return [action.ok(), hangup(1), hangup(2)]

    peer.on("Login", login)
    async with running(new_link(peer)) as link:
        reading = Reading(link)
        await reading.to_hangup(2)
        peer.send(hangup(3) + message(Event="RTCPSent") + hangup(4))
        await reading.to_hangup(4)
        assert reading.kinds[0] == "LinkUp"
        assert reading.causes == [1, 2, 3, 4]
        assert (link.counters.seen, link.counters.wanted) == (5, 4)


async def test_a_session_that_never_came_up_says_nothing(peer: AmiPeer) -> None:
    def login(action: Action) -> list[bytes]:
        action.client.logged_in = True
        peer.on("Login", peer._login)
        return [action.ok(), hangup(1)]

    def cut(action: Action) -> list[bytes]:
        peer.on("CoreStatus", peer._core_status)
        action.client.reset()
        return []

    peer.on("Login", login)
    peer.on("CoreStatus", cut)
    async with running(new_link(peer)) as link:
        reading = Reading(link)
        await reading.to(LinkUp)
        assert reading.kinds == ["LinkUp"]
        assert link.counters.dropped == 1


async def test_a_lost_line_is_said_after_its_events_and_tried_again(peer: AmiPeer) -> None:
    async with running(new_link(peer)) as link:
        reading = Reading(link)
        await reading.to(LinkUp)
        peer.send(hangup(1))
        await reading.to_hangup(1)
        peer.reset()
        down = await reading.to(LinkDown)
        assert "connection lost" in down.reason
        await reading.to(LinkUp)
        peer.close()
        down = await reading.to(LinkDown)
        assert down.reason == "the PBX closed the connection"
        await reading.to(LinkUp)
        assert link.counters.reconnects == 2


async def test_a_pbx_that_is_away_is_waited_for_and_its_restart_seen(peer: AmiPeer) -> None:
    async with running(new_link(peer)) as link:
        reading = Reading(link)
        before = await reading.to(LinkUp)
        await peer.stop()
        await reading.to(LinkDown)
        await until(lambda: link.state_reason == "Connection refused")
        assert link.state is LinkState.DOWN
        peer.startup = ("2026-11-21", "19:00:00")
        await peer.start()
        after = await reading.to(LinkUp)
        assert after.startup != before.startup


async def test_a_silent_peer_is_noticed(peer: AmiPeer) -> None:
    async with running(new_link(peer)) as link:
        reading = Reading(link)
        await reading.to(LinkUp)
        peer.silent = True
        down = await reading.to(LinkDown)
        assert "no reply to Ping" in down.reason
        peer.silent = False
        await reading.to(LinkUp)


def test_a_dead_line_is_noticed_within_twelve_seconds_as_configured() -> None:
    settings = LinkSettings(pbx="p", host="h", port=1, username="u", secret="s")
    assert settings.ping_every_s + settings.ping_deadline_s <= 12
    assert settings.retry_max_s + settings.connect_timeout_s <= 4
    assert "s3cret" not in repr(LinkSettings(pbx="", host="", port=1, username="", secret="s3cret"))


async def test_a_half_open_line_is_noticed_and_left(peer: AmiPeer) -> None:
    async with TcpProxy(peer.port) as line, running(new_link(peer, port=line.port)) as link:
        reading = Reading(link)
        await reading.to(LinkUp)
        line.mode = Mode.HALF_OPEN
        await reading.to(LinkDown)
        line.mode = Mode.PASS
        line.cut()
        await reading.to(LinkUp)


async def test_a_line_reset_in_mid_event_loses_no_whole_event(peer: AmiPeer) -> None:
    quiet = {"ping_every_s": 5}
    async with (
        TcpProxy(peer.port) as line,
        running(new_link(peer, port=line.port, **quiet)) as link,
    ):
        reading = Reading(link)
        await reading.to(LinkUp)
        line.reset_after(len(hangup(1)) + 40)
        peer.send(hangup(1) + hangup(2))
        await reading.to(LinkDown)
        assert reading.causes == [1]
        await reading.to(LinkUp)
        peer.send(hangup(3))
        await reading.to_hangup(3)
        assert reading.causes == [1, 3]


async def test_a_trickling_line_says_the_same(peer: AmiPeer) -> None:
    slow = {"ping_deadline_s": 5, "action_timeout_s": 5}
    async with TcpProxy(peer.port) as line, running(new_link(peer, port=line.port, **slow)) as link:
        line.mode = Mode.TRICKLE
        reading = Reading(link)
        await reading.to(LinkUp)
        peer.send(hangup(1) + hangup(2))
        await reading.to_hangup(2)
        assert reading.causes == [1, 2]


@pytest.mark.parametrize(("every_s", "least", "most"), [(300, 1, 1), (0, 3, None)])
async def test_an_absent_pbx_is_warned_of_at_once_and_then_from_time_to_time(
    peer: AmiPeer, every_s: float, least: int, most: int | None
) -> None:
    await peer.stop()
    link = new_link(peer, remind_every_s=every_s)
    tries = 0

    def counted() -> float:
        nonlocal tries
        tries += 1
        return 0

    link._random = counted
    with capture_logs() as logs:
        async with running(link):
            await until(lambda: tries >= 3, what="three tries")
    said = [line for line in logs if line["log_level"] == "warning"]
    assert least <= len(said) <= (most or tries), said
    assert said[0]["pbx"] == "main"
    assert said[0]["address"] == f"127.0.0.1:{peer.port}"
    assert said[0]["reason"] == "Connection refused"
    assert "calls are not seen" in said[0]["event"]
    assert "enabled = yes" in said[0]["remedy"]


async def test_each_new_silence_is_warned_of(peer: AmiPeer) -> None:
    with capture_logs() as logs:
        async with running(new_link(peer)) as link:
            for _ in range(2):
                await until(lambda: link.state is LinkState.UP, what="a session")
                peer.reset()
                await until(lambda: link.state is not LinkState.UP, what="its end")
            await until(lambda: link.state is LinkState.UP, what="a session again")
    assert sum("no connection to the PBX" in line["event"] for line in logs) == 2


async def test_a_refused_login_is_a_state_of_its_own_and_ends_when_mended(peer: AmiPeer) -> None:
    peer.login_error = "Authentication failed"
    async with running(new_link(peer)) as link:
        await until(lambda: link.state is LinkState.REFUSED)
        assert link.state_reason == "Login: Authentication failed"
        since = link.state_since
        await until(lambda: peer.connections >= 4)
        assert (link.state, link.state_since) == (LinkState.REFUSED, since)
        peer.login_error = ""
        await Reading(link).to(LinkUp)
        assert link.state is LinkState.UP


async def test_too_few_rights_are_a_refused_login(peer: AmiPeer) -> None:
    peer.on("CoreStatus", lambda action: [action.error("Permission denied")])
    async with running(new_link(peer)) as link:
        await until(lambda: link.state is LinkState.REFUSED)
        assert link.state_reason == "CoreStatus: Permission denied"


async def test_a_refused_login_is_tried_ever_later_up_to_its_limit(peer: AmiPeer) -> None:
    link = new_link(peer, retry_max_s=2, refused_max_s=30)
    link._random = lambda: 1.0
    delays = []
    for link._refusals in range(1, 7):
        delays.append(link._refused_delay_s())
    assert delays == [2, 4, 8, 16, 30, 30]


async def test_a_full_queue_ends_the_session_and_is_counted(peer: AmiPeer) -> None:
    async with running(new_link(peer, queue_limit=10)) as link:
        await peer.logged_in()
        await until(lambda: link.state is LinkState.UP)
        peer.send(b"".join(hangup(cause) for cause in range(30)))
        await until(lambda: link.counters.overflows)
        sessions = peer.connections
        await until(lambda: link.state is LinkState.DOWN)
        assert link.state_reason == "overflow"
        reading = Reading(link)
        down = await reading.to(LinkDown)
        assert down.reason == "overflow"
        assert peer.connections == sessions  # no new session before there was room
        first, *_ = reading.causes
        assert reading.causes == list(range(first, first + len(reading.causes)))
        assert link.counters.dropped == 30 - len(reading.causes)
        await reading.to(LinkUp)


async def test_a_full_queue_counts_bytes_too(peer: AmiPeer) -> None:
    async with running(new_link(peer, queue_limit_bytes=5000)) as link:
        await until(lambda: link.state is LinkState.UP)
        peer.send(b"".join(hangup(cause) for cause in range(30)))
        await until(lambda: link.counters.overflows)
        assert (await Reading(link).to(LinkDown)).reason == "overflow"


async def test_a_broken_event_is_said_and_the_next_one_comes(peer: AmiPeer) -> None:
    async with running(new_link(peer)) as link:
        reading = Reading(link)
        await reading.to(LinkUp)
        broken = frame("Hangup", snapshot())
        peer.send(broken + b"\r\n\r\n" + hangup(1))
        item = await reading.to(EventBroken)
        assert item.raw == broken
        assert isinstance(item.error, MissingField)
        await reading.to_hangup(1)


async def test_an_endless_value_ends_the_session(peer: AmiPeer) -> None:
    async with running(new_link(peer)) as link:
        reading = Reading(link)
        await reading.to(LinkUp)
        peer.send(b"Event: Newchannel\r\nCallerIDName: " + b"x" * 100_000)
        assert "line longer than" in (await reading.to(LinkDown)).reason


async def test_close_while_up_says_it_last(peer: AmiPeer) -> None:
    link = new_link(peer)
    async with running(link):
        await Reading(link).to(LinkUp)
        await link.close()
        await link.close()
        assert (await Reading(link).to(LinkDown)).reason == "closed"
    assert link.state is LinkState.CLOSED
    with pytest.raises(LinkDownError):
        await link.next_batch()


async def test_close_while_waiting_to_reconnect_stops_it() -> None:
    async with AmiPeer() as gone:
        pass
    link = new_link(gone, retry_min_s=60, retry_max_s=60)
    async with patience(5), running(link):
        await until(lambda: link.state is LinkState.DOWN)
    assert link.state is LinkState.CLOSED
    assert gone.connections == 0


async def test_close_before_and_without_run(peer: AmiPeer) -> None:
    link = new_link(peer)
    await link.close()
    await link.run()
    assert (link.state, peer.connections) == (LinkState.CLOSED, 0)


async def test_close_while_the_login_is_not_answered(peer: AmiPeer) -> None:
    peer.silent = True
    async with patience(5), running(new_link(peer, action_timeout_s=60)):
        await until(lambda: peer.received("Login"))


async def test_a_fault_of_ours_ends_the_link_and_nobody_waits_for_it() -> None:
    def broken() -> float:
        raise ZeroDivisionError

    async with AmiPeer() as gone:
        pass
    link = AmiLink(new_link(gone).settings, now=lambda: NOW, random=broken)
    with pytest.raises(ZeroDivisionError):
        await link.run()
    async with patience(5):
        await link.close()
        with pytest.raises(LinkDownError):
            await link.next_batch()


async def test_a_cancelled_run_leaves_nothing_running(peer: AmiPeer) -> None:
    link = new_link(peer)
    task = asyncio.create_task(link.run())
    await Reading(link).to(LinkUp)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert link.state is LinkState.CLOSED
    await until(lambda: not peer._clients)
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert "ami-session-main" not in names


async def test_a_login_that_is_never_answered_is_tried_again(peer: AmiPeer) -> None:
    peer.silent = True
    async with running(new_link(peer)) as link:
        await until(lambda: len(peer.received("Login")) >= 2)
        assert link.state is LinkState.DOWN
        peer.silent = False
        await Reading(link).to(LinkUp)


async def test_who_waits_for_a_reply_is_told_when_the_line_breaks(peer: AmiPeer) -> None:
    peer.on("Getvar", lambda action: [])
    async with running(new_link(peer, action_timeout_s=60)) as link:
        await Reading(link).to(LinkUp)
        asked = asyncio.create_task(link.action("Getvar", Variable="X"))
        await until(lambda: peer.received("Getvar"))
        peer.reset()
        with pytest.raises(LinkDownError):
            await asked


async def test_a_reply_that_does_not_come_is_waited_for_only_so_long(peer: AmiPeer) -> None:
    peer.on("Getvar", lambda action: [])
    async with running(new_link(peer)) as link:
        await Reading(link).to(LinkUp)
        with pytest.raises(ActionTimeout):
            await link.action("Getvar", Variable="X", timeout_s=0.05)
        assert link.counters.actions_timed_out == 1
        assert (await link.action("Ping")).get("ping") == "Pong"
