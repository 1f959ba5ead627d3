"""24 hours of calls in fast replay: is memory flat, is the journal pruned, does a task leak?

    python -m bench.day [--quick] [--calls 3000]

Recorded calls of a real Asterisk (tests/traces) come again and again through a day, each with channels,
bridges and a caller of its own, several at once; they go through the whole pipeline into SQLite, upkeep runs
each hour by the replay's clock. Then the clock goes on by the two weeks that the journal is kept.
"""

import argparse
import asyncio
import gc
import heapq
import logging
import os
import random
import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path

import structlog
from sqlalchemy import func, select

from ami.inbox import EventArrived, LinkItem
from calls.model import Call
from press3.database import Store, open_store
from press3.pipeline import Stored
from press3.replay import TraceLink, replay_link, shifted
from press3.settings import ServiceSettings, Settings
from press3.traces import TraceLine, read_trace
from press3.upkeep import Upkeep
from store.journal import JournalRow

__all__: list[str] = []

BATCH = 20
TRACES = Path(__file__).parent.parent / "tests" / "traces"
DAY = timedelta(hours=24)
JOURNAL_KEPT = timedelta(days=14)
START = datetime(2026, 11, 2, tzinfo=UTC)
CHANNEL = re.compile(rb"-[0-9a-f]{8}\b")
UNIQUEID = re.compile(rb"\b(1[0-9]{9})\.([0-9]+)")
BRIDGE = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
CALLER = re.compile(rb"\+7911[0-9]{7}")


# -- a day of calls -----------------------------------------------------------------------------------


def day_of(calls: int, seed: int = 3) -> Iterator[TraceLine]:
    """Yield the events of `calls` calls spread over a day, in the order of their times."""
    chance = random.Random(seed)
    stories = [tuple(read_trace(file)) for file in sorted(TRACES.glob("*-22.jsonl"))]
    starts = sorted(START + DAY * chance.random() for _ in range(calls))
    under_way: list[tuple[datetime, int, TraceLine, Iterator[TraceLine]]] = []
    for n, start in enumerate(starts):
        while under_way and under_way[0][0] <= start:
            yield _next(under_way)
        _put(under_way, n, _told(n, chance.choice(stories), start))
    while under_way:
        yield _next(under_way)


def _put(
    under_way: list[tuple[datetime, int, TraceLine, Iterator[TraceLine]]],
    n: int,
    story: Iterator[TraceLine],
) -> None:
    if (line := next(story, None)) is not None:
        heapq.heappush(under_way, (line.at, n, line, story))


def _next(under_way: list[tuple[datetime, int, TraceLine, Iterator[TraceLine]]]) -> TraceLine:
    _, n, line, story = heapq.heappop(under_way)
    _put(under_way, n, story)
    return line


def _told(n: int, story: tuple[TraceLine, ...], start: datetime) -> Iterator[TraceLine]:
    """Yield a recorded call again at `start`, nothing in it shared with another call but the telephones."""
    for line in shifted(story, start):
        raw = CHANNEL.sub(lambda m: b"-%06x" % n + m.group()[-2:], line.raw)
        raw = UNIQUEID.sub(lambda m: b"%s.%d" % (m.group(1), n * 100 + int(m.group(2))), raw)
        raw = BRIDGE.sub(lambda m: _uuid(n, m.group()), raw)
        yield TraceLine(line.at, CALLER.sub(b"+7911%07d" % (n % 3000), raw))


def _uuid(n: int, of: bytes) -> bytes:
    text = blake2b(of, key=b"%d" % n, digest_size=16).hexdigest()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}".encode()


# -- watching ----------------------------------------------------------------------------------------


@dataclass
class Clock:
    """The replay's time: that of the last event."""

    at: datetime = START

    def now(self) -> datetime:
        return self.at


