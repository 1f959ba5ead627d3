"""`press3 doctor --call` on a real Asterisk: a good call, and calls of which something does not come."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from press3.config.settings import load
from press3.doctor.guided_call import guide
from tests.e2e.desk import PbxSide, config_text, open_desk
from tests.e2e.office import STORIES
from tests.e2e.test_doctor import MANAGER, with_file
from tests.lab.fixtures import StartAsterisk
from tests.lab.harness import Lab, LabMenu
from tests.lab.scenarios import Bye, Key, Speak, Step, TelephoneHabit, Wait
from tests.waiting import until

pytestmark = pytest.mark.asterisk

NUMBER = "+79110000301"
ITS_NUMBER = "+79110000302"
PRESS: list[Step] = [Speak(), Wait(0.5), Key("3"), Wait(7), Bye()]
ANSWERS = TelephoneHabit(ring_s=0.5, then="answer")
OWN_PBX = LabMenu(
    menu=STORIES.menu, files={"extensions_more.conf": "; a PBX that only test calls see\n"}
)


@dataclass
class Guided:
    """A run of the command in the test's own loop; `said` grows as it goes."""

    said: list[str]
    task: "asyncio.Task[bool]"

    @classmethod
    async def begin(cls, config: Path, *, wait_s: float = 60) -> "Guided":
        said: list[str] = []
        task = asyncio.create_task(guide(load(config), said.append, wait_s=wait_s))
        await until(lambda: said or task.done(), deadline_s=30, what="the invitation to call")
        return cls(said, task)

    async def end(self) -> tuple[bool, list[str]]:
        return await asyncio.wait_for(self.task, 90), self.said

    def in_order(self, *words: str) -> None:
        places = [next(n for n, line in enumerate(self.said) if each in line) for each in words]
        assert places == sorted(places), self.said


async def watch(
    lab: Lab, config: Path, steps: Sequence[Step], *, wait_s: float = 60
) -> tuple[bool, list[str]]:
    """Call while the doctor watches."""
    async with lab.telephone("101", ANSWERS):
        guided = await Guided.begin(config, wait_s=wait_s)
        caller = await lab.call(number=NUMBER, steps=steps)
        fine, said = await guided.end()
        await caller.done()
    return fine, said


def written(side: Lab | PbxSide, people: Path, folder: Path) -> Path:
    config = folder / "config.toml"
    config.write_text(config_text(side, people))
    config.chmod(0o600)
    return config


async def test_a_good_call_is_told_live_beside_a_running_service(
    asterisk: StartAsterisk, asterisk_version: str, tmp_path: Path
) -> None:
    lab = await asterisk(asterisk_version, OWN_PBX)
    async with open_desk(lab, tmp_path) as desk, lab.telephone("101", ANSWERS):
        guided = await Guided.begin(desk.config)
        caller = await lab.call(number=ITS_NUMBER, steps=PRESS)
        await until(
            lambda: any("101 talks with the caller" in line for line in guided.said),
            deadline_s=40,
            what="the answer told",
        )
        assert caller.running, "told while it happens"
        fine, said = await guided.end()
        assert fine, said
        chief = await desk.person("chief")
        found = await chief.get(f"/appeals?q={ITS_NUMBER.lstrip('+')}")
        assert len(found["items"]) == 1, "the service saw it too, once"
    guided.in_order(
        "Call now and press 3",
        f"a call arrived from {ITS_NUMBER}",
        "3 was pressed",
        "waits in queue press3",
        "telephone 101 rings: the card is shown to Op101",
        "101 talks with the caller",
        "the call is over: answered",
        "[  ok] the call was seen as it should be",
    )
    for words in ("the press is kept as press3/", "the PBX records to ", "the recording grows: "):
        assert any(words in line for line in said), (words, said)


async def test_a_call_without_the_key(
    asterisk: StartAsterisk,
    people: Path,
    tmp_path: Path,
) -> None:
    lab = await asterisk("22", OWN_PBX)
    config = written(lab, people, tmp_path)
    fine, said = await watch(lab, config, [Speak(), Wait(1), Bye()], wait_s=8)
    assert not fine
    assert "no 3 was seen — was 3 pressed, in the menu?" in said[-1]


async def test_nobody_calls(asterisk: StartAsterisk, people: Path, tmp_path: Path) -> None:
    lab = await asterisk("22", OWN_PBX)
    guided = await Guided.begin(written(lab, people, tmp_path), wait_s=1)
    fine, said = await guided.end()
    assert (fine, len(said)) == (False, 2)
    assert "no call came in 1 s" in said[-1]


READ = "read = system,call,user,agent,cdr,dtmf,dialplan"


async def test_a_press_that_no_event_tells_and_a_recording_elsewhere(
    asterisk: StartAsterisk,
    people: Path,
    tmp_path: Path,
) -> None:
    lab = await asterisk("22", OWN_PBX)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    config = written(replace(PbxSide.of(lab), monitor=elsewhere), people, tmp_path)
    manager = MANAGER.replace(READ, READ.replace("user,agent,", ""))
    async with with_file(lab, "manager_press3.conf", manager):
        fine, said = await watch(lab, config, PRESS)
    assert not fine
    told = "\n".join(said)
    assert "kept as press3/" in told
    assert ", though no event told of it" in told
    assert (
        "its event did not come: it is seen a minute late — UserEvent: its class is missing" in told
    )
    assert "no event told of it — QueueCallerJoin: its class is missing" in told
    assert "was not seen growing here" in told
    assert "no event told of it — Hangup" not in told, "call events came"


async def test_a_call_of_which_no_event_comes(
    asterisk: StartAsterisk,
    people: Path,
    tmp_path: Path,
) -> None:
    lab = await asterisk("22", OWN_PBX)
    manager = MANAGER.replace(READ, "read = system")
    async with with_file(lab, "manager_press3.conf", manager):
        config = written(lab, people, tmp_path)
        fine, said = await watch(lab, config, [Speak(), Wait(4), Bye()], wait_s=5)
    assert not fine
    assert "a call was on the PBX, but no event told of it — Newchannel" in said[-1]
