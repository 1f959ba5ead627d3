"""A pressed 3 is never lost and never doubled: press3 away while a call presses (killed: tests/faults)."""

from dataclasses import replace
from typing import Any

import pytest

from tests import timing
from tests.e2e.conftest import StartDesk
from tests.e2e.desk import Desk
from tests.e2e.office import Office
from tests.e2e.told import LegSeen, check_legs
from tests.lab.fixtures import StartAsterisk
from tests.lab.harness import QUICK, LabMenu
from tests.lab.scenarios import Bye, Key, Speak, TelephoneHabit, Wait, WaitBye
from tests.waiting import until

pytestmark = pytest.mark.asterisk

ONE_OPERATOR = LabMenu(menu=replace(QUICK, members=("PJSIP/101",)))
RINGS_LONG = LabMenu(menu=replace(ONE_OPERATOR.menu, ring_s=60, queue_timeout_s=90))
RINGING = "+79110000056"


async def all_appeals(desk: Desk) -> list[dict[str, Any]]:
    chief = await desk.person("chief")
    items: list[dict[str, Any]] = []
    path = "/appeals?limit=100"
    while path:
        page = await chief.get(path)
        items += page["items"]
        path = f"/appeals?limit=100&cursor={page['next']}" if page["next"] else ""
    return items


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
    pressed, answered = truth.at("INFO"), phone.at("200")
    # two marks of the dialplan
    assert timing.lasted(one["times"]["wait_s"], 0.3, (pressed, answered)), (
        one,
        answered - pressed,
    )

    async def sound() -> Any:
        found = (await chief.get(f"/appeals/{appeal['number']}"))["calls"][0]["recordings"]
        return found and found[0]["state"] == "converted" and found

    (recording,) = await until(sound, deadline_s=40, what="the recording is found and converted")
    assert timing.lasted(recording["duration_s"], 1.0, (pressed, truth.at("BYE"))), recording
    windows = (await chief.get("/blind-windows"))["items"]
    told = [w for w in windows if w["appeals_recovered"] == 1 and w["calls_recovered"] == 1]
    assert len(told) == 1, windows

    assert await service.stop() == 0
    await service.start()
    await service.linked()
    assert [a["number"] for a in await all_appeals(service)] == [appeal["number"]]


async def test_who_began_to_ring_while_press3_was_away_gets_his_card_and_no_made_up_time(
    asterisk: StartAsterisk, asterisk_version: str, desk: StartDesk
) -> None:
    """It rings at 101 when press3 comes; 103 picks it up. Since when it rang nobody heard."""
    lab = await asterisk(asterisk_version, RINGS_LONG, fresh=True)
    service = await desk(lab)
    office = Office(lab, service)
    assert await service.stop() == 0
    async with lab.telephone("101", TelephoneHabit(then="noanswer")) as telephone:
        caller = await lab.call(number=RINGING, steps=[Speak(), Wait(0.8), Key("3"), WaitBye(120)])
        await until(lambda: telephone.truth.all("INVITE", "R"), deadline_s=20, what="101 rings")
        await service.start()
        await service.linked()
        async with office.screens("op101") as (screen,):
            (pop,) = screen.welcome["snapshot"]["pops"]
            assert pop["caller"]["e164"] == RINGING
            picks_up = await lab.call(
                number="103", name="", to="*8", steps=[Speak(), Wait(1), Bye()]
            )
            gone = await screen.told("pop.withdrawn")
            assert (gone["pop_id"], gone["reason"]) == (pop["pop_id"], "answered_elsewhere")
        await picks_up.done()
        await caller.done()
        await office.over(RINGING)
    appeal = await office.appeal(RINGING)
    (call,), phone = appeal["calls"], telephone.truth
    contact, over = phone.at("CANCEL", "R"), picks_up.truth.at("BYE")
    check_legs(
        call,
        LegSeen("101", "elsewhere", None, None, contact),
        LegSeen("103", "answered", None, contact, over),
    )
    assert (call["outcome"], call["recovered"], call["first_ring_at"]) == ("answered", True, None)
    assert appeal["times"]["ring_s"] is None
    assert timing.lasted(appeal["times"]["wait_s"], 0.3, (caller.truth.at("INFO"), contact)), appeal
