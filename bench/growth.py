"""What a year of calls costs: start, lists, search, a customer's calls, the reconciliation of a day.

    python -m bench.growth [--quick] [--calls 100000 1000000]

`press3 serve` runs as its user runs it, on SQLite with so many calls (see bench/grown.py), beside a fake AMI
peer that holds a day's presses in AstDB. Requests come one after the other, each with other values; p95 of
the whole answer at the client. The peer and limit: the same page by the sqlite3 module alone. The last table
says how many times as long each takes in the largest database as in the smallest.
"""

import argparse
import asyncio
import itertools
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from bench import grown
from people.model import Extension
from press3.config.settings import load
from press3.database import open_database
from tests.e2e.desk import Desk, PbxSide, Person, open_desk
from tests.fakes.ami_peer import AmiPeer

__all__: list[str] = []

OPERATORS = tuple(str(number) for number in range(201, 221))
TARGET_MS = 50
DAY = datetime.now(UTC).astimezone(ZoneInfo("Europe/Moscow")).date()  # the zone of config.toml


@dataclass(frozen=True)
class Grown:
    """A press3 that serves a grown database."""

    desk: Desk
    database: Path
    calls: int


@asynccontextmanager
async def grown_desk(folder: Path, calls: int) -> AsyncIterator[Grown]:
    """Fill a database with `calls` calls and hand out its desk, not started, its PBX running."""
    async with AmiPeer() as peer:
        peer.clock = f"{time.time():.6f}"
        side = PbxSide(port=peer.port, username="press3", secret="s3cret", monitor=folder)
        async with open_desk(side, folder, operators=OPERATORS, start=False) as desk:
            settings = load(desk.config)
            copies = calls // grown.MODELS
            async with open_database(settings) as database:
                await database.writer.run(_hired_long_ago)
                await grown.models(database, copies=copies)
            database = settings.service.data_dir / "press3.db"
            await asyncio.to_thread(grown.copy, database, copies)
            _fill_spool(peer, database)
            yield Grown(desk, database, copies * grown.MODELS)


async def _hired_long_ago(session: AsyncSession) -> None:
    await session.execute(update(Extension).values(since=datetime(2020, 1, 1, tzinfo=UTC)))


def _fill_spool(peer: AmiPeer, database: Path) -> None:
    """Put the presses of the last two days into the peer's AstDB, as the dialplan kept them."""
    with sqlite3.connect(database) as connection:
        rows = connection.execute(
            "SELECT a.spool_key, c.uniqueid, strftime('%s', a.pressed_at), c.from_e164 FROM appeals a"
            " JOIN calls c ON c.id = a.call_id WHERE a.pressed_at > datetime('now', '-2 days')"
        )
        for key, uniqueid, epoch, number in rows:
            value = f"2|{uniqueid}|{uniqueid}|{epoch}.000|{number}|Bench|100|main|press3"
            peer.astdb[key] = value


Medians = dict[str, float]  # what was asked → ms


