"""The push socket with real clients, on both databases: nothing lost, nothing twice, nobody else's."""

import asyncio
import json
import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from people import sessions as sessions_of
from people.access.audience import Audience
from people.model import Employee, Role
from push import pops
from push.bus import MemoryBus
from push.hub import Hub
from push.model import Pop
from push.server import PushServer, PushSettings
from push.snapshot import prune, read_snapshot
from store.writer import Writer
from tests.push.desk import Desk, Line
from tests.push.screens import Screen, pushing
from tests.waiting import until

pytestmark = pytest.mark.timing


def to(*people: Employee) -> dict[str, Any]:
    return Audience(employees=tuple(person.id for person in people)).to_json()


async def test_a_pop_arrives_at_the_ringing_operator_and_at_nobody_else(
    desk: Desk, bus: MemoryBus
) -> None:
    ann, bob = await desk.hire("ann", "101"), await desk.hire("bob", "102")
    boss = await desk.hire("boss", role=Role.SUPERVISOR, department=None)
    async with (
        pushing(desk, bus) as push,
        push.screen(ann) as at_ann,
        push.screen(bob) as at_bob,
        push.screen(boss) as at_boss,
    ):
        assert at_ann.welcome["snapshot"] == {"pops": [], "calls": []}
        line = Line(desk)
        await line.happens(line.arrived(), line.rang("101"))
        (shown,) = await at_ann.events(1)
        assert (shown["type"], shown["data"]["call"]) == ("pop.shown", line.id)
        assert shown["at"] == desk.now.isoformat()
        await desk.tell("test.end", to(bob, boss), {})
        assert [e["type"] for e in await at_bob.events(1)] == ["test.end"]
        assert [e["type"] for e in await at_boss.events(1)] == ["test.end"]


async def test_the_snapshot_holds_ringing_pops_and_the_current_call(
    desk: Desk, bus: MemoryBus
) -> None:
    ann = await desk.hire("ann", "101")
    talks, rings, over = (Line(desk, uniqueid=f"1.{n}") for n in (1, 2, 3))
    await talks.happens(talks.arrived(), talks.rang("101"), talks.stopped("101", "answered"))
    await rings.happens(rings.arrived(), rings.rang("101"))
    await over.happens(over.arrived(), over.rang("101"), over.ended("abandoned"))
    async with pushing(desk, bus) as push, push.screen(ann) as screen:
        snapshot = screen.welcome["snapshot"]
    assert [pop["call"] for pop in snapshot["pops"]] == [rings.id]
    (call,) = snapshot["calls"]
    assert (call["id"], call["outcome"]) == (talks.id, "in_progress")
    assert call["pop"]["pop_id"] == pops.pop_id_of(talks.id, ann.id)


async def test_missed_events_follow_and_none_comes_twice(desk: Desk, bus: MemoryBus) -> None:
    ann, bob = await desk.hire("ann", "101"), await desk.hire("bob", "102")
    async with pushing(desk, bus) as push:
        async with push.screen(ann) as screen:
            await desk.tell("test.n", to(ann), {"n": 1})
            last = (await screen.events(1))[0]["seq"]
        for n in range(2, 6):
            await desk.tell("test.n", to(ann if n % 2 else bob), {"n": n})
        async with push.screen(ann, last_seq=last) as screen:
            assert screen.welcome == {"type": "welcome", "seq": last, "snapshot": None}
            await desk.tell("test.n", to(ann), {"n": 6})
            assert [e["data"]["n"] for e in await screen.events(3)] == [3, 5, 6]


async def test_random_cuts_lose_nothing_and_double_nothing(desk: Desk, bus: MemoryBus) -> None:
    """A screen that is cut at random moments while messages pour in hears each exactly once, in order."""
    ann = await desk.hire("ann", "101")
    dice = random.Random(3)
    total, heard, last = 300, [], 0

    async def pour() -> None:
        for n in range(total):
            await desk.tell("test.n", to(ann), {"n": n})

    async with pushing(desk, bus) as push:
        pouring = asyncio.create_task(pour())
        while len(heard) < total:
            async with push.screen(ann, last_seq=last) as screen:
                for _ in range(min(dice.randint(0, 40), total - len(heard))):
                    event = await screen.hear()
                    heard.append(event["data"]["n"])
                    last = event["seq"]
        await pouring
    assert heard == list(range(total))


