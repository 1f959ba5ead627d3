"""Browser sockets in trouble: cut, stalled, a thousand coming back at once; and ten thousand histories."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy.ext.asyncio import AsyncSession
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from people import passwords, roster
from people.access.audience import Audience
from people.passwords import PasswordHash
from press3.clock import now
from press3.config.settings import load
from press3.database import Database, open_database
from store.outbox import Message, emit
from tests.e2e.desk import PASSWORD, Desk, PbxSide, Person, open_desk
from tests.faults.options import FaultOptions
from tests.faults.service import Service
from tests.faults.without import SERVICE
from tests.timing import Stopwatch
from tests.waiting import patience, until

pytestmark = pytest.mark.timing

OPERATORS, SCREENS_EACH = 100, 10  # a person may have so many
WELCOMED_S = 30  # all of them, from the cut, on 2 cores that also run the thousand clients
_PATIENCE_S = 240  # however many other programs want the processor
SLOW_READER = 4410
# Of 5 MB each for a socket whose backlog may be 1 MB; so many that the pages which SQLite keeps don't count.
_ROUNDS = 24
_NOWHERE = 1  # nobody listens at TCP port 1: no PBX is needed here


class WithoutPbx(Service):
    """Ready when it accepts connections: there is no PBX that it could serve."""

    async def start(self) -> None:
        await self.come_up()


@pytest.fixture
async def desk(tmp_path: Path, fault_options: FaultOptions) -> AsyncIterator[Desk]:
    """press3 as a process, with operators op1000, op1001, …"""
    side = PbxSide(port=_NOWHERE, username="u", secret="s", monitor=tmp_path)
    without = fault_options.without if fault_options.without in SERVICE else None
    async with open_desk(
        side,
        tmp_path,
        start=False,
        make=lambda config, http: WithoutPbx(config, http, without=without),
    ) as desk:
        yield desk


class Switch:
    """Tells people's screens something, from another process, as `press3 serve` of another role would."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.told: dict[int, list[int]] = {}

    async def tell(self, employees: Sequence[int], count: int, size: int = 100) -> None:
        """Commit `count` messages to each of `employees`; remember their numbers."""
        async with self._database.sessions() as session:
            from store import outbox

            before = await outbox.last_seq(session)

        async def work(session: AsyncSession) -> None:
            for _ in range(count):
                for employee in employees:
                    audience = Audience(employees=(employee,)).to_json()
                    data = {"to": employee, "text": "x" * size}
                    emit(session, Message(type="t.est", at=now(), audience=audience, data=data))

        await self._database.writer.run(work)
        seq = before
        for _ in range(count):
            for employee in employees:
                seq += 1
                self.told.setdefault(employee, []).append(seq)


