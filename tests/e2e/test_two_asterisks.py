"""One press3 for two real Asterisks, 22 and 16: equal uniqueids, and those that begin with a systemname."""

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from press3.clock import now
from press3.config.settings import load
from tests import timing
from tests.e2e.desk import PbxSide, Screen, open_desk
from tests.e2e.office import STORIES, Office, has_sound, near, reasons
from tests.e2e.told import LegSeen, answered, check_legs, check_pops, unanswered
from tests.lab.fixtures import StartAsterisk
from tests.lab.harness import Lab, LabMenu, SippCall
from tests.lab.scenarios import Bye, Key, Speak, Step, TelephoneHabit, Wait, WaitBye
from tests.waiting import until

pytestmark = pytest.mark.asterisk

ANSWERS = TelephoneHabit(ring_s=1, then="answer")
CUT = "+79110031303"
SILENT = TelephoneHabit(then="noanswer")
PRESS: list[Step] = [Speak(), Wait(3), Key("3"), Wait(6), Bye()]


BY_NAME_S = 120  # a file that nobody told of is found by the sweep of the folder
# A `-` stands in our call ids and in names of recordings too; `_` is any character to AstDB.
SYSTEMS = ("my-pbx_1", "my-pbx_2")


def menu(member: str, system_name: str) -> LabMenu:
    return LabMenu(
        system_name=system_name,
        menu=replace(
            STORIES.menu, members=(member,), menu_timeout_s=6, ring_s=8, queue_timeout_s=20
        ),
    )


def second(lab: Lab, asterisk: str) -> str:
    """The second PBX: its recordings by a map of its own."""
    side = PbxSide.of(lab)
    return f"""
[[asterisk]]
name = "second"
port = {side.port}
username = "{side.username}"
secret = "{side.secret}"
{asterisk}
[[recordings.map]]
asterisk = "second"
remote = "{side.monitor}"
local = "{side.monitor}"
"""


@dataclass
class Two:
    """The two PBXs and the one desk. Operator 101 sits at `main`, 102 at `second`."""

    main: Lab
    second: Lab
    office: Office
    phone_101: SippCall
    phone_102: SippCall
    numbers: tuple[str, str] = ("", "")

    async def call_both(self, stem: str) -> tuple[str, SippCall, SippCall]:
        """Let one customer at each PBX call in the same second; return their one uniqueid.

        A uniqueid is the second of birth and a counter: both PBXs are fresh and have had as many
        channels. Who falls into two seconds hangs up before the 3 and calls again.
        """
        async with self.main.tap() as a, self.second.tap() as b:
            for attempt in range(20):
                first, other = f"+7911{stem}1{attempt:02}", f"+7911{stem}2{attempt:02}"
                await asyncio.sleep(1 - time.time() % 1)  # to the beginning of a second
                callers = (
                    await self.main.call(number=first, name="Anna", steps=PRESS),
                    await self.second.call(number=other, name="Boris", steps=PRESS),
                )
                born = [
                    (await tap.event("Newchannel", CallerIDNum=number, deadline_s=20)).get(
                        "Uniqueid"
                    )
                    for tap, number in ((a, first), (b, other))
                ]
                if born[0] == born[1]:
                    self.numbers = (first, other)
                    return (born[0], *callers)
                await asyncio.gather(self.main.hang_up_all(), self.second.hang_up_all())
        raise AssertionError("never in the same second")


@asynccontextmanager
async def two_pbxs(
    asterisk: StartAsterisk,
    folder: Path,
    *,
    systems: tuple[str, str] = ("", ""),
    queue_log: bool = False,
) -> AsyncIterator[Two]:
    """`systems` are the systemnames; `queue_log`: that of the second is read."""
    main = await asterisk("22", menu("PJSIP/101", systems[0]), fresh=True)
    other = await asterisk("16", menu("PJSIP/102", systems[1]), fresh=True)
    log = f'queue_log = "{other.directory}/log/queue_log"' if queue_log else ""
    async with AsyncExitStack() as stack:
        at_main = await stack.enter_async_context(main.telephone("101", ANSWERS))
        at_second = await stack.enter_async_context(other.telephone("102", SILENT))
        desk = await stack.enter_async_context(open_desk(main, folder, more=second(other, log)))
        assert [pbx.name for pbx in load(desk.config).asterisk] == ["main", "second"]
        yield Two(main, other, Office(main, desk), at_main, at_second)