async def test_a_last_seq_that_is_not_kept_gets_a_snapshot(desk: Desk, bus: MemoryBus) -> None:
    ann = await desk.hire("ann", "101")
    await desk.tell("test.old", to(ann), {})
    await desk.tell("test.old", to(ann), {})
    desk.later(timedelta(days=14, seconds=1).total_seconds())
    await desk.tell("test.new", to(ann), {})
    gone = [
        await desk.writer.run(lambda session: prune(session, desk.now, limit=1)) for _ in range(3)
    ]
    assert gone == [1, 1, 0]

    async def renew(session: AsyncSession) -> None:
        from people.model import Session

        for row in await session.scalars(select(Session)):
            row.expires_at = desk.now + timedelta(days=1)

    await desk.writer.run(renew)
    async with pushing(desk, bus) as push:
        async with push.screen(ann, last_seq=1) as screen:
            assert screen.welcome["snapshot"] is not None
            assert screen.welcome["seq"] == 3
        async with push.screen(ann, last_seq=2) as screen:
            assert screen.welcome["snapshot"] is None
            assert [e["type"] for e in await screen.events(1)] == ["test.new"]
        async with push.screen(ann, last_seq=99) as screen:  # of another database
            assert screen.welcome["seq"] == 3
            assert screen.welcome["snapshot"] is not None


async def test_an_ack_is_kept(desk: Desk, bus: MemoryBus) -> None:
    ann = await desk.hire("ann", "101")
    line = Line(desk)
    await line.happens(line.arrived(), line.rang("101"))
    async with pushing(desk, bus) as push, push.screen(ann) as screen, push.screen(ann) as tab:
        pop_id = screen.welcome["snapshot"]["pops"][0]["pop_id"]
        await screen.say({"type": "ack", "pop_id": pop_id})
        assert [e["type"] for e in await screen.events(1)] == ["pop.acked"]
        assert [e["data"] for e in await tab.events(1)] == [{"pop_id": pop_id}]
        await screen.say({"type": "ack", "pop_id": "somebody else's"})
    async with desk.sessions() as session:
        assert (await session.get_one(Pop, pop_id)).acked_at == desk.now


@pytest.mark.parametrize(
    ("said", "code", "why"),
    [
        ("{", 4400, "Invalid JSON"),
        ('{"type":"ack","pop_id":"p"}', 4400, "first message must be a hello"),
        ('{"type":"hello","ticket":"forged"}', 4401, "ticket refused"),
        ('{"type":"hello","ticket":7}', 4400, "ticket"),
        ('{"type":"hello","ticket":"' + "x" * 5000 + '"}', 1009, ""),
        (b"\x00\xff", 4400, "Invalid JSON"),
    ],
)
async def test_a_bad_first_message_is_answered_with_code_and_reason(
    desk: Desk, bus: MemoryBus, said: str | bytes, code: int, why: str
) -> None:
    async with pushing(desk, bus) as push, push.dial() as connection:
        screen = Screen(connection)
        await connection.send(said)
        closed = await screen.closed()
    assert closed[0] == code
    assert why in closed[1]
    assert "Traceback" not in closed[1]


async def test_nonsense_after_the_welcome_closes_too(desk: Desk, bus: MemoryBus) -> None:
    ann = await desk.hire("ann", "101")
    async with pushing(desk, bus) as push:
        async with push.screen(ann) as screen:
            await screen.connection.send("nonsense")
            assert (await screen.closed())[0] == 4400
        async with push.screen(ann) as screen:
            await screen.say({"type": "hello", "ticket": "again"})
            assert await screen.closed() == (4400, "hello was said already")
        await until(lambda: not push.hub.screens(), what="the hub to forget them")


async def test_a_ticket_is_good_once_and_for_half_a_minute(desk: Desk, bus: MemoryBus) -> None:
    ann = await desk.hire("ann", "101")
    async with pushing(desk, bus) as push:
        ticket = await desk.ticket(ann)
        async with push.dial() as connection:
            await Screen(connection).hello(ticket)
        late = await desk.ticket(ann)
        desk.later(31)
        for used in (ticket, late):
            async with push.dial() as connection:
                await connection.send(json.dumps({"type": "hello", "ticket": used}))
                assert (await Screen(connection).closed())[0] == 4401


