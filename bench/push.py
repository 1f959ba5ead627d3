"""Pops and broadcasts: press3's push beside bare `websockets`, with 1000 and 5000 screens connected.

    python -m bench.push [--quick] [--screens N …]

Measured from the commit that made the message durable (for bare websockets: from the call that sends)
to the arrival at the last socket, with about 600 bytes a message. The screens live in a process of
their own and read raw bytes, so that only the server is measured. `through /ws` is the way of a
browser: TCP to the web server, which splices to the private unix socket. `KB a screen` is what the
server's process grew by (resident memory) while the screens connected, everything kept for them included.
"""

import argparse
import asyncio
import gc
import itertools
import json
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from aiohttp import web
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from websockets.asyncio.server import ServerConnection, broadcast, unix_serve

from people.audience import Audience
from people.model import Employee, Role, Session, Ticket
from people.signin import token_hash
from press3 import schema
from press3.clock import now
from push.bus import MemoryBus
from push.hub import Hub
from push.relay import Relay
from push.server import PushServer, PushSettings
from store import outbox
from store.engine import create_engine
from store.writer import Writer
from web.app import build
from web.deps import WebDeps

__all__: list[str] = []

Address = str | tuple[str, int]
Send = Callable[[int | None, dict[str, Any]], Awaitable[int]]  # to one or to all → when, in ns
FILLER = "x" * 480
LIMIT_S = 30
AT_ONCE = 100  # screens that connect together
NO_PING_S = 3600  # raw screens don't answer pings, and 5000 take their time to connect


# -- the screens, in a process of their own ---------------------------------------------------------


