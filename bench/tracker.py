"""CPU per wanted AMI event from bytes to story: parse, tracker, fold. Real traces, one call after the other.

    python -m bench.tracker [--quick]

The target is 60 µs for parse, tracker, journal and facts. The journal is SQLite, written in batches of
500 as the pipeline does. CPU time of this process, so that a busy machine does not count.
"""

import argparse
import asyncio
import json
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from ami.errors import EventError
from ami.events import Event
from ami.parser import parse
from calls.facts import Fact
from calls.numbers import NumberRules
from calls.story import CallStory, fold
from calls.tracker import Tracker
from calls.triggers import TriggerRules
from store import journal
from store.engine import create_engine
from store.journal import JournalEntry, JournalRow
from store.writer import Writer

__all__: list[str] = []

TRACES = Path(__file__).parent.parent / "tests" / "traces"
NAMES = ("answered-22", "gave-up-22", "second-round-22", "local-members-22", "blind-transfer-22")
TARGET_US = 60
BATCH = 500
AT = datetime(2026, 11, 21, tzinfo=UTC)
_CHANNEL = re.compile(rb"(?<=id: )([0-9]{10})(?=\.[0-9])")


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


def tracked(events: list[Event]) -> list[Fact]:
    tracker = Tracker("main", TriggerRules(), NumberRules())
    return [fact for event in events for fact in tracker.feed(event)]


def folded(facts: list[Fact]) -> int:
    """Fold call by call as the service does; stories of ended calls are put away."""
    stories: dict[str, CallStory | None] = {}
    for fact in facts:
        told = fold(stories.get(fact.call), fact)
        stories[fact.call] = told
        if told is not None and told.ended_at is not None:
            del stories[fact.call]
    return len(stories)


def journalled(rows: list[bytes], folder: Path) -> None:
    """Append every event to a journal of its own, in batches, durably."""
    entries = [
        JournalEntry(pbx="main", at=AT, call_id=f"main-{n}", raw=row) for n, row in enumerate(rows)
    ]

    async def work() -> None:
        engine = create_engine(f"sqlite+aiosqlite:///{folder}/journal.db")
        async with engine.begin() as connection:
            await connection.run_sync(JournalRow.metadata.tables["journal"].create, checkfirst=True)
        async with Writer(engine) as writer:
            for n in range(0, len(entries), BATCH):
                batch = entries[n : n + BATCH]
                await writer.run(lambda session, batch=batch: journal.append(session, batch))  # type: ignore[misc]
        await engine.dispose()

    asyncio.run(work())


def cpu_us(work: Callable[[], object], events: int, runs: int) -> list[float]:
    """Return µs of CPU per event of each run."""
    found = []
    for _ in range(runs):
        begin = time.process_time()
        work()
        found.append((time.process_time() - begin) / events * 1e6)
    return found


def show(name: str, us: list[float]) -> float:
    median = statistics.median(us)
    print(f"{name:<28} {min(us):7.1f} {median:7.1f} {max(us):7.1f}")
    return median


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer calls and runs")
    quick = parser.parse_args().quick
    rows = messages(20 if quick else 200)
    runs = 3 if quick else 7
    events, count = parsed(rows), len(rows)
    facts = tracked(events)
    print(f"{count} wanted events, {len(facts)} facts; µs CPU per event   min / median / max")
    parts = [
        show("parse", cpu_us(lambda: parsed(rows), count, runs)),
        show("tracker", cpu_us(lambda: tracked(events), count, runs)),
        show("fold", cpu_us(lambda: folded(facts), count, runs)),
    ]
    with tempfile.TemporaryDirectory(prefix="press3-bench-") as folder:
        parts.append(show("journal", cpu_us(lambda: journalled(rows, Path(folder)), count, runs)))
    print(f"{'sum of the medians':<28} {sum(parts):15.1f}   (target: {TARGET_US})")


if __name__ == "__main__":
    main()
