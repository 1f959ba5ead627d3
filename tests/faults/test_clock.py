"""Clocks stepped by an hour, forward and back: that of press3's machine, and that of the PBX."""

from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.faults.callers import Pressed, Truth
from tests.faults.conftest import OpenSite
from tests.faults.faketime import SetClock, host_library, with_set_clock
from tests.faults.moments import more_presses
from tests.faults.site import FAULTS, Site
from tests.lab.fixtures import Labs
from tests.waiting import until

pytestmark = [pytest.mark.asterisk, pytest.mark.faults_only]

HOUR = 3600
SETTLED_S = 90  # recordings within the promised minute, files of a call begun unseen with the sweep
# Half an hour: a step of an hour makes every appeal overdue, and one back none.
_DEADLINES = "[deadlines]\nresolve_h = 0.5\ndue_soon_h = 0.1\n"


async def on_a_machine_of_its_own(site: Site, clock: SetClock) -> None:
    """Go on with press3 on a machine whose clock can be set, SQLite's clock included."""
    await site.service.stop()
    site.blind()
    service = site.service
    preload = {"LD_PRELOAD": str(host_library()), **clock.environment}
    service.prefix = ("env", *(f"{name}={value}" for name, value in preload.items()))
    await service.start()
    await service.serving()


async def test_the_clock_of_our_machine_steps_by_an_hour(
    open_a_site: OpenSite, tmp_path: Path
) -> None:
    clock = SetClock(tmp_path / "clock")
    site = await open_a_site("22", more=_DEADLINES)
    await on_a_machine_of_its_own(site, clock)
    chief = await site.service.person("chief")
    async with site.calling() as callers:
        async with chief.screen() as screen:
            for off_s in (HOUR, 0, -HOUR, HOUR):
                await more_presses(callers, 3)
                clock.step_to(off_s)
                assert "items" in await chief.get("/appeals"), "still signed in"
            told = await overdue(site)
            await until(lambda: len(screen.of("deadline.overdue")) >= told, deadline_s=15)
            warned = Counter(data["number"] for data in screen.of("deadline.overdue"))
            assert set(warned.values()) == {1}, warned
        await more_presses(callers, 2)
        await site.service.kill9()  # its rows say when to look again, by a clock an hour ahead
        site.blind()
        clock.step_to(0)
        await site.service.start()
        await more_presses(callers, 2)
    await site.conclude(
        "clock of our machine stepped by an hour, four times", times=4, recordings_s=SETTLED_S
    )


async def overdue(site: Site) -> int:
    """Return how many appeals there are: under the clock set forward all are overdue."""
    chief = await site.service.person("chief")
    return len((await chief.get("/appeals?limit=200"))["items"])


# -- the PBX --------------------------------------------------------------------------------------


class Steps:
    """When the PBX's clock was stepped how far: what it says of any moment."""

    def __init__(self, clock: SetClock) -> None:
        self._clock = clock
        self._steps = [(datetime.min.replace(tzinfo=UTC), 0)]

    def to(self, seconds: int) -> None:
        self._clock.step_to(seconds)
        self._steps.append((datetime.now(UTC), seconds))

    def told(self, at: datetime) -> datetime:
        """Return what the PBX's clock showed at `at`."""
        off_s = next(off_s for since, off_s in reversed(self._steps) if since <= at)
        return at + timedelta(seconds=off_s)

    def of(self, truth: Truth) -> Truth:
        """Return what the callers did, by the PBX's clock."""
        answers = [
            replace(each, at=self.told(each.at), over_at=each.over_at and self.told(each.over_at))
            for each in truth.answers
        ]
        pressed = tuple(self._pressed(each) for each in truth.pressed)
        return replace(truth, pressed=pressed, answers=tuple(answers))

    def _pressed(self, press: Pressed) -> Pressed:
        ended = press.hung_up_at
        return replace(press, at=self.told(press.at), hung_up_at=ended and self.told(ended))

    def crossed(self, truth: Truth) -> set[str]:
        """Return who was in a call while a clock stepped: his times may run backwards."""
        return {
            press.number
            for press in truth.pressed
            for since, _ in self._steps[1:]
            if press.at - _BEFORE < since < (press.hung_up_at or press.at + _CALL) + _AFTER
        }


# What a caller does before his key, after it, and what is left to do when he has hung up.
_BEFORE, _CALL, _AFTER = timedelta(seconds=3), timedelta(seconds=12), timedelta(seconds=1)


async def test_the_clock_of_the_pbx_steps_by_an_hour(
    open_a_site: OpenSite, labs: Labs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = Steps(clock := SetClock(tmp_path / "clock"))
    for name, value in clock.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(labs.trees, "22", with_set_clock(labs.tree("22"), "22"))
    site = await open_a_site("22", replace(FAULTS))
    async with site.calling() as callers:
        for off_s in (HOUR, 0, HOUR):
            await more_presses(callers, 8)
            steps.to(off_s)
        await more_presses(callers, 6)
        await site.service.kill9()  # blind, by one clock and by the other
        await more_presses(callers, 3)
        steps.to(0)
        await more_presses(callers, 3)
        await site.service.start()
        await more_presses(callers, 3)
    await until_judged(site, steps)


async def until_judged(site: Site, steps: Steps) -> None:
    """The verdict, by the PBX's clock; only who was in a call at a step may have odd times."""
    crossed, truth = steps.crossed(site.truth), steps.of(site.truth)
    chief = await site.service.person("chief")

    async def wrong() -> list[str]:
        calls = (await chief.get("/calls?limit=200"))["items"]
        numbers = {call["id"]: call["from"]["e164"] for call in calls}
        verdict = await site.verdict(truth=truth, deadline_s=0)
        return [
            each
            for each in verdict.differences
            if not each.startswith("times of ")
            or numbers[each.split()[2].rstrip(",:")] not in crossed
        ]

    async def well() -> bool:
        return not await wrong()

    with suppress(AssertionError):  # the differences themselves say more
        await until(well, deadline_s=SETTLED_S)
    assert await wrong() == [], f"seed {site.seed}: {site.service.last_words()}"
    assert not site.service.tracebacks(), site.service.tracebacks()[0]
    assert len(truth.possible - crossed) >= 2, "some calls had one clock from beginning to end"
