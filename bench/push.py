"""Pops and broadcasts: press3's push beside bare `websockets` and node's `ws`, with 1000 and 5000 screens connected.

    python -m bench.push [--quick] [--screens N …]

Measured from the commit that made the message durable (for the peers: from the call that sends)
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

from bench.peers import node_peer
from bench.push_screens import Address, Listeners
from people.access.audience import Audience
from people.model import Employee, Role, Session, Ticket
from people.sessions import token_hash
from press3 import schema
from press3.clock import now
from press3.features import entry_kinds
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

Send = Callable[[int | None, dict[str, Any]], Awaitable[int]]  # to one or to all → when, in ns
Memory = Callable[[], Awaitable[float]]  # of the server's process, KB
FILLER = "x" * 480
STATM = Path("/proc/self/statm")
NO_PING_S = 3600  # raw screens don't answer pings, and 5000 take their time to connect


# -- the servers ------------------------------------------------------------------------------------


async def _resident_kb() -> float:
    gc.collect()
    pages = int(STATM.read_text().split()[1])  # noqa: ASYNC240  memory, not a disk
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024


@dataclass(frozen=True)
class Served:
    """A server that listens: where, with which ticket for each screen, how it is told to send."""

    address: Address
    tickets: list[str | None]
    send: Send
    memory_kb: Memory = _resident_kb


@asynccontextmanager
async def bare(folder: Path, count: int) -> AsyncIterator[Served]:
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
        yield Served(str(folder / "bare"), [None] * count, send)


@asynccontextmanager
async def node_ws(folder: Path, count: int, node: str, modules: Path) -> AsyncIterator[Served]:
    """`ws` in node, told by this process what to send; its clock is ours (CLOCK_MONOTONIC)."""
    script, socket = Path(__file__).with_name("peer_ws.cjs"), str(folder / "node")
    process = await asyncio.create_subprocess_exec(
        *(node, "--expose-gc", str(script), socket), cwd=modules,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    async def ask(line: str) -> str:
        stdin.write(line.encode() + b"\n")
        return (await stdout.readline()).decode().strip()

    async def send(to: int | None, data: dict[str, Any]) -> int:
        text = json.dumps({"seq": 1, "type": "pop.shown", "at": "", "data": data})
        return int(await ask(json.dumps({"to": to, "text": text})))

    async def memory_kb() -> float:
        return float(await ask("memory"))

    await stdout.readline()  # ready
    yield Served(socket, [None] * count, send, memory_kb)
    process.kill()
    await process.wait()


@asynccontextmanager
async def press3(
    folder: Path, count: int, *, through_web: bool = False, carried: bool = True
) -> AsyncIterator[Served]:
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
                entry_kinds=entry_kinds(),
                push_socket=settings.socket,
            )
            runner = web.AppRunner(build(deps), access_log=None, shutdown_timeout=1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            address = runner.addresses[0] if through_web else str(settings.socket)
            yield Served(address, [f"ticket-{n}" for n in range(count)], send)
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
    async with server as served:
        send = served.send
        before_kb = await served.memory_kb()
        audience = Listeners(served.address, served.tickets)
        await audience.ready()
        screen_kb = (await served.memory_kb() - before_kb) / count
        numbers = itertools.count(1)
        one = [await _one(audience, send, next(numbers), n * 7 % count) for n in range(pops)]
        many = [await _many(audience, send, next(numbers), count) for _ in range(broadcasts)]
        audience.stop()
    return Result(name, one, many, screen_kb)


async def _one(audience: Listeners, send: Send, n: int, to: int) -> float:
    begin = await send(to, {"n": n, "x": FILLER})
    (at,) = await audience.arrivals(n, 1)
    return (at - begin) / 1e6


async def _many(audience: Listeners, send: Send, n: int, count: int) -> float:
    begin = await send(None, {"n": n, "x": FILLER})
    return (max(await audience.arrivals(n, count)) - begin) / 1e6


BARE, NODE, OURS = "websockets alone, not durable", "node ws, not durable", "press3"
SERVERS: dict[str, Callable[..., Any]] = {
    BARE: bare,
    NODE: node_ws,
    OURS: press3,
    "press3, rows read (other process)": partial(press3, carried=False),
    "press3 through /ws": partial(press3, through_web=True),
}


def main(*, quick: bool, count: int, peer: tuple[str, Path] | None) -> None:
    """Measure each server in a process of its own: memory freed by one would serve the next."""
    pops, broadcasts = (50, 5) if quick else (500, 15)
    print(f"\n{count} screens, {pops} pops, {broadcasts} broadcasts, {os.cpu_count()} cores\n")
    print(
        "| server | pop to one, p50 / p99 ms | broadcast to all, last, min / median / max ms | KB a screen |"
    )
    print("|---|---|---|---|", flush=True)
    results = {}
    for name in SERVERS:
        if name != NODE or peer is not None:
            results[name] = _in_own_process(name, pops, broadcasts, count, peer)
            print(results[name].row(), flush=True)
    if NODE in results:
        ours, theirs = (statistics.median(results[name].broadcasts) for name in (OURS, NODE))
        print(f"\nbroadcast: press3 ÷ node ws {ours / theirs:.2f} (target ≤ 1.0 at 5000)")


def _in_own_process(
    name: str, pops: int, broadcasts: int, count: int, peer: tuple[str, Path] | None
) -> Result:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    arguments = (name, pops, broadcasts, count, peer, there)
    one = context.Process(target=measure_one, args=arguments)
    one.start()
    there.close()
    try:
        result: Result = here.recv()
    except EOFError:
        raise SystemExit(f"{name} failed") from None
    one.join()
    return result


def measure_one(
    name: str,
    pops: int,
    broadcasts: int,
    count: int,
    peer: tuple[str, Path] | None,
    pipe: Connection,
) -> None:
    """Send the result of one server."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="p3-bench-") as folder:
        more = peer if name == NODE and peer is not None else ()
        server = SERVERS[name](Path(folder), count, *more)
        pipe.send(asyncio.run(measure(name, server, pops, broadcasts, count)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few messages: does it run?")
    parser.add_argument("--screens", type=int, nargs="+", default=[1000, 5000])
    options = parser.parse_args()
    with node_peer("ws") as found:
        for screens_count in options.screens:
            main(quick=options.quick, count=screens_count, peer=found)