async def test_equal_uniqueids_and_one_pbx_killed_while_the_other_talks(
    asterisk: StartAsterisk, tmp_path: Path
) -> None:
    async with two_pbxs(asterisk, tmp_path) as two:
        office = two.office
        async with office.screens("op101", "op102") as (at_101, at_102):
            uniqueid, anna, boris = await two.call_both("0031")
            first, other = two.numbers
            await anna.done()
            await boris.done()
            assert (await office.over(first))["id"] == f"main-{uniqueid}"
            assert (await office.over(other))["id"] == f"second-{uniqueid}"
            await _is_answered(two, first, anna, at_101, n=0)
            await _is_abandoned(two, other, boris, at_102, n=0)
            await _own_recordings(office, first, other)
            await _is_reconciled(office, 2)

            # the second dies under a caller for whom 102 rings, while somebody presses at the first
            cut = await two.second.call(number=CUT, name="Boris", steps=[*PRESS[:3], WaitBye(60)])
            rang = await at_102.told("pop.shown", lambda pop: pop["caller"]["raw"] == CUT)
            talking = await two.main.call(number="+79110031301", name="Anna", steps=PRESS)
            await office.call_when("+79110031301", lambda call: True)
            two.second.pbx.kill9()
            await _link(office, "second", "down")
            await talking.done()
            await office.over("+79110031301")
            await _is_answered(two, "+79110031301", talking, at_101, n=1)

            await two.second.pbx.start()
            started = now()
            await _link(office, "second", "up")
            await _was_cut(two, cut, started)
            assert reasons(at_102, rang["pop_id"]) == ["unknown"]
            back = await two.second.call(number="+79110031302", name="Boris", steps=PRESS)
            await back.done()
            await office.over("+79110031302")
            await _is_abandoned(two, "+79110031302", back, at_102, n=2)
            await office.desk.linked()
            windows = (await office.get("/blind-windows"))["items"]
            # one each before the first start, and the second's while it was dead
            assert sorted(w["pbx"] for w in windows) == ["main", "second", "second"], windows
            await _is_reconciled(office, 5)
        assert "Traceback" not in office.desk.log.read_text(errors="replace")


async def test_a_systemname_begins_every_uniqueid(asterisk: StartAsterisk, tmp_path: Path) -> None:
    async with two_pbxs(asterisk, tmp_path, systems=SYSTEMS, queue_log=True) as two:
        office, (anna, boris) = two.office, ("+79110033001", "+79110033002")
        async with office.screens("op101", "op102") as (at_101, at_102):
            callers = await _called_to_the_end(two, anna, boris)
            await _is_answered(two, anna, callers[0], at_101, n=0)
            await _is_abandoned(two, boris, callers[1], at_102, n=0)
        await _have_systemnames(office, anna, boris)
        await _is_reconciled(office, 2)

        # press3 away; the second's AstDB forgets its press: queue_log knows it, the file's name its call
        anna, boris = "+79110033003", "+79110033004"
        assert await office.desk.stop() == 0
        callers = await _called_to_the_end(two, anna, boris)
        await asyncio.gather(two.main.quiet(), two.second.quiet())
        await two.second.pbx.rx("database deltree press3")
        _let_a_sweep_take(two.second.monitor)
        await office.desk.start()
        await office.desk.linked()
        await _came_back(two, anna, callers[0], "answered", ["101"])
        await _came_back(two, boris, callers[1], "abandoned", [])
        await _have_systemnames(office, anna, boris)
        await _is_reconciled(office, 4)
        assert "Traceback" not in office.desk.log.read_text(errors="replace")


async def _called_to_the_end(two: Two, anna: str, boris: str) -> tuple[SippCall, SippCall]:
    """Anna calls the first PBX and Boris the second; both press."""
    callers = (
        await two.main.call(number=anna, name="Anna", steps=PRESS),
        await two.second.call(number=boris, name="Boris", steps=PRESS),
    )
    for caller in callers:
        await caller.done()
    return callers


async def _have_systemnames(office: Office, anna: str, boris: str) -> None:
    for number, pbx, system in ((anna, "main", SYSTEMS[0]), (boris, "second", SYSTEMS[1])):
        call = await office.over(number)
        assert call["pbx"] == pbx
        assert re.fullmatch(rf"{pbx}-{system}-[0-9]{{10}}\.[0-9]+", call["id"]), call["id"]


def _let_a_sweep_take(monitor: Path) -> None:
    """Make the files old: the sweep leaves alone what was just written."""
    at = time.time() - 120
    for file in monitor.rglob("*.wav"):
        os.utime(file, (at, at))


