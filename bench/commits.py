"""Durable presses a second: one at a time, by the group commit of `store.writer`, and bare fdatasync.

    python -m bench.commits [--quick]

A commit is what a press costs the store: the journal's row, the call with its facts, and what every
package makes of them (`telephony.serving.change_handlers`): customer, appeal, history, outbox row. `one
at a time` is an ordinary session a press. `200 presses/s` come by the clock, whoever waits: a press's
time runs from then to the durable commit. Each figure is of a run; shown is the median of the runs.
Databases lie in the folder for temporary files, PostgreSQL with fsync on; a memory file system there
proves nothing.
"""

import argparse
import asyncio
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from appeals.intake.presses import IntakeSettings
from calls.facts import CallArrived, ComplaintRequested, Fact, Party
from calls.story import CallChange, fold
from press3 import schema
from press3.telephony_parts import change_handlers
from store import journal, outbox
from store.engine import create_engine
from store.journal import JournalEntry
from store.writer import Writer
from tests.postgres import NoPostgres, private_postgres

__all__: list[str] = []

RATE = 200  # presses a second
TARGET_RATIO, TARGET_P99_MS = 10, 15
AT = datetime(2026, 11, 21, tzinfo=UTC)
RAW = b"Event: Sample\r\n" * 20
HANDLERS = change_handlers(IntakeSettings(departments={}))
DID = Party(raw="74951234567", e164="+74951234567", name=None, kind="public")


# -- the work -----------------------------------------------------------------------------------------


async def press(session: AsyncSession, n: int) -> None:
    """Store press `n`: a call and a caller of its own."""
    change = _change(n)
    await journal.append(
        session,
        [JournalEntry(pbx="main", at=change.story.started_at, call_id=change.story.id, raw=RAW)],
    )
    for handler in HANDLERS:
        await handler(session, change, now=change.story.started_at)


def _change(n: int) -> CallChange:
    facts = tuple(_facts(n, AT + timedelta(milliseconds=5 * n)))
    story = None
    for fact in facts:
        story = fold(story, fact)
    assert story is not None
    return CallChange(before=None, story=story, facts=facts)


def _facts(n: int, at: datetime) -> Iterator[Fact]:
    uniqueid = f"{AT.timestamp():.0f}.{n}"
    call, number = f"main-{uniqueid}", f"+7916{n:07d}"
    yield CallArrived(
        call=call, at=at, pbx="main", uniqueid=uniqueid, linkedid=uniqueid, direction="in",
        caller=Party(raw=number, e164=number, name="Ivan Petrov", kind="public"), to=DID,
    )  # fmt: skip
    yield ComplaintRequested(
        call=call, at=at, uniqueid=uniqueid, key=f"press3/{at:%Y%m%d%H%M}/{uniqueid}-1",
        evidence="verified", menu="main", queue="press3",
    )  # fmt: skip


# -- the ways -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """Commits a second, and how many ms each one took."""

    rate: float
    took_ms: list[float]


Way = Callable[[AsyncEngine, Iterator[int], int], Awaitable[Run]]


def bare_fdatasync(folder: Path, count: int) -> Run:
    """Make 4 KiB durable so many times: the limit of single commits."""
    took: list[float] = []
    with open(folder / "bare", "wb", buffering=0) as file:
        began = time.perf_counter()
        for _ in range(count):
            at = time.perf_counter()
            file.write(b"x" * 4096)
            os.fdatasync(file.fileno())
            took.append(_ms_since(at))
        return Run(count / (time.perf_counter() - began), took)


async def single(engine: AsyncEngine, numbers: Iterator[int], count: int) -> Run:
    """Commit one after the other, each with its own session."""
    writing = engine.execution_options(press3_write=True)
    took: list[float] = []
    began = time.perf_counter()
    for n in itertools.islice(numbers, count):
        at = time.perf_counter()
        async with AsyncSession(writing) as session, session.begin():
            await press(session, n)
            await outbox.assign(session, outbox.pending(session))
        took.append(_ms_since(at))
    return Run(count / (time.perf_counter() - began), took)


