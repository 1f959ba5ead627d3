"""24 hours of calls in fast replay: is memory flat, is the journal pruned, does a task leak?

    python -m bench.day [--quick] [--calls 4000]

Recorded calls of a real Asterisk (tests/traces) come again and again through a day, each with channels,
bridges and a caller of its own, several at once; they go through the whole pipeline into SQLite. Beside it,
in the same process and by the replay's clock, is the rest of the service: relay, hub and push with the
operators' screens connected, the recordings' worker (no file is there: each becomes `missing`), REST, asked
each hour for calls, appeals and links, and upkeep each hour. Then the clock goes on by the two weeks that
the journal is kept.

Exit code 1, and what it is: memory grew by more than GROWN_MB from the third part of the day on, the number
of tasks grew, a call stayed open, a recording is not settled, the screens were told nothing, or the journal
was not pruned. 4,000 calls are some 165,000 events.
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
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any

import aiohttp
import structlog
from aiohttp import web
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ami.inbox import EventArrived, LinkItem
from appeals.case import calls as calls_of_case
from bench.screens import LightScreen, hire, light_screens
from calls.model import Call
from people.access.audience import Audience
from press3.config.recordings import recording_settings
from press3.config.sections import RecordingsSettings, ServiceSettings
from press3.config.settings import Settings
from press3.database import Database, open_database
from press3.replay import TraceLink, replay_link, shifted
from press3.traces import TraceLine, read_trace
from press3.upkeep import Upkeep
from press3.web_parts import web_app
from push.bus import MemoryBus
from push.hub import Hub
from push.relay import Relay
from push.server import PushServer, PushSettings
from recordings import linker
from recordings.model import Recording
from recordings.worker import RecordingWorker
from store.journal import JournalRow
from telephony.recorder import Stored
from tests.waiting import until

__all__: list[str] = []

CALLS = 4_000
BATCH = 20
GROWN_MB = 32  # the page caches of two connections fill meanwhile, 16 MB each
OPERATORS = ("101", "102", "103")
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

    def __init__(self, clock: Clock, desk: "Desk", settings: Settings) -> None:
        self._clock = clock
        self._desk = desk
        self._upkeep = Upkeep(desk.database, settings)
        self._next = START
        self._began_s = time.process_time()
        self.events = self.told = 0
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
        await self._desk.ask()
        self.told += self._desk.told()
        gc.collect()
        self.resident_mb.append(_resident_mb())
        self.tasks.append(len(asyncio.all_tasks()))
        hour = (self._next - START) / timedelta(hours=1)
        cpu_s = time.process_time() - self._began_s
        if hour and hour % 3 == 0:
            print(
                f"| {hour:.0f} | {self.events:,} | {self.told:,} | {self.resident_mb[-1]:.1f} "
                f"| {self.tasks[-1]} | {cpu_s:.0f} |",
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


# -- the rest of the service --------------------------------------------------------------------------


@dataclass(frozen=True)
class Desk:
    """What people have of press3 meanwhile."""

    database: Database
    recordings: RecordingWorker
    screens: list[LightScreen]
    http: aiohttp.ClientSession

    def stored(self, what: Stored) -> None:
        """Wake the recordings' worker as the service does."""
        if any(linker.concerns(change) for change in what.changes):
            self.recordings.wake()

    async def ask(self) -> None:
        """Ask as a screen does that is opened; raises when it is refused."""
        for path in ("calls", "appeals", "links", "session"):
            async with self.http.get(f"/api/v1/{path}") as answer:
                answer.raise_for_status()
                await answer.read()

    def told(self) -> int:
        """Return how many messages the screens got since we asked last."""
        count = sum(len(screen.frames) for screen in self.screens)
        for screen in self.screens:
            screen.forget()
        return count


@asynccontextmanager
async def open_day(settings: Settings, clock: Clock) -> AsyncIterator[Desk]:
    """Run everything but telephony as `press3.service` does, by the replay's clock."""
    bus, hub = MemoryBus(), Hub()
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(open_database(settings, bus=bus))
        await hire(settings.database_url, OPERATORS, since=START - DAY)
        database = replace(opened, now=clock.now)
        recordings = RecordingWorker(
            database.sessions,
            database.writer,
            recording_settings(settings),
            now=clock.now,
            audience_of=_nobody,
            appeal_of=calls_of_case.appeal_of,
        )
        push = PushServer(
            PushSettings(address=("127.0.0.1", 0)),
            hub,
            sessions=database.sessions,
            writer=database.writer,
            now=clock.now,
        )
        await stack.enter_async_context(push)
        works = (Relay(database.sessions, hub, bus).run(), push.run(), recordings.run())
        stack.push_async_callback(_ended, [asyncio.create_task(work) for work in works])
        app = web_app(
            settings,
            database,
            telephony=(),
            recordings=recordings,
            push_socket=None,
            push_port=push.port,
        )
        http = await stack.enter_async_context(_client(app))
        url = f"ws://127.0.0.1:{push.port}/ws"
        screens = await stack.enter_async_context(light_screens(url, OPERATORS))
        yield Desk(database, recordings, screens, http)


