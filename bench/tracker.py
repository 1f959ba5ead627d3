"""CPU per wanted AMI event from bytes to what is stored of it. Real traces, one call after the other.

    python -m bench.tracker [--quick]

The target is 60 µs for parse, tracker, journal and facts: the sum of the parts above it, stored into
SQLite as the pipeline stores them, in batches of 20 events (a busy link) and of 500 (a backlog). `the
whole pipeline` does all of it once more, with what every other package makes of the calls: customers,
appeals with their history, recordings, pops, outbox. Peers: panoramisk's own parser, which makes a dict
of strings; the same rows stored by ORM objects. The limit: the same rows by the sqlite3 module alone.
CPU time of this process with its threads, so that a busy machine does not count.
"""

import argparse
import asyncio
import itertools
import json
import logging
import re
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import structlog
from panoramisk.message import Message
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from ami.errors import EventError
from ami.events import Event
from ami.parser import parse
from calls import storage
from calls.codec import fact_to_data
from calls.facts import Fact
from calls.model import StoredFact
from calls.numbers import NumberRules
from calls.story import CallChange, CallStory, fold
from calls.tracker import Tracker
from calls.triggers import TriggerRules
from press3 import schema
from press3.config.sections import ServiceSettings
from press3.config.settings import Settings
from press3.database import open_database
from press3.replay import TraceLink, replay_link
from press3.traces import TraceLine
from store import journal
from store.engine import create_engine
from store.journal import JournalEntry, JournalRow
from store.writer import Writer
from telephony.call_book import CallBook
from telephony.recorder import Stored

__all__: list[str] = []

TRACES = Path(__file__).parent.parent / "tests" / "traces"
NAMES = ("answered-22", "gave-up-22", "second-round-22", "local-members-22", "blind-transfer-22")
TARGET_US = 60
BATCHES = (20, 500)
AT = datetime(2026, 11, 21, tzinfo=UTC)
_CHANNEL = re.compile(rb"(?<=id: )([0-9]{10})(?=\.[0-9])")

T = TypeVar("T")


# -- from bytes to changes ----------------------------------------------------------------------------


def messages(repeats: int) -> list[bytes]:
    """The traces `repeats` times; every repetition is other calls, as on a real PBX."""
    rows = [
        json.loads(line)["raw"].encode("latin-1").rstrip(b"\r\n")  # as the wall frames them
        for name in NAMES
        for line in (TRACES / f"{name}.jsonl").read_text().splitlines()
    ]
    whole = [row for row in rows if _parses(row)]
    return [
        _CHANNEL.sub(lambda found, i=i: b"%d" % (int(found.group()) + 1000 * i), row)  # type: ignore[misc]
        for i in range(repeats)
        for row in whole
    ]


def _parses(row: bytes) -> bool:
    try:
        parse(row, AT)
    except EventError:
        return False
    return True


def parsed(rows: list[bytes]) -> list[Event]:
    return [parse(row, AT) for row in rows]


def parsed_by_panoramisk(rows: list[bytes]) -> list[Message | None]:
    return [Message.from_line(row.decode("utf-8", "ignore")) for row in rows]


def tracked(events: list[Event]) -> list[list[Fact]]:
    """Return the facts of each event."""
    tracker = Tracker("main", TriggerRules(), NumberRules())
    return [tracker.feed(event) for event in events]


def folded(facts: list[list[Fact]]) -> int:
    """Fold call by call as the service does; stories of ended calls are put away."""
    stories: dict[str, CallStory | None] = {}
    for fact in itertools.chain.from_iterable(facts):
        told = fold(stories.get(fact.call), fact)
        stories[fact.call] = told
        if told is not None and told.ended_at is not None:
            del stories[fact.call]
    return len(stories)


def changed(facts: list[list[Fact]], batch: int) -> list[list[CallChange]]:
    """Return what each batch of events changes, as the pipeline's book says."""
    book, found = CallBook({}), []
    for some in _cut(facts, batch):
        changes = book.changes(itertools.chain.from_iterable(some))
        book.accept(changes)
        book.forget_ended()
        found.append(changes)
    return found


def _cut(items: Sequence[T], batch: int) -> Iterator[Sequence[T]]:
    for n in range(0, len(items), batch):
        yield items[n : n + batch]


# -- storing ------------------------------------------------------------------------------------------


class Databases:
    """Empty databases with the schema in them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        asyncio.run(schema.upgrade(f"sqlite+aiosqlite:///{folder}/empty.db"))

    def new(self) -> Path:
        file = self._folder / f"{next(self._numbers)}.db"
        shutil.copy(self._folder / "empty.db", file)
        return file


def stored_by(work: Callable[[Writer], Awaitable[None]], file: Path) -> float:
    """Return the CPU seconds that `work` takes with a writer of its own."""

    async def measured() -> float:
        engine = create_engine(f"sqlite+aiosqlite:///{file}")
        async with Writer(engine) as writer:
            await writer.run(lambda session: journal.append(session, []))  # connect
            took_s = await _cpu_s_of(work(writer))
        await engine.dispose()
        return took_s

    return asyncio.run(measured())


def kept(
    rows: list[bytes], batches: list[list[CallChange]], batch: int
) -> Callable[[Writer], Awaitable[None]]:
    """Store the journal with facts, calls and legs, a transaction a batch."""

    async def store(
        session: AsyncSession, some: Sequence[JournalEntry], changes: list[CallChange]
    ) -> None:
        await journal.append(session, some)
        for change in changes:
            await storage.store_change(session, change)

    async def work(writer: Writer) -> None:
        for each in zip(_cut(_entries(rows), batch), batches, strict=True):
            await writer.run(lambda session, each=each: store(session, *each))  # type: ignore[misc]

    return work


def _entries(rows: list[bytes]) -> list[JournalEntry]:
    return [
        JournalEntry(pbx="main", at=AT, call_id=f"main-{n}", raw=row) for n, row in enumerate(rows)
    ]


def whole_pipeline(rows: list[bytes], folder: Path) -> float:
    """Return the CPU seconds from the trace's lines to the last commit."""

    async def measured() -> float:
        settings = Settings(service=ServiceSettings(data_dir=folder))
        link = TraceLink(TraceLine(AT, row) for row in rows)
        async with open_database(settings) as database:
            return await _cpu_s_of(replay_link(database, settings, link, _nothing))

    return asyncio.run(measured())


