"""Durable commits a second: one at a time beside the group commit of `store.writer`, beside bare fsync.

    python -m bench.commits [--quick]

A commit is what a press costs the store: journal row and outbox row with its counter. Databases lie in
the folder for temporary files, PostgreSQL with fsync on; a memory file system there proves nothing.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from press3 import schema
from store import journal, outbox
from store.engine import create_engine
from store.journal import JournalEntry
from store.writer import Writer
from tests.postgres import NoPostgres, private_postgres

__all__: list[str] = []

AT = datetime(2026, 11, 21, tzinfo=UTC)
ENTRY = JournalEntry(pbx="main", at=AT, call_id="main-1700000000.1", raw=b"Event: Sample\r\n" * 20)
MESSAGE = outbox.Message(
    type="appeal.opened",
    at=AT,
    audience={"employees": [], "roles": ["supervisor"], "departments": [1]},
    data={"number": 1, "version": 1, "phase": "received", "call": "main-1700000000.1"},
)


async def press(session: AsyncSession) -> None:
    """The work that is measured."""
    await journal.append(session, [ENTRY])
    outbox.emit(session, MESSAGE)


def bare_fsync(folder: Path, count: int) -> float:
    """Return how often a second 4 KiB can be made durable: the limit of single commits."""
    with open(folder / "bare", "wb", buffering=0) as file:
        begin = time.perf_counter()
        for _ in range(count):
            file.write(b"x" * 4096)
            os.fdatasync(file.fileno())
        return count / (time.perf_counter() - begin)


async def single(engine: AsyncEngine, count: int) -> float:
    """Commit one after the other, each with its own session."""
    writing = engine.execution_options(press3_write=True)
    begin = time.perf_counter()
    for _ in range(count):
        async with AsyncSession(writing) as session, session.begin():
            await press(session)
            await outbox.assign(session, outbox.pending(session))
    return count / (time.perf_counter() - begin)


def grouped(at_once: int) -> Callable[[AsyncEngine, int], Awaitable[float]]:
    """Return the same through the writer, with `at_once` callers who each wait for their commit."""

    async def measure(engine: AsyncEngine, count: int) -> float:
        async def caller() -> None:
            for _ in range(count // at_once):
                await writer.run(press)

        async with Writer(engine) as writer:
            await writer.run(press)  # connect
            begin = time.perf_counter()
            await asyncio.gather(*(caller() for _ in range(at_once)))
            return count // at_once * at_once / (time.perf_counter() - begin)

    return measure


def report(name: str, rates: list[float]) -> float:
    middle = statistics.median(rates)
    print(f"| {name} | {min(rates):,.0f} | {middle:,.0f} | {max(rates):,.0f} |", flush=True)
    return middle


async def database(name: str, url: str, runs: int, count: int) -> None:
    """Measure one database; the ratios are taken in the same runs, turn by turn."""
    await schema.upgrade(url)
    engine = create_engine(url)
    ways: dict[str, tuple[Callable[[AsyncEngine, int], Awaitable[float]], int]] = {
        "one at a time": (single, count),
        "writer, 1 waiting": (grouped(1), count),
        "writer, 50 waiting": (grouped(50), count * 10),
        "writer, 200 waiting": (grouped(200), count * 20),
    }
    rates: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(runs):
        for way, (measure, enough) in ways.items():
            rates[way].append(await measure(engine, enough))
    await engine.dispose()
    middle = {way: report(f"{name}, {way}", found) for way, found in rates.items()}
    for way in ("writer, 50 waiting", "writer, 200 waiting"):
        print(
            f"|   ratio of {way} to one at a time | | {middle[way] / middle['one at a time']:.1f} | |"
        )


async def main(*, quick: bool) -> None:
    runs, count = (2, 60) if quick else (5, 200)
    print("| durable commits a second | min | median | max |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="press3-bench-") as folder:
        report("fdatasync alone", [bare_fsync(Path(folder), count * 2) for _ in range(runs)])
        await database("SQLite", f"sqlite+aiosqlite:///{folder}/press3.db", runs, count)
    try:
        with private_postgres(durable=True) as server:
            await database("PostgreSQL", server.url(server.create()), runs, count)
    except NoPostgres as why:
        print(f"| PostgreSQL: not measured, {why} | | | |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two short runs: does it still work?")
    asyncio.run(main(quick=parser.parse_args().quick))