def grouped(at_once: int) -> Way:
    """Return the same through the writer, with `at_once` callers who each wait for their commit."""

    async def measure(engine: AsyncEngine, numbers: Iterator[int], count: int) -> Run:
        took: list[float] = []

        async def caller() -> None:
            for n in itertools.islice(numbers, count // at_once):
                await _written(writer, n, time.perf_counter(), took)

        async with Writer(engine) as writer:
            await _written(writer, next(numbers), 0, [])  # connect
            began = time.perf_counter()
            await asyncio.gather(*(caller() for _ in range(at_once)))
            return Run(len(took) / (time.perf_counter() - began), took)

    return measure


async def by_the_clock(engine: AsyncEngine, numbers: Iterator[int], count: int) -> Run:
    """Let RATE presses a second come, whether those before are stored or not."""
    took: list[float] = []
    async with Writer(engine) as writer, asyncio.TaskGroup() as presses:
        await _written(writer, next(numbers), 0, [])  # connect
        began = time.perf_counter()
        for i, n in enumerate(itertools.islice(numbers, count)):
            due = began + i / RATE
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            presses.create_task(_written(writer, n, due, took))
    return Run(count / (time.perf_counter() - began), took)


async def _written(writer: Writer, n: int, since: float, took: list[float]) -> None:
    await writer.run(lambda session: press(session, n))
    took.append(_ms_since(since))


def _ms_since(began: float) -> float:
    return (time.perf_counter() - began) * 1000


# -- the report ---------------------------------------------------------------------------------------


def report(name: str, runs: list[Run]) -> tuple[float, float]:
    """Print a way's row; return the medians of its rates and of its p99."""
    rates = [run.rate for run in runs]
    p50, p99 = (
        statistics.median(_share(run.took_ms, part) for run in runs) for part in (0.5, 0.99)
    )
    low, middle, high = min(rates), statistics.median(rates), max(rates)
    print(
        f"| {name} | {low:,.0f} / {middle:,.0f} / {high:,.0f} | {p50:.2f} / {p99:.2f} |", flush=True
    )
    return middle, p99


def _share(took: list[float], part: float) -> float:
    return sorted(took)[min(len(took) - 1, int(len(took) * part))]


async def database(name: str, url: str, runs: int, count: int) -> None:
    """Measure one database; the ratios are taken in the same runs, turn by turn."""
    await schema.upgrade(url)
    engine, numbers = create_engine(url), itertools.count(1)
    ways: dict[str, tuple[Way, int]] = {
        "one at a time": (single, count),
        "writer, 1 waiting": (grouped(1), count),
        "writer, 50 waiting": (grouped(50), count * 5),
        "writer, 200 waiting": (grouped(200), count * 10),
        f"writer, {RATE} presses/s": (by_the_clock, count * 3),
    }
    found: dict[str, list[Run]] = {way: [] for way in ways}
    for _ in range(runs):
        for way, (measure, enough) in ways.items():
            found[way].append(await measure(engine, numbers, enough))
    await engine.dispose()
    told = {way: report(f"{name}, {way}", made) for way, made in found.items()}
    alone, _ = told["one at a time"]
    for way in ("writer, 50 waiting", "writer, 200 waiting"):
        ratio = told[way][0] / alone
        print(f"|   {way} ÷ one at a time | {ratio:.1f} (target ≥ {TARGET_RATIO}) | |")
    _, p99 = told[f"writer, {RATE} presses/s"]
    print(f"|   p99 at {RATE} presses/s | | {p99:.1f} (target ≤ {TARGET_P99_MS}) |", flush=True)


async def main(*, quick: bool, postgres: bool) -> None:
    runs, count = (2, 60) if quick else (5, 200)
    print("| durable presses | a second, min / median / max | p50 / p99 ms |\n|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="press3-bench-") as folder:
        limit = [bare_fdatasync(Path(folder), count * 2) for _ in range(runs)]
        report("fdatasync alone, the limit of one at a time", limit)
        await database("SQLite", f"sqlite+aiosqlite:///{folder}/press3.db", runs, count)
    if not postgres:
        return
    try:
        with private_postgres(durable=True) as server:
            await database("PostgreSQL", server.url(server.create()), runs, count)
    except NoPostgres as why:
        print(f"| PostgreSQL: not measured, {why} | | |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two short runs: does it still work?")
    parser.add_argument("--no-postgres", action="store_true", help="SQLite alone")
    chosen = parser.parse_args()
    asyncio.run(main(quick=chosen.quick, postgres=not chosen.no_postgres))