def _nothing(stored: Stored) -> None:
    """Nobody listens."""


def by_orm(rows: list[bytes], batches: list[list[CallChange]], batch: int, file: Path) -> float:
    """Return the CPU seconds that journal and facts take as ORM objects, the usual way."""

    async def work(engine: AsyncEngine) -> None:
        for some, changes in zip(_cut(rows, batch), batches, strict=True):
            async with AsyncSession(engine) as session, session.begin():
                session.add_all(JournalRow(pbx="main", at=AT, raw=row) for row in some)
                session.add_all(_fact_rows(changes, next_n))

    async def measured() -> float:
        engine = create_engine(f"sqlite+aiosqlite:///{file}")
        took_s = await _cpu_s_of(work(engine.execution_options(press3_write=True)))
        await engine.dispose()
        return took_s

    next_n: dict[str, int] = {}
    return asyncio.run(measured())


def _fact_rows(changes: list[CallChange], next_n: dict[str, int]) -> Iterator[StoredFact]:
    for fact in (fact for change in changes for fact in change.facts):
        n = next_n[fact.call] = next_n.get(fact.call, 0) + 1
        name, data = fact.TYPE, fact_to_data(fact)
        yield StoredFact(call_id=fact.call, n=n, type=name, at=fact.at, data=data)


def by_sqlite_alone(
    rows: list[bytes], batches: list[list[CallChange]], batch: int, file: Path
) -> float:
    """Return the CPU seconds of the bare module, journal and facts, durable a batch."""
    next_n: dict[str, int] = {}
    facts = [
        [
            (row.call_id, row.n, row.type, str(row.at), json.dumps(row.data))
            for row in _fact_rows(changes, next_n)
        ]
        for changes in batches
    ]
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        began = time.process_time()
        for some, told in zip(_cut(rows, batch), facts, strict=True):
            connection.executemany(
                "INSERT INTO journal (pbx, at, raw) VALUES (?, ?, ?)",
                [("main", str(AT), row) for row in some],
            )
            connection.executemany("INSERT INTO facts VALUES (?, ?, ?, ?, ?)", told)
            connection.commit()
        return time.process_time() - began


# -- the report ---------------------------------------------------------------------------------------


async def _cpu_s_of(work: Awaitable[None]) -> float:
    began = time.process_time()
    await work
    return time.process_time() - began


def cpu_s(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


class Table:
    """Rows of µs of CPU an event: min, median and max of the runs."""

    def __init__(self, events: int, runs: int) -> None:
        self._events, self._runs = events, runs
        print("| what | µs CPU an event, min / median / max | events/s |\n|---|---|---|")

    def row(self, name: str, once: Callable[[], float]) -> float:
        """Print what `once` takes, run after run, in CPU seconds for all events; return the median in µs."""
        us = sorted(once() / self._events * 1e6 for _ in range(self._runs))
        median = statistics.median(us)
        times = f"{us[0]:.1f} / {median:.1f} / {us[-1]:.1f}"
        print(f"| {name} | {times} | {1e6 / median:,.0f} |", flush=True)
        return median


def report(rows: list[bytes], runs: int, folder: Path) -> None:
    events = parsed(rows)
    facts, databases = tracked(events), Databases(folder)
    print(f"{len(rows)} wanted events, {sum(map(len, facts))} facts, {runs} runs, one core\n")
    table = Table(len(rows), runs)
    until_stored = table.row("parse", lambda: cpu_s(lambda: parsed(rows)))
    until_stored += table.row("tracker", lambda: cpu_s(lambda: tracked(events)))
    until_stored += table.row("fold", lambda: cpu_s(lambda: folded(facts)))
    table.row("peer: panoramisk's parser alone", lambda: cpu_s(lambda: parsed_by_panoramisk(rows)))
    for batch in BATCHES:
        work, of = (rows, changed(facts, batch), batch), f"batches of {batch}"
        total = until_stored + table.row(
            f"journal, facts, calls and legs, {of}",
            lambda: stored_by(kept(*work), databases.new()),  # noqa: B023
        )
        print(f"| **sum, {of}** (target ≤ {TARGET_US}) | {total:.1f} | {1e6 / total:,.0f} |")
        table.row(
            f"peer: journal and facts by ORM objects, {of}",
            lambda: by_orm(*work, databases.new()),  # noqa: B023
        )
        table.row(
            f"limit: journal and facts by sqlite3 alone, {of}",
            lambda: by_sqlite_alone(*work, databases.new()),  # noqa: B023
        )
    folders = itertools.count(1)
    table.row(
        "the whole pipeline, batches of 500",
        lambda: whole_pipeline(rows, folder / f"pipeline-{next(folders)}"),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer calls and runs")
    quick = parser.parse_args().quick
    errors_only = structlog.make_filtering_bound_logger(logging.ERROR)  # a trace has no evidence
    structlog.configure(wrapper_class=errors_only)
    with tempfile.TemporaryDirectory(prefix="press3-bench-") as folder:
        report(messages(10 if quick else 100), 2 if quick else 5, Path(folder))


if __name__ == "__main__":
    main()
