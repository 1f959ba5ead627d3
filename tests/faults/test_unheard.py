"""A line that is up but does not tell everything: an event damaged on its way, an event that never comes."""

from collections.abc import Callable

import pytest

from tests.faults.callers import Habit, Pressed
from tests.faults.conftest import OpenSite
from tests.faults.site import Site
from tests.faults.test_link import line_of
from tests.timing import Stopwatch
from tests.waiting import until

pytestmark = pytest.mark.asterisk

CALL = Habit(before_s=0.5, presses=True, stays_s=3)
DAMAGED_S = 12  # who could not be understood is looked up when his marks have settled
BY_NAME_S = 120  # a file that nobody told of is found by the sweep of the folder
UNHEARD_S = 70  # who was never heard, by the minute's sweep


async def test_a_press_whose_event_is_damaged_is_registered_within_seconds(
    open_a_site: OpenSite,
) -> None:
    site = await open_a_site("22", through_proxy=True)
    late_s = await registered_though(
        site, lambda data: data.replace(b"\r\nKey: press3/", b"\r\nXey: press3/")
    )
    assert "an event could not be read" in site.service.log.read_text()
    await site.conclude("an event damaged", times=1, noticed_s=late_s)
    assert late_s <= DAMAGED_S


@pytest.mark.faults_only
async def test_a_press_whose_event_never_comes_is_registered_by_the_sweep(
    open_a_site: OpenSite,
) -> None:
    site = await open_a_site("22", through_proxy=True)
    late_s = await registered_though(
        site, lambda data: data.replace(b"UserEvent: Press3\r\n", b"UserEvent: Prexx3\r\n")
    )
    await site.conclude("an event lost", times=1, noticed_s=late_s)
    assert late_s <= UNHEARD_S


@pytest.mark.faults_only
async def test_a_recording_that_nobody_told_of_is_found_by_its_name(open_a_site: OpenSite) -> None:
    """The mark of the recording is gone, as when the PBX was killed in that second, and no event came."""
    site = await open_a_site("22")
    assert await site.service.stop() == 0
    site.blind()
    async with site.calling(per_second=0.001) as callers:
        await callers.call(CALL)
    await site.lab.quiet()
    for key in [key for key in await site.lab.spool() if key.endswith("/recording")]:
        family, _, mark = key.rpartition("/")
        await site.lab.pbx.rx(f"database del {family} {mark}")
    await site.service.start()
    await site.service.linked()
    await site.conclude("a recording nobody told of", times=1, recordings_s=BY_NAME_S)


async def registered_though(site: Site, tamper: Callable[[bytes], bytes]) -> float:
    """Let one caller press while the line tampers; return the seconds from his key to the appeal."""
    line_of(site).tamper = tamper
    chief = await site.service.person("chief")
    async with site.calling(per_second=0.001) as callers:
        await callers.call(CALL)

        async def appeal() -> bool:
            return bool((await chief.get("/appeals"))["items"])

        def pressed() -> tuple[Pressed, ...]:
            return callers.truth.pressed

        await until(pressed, what="the caller has pressed")
        stopwatch = Stopwatch()
        await until(appeal, deadline_s=UNHEARD_S + 20, what="the press has its appeal")
        return stopwatch.own_s
