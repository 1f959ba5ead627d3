"""How long the machine itself withheld the processor from a test and from all that the test started.

A thread that is ready and gets no processor waits on a run queue; Linux counts that for each thread
(`/proc/*/task/*/schedstat`). A thread that sleeps, or waits for a disk or an answer, does not count.
Nobody is excused by their own work: what this test and its processes wait for each other is bounded by
what all other programs had of the processors meanwhile (`/proc/stat`). What a hypervisor took from
running threads (steal) counts like the work of others.

`start` begins to watch this process and its descendants, and goes on until `stop`. Everything here is in
seconds of the wall clock, as the logs that tests compare. Where the kernel counts nothing, nothing is withheld.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

__all__ = ["Ledger", "Span", "Watch", "between", "overslept", "since", "start", "stop", "worst"]

_EVERY_S = 0.1
_LOOKS_LATELY = 5
_KEPT_S = 1800  # no test looks back so far
_OPEN_AT_MOST = (
    400  # of the descriptors that a process may have; the others are opened for each look
)
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Span:
    """What happened between two looks, some tenth of a second apart.

    `waited_s`: the watched threads stood ready, all together. `stolen_s`: the hypervisor took, of what they
    ran. `others_s`: others had, of all processors; negative by a rounding of the kernel's ticks.
    """

    since: float
    until: float
    waited_s: float
    others_s: float
    stolen_s: float = 0

    @property
    def withheld_s(self) -> float:
        """Several threads may wait at once: time passes once."""
        return min(self.waited_s + self.stolen_s, self.until - self.since)


@dataclass
class Ledger:
    """The spans so far. Pure: `Watch` writes it, tests ask it."""

    spans: deque[Span] = field(default_factory=deque)

    def add(self, span: Span) -> None:
        self.spans.append(span)
        while self.spans[0].until < span.until - _KEPT_S:
            self.spans.popleft()

    def between(self, one: float, other: float) -> float:
        """Return the seconds withheld in all spans that touch the time between two moments."""
        first, last = min(one, other), max(one, other)
        return _withheld(span for span in self._since(first) if span.since <= last)

    def worst(self, one: float, other: float, *, within_s: float = 1) -> float:
        """Return the most that was withheld in any `within_s` seconds between two moments."""
        window: deque[Span] = deque()
        most = 0.0
        for span in self._since(one):
            if span.since > other:
                break
            window.append(span)
            while window[0].until < span.until - within_s:
                window.popleft()
            most = max(most, _withheld(window))
        return min(most, within_s)  # a span is longer when this process itself could not look

    def _since(self, first: float) -> Iterator[Span]:
        return (span for span in list(self.spans) if span.until >= first)


def _withheld(spans: Iterable[Span]) -> float:
    ours = others = 0.0
    for span in spans:
        ours += span.withheld_s
        others += span.others_s
    return max(min(ours, others), 0.0)


class Watch:
    """Fills `ledger` from a thread of its own, from `start` until `stop`."""

    def __init__(self, root: int | None = None) -> None:
        self.ledger = Ledger()
        self._family = _Family(root or os.getpid())
        self._stop = threading.Event()
        self._looking = threading.Lock()
        self._last: _Look | None = None
        self._thread = threading.Thread(target=self._run, name="withheld", daemon=True)

    def start(self) -> None:
        self.look()
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        self._family.close()

    def look(self) -> None:
        """Add what happened since the last look. Also called by whoever can't wait for the next one."""
        with self._looking:
            now, before = _Look.of(self._family), self._last
            self._last = now
            if before is not None:
                self.ledger.add(now.since(before))

    def _run(self) -> None:
        while not self._stop.wait(_EVERY_S):
            self.look()


@dataclass(frozen=True)
class _Look:
    """All counters at one moment: by thread (ran, waited) in nanoseconds; of the machine, in seconds."""

    at: float
    threads: dict[tuple[int, int], tuple[int, int]]
    busy_s: float
    stolen_s: float

    @classmethod
    def of(cls, family: "_Family") -> "_Look":
        busy_s, stolen_s = _machine()
        return cls(time.time(), family.counters(), busy_s, stolen_s)

    def since(self, before: "_Look") -> Span:
        ran_ns = waited_ns = 0
        for thread, (ran, waited) in self.threads.items():
            ran_before, waited_before = before.threads.get(thread, (0, 0))
            ran_ns += ran - ran_before
            waited_ns += waited - waited_before
        ran_s, busy_s = ran_ns / 1e9, self.busy_s - before.busy_s
        stolen_s = self.stolen_s - before.stolen_s
        return Span(
            since=before.at,
            until=self.at,
            waited_s=waited_ns / 1e9,
            others_s=busy_s - ran_s + stolen_s,
            stolen_s=stolen_s * min(ran_s / max(busy_s, _TICK_S), 1),
        )


