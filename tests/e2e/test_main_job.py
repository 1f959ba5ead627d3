"""The main job on a real Asterisk: press 3 → complaint → pop → talk → recording → times."""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from tests import timing
from tests.e2e.conftest import StartDesk
from tests.e2e.office import near, seconds
from tests.lab.fixtures import StartAsterisk
from tests.lab.harness import QUICK, LabMenu, Truth
from tests.lab.scenarios import Bye, Key, Speak, TelephoneHabit, Wait
from tests.waiting import until

pytestmark = pytest.mark.asterisk

MOSCOW = ZoneInfo("Europe/Moscow")  # the service's default: whose days count


async def test_pressed_3_rings_two_one_answers_talk_hang_up(
    asterisk: StartAsterisk, asterisk_version: str, desk: StartDesk
) -> None:
    two_members = replace(QUICK, members=("PJSIP/101", "PJSIP/102"))
    lab = await asterisk(asterisk_version, LabMenu(menu=two_members))
    service = await desk(lab)
    one, two, chief = [await service.person(login) for login in ("op101", "op102", "chief")]
    async with (
        one.screen() as first,
        two.screen() as second,
        chief.screen() as board,
        lab.telephone("101", TelephoneHabit(ring_s=1.5)) as telephone,
        lab.telephone("102", TelephoneHabit(ring_s=30)),
    ):
        caller = await lab.call(
            number="+79110000001",
            name="Иван Петров",
            steps=[Speak(), Wait(0.8), Key("3"), Wait(8), Bye()],
        )
        opened = await board.told("appeal.opened")
        shown = await first.told("pop.shown")
        assert shown["appeal"] == opened["number"]
        assert shown["caller"]["e164"] == "+79110000001"
        assert shown["caller"]["name"] == "Иван Петров"
        await second.told("pop.shown")
        assert first.of("pop.withdrawn") == [], "the pop is there before the answer"
        assert (await first.told("pop.withdrawn"))["reason"] == "answered_here"
        assert (await second.told("pop.withdrawn"))["reason"] == "answered_elsewhere"
        await board.told("call.ended", deadline_s=30)
        ready = await board.told("recording.ready", deadline_s=30)
        await caller.done()
        truth, phone = caller.truth, telephone.truth

    appeals = (await chief.get("/appeals"))["items"]
    assert [appeal["number"] for appeal in appeals] == [opened["number"]]
    appeal = await chief.get(f"/appeals/{opened['number']}")
    assert (appeal["verified"], appeal["source"], appeal["type"]) == ("verified", "phone_key", "ЖК")
    (call,) = appeal["calls"]
    assert call["outcome"] == "answered"
    assert {leg["extension"]: leg["outcome"] for leg in call["legs"]} == {
        "101": "answered",
        "102": "elsewhere",
    }
    _assert_times(appeal, call, truth, phone)
    recording = call["recordings"][0]
    assert (recording["id"], recording["state"]) == (ready["recording"], "converted")
    since, until_ = (datetime.fromisoformat(call[name]) for name in ("pressed_at", "ended_at"))
    assert timing.lasted(recording["duration_s"], 1.0, (since, until_)), (recording, until_ - since)
    status, sound, answer = await chief.bytes(
        f"/recordings/{recording['id']}/audio", Range="bytes=0-999"
    )
    assert (status, len(sound)) == (206, 1000), answer.headers


def _assert_times(appeal: dict, call: dict, truth: Truth, phone: Truth) -> None:  # type: ignore[type-arg]
    assert near(call["pressed_at"], truth.at("INFO"))
    assert near(call["ended_at"], truth.at("BYE"))
    answering = next(leg for leg in call["legs"] if leg["extension"] == "101")
    assert near(answering["rang_at"], phone.at("INVITE", "R"))
    assert near(call["answered_at"], phone.at("200"))
    times = appeal["times"]
    assert times["wait_s"] == pytest.approx(
        seconds(call["pressed_at"], call["answered_at"]), abs=0.001
    )
    assert times["ring_s"] == pytest.approx(
        seconds(answering["rang_at"], call["answered_at"]), abs=0.001
    )
    assert times["first_contact_s"] == times["wait_s"]
    assert times["abandoned_after_s"] is None


async def test_no_difference_is_left_at_the_end_of_the_day(
    asterisk: StartAsterisk, desk: StartDesk
) -> None:
    lab = await asterisk("22", fresh=True)
    service = await desk(lab)
    chief = await service.person("chief")
    async with chief.screen() as board:
        caller = await lab.call(steps=[Speak(), Wait(0.8), Key("3"), Wait(3), Bye()])
        await caller.done()
        await board.told("recording.ready", deadline_s=30)
    appeal = (await chief.get("/appeals"))["items"][0]
    day = datetime.fromisoformat(appeal["opened_at"]).astimezone(MOSCOW).date()

    async def agreed() -> bool:
        found = await chief.get(f"/reconciliation?day={day}")
        return bool(
            found["pressed"] == found["registered"] == found["recorded"] == 1
            and not found["differences"]
        )

    await until(agreed, what="the day's presses, appeals and recordings agree")
