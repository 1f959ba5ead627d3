"""What the machine withholds is measured, and nothing else: not sleep, not one's own work."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.busy import busy_processes
from tests.waiting import until
from tests.withheld import Ledger, Span, Watch

CPUS = os.cpu_count() or 1
WORKS = "while True: sum(range(1000))"
SLEEPS = "import time; time.sleep(600)"
# A child of the watched process works; it itself only waits for the child.
LETS_WORK = f"import subprocess, sys; subprocess.run([sys.executable, '-c', '{WORKS}'])"


def span(since: float, waited_s: float, others_s: float = 9, stolen_s: float = 0) -> Span:
    return Span(since, since + 0.1, waited_s, others_s, stolen_s)


@contextmanager
def watched(program: str) -> Iterator[Watch]:
    """Watch a process that runs `program`; its family ends with the block."""
    process = subprocess.Popen([sys.executable, "-c", program], start_new_session=True)
    watch = Watch(process.pid)
    watch.start()
    try:
        yield watch
    finally:
        watch.stop()
        os.killpg(process.pid, 9)
        process.wait()


def withheld_s(watch: Watch, began: float) -> float:
    watch.look()
    return watch.ledger.between(began, time.time())


def ran_lately(watch: Watch) -> bool:
    """Whether it waited for a processor in the last second, which whoever runs does here."""
    spans = watch.ledger.spans
    return not spans or time.time() - spans[0].since < 1 or withheld_s(watch, time.time() - 1) > 0


@pytest.mark.parametrize("program", [WORKS, LETS_WORK])
async def test_who_works_beside_too_many_others_is_withheld_the_processor(program: str) -> None:
    began = time.time()
    with busy_processes(2 * CPUS), watched(program) as watch:
        await until(lambda: withheld_s(watch, began) > 0.5, deadline_s=60)
        took_s = time.time() - began
        assert withheld_s(watch, began) <= took_s + 0.1
        assert 0 < watch.ledger.worst(began, time.time()) <= 1


async def test_who_sleeps_is_withheld_nothing() -> None:
    with busy_processes(2 * CPUS), watched(SLEEPS) as sleeping, watched(WORKS) as working:
        await until(lambda: not ran_lately(sleeping), what="it has started and sleeps")
        began = time.time()
        await until(lambda: withheld_s(working, began) > 0.5, deadline_s=60)
        assert (
            withheld_s(sleeping, began) < 0.05
        )  # its start may take its last slice as late as this


async def test_nobody_waits_longer_than_others_worked() -> None:
    """Too many processes of one's own: what they wait for each other is their own doing."""
    began = time.time()
    program = f"import subprocess, sys\nfor _ in range({3 * CPUS}): p = subprocess.Popen([sys.executable, '-c', '{WORKS}'])\np.wait()"
    with watched(program) as watch:

        def totals() -> tuple[float, float]:
            spans = list(watch.ledger.spans)
            return sum(each.waited_s for each in spans), sum(each.others_s for each in spans)

        await until(lambda: totals()[0] > max(totals()[1], 0) + 1, deadline_s=60)
        assert withheld_s(watch, began) <= max(totals()[1], 0) + 0.1


def test_a_time_is_excused_by_the_spans_that_touch_it() -> None:
    ledger = Ledger()
    for n in range(10):
        ledger.add(span(10 + n / 10, waited_s=n / 100))
    assert ledger.between(10.15, 10.15) == pytest.approx(0.01)
    assert ledger.between(10.35, 10.15) == pytest.approx(0.01 + 0.02 + 0.03)
    assert ledger.between(11.5, 12) == 0
    assert ledger.between(0, 99) == pytest.approx(0.45)


def test_time_passes_once_however_many_wait() -> None:
    ledger = Ledger()
    ledger.add(span(10, waited_s=3))
    assert ledger.between(10, 10.1) == pytest.approx(0.1)


def test_what_others_had_bounds_what_was_withheld() -> None:
    ledger = Ledger()
    ledger.add(span(10, waited_s=0.08, others_s=0.01))
    ledger.add(span(10.1, waited_s=0.08, others_s=-0.01))
    assert ledger.between(10, 10.15) == 0
    ledger.add(span(10.2, waited_s=0.08, others_s=0.05))
    assert ledger.between(10, 10.25) == pytest.approx(0.05)


def test_what_the_hypervisor_took_counts() -> None:
    ledger = Ledger()
    ledger.add(span(10, waited_s=0, others_s=0.03, stolen_s=0.03))
    assert ledger.between(10, 10.1) == pytest.approx(0.03)


def test_the_worst_second() -> None:
    ledger = Ledger()
    for n in range(100):
        ledger.add(span(10 + n / 10, waited_s=0.05 if n in (12, 15, 19, 40, 41) else 0.001))
    assert ledger.worst(10, 20) == pytest.approx(3 * 0.05 + 8 * 0.001)
    assert ledger.worst(13, 20) == pytest.approx(2 * 0.05 + 9 * 0.001)
    ledger.add(Span(20, 36, waited_s=16, others_s=30))
    assert ledger.worst(10, 36) == 1


def test_what_is_long_ago_is_forgotten() -> None:
    ledger = Ledger()
    ledger.add(span(10, waited_s=0.1))
    ledger.add(span(5000, waited_s=0.1))
    assert len(ledger.spans) == 1
