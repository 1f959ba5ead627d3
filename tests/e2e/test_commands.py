"""The commands an administrator runs beside the service: doctor, reconcile, capture, replay, render."""

import asyncio
from pathlib import Path

import pytest

from tests.e2e.conftest import StartDesk
from tests.e2e.desk import Desk, run
from tests.lab.fixtures import StartAsterisk
from tests.lab.scenarios import Bye, Key, Speak, Wait
from tests.waiting import until

pytestmark = pytest.mark.asterisk

NUMBER = "+79110000077"


async def press3(*arguments: str) -> tuple[int, str]:
    """Run a command while this test's loop goes on; return exit code and all it said."""
    done = await asyncio.to_thread(run, *arguments)
    return done.returncode, done.stdout + done.stderr


async def one_press(lab_call: object, desk: Desk) -> None:
    chief = await desk.person("chief")
    async with chief.screen() as board:
        caller = await lab_call(  # type: ignore[operator]
            number=NUMBER,
            name="Мария Иванова",
            steps=[Speak(), Wait(0.8), Key("3"), Wait(2), Bye()],
        )
        await caller.done()
        await board.told("call.ended", deadline_s=30)


async def test_doctor_on_a_pbx_with_the_rendered_files(
    asterisk: StartAsterisk, asterisk_version: str, desk: StartDesk
) -> None:
    service = await desk(await asterisk(asterisk_version))
    code, said = await press3("doctor", "-c", str(service.config))
    assert code == 0, said
    assert "[fail]" not in said
    assert "AMI login as 'press3'" in said
    assert f"Asterisk {asterisk_version}." in said
    assert "may read all that is needed" in said
    assert "can be read" in said
    assert "dialplan press3-complaint is loaded" in said
    assert "queue press3 is there" in said


async def test_doctor_says_what_is_wrong_and_what_to_do(
    asterisk: StartAsterisk, desk: StartDesk, tmp_path: Path
) -> None:
    service = await desk(await asterisk("22"), start=False)
    text = service.config.read_text().replace("press3-secret", "another")
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(text.replace('roots = ["', f'roots = ["{tmp_path}/none", "'))
    wrong.chmod(0o600)
    code, said = await press3("doctor", "-c", str(wrong))
    assert code == 1
    assert "refuses the login of 'press3'" in said
    assert "is not there — mount it" in said
    assert "Traceback" not in said


async def test_doctor_says_that_the_queue_is_not_there(
    asterisk: StartAsterisk, desk: StartDesk
) -> None:
    more = '[ivr]\nqueue = "nowhere"\n'
    service = await desk(await asterisk("22"), start=False, more=more)
    code, said = await press3("doctor", "-c", str(service.config))
    assert code == 1
    assert "no queue nowhere" in said
    assert "queue reload all" in said


async def test_capture_reconcile_and_replay(
    asterisk: StartAsterisk, desk: StartDesk, tmp_path: Path
) -> None:
    lab = await asterisk("22", fresh=True)
    service = await desk(lab)
    await one_press(lab.call, service)

    trace = tmp_path / "trace.jsonl"
    code, said = await press3("capture", str(trace), "-c", str(service.config))
    assert code == 0, said
    written = trace.read_text()
    assert "0000077" not in written
    assert "Мария" not in written.encode().decode("unicode_escape")

    async def reconciled() -> bool:
        _, said = await press3("reconcile", "-c", str(service.config))
        return "pressed 1, registered 1" in said

    await until(reconciled, deadline_s=30, what="the press is older than the reading")

    other = tmp_path / "other.toml"
    other.write_text(f'[service]\ndata_dir = "{tmp_path}/other"\n')
    code, said = await press3("replay", str(trace), "-c", str(other))
    assert code == 0, said
    assert said.count("ComplaintRequested") == 1
    assert "CallEnded outcome=abandoned" in said
