"""A PBX with a queue of its own: `press3 render` writes the menu in front of it, nothing else changes."""

import asyncio
from pathlib import Path

import pytest

from tests.e2e.conftest import StartDesk
from tests.e2e.desk import PbxSide, config_text, run
from tests.e2e.office import PRESS, SILENT, Office, near
from tests.lab.fixtures import StartAsterisk
from tests.lab.harness import PRESS3, LabMenu
from tests.lab.scenarios import TelephoneHabit, WaitBye

pytestmark = pytest.mark.asterisk

HAND_WRITTEN = """\
[complaints]
strategy = ringall
timeout = 10
member => PJSIP/101
member => PJSIP/102
"""
IVR = """
[ivr]
queue = "complaints"
menu_timeout_s = 2
[ivr.prompts]
greeting = ["hello"]
registering = []
accepted = []
[[queues]]
name = "complaints"
department = "Отдел жалоб"
"""


async def rendered(folder: Path) -> dict[str, str]:
    """Run `press3 render`; return its files, and the PBX's own queue."""
    pbx = PbxSide(port=1, username=PRESS3.username, secret=PRESS3.secret, monitor=folder)
    config = folder / "render.toml"
    config.write_text(config_text(pbx, folder / "data", more=IVR))
    config.chmod(0o600)
    out = folder / "out"
    done = await asyncio.to_thread(run, "render", "-c", str(config), "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert {file.stat().st_mode & 0o777 for file in out.iterdir()} == {0o600}
    assert not (folder / "data").exists(), "rendering needs no service and no database"
    files = {file.name: file.read_text() for file in out.glob("*.conf")}
    assert set(files) == {f"{name}_press3.conf" for name in ("extensions", "manager", "queues")}
    return {**files, "queues_more.conf": HAND_WRITTEN}


async def test_a_press_into_a_queue_of_the_pbx(
    asterisk: StartAsterisk, asterisk_version: str, desk: StartDesk, tmp_path: Path
) -> None:
    number = "+79110000301"
    lab = await asterisk(asterisk_version, LabMenu(files=await rendered(tmp_path)), fresh=True)
    office = Office(lab, await desk(lab, more=IVR))
    async with (
        office.screens("op101", "op102", "chief") as (first, second, board),
        lab.telephone("101", TelephoneHabit(ring_s=0.5, talk_s=1)) as telephone,
        lab.telephone("102", SILENT),
    ):
        caller = await lab.call(number=number, steps=[*PRESS, WaitBye(60)])
        await first.told("pop.shown")
        assert (await first.told("pop.withdrawn"))["reason"] == "answered_here"
        assert (await second.told("pop.withdrawn"))["reason"] == "answered_elsewhere"
        await board.told("call.ended")
        await caller.done()
        phone, truth = telephone.truth, caller.truth
    appeal = await office.appeal(number)
    (call,) = appeal["calls"]
    assert (appeal["verified"], call["queue"], call["outcome"]) == (
        "verified",
        "complaints",
        "answered",
    )
    assert appeal["department"]["name"] == "Отдел жалоб"
    assert near(call["pressed_at"], truth.at("INFO"))
    assert near(call["answered_at"], phone.at("200"))
    assert near(call["ended_at"], phone.at("BYE"))
    marks = {key.rpartition("/")[2]: value for key, value in (await lab.spool()).items()}
    assert "|PJSIP/101-" in marks["answered"], "the member gosub ran: argument 8, from 21 on 7"
    await office.playable(number)