class Screen(asyncio.Protocol):
    """Says its hello after the handshake, then notes when each message came. Nothing is parsed but `n`."""

    def __init__(self, number: int, ticket: str | None, heard: Callable[[int, int, int], None]):
        self._number, self._ticket, self._heard = number, ticket, heard
        self._upgraded = False
        self.welcomed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(
            b"GET /ws HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )

    def data_received(self, data: bytes) -> None:
        at = time.monotonic_ns()
        if not self._upgraded:
            self._upgraded = True
            if self._ticket is None:
                self.welcomed.set_result(None)
            else:
                hello = {"type": "hello", "ticket": self._ticket, "last_seq": None}
                self._transport.write(_masked(json.dumps(hello).encode()))
        elif not self.welcomed.done():
            self.welcomed.set_result(None)
        else:
            for part in data.split(b'"n":')[1:]:
                self._heard(int(part.split(b",", 1)[0]), self._number, at)


def _masked(text: bytes) -> bytes:
    """A client's text frame with the mask of zeros; longer than 125 bytes and shorter than 64 KiB."""
    length = len(text)
    head = bytes([0x81, 0x80 | length]) if length < 126 else b"\x81\xfe" + length.to_bytes(2, "big")
    return head + b"\0\0\0\0" + text


def screens(address: Address, tickets: list[str | None], pipe: Connection) -> None:
    """Connect, say `ready`, then send (n, screen, ns) of all that comes, in lots."""
    asyncio.run(_screens(address, tickets, pipe))


async def _screens(address: Address, tickets: list[str | None], pipe: Connection) -> None:
    loop = asyncio.get_running_loop()
    lot: list[tuple[int, int, int]] = []
    made: list[Screen] = []  # kept alive

    async def connect(number: int, ticket: str | None) -> None:
        def protocol() -> Screen:
            made.append(Screen(number, ticket, lambda n, s, at: lot.append((n, s, at))))
            return made[-1]

        if isinstance(address, str):
            _, screen = await loop.create_unix_connection(protocol, address)
        else:
            _, screen = await loop.create_connection(protocol, *address)
        await screen.welcomed

    for begin in range(0, len(tickets), AT_ONCE):
        few = enumerate(tickets[begin : begin + AT_ONCE], begin)
        await asyncio.gather(*(connect(number, ticket) for number, ticket in few))
    pipe.send("ready")
    over = asyncio.Event()
    loop.add_reader(pipe.fileno(), over.set)
    while not over.is_set():
        await asyncio.sleep(0.02)
        if lot:
            pipe.send(lot)
            lot.clear()


class Listeners:
    """The screens' process seen from here: `await arrivals(n, count)`."""

    def __init__(self, address: Address, tickets: list[str | None]) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, far = context.Pipe()
        self._process = context.Process(target=screens, args=(address, tickets, far), daemon=True)
        self._process.start()
        self._heard: dict[int, list[int]] = {}

    async def ready(self) -> None:
        await self._receive()

    async def arrivals(self, n: int, count: int) -> list[int]:
        """Return when message `n` came at each of `count` screens."""
        while len(self._heard.get(n, ())) < count:
            for number, _, at in await self._receive():
                self._heard.setdefault(number, []).append(at)
        return self._heard.pop(n)

    async def _receive(self) -> Any:
        loop = asyncio.get_running_loop()
        readable = loop.create_future()
        loop.add_reader(self._pipe.fileno(), lambda: readable.done() or readable.set_result(None))
        try:
            async with asyncio.timeout(LIMIT_S * 4):
                await readable
        finally:
            loop.remove_reader(self._pipe.fileno())
        return self._pipe.recv()

    def stop(self) -> None:
        self._pipe.send("over")
        self._process.join(10)


# -- the servers ------------------------------------------------------------------------------------


@asynccontextmanager
async def bare(folder: Path, count: int) -> AsyncIterator[tuple[Address, list[str | None], Send]]:
    """`websockets` alone, as its documentation shows it, without compression."""
    connected: list[ServerConnection] = []

    async def handler(connection: ServerConnection) -> None:
        connected.append(connection)
        await connection.wait_closed()

    async def send(to: int | None, data: dict[str, Any]) -> int:
        begin = time.monotonic_ns()
        text = json.dumps({"seq": 1, "type": "pop.shown", "at": "", "data": data})
        if to is None:
            broadcast(connected, text)
        else:
            await connected[to].send(text)
        return begin

    async with unix_serve(handler, str(folder / "bare"), compression=None, ping_interval=None):
        yield str(folder / "bare"), [None] * count, send


@asynccontextmanager
async def press3(
    folder: Path, count: int, *, through_web: bool = False, carried: bool = True
) -> AsyncIterator[tuple[Address, list[str | None], Send]]:
    """Outbox on SQLite, relay, hub and socket as in the service."""
    name = f"{through_web}-{carried}"
    url = f"sqlite+aiosqlite:///{folder}/{name}.db"
    await schema.upgrade(url)
    engine = create_engine(url)
    bus, hub, committed = MemoryBus(), Hub(), [0]

    def on_messages(messages: Sequence[outbox.Message]) -> None:
        committed[0] = time.monotonic_ns()
        if carried:
            bus.carry(messages)

    async with Writer(engine, on_commit=bus.ring, on_messages=on_messages) as writer:
        sessions = async_sessionmaker(engine, expire_on_commit=False)
        people = await _hire(engine, count)
        settings = PushSettings(socket=folder / name, close_timeout_s=0.5, ping_every_s=NO_PING_S)
        server = PushServer(settings, hub, sessions=sessions, writer=writer, now=now)

        async def send(to: int | None, data: dict[str, Any]) -> int:
            message = _message(people[to] if to is not None else None, data)

            async def work(session: AsyncSession) -> None:
                outbox.emit(session, message)

            await writer.run(work)
            return committed[0]

        async with server:
            relay = asyncio.create_task(Relay(sessions, hub, bus).run())
            deps = WebDeps(
                sessions=sessions,
                writer=writer,
                now=now,
                data_dir=folder,
                push_socket=settings.socket,
            )
            runner = web.AppRunner(build(deps), access_log=None, shutdown_timeout=1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            address = runner.addresses[0] if through_web else str(settings.socket)
            yield address, [f"ticket-{n}" for n in range(count)], send
            relay.cancel()
            await asyncio.gather(relay, return_exceptions=True)
            await runner.cleanup()
    await engine.dispose()


def _message(person: int | None, data: dict[str, Any]) -> outbox.Message:
    everybody = Audience(roles=(Role.OPERATOR,))
    audience = everybody if person is None else Audience(employees=(person,))
    return outbox.Message(type="pop.shown", at=now(), audience=audience.to_json(), data=data)


async def _hire(engine: AsyncEngine, count: int) -> list[int]:
    """Make `count` operators, each with a session and a ticket; return their ids."""
    ids = list(range(1, count + 1))
    later, at = now() + timedelta(hours=1), now()
    common = {"role": Role.OPERATOR, "password_hash": "-", "created_at": at}
    async with engine.execution_options(press3_write=True).begin() as connection:
        await connection.execute(
            insert(Employee), [{"id": n, "login": f"o{n}", "name": f"O {n}", **common} for n in ids]
        )
        hashed = {n: token_hash(f"s{n}") for n in ids}
        await connection.execute(
            insert(Session),
            [
                {"token_hash": hashed[n], "employee_id": n, "created_at": at, "expires_at": later}
                for n in ids
            ],
        )
        await connection.execute(
            insert(Ticket),
            [
                {
                    "ticket_hash": token_hash(f"ticket-{n - 1}"),
                    "employee_id": n,
                    "session_hash": hashed[n],
                    "expires_at": later,
                }
                for n in ids
            ],
        )
    return ids


# -- measuring --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Result:
    """Milliseconds from commit to arrival: of every pop, and of each broadcast's last screen."""

    name: str
    pops: list[float]
    broadcasts: list[float]
    screen_kb: float

    def row(self) -> str:
        pops = sorted(self.pops)
        p50, p99 = statistics.median(pops), pops[int(len(pops) * 0.99) - 1]
        low, middle, high = (f(self.broadcasts) for f in (min, statistics.median, max))
        times = f"{p50:.2f} / {p99:.2f} | {low:.1f} / {middle:.1f} / {high:.1f}"
        return f"| {self.name} | {times} | {self.screen_kb:.1f} |"


async def measure(name: str, server: Any, pops: int, broadcasts: int, count: int) -> Result:
    async with server as (address, tickets, send):
        audience = Listeners(address, tickets)
        before_kb = _resident_kb()
        await audience.ready()
        screen_kb = (_resident_kb() - before_kb) / count
        numbers = itertools.count(1)
        one = [await _one(audience, send, next(numbers), n * 7 % count) for n in range(pops)]
        many = [await _many(audience, send, next(numbers), count) for _ in range(broadcasts)]
        audience.stop()
    return Result(name, one, many, screen_kb)


def _resident_kb() -> float:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024


async def _one(audience: Listeners, send: Send, n: int, to: int) -> float:
    begin = await send(to, {"n": n, "x": FILLER})
    (at,) = await audience.arrivals(n, 1)
    return (at - begin) / 1e6


async def _many(audience: Listeners, send: Send, n: int, count: int) -> float:
    begin = await send(None, {"n": n, "x": FILLER})
    return (max(await audience.arrivals(n, count)) - begin) / 1e6


SERVERS: dict[str, Callable[[Path, int], Any]] = {
    "websockets alone, not durable": bare,
    "press3": press3,
    "press3, rows read (other process)": partial(press3, carried=False),
    "press3 through /ws": partial(press3, through_web=True),
}


def main(*, quick: bool, count: int) -> None:
    """Measure each server in a process of its own: memory freed by one would serve the next."""
    pops, broadcasts = (50, 5) if quick else (500, 15)
    print(f"\n{count} screens, {pops} pops, {broadcasts} broadcasts, {os.cpu_count()} cores\n")
    print(
        "| server | pop to one, p50 / p99 ms | broadcast to all, last, min / median / max ms | KB a screen |"
    )
    print("|---|---|---|---|", flush=True)
    context = multiprocessing.get_context("spawn")
    for name in SERVERS:
        one = context.Process(target=measure_one, args=(name, pops, broadcasts, count))
        one.start()
        one.join()
        if one.exitcode:
            raise SystemExit(f"{name} failed")


def measure_one(name: str, pops: int, broadcasts: int, count: int) -> None:
    """Print the row of one server."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="p3-bench-") as folder:
        server = SERVERS[name](Path(folder), count)
        print(asyncio.run(measure(name, server, pops, broadcasts, count)).row(), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few messages: does it run?")
    parser.add_argument("--screens", type=int, nargs="+", default=[1000, 5000])
    options = parser.parse_args()
    for screens_count in options.screens:
        main(quick=options.quick, count=screens_count)
