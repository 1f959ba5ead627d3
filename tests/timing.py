"""Tests that compare times, marked `timing`: what they excuse, and the one repeat on a busy machine.

A moment is excused by exactly what the machine withheld between it and the other (`tests/withheld.py`). A
story that went another way, because a caller's script or a telephone came late, is played once more: only
when in some second of it the machine withheld more than the test bears, and never a third time.
Whatever else fails is red at once. The end of a run lists every repeat and counts the excuses.

A plugin (tests/conftest.py); `@pytest.mark.timing(bears_s=…)` says how much of a second a test bears.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import pytest
from _pytest.runner import call_and_report

from tests import withheld

__all__ = [
    "BEARS_S",
    "Outcome",
    "Played",
    "Stopwatch",
    "Tasks",
    "lasted",
    "near",
    "outcome_of",
    "playing",
    "room",
]

BEARS_S = 0.25
_PROPERTY = "timing"
Window = datetime | tuple[datetime, datetime]


@dataclass
class _Notes:
    """Of the test that runs now."""

    excused_s: list[float] = field(default_factory=list)
    repeats: list[str] = field(default_factory=list)
    judged: bool = False  # a story that failed was already played once more, or must not be


_notes = _Notes()


def near(stored: datetime, truth: Window, within: timedelta) -> bool:
    """Return True if `stored` is `truth`, or lies between its two moments, give or take `within`.

    What the machine withheld between the two is given besides.
    """
    first, last = truth if isinstance(truth, tuple) else (truth, truth)
    off = max(first - stored, stored - last)
    return _excused(off - within, (min(first, stored), max(last, stored)))


def lasted(seconds: float, within_s: float, *spans: tuple[datetime, datetime]) -> bool:
    """Return True if something of so many seconds is as long as `spans` together.

    `within_s` is allowed, and what the machine withheld in them besides.
    """
    whole = sum((until - since for since, until in spans), timedelta(0))
    off = abs(timedelta(seconds=seconds) - whole)
    return _excused(off - timedelta(seconds=within_s), *spans)


class Stopwatch:
    """Begins when it is made. `own_s` are the seconds since, without those that the machine withheld."""

    def __init__(self) -> None:
        self._began, self._began_at = time.perf_counter(), time.time()

    @property
    def passed_s(self) -> float:
        return time.perf_counter() - self._began

    @property
    def own_s(self) -> float:
        passed_s = self.passed_s
        return max(passed_s - withheld.since(self._began_at), 0.0)


_PROMPT_S, _ASK_EVERY_S = 0.05, 0.1


async def room(deadline_s: float = 10) -> float:
    """Wait until the machine wakes sleepers promptly, at most `deadline_s`; return the seconds waited.

    For stories of many callers, before the next one calls: on a busy machine there are fewer at once.
    """
    began = time.perf_counter()
    for _ in range(round(deadline_s / _ASK_EVERY_S)):
        if withheld.overslept() <= _PROMPT_S:
            break
        await asyncio.sleep(_ASK_EVERY_S)
    return time.perf_counter() - began


def _excused(too_much: timedelta, *spans: tuple[datetime, datetime]) -> bool:
    if too_much <= timedelta(0):
        return True
    if too_much > sum((withheld.between(*span) for span in spans), timedelta(0)):
        return False
    _notes.excused_s.append(too_much.total_seconds())
    return True


@dataclass(frozen=True)
class Outcome:
    """How a story went that played in a task of its own. `withheld_s`: at worst, in one of its seconds."""

    error: Exception | None
    withheld_s: float


Tasks: TypeAlias = "dict[str, asyncio.Task[Outcome]]"


async def outcome_of(story: Awaitable[Any]) -> Outcome:
    """Play it to its end."""
    began = time.time()
    try:
        await story
    except Exception as error:
        return Outcome(error, withheld.worst(began))
    return Outcome(None, 0)


@asynccontextmanager
async def playing(stories: Mapping[str, Coroutine[Any, Any, Outcome]]) -> AsyncIterator[Tasks]:
    """Play stories at once, each in a task, until the block ends."""
    tasks = {name: asyncio.create_task(story, name=name) for name, story in stories.items()}
    try:
        yield tasks
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)


@dataclass(frozen=True)
class Played:
    """The stories of a module, in tasks that began before the tests. `again` plays some in another world."""

    tasks: Tasks
    again: Callable[[set[str]], AbstractAsyncContextManager[Tasks]]

    async def went_well(self, name: str) -> None:
        """Wait until the story is over; one for which the machine was too busy is played once more, alone."""
        outcome = await self.tasks[name]
        if outcome.error is None:
            return
        _notes.judged = True
        if outcome.withheld_s <= BEARS_S:
            raise outcome.error
        _notes.repeats.append(_too_busy(outcome.withheld_s, outcome.error))
        async with self.again({name}) as tasks:
            second = await tasks[name]
        if second.error is not None:
            raise second.error


def _too_busy(withheld_s: float, error: object) -> str:
    lines = str(error).strip().splitlines() or [repr(error)]
    return f"machine too busy: withheld {withheld_s:.2f} s of a second; repeated once after: {lines[0][:120]}"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Run a marked test, and once more if it fails where the machine withheld more than it bears."""
    marker = item.get_closest_marker("timing")
    if marker is None:
        return None
    global _notes
    _notes = _Notes()
    withheld.start()
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    bears_s = float(marker.kwargs.get("bears_s", BEARS_S))
    reports = _run(item, nextitem, bears_s) or _run(item, nextitem, None) or []
    told = {"excused_s": _notes.excused_s, "repeats": _notes.repeats}
    reports[-1].user_properties.append((_PROPERTY, told))
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _run(
    item: Any, nextitem: pytest.Item | None, bears_s: float | None
) -> list[pytest.TestReport] | None:
    """Return the reports of one run; None for one that must be repeated, everything being torn down.

    As `_pytest.runner.runtestprotocol`, which does not ask before the teardown. `bears_s` is None for a
    run that is the last.
    """
    if not item._request:
        item._initrequest()
    began = time.time()
    reports = [call_and_report(item, "setup", log=False)]
    if reports[0].passed:
        began = time.time()
        reports.append(call_and_report(item, "call", log=False))
    again = bears_s is not None and _must_repeat(reports[-1], began, bears_s)
    if item.session.shouldfail or item.session.shouldstop:
        nextitem = None
    following = item.session if again else nextitem  # fixtures of the module are made anew too
    reports.append(call_and_report(item, "teardown", log=False, nextitem=following))
    item._request = False
    item.funcargs = None
    return None if again else reports


def _must_repeat(report: pytest.TestReport, began: float, bears_s: float) -> bool:
    if not report.failed or _notes.judged:
        return False
    withheld_s = withheld.worst(began)
    if withheld_s <= bears_s:
        return False
    crash = getattr(report.longrepr, "reprcrash", None)
    _notes.repeats.append(_too_busy(withheld_s, getattr(crash, "message", report.longrepr)))
    return True


def pytest_sessionfinish() -> None:
    withheld.stop()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """List every repeat, and count the excuses: also of a run that is spread over several processes."""
    tests, excused_s, lines = 0, [], []
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, told in getattr(report, "user_properties", ()):
                if name == _PROPERTY and report.when == "teardown":
                    tests += 1
                    excused_s += told["excused_s"]
                    lines += [f"{report.nodeid}: {line}" for line in told["repeats"]]
    if tests:
        terminalreporter.section("times compared", sep="=")
        for line in lines:
            terminalreporter.write_line(line)
        worst = f", at most {max(excused_s):.2f} s" if excused_s else ""
        terminalreporter.write_line(
            f"{tests} tests compare times: {len(excused_s)} times excused{worst}; {len(lines)} repeated"
        )
