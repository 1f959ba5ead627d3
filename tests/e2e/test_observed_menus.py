"""An existing menu that press3 only watches, and what queue_log and the CDR file add to it."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ivr.menu import ObservedMenu
from ivr.render import render
from tests import timing
from tests.e2e.conftest import StartDesk
from tests.e2e.desk import run
from tests.e2e.office import PRESS, SHORT, SILENT, Office, near, reasons
from tests.lab.fixtures import StartAsterisk
from tests.lab.harness import PRESS3, QUICK, Lab, LabMenu, SippCall
from tests.lab.scenarios import Bye, Key, Speak, Step, TelephoneHabit, Wait, WaitBye
from tests.waiting import until

pytestmark = pytest.mark.asterisk
MOSCOW = ZoneInfo("Europe/Moscow")  # the default of [service] timezone

# As FreePBX writes them: an IVR, a queue that records, and back to the IVR when nobody answers.
DIALPLAN = """\
[incoming](+)
exten => 7,1,Goto(ivr-7,s,1)
exten => 8,1,Goto(ivr-8,s,1)
[ivr-7]
exten => s,1,Answer()
 same => n,Background(hello)
 same => n,WaitExten(5)
exten => 1,1,Goto(ext-queues,601,1)
exten => 3,1(ivrsel-3),Set(__IVR_CONTEXT=ivr-7)
 same => n,Goto(ext-queues,600,1)
[ivr-8]
exten => s,1,Answer()
 same => n,Background(hello)
 same => n,WaitExten(5)
exten => 1,1,Queue(601,t,,,20)
exten => 3,1,Goto(ext-queues,600,1)
[ext-queues]
exten => 600,1,MixMonitor(q-600-${UNIQUEID}.wav)
 same => n,Queue(600,t,,,3)
 same => n,Goto(ivr-7,s,1)