async def test_who_says_nothing_is_let_go(desk: Desk, bus: MemoryBus) -> None:
    async with pushing(desk, bus, hello_timeout_s=0.1) as push, push.dial() as connection:
        assert await Screen(connection).closed() == (4408, "no hello within 0.1 s")


async def test_a_person_holds_so_many_connections(desk: Desk, bus: MemoryBus) -> None:
    ann = await desk.hire("ann", "101")
    async with pushing(desk, bus, hub=Hub(per_person_limit=2)) as push:
        async with push.screen(ann), push.screen(ann), push.dial() as third:
            ticket = await desk.ticket(ann)
            await third.send(json.dumps({"type": "hello", "ticket": ticket}))
            assert (await Screen(third).closed())[0] == 4429
        await until(lambda: not push.hub.screens(), what="both to leave")
        async with push.screen(ann):
            pass


async def test_a_revoked_session_is_cut_off(desk: Desk, bus: MemoryBus) -> None:
    ann, bob = await desk.hire("ann", "101"), await desk.hire("bob", "102")
    async with (
        pushing(desk, bus, session_check_every_s=0.05) as push,
        push.screen(ann) as out,
        push.screen(bob) as stays,
    ):
        await desk.writer.run(lambda s: sessions_of.sign_out(s, "token-ann", desk.now))
        assert (await out.closed())[0] == 4403
        await desk.tell("test.n", to(ann, bob), {})
        assert len(await stays.events(1)) == 1


async def test_a_changed_role_counts_at_once_for_who_is_connected(
    desk: Desk, bus: MemoryBus
) -> None:
    ann = await desk.hire("ann", "101")
    async with pushing(desk, bus) as push, push.screen(ann) as screen:

        async def promote(session: AsyncSession) -> None:
            (await session.get_one(Employee, ann.id)).role = Role.SUPERVISOR

        await desk.writer.run(promote)
        await push.server.check_sessions()
        await desk.tell("link.lost", Audience(roles=(Role.SUPERVISOR,)).to_json(), {"pbx": "main"})
        assert [e["type"] for e in await screen.events(1)] == ["link.lost"]


async def test_a_slow_reader_is_cut_and_comes_back_without_loss(desk: Desk, bus: MemoryBus) -> None:
    ann, bob = await desk.hire("ann", "101"), await desk.hire("bob", "102")
    hub = Hub(backlog_limit_bytes=1_000_000)
    async with (
        pushing(desk, bus, hub=hub, close_timeout_s=0.2) as push,
        push.screen(bob) as quick,
    ):
        async with push.screen(ann) as slow:
            slow.connection.transport.pause_reading()
            reading = asyncio.create_task(quick.events(40))
            for n in range(40):  # more than the kernel's buffers of a connection may grow to
                await desk.tell("test.big", to(ann, bob), {"n": n, "x": "x" * 200_000})
            assert [e["data"]["n"] for e in await reading] == list(range(40))
            await until(lambda: hub.cut == 1, what="the slow one to be cut")
            await until(lambda: len(hub.screens()) == 1, what="the hub to forget it")
        async with push.screen(ann, last_seq=0) as again:
            assert [e["data"]["n"] for e in await again.events(40)] == list(range(40))


async def test_messages_of_another_process_come_in_their_place(
    engine: AsyncEngine, desk: Desk, bus: MemoryBus
) -> None:
    """What is committed elsewhere is read from the rows, also between messages handed over here."""
    ann = await desk.hire("ann", "101")
    async with (
        Writer(engine, on_commit=bus.ring) as elsewhere,  # rings, as NOTIFY would
        pushing(desk, bus) as push,
        push.screen(ann) as screen,
    ):
        there = replace(desk, writer=elsewhere)

        async def pour(side: Desk, numbers: range) -> None:
            for n in numbers:
                await side.tell("test.n", to(ann), {"n": n})

        await asyncio.gather(pour(desk, range(60)), pour(there, range(100, 160)))
        events = await screen.events(120)
    seqs = [event["seq"] for event in events]
    assert seqs == sorted(set(seqs))
    assert sorted(event["data"]["n"] for event in events) == [*range(60), *range(100, 160)]