async def measure(folder: Path, calls: int, repeats: int) -> Medians:
    """Print what each request takes with so many calls; return the medians."""
    medians: Medians = {}
    began = time.perf_counter()
    async with grown_desk(folder, calls) as at:
        size_mb = at.database.stat().st_size / 1e6
        took_s = time.perf_counter() - began
        print(f"\n{at.calls:,} calls, {size_mb:,.0f} MB, filled in {took_s:.0f} s\n", flush=True)
        print("| what | p50 ms | p95 ms | max ms | target ms |\n|---|---|---|---|---|")
        for name, took in await _starts(at.desk, max(1, repeats // 10)):
            medians[name] = _say(name, took, "")
        await at.desk.start()
        await at.desk.linked(deadline_s=60)
        people = (
            ("chief", _of_chief(at)),
            ("op201", _of_operator()),
            ("op101", _of_operator()),  # whose telephone never rang
        )
        for login, paths in people:
            person = await at.desk.person(login)
            for name, path in paths:
                what, took = f"{login}: {name}", await _ask(person, path, repeats)
                medians[what] = _say(what, took, f"p95 ≤ {TARGET_MS}")
        what = "sqlite3 alone: 50 newest calls"
        medians[what] = _say(what, _alone(at.database, repeats), "the limit")
        chief = await at.desk.person("chief")
        took = await _ask(chief, _reconciled, max(3, repeats // 10))
        what = "chief: reconciliation of a day"
        medians[what] = _say(what, took, "")
        took = await _beside_reconciling(chief, await at.desk.person("op201"), repeats)
        what = "op201: 50 newest calls, while days are reconciled"
        medians[what] = _say(what, took, "")
    return medians


def growth(small: tuple[int, Medians], large: tuple[int, Medians]) -> None:
    """Print how the cost of each request grew from one database to the other."""
    (few, before), (many, after) = small, large
    print(f"\n{many:,} calls beside {few:,}, {many / few:.0f} times as many:\n")
    print(f"| p50 | ms at {few:,} | ms at {many:,} | growth |\n|---|---|---|---|")
    for what, took_ms in before.items():
        print(f"| {what} | {took_ms:.1f} | {after[what]:.1f} | × {after[what] / took_ms:.1f} |")


Path_of = Callable[[int], str]


def _of_chief(at: Grown) -> Iterator[tuple[str, Path_of]]:
    chance = random.Random(7)
    copies = at.calls // grown.MODELS
    caller = lambda: grown.number_of(chance.randrange(1200 * copies))  # noqa: E731
    rare = lambda: f"{chance.randrange(10**9):09d}"  # noqa: E731
    yield "50 newest calls", lambda n: "/calls"
    yield "50 missed calls", lambda n: "/calls?missed=true"
    yield "50 calls of half a year ago", lambda n: f"/calls?started_to={_half_a_year_ago(n)}"
    yield "50 calls of one operator", lambda n: f"/calls?employee={6 + n % 20}"
    yield "calls of a customer", lambda n: f"/calls?customer={_customer(chance, copies)}"
    yield "search calls: a whole number", lambda n: f"/calls?q={caller().lstrip('+')}"
    yield "search calls: 4 digits", lambda n: f"/calls?q={chance.randrange(10_000):04d}"
    yield "search calls: a number that is not there", lambda n: f"/calls?q={rare()}"
    yield "search calls: a frequent name", lambda n: f"/calls?q={grown.NAMES[n % 4]}"
    yield "search calls: a name that is not there", lambda n: f"/calls?q=Щукин{n}"
    yield "50 newest appeals", lambda n: "/appeals"
    yield "50 new appeals", lambda n: "/appeals?phase=received"
    yield "search appeals: a name that is not there", lambda n: f"/appeals?q=Щукин{n}"
    yield "search appeals: a whole number", lambda n: f"/appeals?q={caller().lstrip('+')}"
    yield "one appeal with its calls", lambda n: f"/appeals/{_appeal(chance, copies)}"
    yield "history of an appeal", lambda n: f"/appeals/{_appeal(chance, copies)}/history"


def _of_operator() -> Iterator[tuple[str, Path_of]]:
    yield "his 50 newest calls", lambda n: "/calls"
    yield "his 50 newest appeals", lambda n: "/appeals"
    yield "search: a name that is not there", lambda n: f"/calls?q=Щукин{n}"
    yield "search: a frequent name", lambda n: f"/calls?q={grown.NAMES[n % 4]}"
    yield "search: one letter", lambda n: f"/calls?q={'ияжо'[n % 4]}"


def _appeal(chance: random.Random, copies: int) -> int:
    return 1 + chance.randrange(grown.MODELS // 10) + 100_000 * chance.randrange(copies)


def _customer(chance: random.Random, copies: int) -> int:
    return 1 + chance.randrange(150) + 100_000 * chance.randrange(copies)


def _half_a_year_ago(n: int) -> str:
    at = datetime.fromtimestamp(time.time() - 15_000_000 - 3600 * n, UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


async def _starts(desk: Desk, times: int) -> list[tuple[str, list[float]]]:
    """Start and stop press3 so many times: until it accepts connections, until the gap is read."""
    ready, caught_up = [], []
    for _ in range(times):
        began = time.perf_counter()
        await desk.start()
        ready.append(_ms_since(began))
        await desk.linked(deadline_s=60)
        caught_up.append(_ms_since(began))
        await desk.stop()
    return [("start: accepts connections", ready), ("start: linked, gap read", caught_up)]


async def _ask(person: Person, path: Path_of, repeats: int) -> list[float]:
    await person.get(path(repeats))
    return [await _timed(person.get(path(n))) for n in range(repeats)]


def _reconciled(n: int) -> str:
    return f"/reconciliation?day={DAY - timedelta(days=n % 2)}"


async def _beside_reconciling(chief: Person, other: Person, repeats: int) -> list[float]:
    async def reconcile() -> None:
        for n in itertools.count():
            await chief.get(_reconciled(n))

    busy = asyncio.create_task(reconcile(), name="reconcile-again-and-again")
    took = await _ask(other, lambda n: "/calls", repeats)
    assert not busy.done(), "nothing was reconciled meanwhile"
    busy.cancel()
    with suppress(asyncio.CancelledError):
        await busy
    return took


async def _timed(asked: Awaitable[object]) -> float:
    began = time.perf_counter()
    await asked
    return _ms_since(began)


def _alone(database: Path, repeats: int) -> list[float]:
    took = []
    with sqlite3.connect(database) as connection:
        for _ in range(repeats):
            began = time.perf_counter()
            connection.execute(
                "SELECT * FROM calls ORDER BY started_at DESC, id DESC LIMIT 50"
            ).fetchall()
            took.append(_ms_since(began))
    return took


def _ms_since(began: float) -> float:
    return (time.perf_counter() - began) * 1000


def _say(name: str, took: list[float], target: str) -> float:
    """Print a row; return its median."""
    took = sorted(took)
    p95 = took[min(len(took) - 1, int(len(took) * 0.95))]
    p50 = statistics.median(took)
    print(f"| {name} | {p50:.1f} | {p95:.1f} | {took[-1]:.1f} | {target} |", flush=True)
    return p50


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few calls, few requests")
    parser.add_argument("--calls", type=int, nargs="+", help="100000 1000000 when left out")
    chosen = parser.parse_args()
    sizes = chosen.calls or ([2_000, 20_000] if chosen.quick else [100_000, 1_000_000])
    found = []
    for calls in sizes:
        with tempfile.TemporaryDirectory(prefix="press3-bench-") as folder:
            repeats = 10 if chosen.quick else 60
            found.append((calls, asyncio.run(measure(Path(folder), calls, repeats))))
    if len(found) > 1:
        growth(found[0], found[-1])


if __name__ == "__main__":
    main()