exten => 601,1,Queue(601,t,,,20)
"""
QUEUES = """\
[600]
strategy = ringall
timeout = 10
member => PJSIP/101,0,Anna
[601]
strategy = ringall
member => PJSIP/102
"""
CDR = "[general]\nenable = yes\nunanswered = yes\n[csv]\nusegmtime = no\nloguniqueid = yes\n"
MENU = replace(QUICK, prompts=SHORT, members=("PJSIP/102",))
OBSERVED = (ObservedMenu(context="ivr-7"), ObservedMenu(context="ivr-8"))
LAB = LabMenu(
    menu=MENU,
    observed=OBSERVED,
    files={"extensions_more.conf": DIALPLAN, "queues_more.conf": QUEUES, "cdr.conf": CDR},
)
RULES = """
[[ivr.observe]]
context = "ivr-7"
exten = "3"
{leads_to}
[[ivr.observe]]
context = "ivr-8"
digit = "3"
{leads_to}
[[queues]]
name = "600"
department = "Отдел жалоб"
"""
WATCHED = RULES.format(leads_to='leads_to = "600"')


def queue_log(lab: Lab) -> str:
    return f'queue_log = "{lab.directory}/log/queue_log"'


async def test_presses_seen_live_in_menus_of_the_pbx_own(
    asterisk: StartAsterisk, asterisk_version: str, desk: StartDesk
) -> None:
    # This PBX's AstDB forgets what the rendered dialplan writes, in silence, as on a full disk.
    forgetful = render(MENU, PRESS3, observed=OBSERVED)["extensions_press3.conf"].replace(
        "Set(DB(${P3KEY})=${P3ROW})", "NoOp(the disk is full)"
    )
    config = replace(LAB, files={**LAB.files, "extensions_press3.conf": forgetful})
    lab = await asterisk(asterisk_version, config, fresh=True)
    office = Office(lab, await desk(lab, asterisk=queue_log(lab), more=WATCHED))

    async with (
        office.screens("op101") as (screen,),
        lab.telephone("101", TelephoneHabit(ring_s=0.5, talk_s=1)) as telephone,
    ):
        number = "+79110000501"
        caller = await lab.call(number=number, steps=[*PRESS, WaitBye(60)], to="7")
        pop = await screen.told("pop.shown")
        await screen.told("pop.withdrawn")
        await caller.done()
    call = await office.over(number)
    appeal = await office.appeal(number)
    assert (pop["appeal"], reasons(screen, pop["pop_id"])) == (appeal["number"], ["answered_here"])
    assert (call["queue"], call["outcome"], call["recovered"]) == ("600", "answered", False)
    assert appeal["department"]["name"] == "Отдел жалоб"
    assert [leg["extension"] for leg in call["legs"]] == ["101"]
    assert near(call["pressed_at"], caller.truth.at("INFO"))
    assert near(call["answered_at"], telephone.truth.at("200"))
    assert near(call["ended_at"], telephone.truth.at("BYE"))
    await office.playable(number)

    again, elsewhere, by_digit, lost = (f"+7911000051{n}" for n in range(4))
    async with lab.telephone("101", SILENT), lab.telephone("102", SILENT):
        # Nobody answers in 3 s, the menu again, 3 again; a key in a queue; a digit; AstDB forgets.
        callers = [
            await lab.call(number=number, steps=steps, to=to)
            for number, to, steps in _callers(again, elsewhere, by_digit, lost)
        ]
        await lab.pbx.rx("logger rotate")  # in the middle of it
        for each in callers:
            await each.done()
    for number in (again, elsewhere, by_digit, lost):
        await office.over(number)
    first = await office.appeal(again)
    assert len(await office.history(first["number"], "pressed_again")) == 1
    assert await office.appeals(elsewhere) == [], "3 pressed while he waits elsewhere is no press"
    assert (await office.appeal(by_digit))["calls"][0]["queue"] == "600"

    async def proved() -> bool:
        found = [(await office.appeal(n))["verified"] for n in (again, by_digit, lost)]
        return found == ["verified"] * 3

    await until(proved, deadline_s=30, what="queue_log proves what AstDB does not know")
    number_of_lost = (await office.appeal(lost))["number"]
    (entry,) = await office.history(number_of_lost, "evidence")
    assert (entry["data"]["old"], entry["data"]["new"]) in (
        ("unverified", "verified"),
        ("verified_live", "verified"),
    )


def _callers(
    again: str, elsewhere: str, by_digit: str, lost: str
) -> Sequence[tuple[str, str, list[Step]]]:
    return (
        (again, "7", [*PRESS, Wait(5), Key("3"), Wait(1), Bye()]),
        (elsewhere, "8", [Speak(), Wait(0.5), Key("1"), Wait(1), Key("3"), Wait(1), Bye()]),
        (by_digit, "8", [*PRESS, Wait(2), Bye()]),
        (lost, "74951234567", [*PRESS, Wait(0.3), Bye()]),
    )


async def test_presses_while_press3_was_away(
    asterisk: StartAsterisk, asterisk_version: str, desk: StartDesk
) -> None:
    lab = await asterisk(asterisk_version, LAB, fresh=True)
    log = lab.directory / "log/queue_log"
    await until(log.exists, what="queue_log, the last thing that a starting Asterisk makes")
    cdr = await asyncio.to_thread(_logs_that_go_back, lab, log)
    by_queue_log = Office(lab, await desk(lab, asterisk=queue_log(lab), more=WATCHED))
    by_cdr = Office(lab, await desk(lab, asterisk=f'cdr = "{cdr}"', more=WATCHED))
    more = RULES.format(leads_to="")
    unknowing = Office(lab, await desk(lab, asterisk=queue_log(lab), more=more))
    offices = (by_queue_log, by_cdr, unknowing)
    await asyncio.gather(*(office.desk.stop() for office in offices))

    answered, gave_up, other, lost = (f"+7911000060{n}" for n in range(4))
    async with (
        lab.telephone("101", TelephoneHabit(ring_s=0.5, talk_s=1)) as telephone,
        lab.telephone("102", SILENT),
    ):
        first = await lab.call(number=answered, steps=[*PRESS, WaitBye(60)], to="7")
        await first.done()
        await lab.pbx.rx("logger rotate")
        second = await lab.call(number=lost, steps=[*PRESS, Wait(2.5), Bye()])
        steps: list[Step] = [Speak(), Wait(0.5), Key("1"), Wait(1), Bye()]
        third = await lab.call(number=other, steps=steps, to="7")
        for each in (second, third):
            await each.done()
        phone = telephone.truth
    async with lab.telephone("101", SILENT):
        fourth = await lab.call(number=gave_up, steps=[*PRESS, Wait(1.5), Bye()], to="7")
        await fourth.done()
    await lab.quiet()
    await lab.pbx.rx("database deltree press3")
    for office in offices:
        await _comes_back(office)

    await _back_from_queue_log(by_queue_log, (answered, first), (gave_up, fourth), phone.at("200"))
    await _back_from_cdr(by_cdr, (answered, first), gave_up)
    for office in offices:
        assert await office.appeals(other) == [], "another key, another queue"
    await _lost_by_astdb(by_queue_log, lost, second)
    assert await by_cdr.appeals(lost) == [], "the CDR file knows nothing of keys"

    said = await _doctor(by_queue_log), await _doctor(by_cdr)
    assert f"[  ok] main: queue_log {lab.directory}/log/queue_log is read" in said[0]
    assert f"[  ok] main: CDR {cdr} is read and being written" in said[1]

    async def settled() -> Any:
        told = await _reconciled(by_queue_log)
        return (told["pressed"], told["registered"]) == (3, 3) and told

    told = await until(settled, deadline_s=15, what="the newest press is older than the reading")
    assert {s["name"]: s["complete"] for s in told["sources"]} == {
        "main: AstDB": True,
        "main: queue_log": True,
        "main: observed menu": True,
    }
    assert {s["name"]: s["complete"] for s in (await _reconciled(by_cdr))["sources"]} == {
        "main: AstDB": True,
        "main: CDR": True,
        "main: observed menu": True,
    }
    told = await _reconciled(unknowing)
    assert {s["name"]: s["complete"] for s in told["sources"]}["main: observed menu"] is False
    assert [a["caller"]["e164"] for a in (await unknowing.get("/appeals"))["items"]] == [lost]

    before = (await by_queue_log.get("/appeals"))["items"]
    assert await by_queue_log.desk.stop() == 0
    await _comes_back(by_queue_log)
    assert (await by_queue_log.get("/appeals"))["items"] == before


async def _comes_back(office: Office) -> None:
    await office.desk.start()
    await office.desk.linked(deadline_s=60)  # three of them on a machine busy with other things


def _logs_that_go_back(lab: Lab, log: Path) -> Path:
    """Let queue_log begin yesterday, and give the CDR file its folder; return that file."""
    yesterday = int(datetime.now(UTC).timestamp() - timedelta(days=2).total_seconds())
    log.write_bytes(f"{yesterday}|NONE|NONE|NONE|QUEUESTART|\n".encode() + log.read_bytes())
    cdr = lab.directory / "log/cdr-csv/Master.csv"
    cdr.parent.mkdir()
    at = f"{datetime.fromtimestamp(yesterday, UTC):%F %T}"
    cdr.write_text(
        f'"","+79110000001","9","incoming","x","PJSIP/t-0","","Hangup","","{at}",,"{at}",'
        f'0,0,"NO ANSWER","DOCUMENTATION","{yesterday}.0"\n'
    )
    return cdr


async def _back_from_queue_log(
    office: Office,
    answered: tuple[str, SippCall],
    gave_up: tuple[str, SippCall],
    lifted: datetime,
) -> None:
    """queue_log keeps whole seconds."""
    number, caller = answered
    appeal = await office.appeal(number)
    (call,) = appeal["calls"]
    assert (appeal["verified"], call["recovered"], call["outcome"]) == (
        "verified",
        True,
        "answered",
    )
    assert (call["queue"], appeal["department"]["name"]) == ("600", "Отдел жалоб")
    assert _within_a_second(call["pressed_at"], caller.truth.at("INFO"))
    assert _within_a_second(call["answered_at"], lifted)
    assert _within_a_second(call["ended_at"], caller.truth.at("BYE", "R"))
    (opened,) = await office.history(appeal["number"], "opened")
    assert opened["data"]["pressed_at_is"] == "queue_entry"
    number, caller = gave_up
    (call,) = (await office.appeal(number))["calls"]
    assert call["outcome"] == "abandoned"
    assert _within_a_second(call["ended_at"], caller.truth.at("BYE"))


async def _back_from_cdr(office: Office, answered: tuple[str, SippCall], gave_up: str) -> None:
    number, caller = answered
    appeal = await office.appeal(number)
    (call,) = appeal["calls"]
    assert (call["recovered"], call["outcome"], call["queue"]) == (True, "answered", "600")
    assert [leg["extension"] for leg in call["legs"]] == ["101"], "who answered has a conflict"
    assert _within_a_second(call["pressed_at"], caller.truth.at("INVITE"))
    (opened,) = await office.history(appeal["number"], "opened")
    assert opened["data"]["pressed_at_is"] == "call_start"
    (call,) = (await office.appeal(gave_up))["calls"]
    assert call["outcome"] == "abandoned"


async def _lost_by_astdb(office: Office, number: str, caller: SippCall) -> None:
    """The line PRESS3 has the whole row, its time with milliseconds."""
    appeal = await office.appeal(number)
    (call,) = appeal["calls"]
    assert (appeal["verified"], call["recovered"], call["queue"]) == ("verified", True, "press3")
    assert appeal["caller"]["name"] == "Ivan Petrov"
    assert near(call["pressed_at"], caller.truth.at("INFO"))
    assert call["outcome"] == "abandoned"


async def _doctor(office: Office) -> str:
    done = await asyncio.to_thread(run, "doctor", "-c", str(office.desk.config))
    return done.stdout


async def _reconciled(office: Office) -> Any:
    told = await office.get(f"/reconciliation?day={await _today(office)}")
    kinds = {each["kind"] for each in told["differences"]}
    assert not kinds & {"not_registered", "not_on_pbx"}, told["differences"]
    return told


async def _today(office: Office) -> str:
    """Return the day of the presses as the service counts days."""
    appeal = (await office.get("/appeals"))["items"][0]
    return f"{datetime.fromisoformat(appeal['opened_at']).astimezone(MOSCOW):%F}"


def _within_a_second(stored: str, truth: datetime) -> bool:
    return timing.near(datetime.fromisoformat(stored), truth, timedelta(seconds=1.15))