class _Family:
    """A process and all that it started, and what these started."""

    def __init__(self, root: int) -> None:
        self._family = {root}
        self._seen: set[int] = set()
        self._open: dict[tuple[int, int], int] = {}

    def counters(self) -> dict[tuple[int, int], tuple[int, int]]:
        """Return nanoseconds run and waited by (process, thread)."""
        found = {}
        for thread in self._threads():
            with suppress(OSError, ValueError):  # it has ended
                ran, waited, _ = self._read(thread).split()
                found[thread] = int(ran), int(waited)
        for gone in self._open.keys() - found.keys():
            os.close(self._open.pop(gone))
        return found

    def close(self) -> None:
        while self._open:
            os.close(self._open.popitem()[1])

    def _threads(self) -> Iterator[tuple[int, int]]:
        for pid in self._processes():
            with suppress(OSError):  # it has ended
                yield from ((pid, int(tid)) for tid in os.listdir(f"/proc/{pid}/task"))

    def _processes(self) -> set[int]:
        """Whoever was born into the family stays in it, its parent gone or not."""
        with suppress(OSError):
            here = {int(name) for name in os.listdir("/proc") if name.isdigit()}
            parents = {pid: _parent(pid) for pid in here - self._seen}
            while born := {pid for pid, parent in parents.items() if parent in self._family}:
                self._family |= born
                parents = {pid: parent for pid, parent in parents.items() if pid not in born}
            self._seen = here
            self._family &= here
        return self._family

    def _read(self, thread: tuple[int, int]) -> bytes:
        file = self._open.get(thread)
        if file is not None:
            return os.pread(file, 100, 0)
        file = os.open("/proc/{}/task/{}/schedstat".format(*thread), os.O_RDONLY)
        if len(self._open) < _OPEN_AT_MOST:
            self._open[thread] = file
            return os.pread(file, 100, 0)
        try:
            return os.pread(file, 100, 0)
        finally:
            os.close(file)


def _parent(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except OSError:  # it has ended
        return 0


def _machine() -> tuple[float, float]:
    """Return the seconds for which all processors were busy, and those that a hypervisor took."""
    try:
        with open("/proc/stat", "rb") as file:
            user, nice, system, _idle, _io, irq, softirq, stolen, *_ = file.readline().split()[1:]
    except (OSError, ValueError):  # no such file, or one of a kernel that counts less
        return 0.0, 0.0
    busy = sum(map(int, (user, nice, system, irq, softirq)))
    return busy * _TICK_S, int(stolen) * _TICK_S


_watch: Watch | None = None


def start() -> None:
    """Watch this process and all that it starts. Idempotent."""
    global _watch
    if _watch is None:
        _watch = Watch()
        _watch.start()


def stop() -> None:
    global _watch
    if _watch is not None:
        _watch.stop()
        _watch = None


def between(one: datetime, other: datetime) -> timedelta:
    """Return how long the machine withheld the processor from one moment to the other, in any order."""
    if _watch is None:
        return timedelta(0)
    _watch.look()
    return timedelta(seconds=_watch.ledger.between(one.timestamp(), other.timestamp()))


def since(moment: float) -> float:
    """Return the seconds withheld since `moment` (`time.time()`)."""
    if _watch is None:
        return 0.0
    _watch.look()
    return _watch.ledger.between(moment, time.time())


def overslept() -> float:
    """Return by how much the watching thread was woken too late at worst in its last looks; 0 without one."""
    if _watch is None:
        return 0.0
    last = list(_watch.ledger.spans)[-_LOOKS_LATELY:]
    return max((span.until - span.since - _EVERY_S for span in last), default=0.0)


def worst(moment: float) -> float:
    """Return the most that was withheld in any one second since `moment` (`time.time()`)."""
    if _watch is None:
        return 0.0
    _watch.look()
    return _watch.ledger.worst(moment, time.time())
