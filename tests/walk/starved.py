"""How long Asterisk's threads stood ready and got no processor: what makes the PBX itself come late."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

__all__ = ["Starved", "watched"]

_EVERY_S = 0.1


@dataclass
class Starved:
    """What the kernel says (`schedstat`), by the tenth of a second; where it says nothing, nobody waited."""

    _spans: list[tuple[datetime, datetime, timedelta]] = field(default_factory=list)

    def between(self, one: datetime, other: datetime) -> timedelta:
        """Return how long its threads waited, all together, from one moment to the other."""
        first, last = min(one, other), max(one, other)
        waited = [w for since, until, w in self._spans if until >= first and since <= last]
        return sum(waited, timedelta(0))

    async def watch(self, pid: int) -> None:
        before, since = _waited_ns(pid), datetime.now(UTC)
        while True:
            await asyncio.sleep(_EVERY_S)
            now, at = _waited_ns(pid), datetime.now(UTC)
            grown_ns = sum(ns - before.get(thread, 0) for thread, ns in now.items())
            self._spans.append((since, at, timedelta(microseconds=grown_ns / 1000)))
            before, since = now, at


def _waited_ns(pid: int) -> dict[str, int]:
    """The second figure of schedstat: nanoseconds spent waiting on a run queue, by thread."""
    found = {}
    for thread in Path(f"/proc/{pid}/task").glob("*"):
        with suppress(OSError):  # it has ended
            found[thread.name] = int((thread / "schedstat").read_text().split()[1])
    return found


@asynccontextmanager
async def watched(pid: int) -> AsyncIterator[Starved]:
    starved = Starved()
    watching = asyncio.create_task(starved.watch(pid), name="starved")
    try:
        yield starved
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