class Tab:
    """One browser tab of one person: what it heard, over all its connections."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.heard: list[int] = []
        self.last_seq: int | None = None
        self.welcomed = 0
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None

    async def join(self) -> None:
        status, ticket = await self.person.post("/push-ticket")
        assert status in (200, 201), ticket
        self._socket = await connect(ticket["url"], compression=None, open_timeout=_PATIENCE_S)
        hello = {"type": "hello", "ticket": ticket["ticket"], "last_seq": self.last_seq}
        await self._socket.send(json.dumps(hello))
        welcome = json.loads(await self._socket.recv())
        assert welcome["type"] == "welcome", welcome
        assert (welcome["snapshot"] is None) == (self.last_seq is not None)
        self.last_seq = self.last_seq or welcome["seq"]
        self.welcomed += 1
        self._reader = asyncio.create_task(self._read(self._socket))

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for text in socket:
                self.last_seq = json.loads(text)["seq"]
                self.heard.append(int(self.last_seq or 0))
        except ConnectionClosed:
            pass

    async def cut(self) -> None:
        """The network goes away: no close, no last word."""
        assert self._socket is not None
        assert self._reader is not None
        self._socket.transport.abort()
        await self._reader


async def sign_in(desk: Desk, http: aiohttp.ClientSession, logins: Sequence[str]) -> list[Person]:
    people = []
    for login in logins:
        body = {"login": login, "password": PASSWORD}
        async with http.post(desk.url + "/api/v1/session", json=body) as answer:
            said = await answer.json()
            assert answer.status == 201, said
        people.append(Person(http, desk.url, said["token"], said["employee"]["id"]))
    return people


@asynccontextmanager
async def staffed(desk: Desk, operators: int) -> AsyncIterator[tuple[list[Person], Switch]]:
    """Hire operators, start press3, sign them in; give a way to tell them things."""
    logins = [f"many{n}" for n in range(operators)]
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(load(desk.config)))
        await database.writer.run(lambda session: _hire(session, logins))
        await desk.start()
        http = await stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=50))
        )
        yield await sign_in(desk, http, logins), Switch(database)


async def _hire(session: AsyncSession, logins: Sequence[str]) -> None:
    chosen = PasswordHash(await passwords.hash_password(PASSWORD))
    first = await roster.add_employee(
        session,
        login=logins[0],
        name=logins[0],
        role="operator",
        extension="5000",
        password=chosen,
        now=now(),
    )
    from people.model import Employee

    for login in logins[1:]:  # one password, hashed once: a hash takes some 20 ms of a core
        session.add(
            Employee(
                login=login,
                name=login,
                role=first.role,
                department_id=first.department_id,
                password_hash=first.password_hash,
                created_at=now(),
            )
        )


@pytest.mark.faults_only
async def test_a_thousand_screens_come_back_at_once_and_miss_nothing(desk: Desk) -> None:
    async with staffed(desk, OPERATORS) as (people, switch):
        tabs = [Tab(person) for person in people for _ in range(SCREENS_EACH)]
        ids = [person.id for person in people]
        for n in range(0, len(tabs), 50):  # people come in the morning, not at one moment
            await asyncio.gather(*(tab.join() for tab in tabs[n : n + 50]))
        await switch.tell(ids, 2)
        await all_heard(tabs, switch)
        await asyncio.gather(*(tab.cut() for tab in tabs))
        await switch.tell(ids, 3)  # while nobody hears
        stopwatch = Stopwatch()
        await asyncio.gather(*(tab.join() for tab in tabs), switch.tell(ids, 1))
        took_s, own_s = stopwatch.passed_s, stopwatch.own_s
        assert own_s <= WELCOMED_S, f"{took_s:.1f} s, {took_s - own_s:.1f} s of them withheld"
        await switch.tell(ids, 1)
        await all_heard(tabs, switch)
        assert {tab.welcomed for tab in tabs} == {2}
        await asyncio.gather(*(tab.cut() for tab in tabs))
    assert "Traceback" not in desk.log.read_text(errors="replace")


async def all_heard(tabs: Sequence[Tab], switch: Switch) -> None:
    """Every tab has heard all that its person was told, in order, each once."""
    await until(
        lambda: all(len(tab.heard) >= len(switch.told[tab.person.id]) for tab in tabs),
        deadline_s=30,
        what="all messages at all screens",
    )
    for tab in tabs:
        assert tab.heard == switch.told[tab.person.id]


async def test_one_that_stops_reading_is_cut_off_and_nobody_else_feels_it(desk: Desk) -> None:
    async with staffed(desk, 2) as (people, switch):
        stalled, reading = people
        tab = Tab(reading)
        await tab.join()
        async with stalled_socket(stalled) as socket:
            before_kib = resident_kib(desk)
            for _ in range(_ROUNDS):
                await switch.tell([stalled.id], 50, size=100_000)
                await switch.tell([reading.id], 1)
                await all_heard([tab], switch)
            assert resident_kib(desk) - before_kib <= _ROUNDS * 5_000 * 2 // 3
            said = [json.loads(line) for line in desk.log.read_text().splitlines()]
            assert [each["code"] for each in said if "code" in each] == [SLOW_READER]
            await read_to_the_end(socket)
        await tab.cut()


@asynccontextmanager
async def stalled_socket(person: Person) -> AsyncIterator[ClientConnection]:
    """A browser that says hello and then reads nothing."""
    _, ticket = await person.post("/push-ticket")
    async with connect(ticket["url"], compression=None, max_queue=1, ping_interval=None) as socket:
        hello = {"type": "hello", "ticket": ticket["ticket"], "last_seq": None}
        await socket.send(json.dumps(hello))
        assert json.loads(await socket.recv())["type"] == "welcome"
        socket.transport.pause_reading()
        yield socket
        socket.transport.abort()


async def read_to_the_end(socket: ClientConnection) -> None:
    """Read again what was sent before the cut. The code may have found no room after it."""
    socket.transport.resume_reading()
    with suppress(ConnectionClosed):
        async with patience(10):
            while True:
                await socket.recv()


def resident_kib(desk: Desk) -> int:
    assert desk.process is not None
    status = Path(f"/proc/{desk.process.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


async def test_sockets_cut_at_random_moments_miss_nothing(desk: Desk) -> None:
    dice = random.Random(7)
    async with staffed(desk, 5) as (people, switch):
        tabs = [Tab(person) for person in people for _ in range(2)]
        ids = [person.id for person in people]
        await asyncio.gather(*(tab.join() for tab in tabs))
        for _ in range(12):
            telling = asyncio.create_task(switch.tell(ids, dice.randrange(1, 4)))
            for tab in dice.sample(tabs, 3):
                await tab.cut()
                await tab.join()
            await telling
        await all_heard(tabs, switch)
        await asyncio.gather(*(tab.cut() for tab in tabs))