async def _came_back(
    two: Two, number: str, caller: SippCall, outcome: str, answered_by: list[str]
) -> None:
    """The press was read when press3 was there again, with its row, who answered, and its sound."""
    pressed, hung_up = caller.truth.taken("INFO"), caller.truth.taken("BYE")
    call = await two.office.call_when(number, has_sound, deadline_s=BY_NAME_S)
    appeal = await two.office.appeal(number)
    assert (appeal["verified"], appeal["caller"]["e164"]) == ("verified", number)
    assert (call["appeal"], call["recovered"]) == (appeal["number"], True)
    assert (call["outcome"], call["queue"]) == (outcome, "press3")
    assert [leg["extension"] for leg in call["legs"]] == answered_by
    assert near(call["pressed_at"], pressed)
    ended_at = datetime.fromisoformat(call["ended_at"])
    whole_seconds = timedelta(seconds=1.15)
    assert timing.near(ended_at, hung_up[0], whole_seconds), "queue_log has whole seconds"
    (recording,) = call["recordings"]
    assert timing.lasted(recording["duration_s"], 1.0, (pressed[0], hung_up[0])), recording


async def _own_recordings(office: Office, first: str, other: str) -> None:
    """Each call has its own, and they are not the same sound."""
    one, two = await office.playable(first), await office.playable(other)
    assert one["id"] != two["id"]
    chief = await office.desk.person("chief")
    sounds = [(await chief.bytes(f"/recordings/{each['id']}/audio"))[1] for each in (one, two)]
    assert sounds[0] != sounds[1]


async def _is_answered(two: Two, number: str, caller: SippCall, screen: Screen, n: int) -> None:
    """By 101, whose `n`-th call it is."""
    phone = two.phone_101.truth_in(two.phone_101.dialogs[n])
    contact, hung_up = phone.picked_up[0], caller.truth.taken("BYE")
    pressed = caller.truth.taken("INFO")
    appeal = await answered(two.office, number, pressed=pressed, contact=contact, ended=hung_up)
    (call,) = appeal["calls"]
    rang, over = phone.at("INVITE", "R"), phone.at("BYE", "R")
    check_legs(call, LegSeen("101", "answered", rang, contact, over))
    check_pops(screen, call, "answered_here")
    assert appeal["caller"]["e164"] == number
    await two.office.playable(number)


async def _is_abandoned(two: Two, number: str, caller: SippCall, screen: Screen, n: int) -> None:
    """102 rang; it is the `n`-th time that it did."""
    pressed, hung_up = caller.truth.taken("INFO"), caller.truth.taken("BYE")
    appeal = await unanswered(two.office, number, "abandoned", pressed=pressed, ended=hung_up)
    (call,) = appeal["calls"]
    phone = two.phone_102.truth
    rang, over = phone.all("INVITE", "R")[n], phone.all("CANCEL", "R")[-1]
    check_legs(call, LegSeen("102", "no_answer", rang, None, over))
    check_pops(screen, call, "abandoned")
    assert appeal["caller"]["e164"] == number
    await two.office.playable(number)


async def _was_cut(two: Two, caller: SippCall, started: datetime) -> None:
    """The PBX died under the call: it is over since the last sign of it, and what was heard is kept."""
    call = await two.office.over(CUT)
    appeal = await two.office.appeal(CUT)
    assert (appeal["verified"], call["appeal"]) == ("verified", appeal["number"])
    assert near(call["pressed_at"], caller.truth.taken("INFO"))
    told = (call["outcome"], call["answered_at"], call["recovered"])
    assert told == ("failed", None, True), "it was neither answered nor given up"
    (leg,) = call["legs"]
    told = (leg["extension"], leg["answered_at"], leg["outcome"])
    assert told == ("102", None, None), "nobody knows why it stopped"
    rang = two.phone_102.truth.all("INVITE", "R")[1]
    assert near(leg["rang_at"], rang)
    for stored in (leg["ended_at"], call["ended_at"]):
        assert near(stored, (rang, started)), (stored, rang, started)


async def _is_reconciled(office: Office, pressed: int) -> None:
    zone = load(office.desk.config).zone
    day = datetime.now(zone).date()

    async def settled() -> Any:
        told = await office.get(f"/reconciliation?day={day}")
        return told["pressed"] >= pressed and told

    told = await until(settled, deadline_s=15, what="the newest press is older than the reading")
    assert (told["pressed"], told["registered"], told["recorded"]) == (pressed,) * 3, told
    assert told["differences"] == []
    assert {source["name"].split(":")[0] for source in told["sources"]} == {"main", "second"}


async def _link(office: Office, pbx: str, state: str) -> None:
    async def found() -> bool:
        links = {link["pbx"]: link["state"] for link in (await office.get("/links"))["items"]}
        assert links["main"] == "up", links
        return links[pbx] == state

    await until(found, deadline_s=30, what=f"{pbx} is {state}")
