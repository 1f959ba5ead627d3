"""One press3 for two real Asterisks, 22 and 16, whose calls have equal uniqueids."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pytest

from press3.settings import load
from tests.e2e.desk import PbxSide, Screen, open_desk
from tests.e2e.office import STORIES, Office, near, reasons
from tests.lab.fixtures import StartAsterisk
from tests.lab.harness import Lab, LabMenu, SippCall
from tests.lab.scenarios import Bye, Key, Speak, Step, TelephoneHabit, Wait
from tests.waiting import until

pytestmark = pytest.mark.asterisk

ANSWERS = TelephoneHabit(ring_s=1, then="answer")
SILENT = TelephoneHabit(then="noanswer")
PRESS: list[Step] = [Speak(), Wait(3), Key("3"), Wait(6), Bye()]


def menu(member: str) -> LabMenu:
    return LabMenu(
        menu=replace(
            STORIES.menu, members=(member,), menu_timeout_s=6, ring_s=8, queue_timeout_s=20
        )
    )


def second(lab: Lab) -> str:
    """The second PBX: its recordings by a map of its own."""
    side = PbxSide.of(lab)
    return f"""
[[asterisk]]
name = "second"
port = {side.port}
username = "{side.username}"
secret = "{side.secret}"
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
async def two_pbxs(asterisk: StartAsterisk, folder: Path) -> AsyncIterator[Two]:
    main = await asterisk("22", menu("PJSIP/101"), fresh=True)
    other = await asterisk("16", menu("PJSIP/102"), fresh=True)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(main.telephone("101", ANSWERS))
        await stack.enter_async_context(other.telephone("102", SILENT))
        desk = await stack.enter_async_context(open_desk(main, folder, more=second(other)))
        assert [pbx.name for pbx in load(desk.config).asterisk] == ["main", "second"]
        yield Two(main, other, Office(main, desk))


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
            answered, abandoned = await office.over(first), await office.over(other)
            assert answered["id"] == f"main-{uniqueid}"
            assert abandoned["id"] == f"second-{uniqueid}"
            assert (answered["outcome"], abandoned["outcome"]) == ("answered", "abandoned")
            for number, call, caller in ((first, answered, anna), (other, abandoned, boris)):
                appeal = await office.appeal(number)
                assert appeal["verified"] == "verified"
                assert appeal["caller"]["e164"] == number
                assert near(call["pressed_at"], caller.truth.at("INFO"))
            await _own_recordings(office, first, other)
            await _own_pops(at_101, answered["id"], "answered_here")
            await _own_pops(at_102, abandoned["id"], "abandoned")
            await _is_reconciled(office, 2)

            # the second dies while somebody presses at the first
            talking = await two.main.call(number="+79110031301", name="Anna", steps=PRESS)
            await office.call_when("+79110031301", lambda call: True)
            two.second.pbx.kill9()
            await _link(office, "second", "down")
            await talking.done()
            call = await office.over("+79110031301")
            assert (call["outcome"], call["recovered"]) == ("answered", False)
            assert near(call["pressed_at"], talking.truth.at("INFO"))
            assert any(pop["call"] == call["id"] for pop in at_101.of("pop.shown"))
            await office.playable("+79110031301")

            await two.second.pbx.start()
            await _link(office, "second", "up")
            back = await two.second.call(number="+79110031302", name="Boris", steps=PRESS)
            await back.done()
            assert (await office.over("+79110031302"))["outcome"] == "abandoned"
            await office.desk.linked()
            windows = (await office.get("/blind-windows"))["items"]
            # one each before the first start, and the second's while it was dead
            assert sorted(w["pbx"] for w in windows) == ["main", "second", "second"], windows
            await _is_reconciled(office, 4)
        assert "Traceback" not in office.desk.log.read_text(errors="replace")


async def _own_recordings(office: Office, first: str, other: str) -> None:
    """Each call has its own, and they are not the same sound."""
    one, two = await office.playable(first), await office.playable(other)
    assert one["id"] != two["id"]
    chief = await office.desk.person("chief")
    sounds = [(await chief.bytes(f"/recordings/{each['id']}/audio"))[1] for each in (one, two)]
    assert sounds[0] != sounds[1]


async def _own_pops(screen: Screen, call: str, reason: str) -> None:
    (shown,) = screen.of("pop.shown")
    assert shown["call"] == call
    assert reasons(screen, shown["pop_id"]) == [reason]


async def _is_reconciled(office: Office, pressed: int) -> None:
    zone = load(office.desk.config).zone
    day = datetime.now(zone).date()
    told = await office.get(f"/reconciliation?day={day}")
    assert (told["pressed"], told["registered"], told["recorded"]) == (pressed,) * 3, told
    assert told["differences"] == []
    assert {source["name"].split(":")[0] for source in told["sources"]} == {"main", "second"}


async def _link(office: Office, pbx: str, state: str) -> None:
    async def found() -> bool:
        links = {link["pbx"]: link["state"] for link in (await office.get("/links"))["items"]}
        assert links["main"] == "up", links
        return links[pbx] == state

    await until(found, deadline_s=30, what=f"{pbx} is {state}")
