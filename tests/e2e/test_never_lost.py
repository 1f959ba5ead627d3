"""A pressed 3 is never lost and never doubled: press3 away, press3 killed, calls going on meanwhile."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from tests.e2e.conftest import StartDesk
from tests.e2e.desk import Desk
from tests.lab.fixtures import StartAsterisk
from tests.lab.harness import QUICK, Lab, LabMenu, SippCall
from tests.lab.scenarios import Bye, Key, Speak, TelephoneHabit, Wait
from tests.waiting import until

pytestmark = pytest.mark.asterisk

KILLS = 20
ONE_OPERATOR = LabMenu(menu=replace(QUICK, members=("PJSIP/101",)))


async def all_appeals(desk: Desk) -> list[dict[str, Any]]:
    chief = await desk.person("chief")
    items: list[dict[str, Any]] = []
    path = "/appeals?limit=100"
    while path:
        page = await chief.get(path)
        items += page["items"]
        path = f"/appeals?limit=100&cursor={page['next']}" if page["next"] else ""
    return items


async def presses_in_spool(lab: Lab) -> set[str]:
    """Return the uniqueids of the presses that Asterisk itself keeps."""
    return {
        value.split("|")[1] for key, value in (await lab.spool()).items() if key.count("/") == 2
    }


async def test_a_press_while_press3_is_not_running_appears_once_when_it_starts(
    asterisk: StartAsterisk, asterisk_version: str, desk: StartDesk
) -> None:
    lab = await asterisk(asterisk_version, ONE_OPERATOR, fresh=True)
    service = await desk(lab)  # it has run before: the blind window begins at its last contact
    assert await service.stop() == 0
    async with lab.telephone("101", TelephoneHabit(ring_s=1)) as telephone:
        caller = await lab.call(
            number="+79110000055", steps=[Speak(), Wait(0.8), Key("3"), Wait(6), Bye()]
        )
        await caller.done()
        phone, truth = telephone.truth, caller.truth
    await lab.quiet()
    await service.start()
    await service.linked()
    chief = await service.person("chief")

    (appeal,) = await all_appeals(service)
    one = await chief.get(f"/appeals/{appeal['number']}")
    assert (one["verified"], one["caller"]["e164"]) == ("verified", "+79110000055")
    (call,) = one["calls"]
    assert (call["outcome"], call["recovered"]) == ("answered", True)
    seen_s = (phone.at("200") - truth.at("INFO")).total_seconds()
    assert one["times"]["wait_s"] == pytest.approx(seen_s, abs=0.3)  # two marks of the dialplan
    talked_s = (truth.at("BYE") - truth.at("INFO")).total_seconds()

    async def sound() -> Any:
        found = (await chief.get(f"/appeals/{appeal['number']}"))["calls"][0]["recordings"]
        return found and found[0]["state"] == "converted" and found

    (recording,) = await until(sound, deadline_s=40, what="the recording is found and converted")
    assert recording["duration_s"] == pytest.approx(talked_s, abs=1.0)
    windows = (await chief.get("/blind-windows"))["items"]
    told = [w for w in windows if w["appeals_recovered"] == 1 and w["calls_recovered"] == 1]
    assert len(told) == 1, windows

    assert await service.stop() == 0
    await service.start()
    await service.linked()
    assert [a["number"] for a in await all_appeals(service)] == [appeal["number"]]


async def test_killed_twenty_times_under_one_press_a_second_none_is_lost_none_doubled(
    asterisk: StartAsterisk, asterisk_version: str, desk: StartDesk
) -> None:
    lab = await asterisk(asterisk_version, ONE_OPERATOR, fresh=True)
    service = await desk(lab)
    pressing = asyncio.create_task(_press_until_killed(lab, service))
    callers = await pressing
    await service.start()
    await service.linked(deadline_s=30)
    await lab.quiet()
    kept = await presses_in_spool(lab)
    assert len(kept) == callers, "every caller's 3 is in the PBX's own database"

    async def registered() -> bool:
        return len(await all_appeals(service)) >= callers

    await until(registered, deadline_s=30, what=f"{callers} appeals")
    appeals = await all_appeals(service)
    keys = sorted(appeal["caller"]["e164"] for appeal in appeals)
    assert len(keys) == len(set(keys)) == callers

    async def all_over() -> bool:
        chief = await service.person("chief")
        return not (await chief.get("/calls?outcome=in_progress&limit=1"))["items"]

    await until(all_over, deadline_s=90, what="no ghost call is left")


async def _press_until_killed(lab: Lab, service: Desk) -> int:
    """Let one caller a second press 3 while press3 is killed; return how many pressed, by their own log."""
    callers: list[SippCall] = []

    async def call() -> None:
        number = f"+7911100{len(callers):04d}"
        steps = [Speak(), Wait(0.8), Key("3"), Wait(3), Bye()]
        callers.append(await lab.call(number=number, steps=steps))

    async def calls() -> None:
        while True:
            await call()
            await asyncio.sleep(1)  # the rate of the experiment, not a wait for something

    calling = asyncio.create_task(calls())
    for number in range(KILLS):
        await service.kill9()
        if number < KILLS - 1:
            await service.start()
            await asyncio.sleep((number % 5) * 0.3)  # kills at different moments after the start
    calling.cancel()
    await until(lambda: not lab.calling, deadline_s=30, what="the last caller has hung up")
    pressed = [caller for caller in callers if caller.truth.said("INFO")]
    assert len(pressed) >= KILLS / 2
    return len(pressed)