class Watch:
    """Looks at the process each hour of the replay and lets upkeep do its work."""

    def __init__(self, clock: Clock, store: Store, settings: Settings) -> None:
        self._clock = clock
        self._upkeep = Upkeep(store, settings)
        self._next = START + timedelta(hours=1)
        self._began_s = time.process_time()
        self.events = 0
        self.resident_mb: list[float] = []
        self.tasks: list[int] = []

    async def heard(self, events: int, at: datetime) -> None:
        """Be told that so many events more come, up to `at`."""
        self.events += events
        self._clock.at = at
        if at >= self._next:
            await self.look()

    async def look(self) -> None:
        """One row: the hour, what came, what it costs."""
        await self._upkeep.tick()
        await self._upkeep.prune()
        gc.collect()
        self.resident_mb.append(_resident_mb())
        self.tasks.append(len(asyncio.all_tasks()))
        hour = (self._next - START) / timedelta(hours=1)
        cpu_s = time.process_time() - self._began_s
        if hour % 3 == 0 or hour == 1:
            print(
                f"| {hour:.0f} | {self.events:,} | {self.resident_mb[-1]:.1f} | {self.tasks[-1]} "
                f"| {cpu_s:.0f} |",
                flush=True,
            )
        self._next += timedelta(hours=1)


class DayLink(TraceLink):
    """Tells the day in batches as a busy link does."""

    def __init__(self, lines: Iterator[TraceLine], watch: Watch) -> None:
        super().__init__(lines)
        self._watch = watch

    async def next_batch(self, max_items: int = BATCH) -> list[LinkItem]:
        """Return the next events, when the watch has looked."""
        items = await super().next_batch(BATCH)
        last = items[-1]
        assert isinstance(last, EventArrived)
        await self._watch.heard(len(items), last.event.at)
        return items


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def run(folder: Path, calls: int) -> None:
    settings = Settings(service=ServiceSettings(data_dir=folder))
    clock = Clock()
    async with open_store(settings) as opened:
        store = replace(opened, now=clock.now)
        watch = Watch(clock, store, settings)
        print("| hour | events | resident MB | tasks | CPU s |\n|---|---|---|---|---|")
        await replay_link(store, settings, DayLink(day_of(calls), watch), _nothing)
        await watch.look()
        print(f"\n{await _verdict(store, watch, clock, settings)}")


def _nothing(stored: Stored) -> None:
    """What was stored is looked up in the end."""


async def _verdict(store: Store, watch: Watch, clock: Clock, settings: Settings) -> str:
    told = await _count(store, select(func.count()).select_from(Call))
    still_open = await _count(
        store, select(func.count()).select_from(Call).where(Call.ended_at.is_(None))
    )
    rows = await _count(store, select(func.count()).select_from(JournalRow))
    clock.at += JOURNAL_KEPT + timedelta(hours=1)
    await Upkeep(store, settings).prune()
    left = await _count(store, select(func.count()).select_from(JournalRow))
    third = len(watch.resident_mb) // 3
    grown_mb = watch.resident_mb[-1] - watch.resident_mb[third]
    return (
        f"{told:,} calls stored, {still_open} of them open in the end; memory from hour {third + 1} to the end "
        f"{grown_mb:+.1f} MB; tasks {min(watch.tasks)} to {max(watch.tasks)}; journal {rows:,} rows, "
        f"two weeks later {left}."
    )


async def _count(store: Store, query: object) -> int:
    async with store.sessions() as session:
        return int(await session.scalar(query) or 0)  # type: ignore[call-overload]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="300 calls")
    parser.add_argument("--calls", type=int, default=3000)
    chosen = parser.parse_args()
    errors_only = structlog.make_filtering_bound_logger(logging.ERROR)  # a trace has no evidence
    structlog.configure(wrapper_class=errors_only)
    with tempfile.TemporaryDirectory(prefix="press3-bench-") as folder:
        asyncio.run(run(Path(folder), 300 if chosen.quick else chosen.calls))


if __name__ == "__main__":
    main()