async def _nobody(session: AsyncSession, call_id: str) -> dict[str, Any]:
    return Audience().to_json()


async def _ended(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel the works; raise what one of them died of before."""
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome


@asynccontextmanager
async def _client(app: web.Application) -> AsyncIterator[aiohttp.ClientSession]:
    """Serve `app`; yield a client signed in as the first operator."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    headers = {"Authorization": f"Bearer session-{OPERATORS[0]}"}
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=headers) as http:
            yield http
    finally:
        await runner.cleanup()


# -- the verdict --------------------------------------------------------------------------------------


async def run(folder: Path, calls: int) -> list[str]:
    """Return what is wrong after the day, nothing when all is well."""
    sound = folder / "monitor"
    sound.mkdir()
    (sound / "other.txt").touch()  # an empty folder might be one that is not mounted
    settings = Settings(
        service=ServiceSettings(data_dir=folder / "data"),
        recordings=RecordingsSettings(roots=[sound]),
    )
    clock = Clock()
    async with open_day(settings, clock) as desk:
        watch = Watch(clock, desk, settings)
        await watch.look()
        print(
            "| hour | events | told to screens | resident MB | tasks | CPU s |\n|---|---|---|---|---|---|"
        )
        link = DayLink(day_of(calls), watch)
        await replay_link(desk.database, settings, link, desk.stored)
        clock.at += timedelta(hours=1)  # every recording is due
        await until(lambda: _settled(desk.database), deadline_s=300, what="recordings are settled")
        await until(lambda: not _cared_for(), what="nobody looks for a recording any more")
        await watch.look()
        return await _verdict(desk.database, watch, clock, settings)


async def _settled(database: Database) -> bool:
    """Whether no recording is waited for any more."""
    waits = Recording.state.in_(["expected", "found", "final", "linked"])
    return not await _count(database, select(func.count()).select_from(Recording).where(waits))


def _cared_for() -> list[str]:
    names = (task.get_name() for task in asyncio.all_tasks())
    return [name for name in names if name.startswith("recording-")]


async def _verdict(database: Database, watch: Watch, clock: Clock, settings: Settings) -> list[str]:
    calls = select(func.count()).select_from(Call)
    told = await _count(database, calls)
    still_open = await _count(database, calls.where(Call.ended_at.is_(None)))
    journal = select(func.count()).select_from(JournalRow)
    rows = await _count(database, journal)
    clock.at += JOURNAL_KEPT + timedelta(hours=1)
    await Upkeep(database, settings).prune()
    left = await _count(database, journal)
    third = len(watch.resident_mb) // 3
    grown_mb = watch.resident_mb[-1] - watch.resident_mb[third]
    more_tasks = watch.tasks[-1] - watch.tasks[0]
    print(
        f"\n{told:,} calls stored, {still_open} of them open in the end; memory from hour {third} to the end "
        f"{grown_mb:+.1f} MB (at most {GROWN_MB}); tasks {watch.tasks[0]} before, {watch.tasks[-1]} after; "
        f"{watch.told:,} messages to screens; journal {rows:,} rows, two weeks later {left}."
    )
    wrong = {
        "no call was stored": not told,
        f"{still_open} calls stayed open": still_open,
        f"memory grew by {grown_mb:.1f} MB": grown_mb > GROWN_MB,
        f"{more_tasks} tasks leaked": more_tasks > 0,
        "the screens were told nothing": not watch.told,
        f"{left} rows of the journal were not pruned": left or not rows,
    }
    return [what for what, is_so in wrong.items() if is_so]


async def _count(database: Database, query: object) -> int:
    async with database.sessions() as session:
        return int(await session.scalar(query) or 0)  # type: ignore[call-overload]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="200 calls")
    parser.add_argument("--calls", type=int, help=f"{CALLS} when left out")
    chosen = parser.parse_args()
    errors_only = structlog.make_filtering_bound_logger(logging.ERROR)  # a trace has no evidence
    structlog.configure(wrapper_class=errors_only)
    with tempfile.TemporaryDirectory(prefix="press3-bench-") as folder:
        calls = chosen.calls or (200 if chosen.quick else CALLS)
        wrong = asyncio.run(run(Path(folder), calls))
    if wrong:
        raise SystemExit(f"NOT WELL: {'; '.join(wrong)}")


if __name__ == "__main__":
    main()