@pytest.mark.parametrize(
    ("origin", "admitted"),
    [
        (None, True),
        ("http://press3.test", True),
        ("https://press3.test", True),
        ("https://proxy.test", True),
        ("http://evil.test", False),
        ("http://press3.test.evil.test", False),
        ("null", False),
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_only_our_own_pages_may_connect(
    desk: Desk, bus: MemoryBus, origin: str | None, admitted: bool
) -> None:
    async with pushing(desk, bus, origins=("https://proxy.test",)) as push:
        if admitted:
            async with push.dial(origin=origin):
                return
        with pytest.raises(InvalidStatus) as refused:
            async with push.dial(origin=origin):
                pass
        assert refused.value.response.status_code == 403


@pytest.mark.parametrize(
    ("origin", "admitted"),
    [
        (None, True),
        ("http://127.0.0.1:8300", True),
        ("https://proxy.test", True),
        ("http://127.0.0.1", False),
        ("http://127.0.0.1:8301", False),
        ("http://evil.test:8300", False),
        ("http://127.0.0.1:nonsense", False),
        ("null", False),
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_on_a_port_of_our_own_only_pages_of_the_web_server_may_connect(
    desk: Desk, bus: MemoryBus, origin: str | None, admitted: bool
) -> None:
    settings = PushSettings(
        address=("127.0.0.1", 0), origins=("https://proxy.test",), page_port=lambda: 8300
    )
    server = PushServer(
        settings, Hub(), sessions=desk.sessions, writer=desk.writer, now=lambda: desk.now
    )
    assert server.port is None
    async with server:
        url = f"ws://127.0.0.1:{server.port}/ws"
        if admitted:
            async with connect(url, origin=origin):  # type: ignore[arg-type]
                return
        with pytest.raises(InvalidStatus) as refused:
            await connect(url, origin=origin)  # type: ignore[arg-type]
        assert refused.value.response.status_code == 403


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_screens_wait_for_the_relay_and_miss_nothing(desk: Desk, bus: MemoryBus) -> None:
    ann = await desk.hire("ann", "101")
    hub = Hub()
    async with pushing(desk, bus, hub=hub, relayed=False) as push, push.screen(ann) as screen:
        assert hub.screens() == []
        await desk.tell("test.n", to(ann), {"n": 1})
        hub.begin(1)
        assert [e["data"]["n"] for e in await screen.events(1)] == [1]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_stopping_says_goodbye_and_leaves_no_socket(desk: Desk, bus: MemoryBus) -> None:
    ann = await desk.hire("ann", "101")
    async with pushing(desk, bus) as push:
        connection = await push.dial()
        screen = Screen(connection)
        await screen.hello(await desk.ticket(ann))
        socket = push.socket
        closing = asyncio.create_task(screen.closed())
    assert (await closing)[0] == 1001
    assert not socket.exists()
    await connection.close()


async def test_a_viewer_is_shown_only_what_is_his(desk: Desk) -> None:
    from people.access.audience import Viewer

    await desk.hire("ann", "101")
    bob = await desk.hire("bob", "102")
    line = Line(desk)
    await line.happens(line.arrived(), line.rang("101"))
    async with desk.sessions() as session:
        assert await read_snapshot(session, Viewer.of(bob)) == {"pops": [], "calls": []}


@pytest.mark.parametrize(
    "lines",
    [
        b"Origin: http://[\r\n",
        b"Origin: http://localhost\r\nOrigin: http://localhost\r\n",
        b"Origin: http://localhost\r\nHost: evil.test\r\n",
        b"Origin: \r\n",
        b"Origin: null\r\n",
    ],
)
async def test_an_origin_that_is_none_or_two_is_refused(
    desk: Desk, bus: MemoryBus, lines: bytes
) -> None:
    ask = (
        b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
    )
    async with pushing(desk, bus) as push:
        reader, writer = await asyncio.open_unix_connection(push.socket)
        writer.write(ask + lines + b"\r\n")
        async with asyncio.timeout(10):
            assert (await reader.readline()).split()[1] == b"403"
        writer.close()
