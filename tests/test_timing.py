"""The marker `timing`: one repeat, only where the machine withheld too much, and it is said."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests import timing, withheld

T = datetime(2026, 3, 2, 12, tzinfo=UTC)
CONFTEST = """\
from tests import withheld
from tests.timing import pytest_runtest_protocol, pytest_sessionfinish, pytest_terminal_summary

def pytest_runtest_setup(item):
    says = 0.9 if "busy" in item.name else 0.1
    withheld.worst = lambda moment: says
"""
TESTS = """\
import asyncio
import itertools
from pathlib import Path
import pytest
from tests import timing

runs, made = [], itertools.count()

@pytest.fixture(scope="module")
def module():
    return next(made)

def ran(name):
    with open("runs", "a") as file:
        file.write(name + "\\n")
    return Path("runs").read_text().splitlines().count(name)

def test_unmarked_and_busy():
    ran("unmarked")
    assert 0

@pytest.mark.timing
def test_red_at_once():
    ran("at once")
    assert 0

@pytest.mark.timing
def test_busy_once(module):
    assert ran(f"once in {module}") and module == 1, "late by 3 s"

@pytest.mark.timing
def test_busy_always(module):
    ran("always")
    assert 0, "never"

@pytest.mark.timing(bears_s=0.95)
def test_busy_but_it_bears_that():
    ran("bears")
    assert 0

@pytest.mark.timing
def test_busy_and_green(module):
    ran("green")

@pytest.fixture
def broken():
    ran("broken")
    assert 0

@pytest.mark.timing
def test_busy_setup(broken): ...

def story(name, withheld_s):
    # goes wrong the first time
    async def outcome():
        error = AssertionError("wrong") if ran(name) == 1 else None
        return timing.Outcome(error, withheld_s)

    async def run():
        def opened(names):
            return timing.playing({name: outcome()})

        async with opened({name}) as tasks:
            await timing.Played(tasks, opened).went_well(name)

    asyncio.run(run())

@pytest.mark.timing
def test_busy_story_is_played_again_alone():
    ran("its test")
    story("story", 0.7)

@pytest.mark.timing
def test_busy_since_but_not_in_its_story():
    story("own story", 0.2)
"""


@pytest.mark.parametrize("spread", [(), ("-n", "1")])
def test_repeats(tmp_path: Path, spread: tuple[str, ...]) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_it.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = timing: compares times\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:randomly", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *spread, "-q", "--rootdir", str(tmp_path), "test_it.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parents[1]), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    said = done.stdout
    runs = (tmp_path / "runs").read_text().splitlines()
    counts = {name: runs.count(name) for name in sorted(set(runs))}
    assert counts == {
        "unmarked": 1,
        "at once": 1,
        "once in 0": 1,
        "once in 1": 1,  # in a module made anew
        "always": 2,
        "bears": 1,
        "green": 1,
        "broken": 2,
        "its test": 1,
        "story": 2,
        "own story": 1,
    }, said
    assert "5 failed, 3 passed, 1 error" in said
    assert (
        "test_it.py::test_busy_once: machine too busy: withheld 0.90 s of a second; "
        "repeated once after: AssertionError: late by 3 s" in said
    )
    assert "8 tests compare times: 0 times excused; 4 repeated" in said


def after(seconds: float) -> datetime:
    return T + timedelta(seconds=seconds)


def test_times_are_excused_by_what_was_withheld_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[datetime, datetime]] = []

    def between(one: datetime, other: datetime) -> timedelta:
        asked.append((one, other))
        return timedelta(seconds=0.5)

    monkeypatch.setattr(withheld, "between", between)
    notes = timing._Notes()
    monkeypatch.setattr(timing, "_notes", notes)
    within = timedelta(seconds=0.2)
    assert timing.near(after(0.2), T, within)
    assert timing.near(T, after(0.2), within)
    assert timing.near(after(1), (after(0.8), after(1.2)), within)
    assert timing.lasted(9.5, 0.5, (T, after(10)))
    assert (asked, notes.excused_s) == ([], [])
    assert timing.near(after(0.7), T, within)
    assert timing.near(T, (after(0.6), after(2)), within)
    assert not timing.near(after(0.71), T, within)
    assert not timing.near(T, (after(0.71), after(2)), within)
    assert timing.lasted(9, 0.5, (T, after(10)))
    assert not timing.lasted(8.9, 0.5, (T, after(10)))
    assert notes.excused_s == pytest.approx([0.5, 0.4, 0.5])
    assert asked[0] == (T, after(0.7))


def test_a_stopwatch_leaves_out_what_was_withheld(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(withheld, "since", lambda moment: 100.0)
    stopwatch = timing.Stopwatch()
    assert stopwatch.own_s == 0
    monkeypatch.setattr(withheld, "since", lambda moment: 0.0)
    assert 0 < stopwatch.passed_s <= stopwatch.own_s < 60


async def test_callers_wait_while_sleepers_are_woken_late(monkeypatch: pytest.MonkeyPatch) -> None:
    late = iter([0.3, 0.2, 0.04, 0.5])
    monkeypatch.setattr(withheld, "overslept", lambda: next(late))
    assert await timing.room() >= 0.2
    assert next(late) == 0.5, "asked no more once there is room"


async def test_callers_wait_no_longer_than_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(withheld, "overslept", lambda: 9.0)
    assert 0.3 <= await timing.room(deadline_s=0.3) < 5
