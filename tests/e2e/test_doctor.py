"""`press3 doctor` on real Asterisks of which one thing at a time is broken."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from calls.model import PbxState
from ivr.menu import ObservedMenu
from ivr.render import render
from press3.clock import now
from press3.config.settings import load
from press3.database import open_database
from press3.doctor.examination import examine
from tests.e2e.desk import PbxSide, config_text, open_desk, run
from tests.fakes.ami_peer import AmiPeer
from tests.lab.fixtures import StartAsterisk
from tests.lab.harness import DIALPLAN, PRESS3, QUICK, Lab, LabMenu

MANAGER = render(QUICK, PRESS3)["manager_press3.conf"]
EXTENSIONS = render(QUICK, PRESS3)["extensions_press3.conf"]
MENU_AS_CONFIGURED = """
[ivr]
members = ["PJSIP/101", "PJSIP/102", "PJSIP/103"]
menu_timeout_s = 1
queue_timeout_s = 20
ring_s = 4
"""


async def findings(
    side: Lab | PbxSide, people: Path, folder: Path, *, more: str = ""
) -> tuple[bool, list[str]]:
    """Return whether all is fine, and what was said."""
    config = folder / "config.toml"
    config.write_text(config_text(side, people, more=more))
    config.chmod(0o600)
    said: list[str] = []
    return await examine(load(config), said.append, config), said


def one(said: list[str], words: str) -> str:
    (found,) = [line for line in said if words in line]
    return found


@dataclass(frozen=True)
class Broken:
    """A file of the PBX that is not as rendered, and what the doctor must say of it."""

    file: str
    change: Callable[[str], str]
    level: str
    said: str
    advice: str


def without(*words: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        return "\n".join(line for line in text.splitlines() if not line.startswith(words)) + "\n"

    return change


def swapped(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new)

    return change


READ = "read = system,call,user,agent,cdr,dtmf,dialplan"
BROKEN = {
    "too few rights": Broken(
        "manager_press3.conf", swapped("write = reporting", "write = system"),
        "fail", "may not Getvar", "[press3]: write = reporting, then: manager reload",
    ),
    "no rights": Broken(
        "manager_press3.conf", swapped("write = reporting", "write = user"),
        "fail", "refuses the login of 'press3': CoreStatus", "[press3]: write = reporting",
    ),
    "too many rights": Broken(
        "manager_press3.conf", swapped("write = reporting", "write = reporting,originate,command,system"),
        "warn", "may Command, DBPut, DBDelTree, Originate", "write = reporting (now: command,originate,reporting,system)",
    ),
    "a class missing": Broken(
        "manager_press3.conf", swapped(READ, "read = system,call,user,cdr,dtmf,dialplan"),
        "fail", "class agent do not come: no queue and nobody", f"{READ} (now: call,cdr",
    ),
    "a wrong filter": Broken(
        "manager_press3.conf", swapped("|QueueCallerJoin|", "|"),
        "fail", "filter keeps back QueueCallerJoin", "eventfilter lines of the rendered",
    ),
    "no filter": Broken(
        "manager_press3.conf", without("eventfilter"),
        "warn", "lets through RTCPSent, VarSet of any variable, Newexten", "eventfilter lines",
    ),
    "no times": Broken(
        "manager_press3.conf", swapped("timestampevents = yes", "timestampevents = no"),
        "fail", "events carry no time of the PBX", "timestampevents = yes",
    ),
    "cut off at once": Broken(
        "manager_press3.conf", without("writetimeout"),
        "warn", "cuts us off when we pause for 100 ms", "writetimeout = 5000",
    ),
    "no dialplan": Broken(
        "extensions.conf", without('#include "extensions_press3.conf"'),
        "fail", "no dialplan press3-menu, press3-complaint", "dialplan reload",
    ),
    "an old dialplan": Broken(
        "extensions_press3.conf", swapped("WaitExten(1)", "WaitExten(9)"),
        "warn", "WaitExten(9), rendered is WaitExten(1)", "dialplan reload",
    ),
    "a dialplan nobody reaches": Broken(
        "extensions.conf", lambda text: text.replace("Goto(press3-", "Goto(other-"),
        "warn", "no extension of the dialplan leads to", "Goto(press3-complaint,s,1)",
    ),
}  # fmt: skip
FILES = {
    "manager_press3.conf": MANAGER,
    "extensions_press3.conf": EXTENSIONS,
    "extensions.conf": DIALPLAN,
}


OWN_PBX = LabMenu(files={"extensions_more.conf": "; a PBX that only these tests break\n"})


@asynccontextmanager
async def with_file(lab: Lab, name: str, text: str) -> AsyncIterator[None]:
    """Let the PBX have another file inside the block."""
    file = lab.directory / "etc" / name
    before = file.read_text()
    file.write_text(text)
    await _reload(lab)
    try:
        yield
    finally:
        file.write_text(before)
        await _reload(lab)


async def _reload(lab: Lab) -> None:
    await lab.pbx.rx("manager reload")
    await lab.pbx.rx("dialplan reload")


@pytest.mark.asterisk
@pytest.mark.parametrize("name", BROKEN)
async def test_what_is_broken_is_found(
    asterisk: StartAsterisk, people: Path, tmp_path: Path, name: str
) -> None:
    await _is_found(await asterisk("22", OWN_PBX), people, tmp_path, BROKEN[name])


@pytest.mark.asterisk
@pytest.mark.parametrize("name", ["a class missing", "a wrong filter", "an old dialplan"])
async def test_what_is_broken_is_found_on_16(
    asterisk: StartAsterisk, people: Path, tmp_path: Path, name: str
) -> None:
    await _is_found(await asterisk("16", OWN_PBX), people, tmp_path, BROKEN[name])


async def _is_found(lab: Lab, people: Path, folder: Path, broken: Broken) -> None:
    async with with_file(lab, broken.file, broken.change(FILES[broken.file])):
        fine, said = await findings(lab, people, folder, more=MENU_AS_CONFIGURED)
    line = one(said, broken.said)
    assert line.startswith(f"[{broken.level}]"), line
    assert broken.advice in line
    assert fine is (broken.level == "warn"), said


@pytest.mark.asterisk
async def test_the_gosub_at_the_place_of_another_version(
    asterisk: StartAsterisk, asterisk_version: str, people: Path, tmp_path: Path
) -> None:
    """What a dialplan written for the other version looks like: silently ignored by Queue()."""
    right, wrong = (",,press3-answered", ",,,press3-answered")
    if asterisk_version == "16":
        right, wrong = wrong, right
    text = EXTENSIONS.replace(f"20{right})", f"20{wrong})")
    lab = await asterisk(asterisk_version, OWN_PBX)
    async with with_file(lab, "extensions_press3.conf", text):
        fine, said = await findings(lab, people, tmp_path, more=MENU_AS_CONFIGURED)
    place = 8 if asterisk_version == "16" else 7
    assert f"as argument {place}, and none of" in one(said, "member gosub")
    assert not fine


@pytest.mark.asterisk
async def test_a_pbx_as_rendered_is_fine(
    asterisk: StartAsterisk, asterisk_version: str, people: Path, tmp_path: Path
) -> None:
    lab = await asterisk(asterisk_version)
    fine, said = await findings(lab, people, tmp_path, more=MENU_AS_CONFIGURED)
    assert fine, said
    open_points = [line for line in said if not line.startswith("[  ok]")]
    assert open_points == ["[warn] main: no call stored yet — make one: press3 doctor --call"]
    assert "reached from incoming,100,1" in one(said, "reached from")
    assert one(said, "PJSIP/102 raises").endswith("at Op102")
    assert f"records to {lab.monitor}" in one(said, "which press3 reads")
    assert one(said, "the clocks agree")


@pytest.mark.asterisk
async def test_a_pbx_that_is_only_observed_may_do_without_the_dialplan(
    asterisk: StartAsterisk, people: Path, tmp_path: Path
) -> None:
    lab = await asterisk("22", OWN_PBX)
    observe = '[[ivr.observe]]\ncontext = "incoming"\nexten = "100"\n'
    extensions = without('#include "extensions_press3.conf"')(DIALPLAN)
    observing = render(QUICK, PRESS3, observed=[ObservedMenu(context="incoming")])
    async with (
        with_file(lab, "extensions.conf", extensions),
        with_file(lab, "manager_press3.conf", observing["manager_press3.conf"]),
    ):
        fine, said = await findings(lab, people, tmp_path, more=observe)
    assert fine, said
    assert one(said, "presses are only observed").startswith("[warn]")
    assert "let key 3 do Goto(press3-complaint,s,1)" in one(said, "observed menu incoming")
    assert one(said, "lets through what is read")
    fine, said = await findings(lab, people, tmp_path, more=observe)
    assert "keeps back Newexten in incoming" in one(said, "[fail]")


@pytest.mark.asterisk
async def test_telephones_that_are_nobodys_and_a_folder_elsewhere(
    asterisk: StartAsterisk, people: Path, tmp_path: Path
) -> None:
    agents = (
        "[agents]\nmember => Local/id-9@agentcallback\nmember => Local/101@from-queue/n\n"
        "member => Local/9990@MemberConnector,0,Anna,PJSIP/102\n"
    )
    menu = replace(QUICK, members=("PJSIP/101", "PJSIP/104"))
    lab = await asterisk("22", LabMenu(menu=menu, files={"queues_more.conf": agents}))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    fine, said = await findings(replace(PbxSide.of(lab), monitor=elsewhere), people, tmp_path)
    assert not fine
    assert "press3 user add LOGIN --role operator --extension 104" in one(said, "PJSIP/104")
    assert "add it to [recordings] roots" in one(said, f"records to {lab.monitor}")
    assert "as StateInterface, or add to [calls] interface: '^Local/id\\-(?P<ext>[0-9]+)@'" in one(
        said, "queue agents has member"
    )


@pytest.mark.asterisk
async def test_a_folder_that_can_not_be_read(asterisk: StartAsterisk, tmp_path: Path) -> None:
    shut = tmp_path / "shut"
    shut.mkdir(mode=0o000)
    lab = await asterisk("22")
    async with open_desk(replace(PbxSide.of(lab), monitor=shut), tmp_path, start=False) as desk:
        # root reads whatever it likes; in a user namespace of its own it may not
        prefix = ["unshare", "--user"] if os.geteuid() == 0 else []
        code, said = await _doctor(prefix, desk.config)
    assert code == 1
    assert f"{shut} can't be read — add press3's user to the group asterisk" in said


async def _doctor(prefix: list[str], config: Path) -> tuple[int, str]:
    command = [*prefix, sys.executable, "-m", "press3", "doctor", "-c", str(config)]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=120
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout


async def test_a_disk_that_is_nearly_full(tmp_path: Path) -> None:
    """The data folder on a small disk of its own."""
    async with AmiPeer() as peer, open_desk(_side(peer, tmp_path), tmp_path, start=False) as desk:
        data = desk.config.with_suffix(".data")
        mount = f"mount -t tmpfs -o size=8m,mode=700 none {data}"
        doctor = f'{mount} && exec "$@"'
        prefix = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", doctor, "sh"]
        assert shutil.which("unshare")
        code, said = await _doctor(prefix, desk.config)
    assert code == 1
    assert f"MiB free in {data}: a full disk stops the database" in said


def _side(peer: AmiPeer, folder: Path) -> PbxSide:
    monitor = folder / "monitor"
    monitor.mkdir(exist_ok=True)
    return PbxSide(port=peer.port, username="press3", secret="s3cret", monitor=monitor)


@pytest.mark.parametrize(
    ("ahead_s", "level", "words"),
    [
        (0, "  ok", "the clocks agree"),
        (-5, "warn", "the PBX's clock is 5.0 s behind ours"),
        (3600, "fail", "s ahead of ours: deadlines and reports would be wrong"),
    ],
)
async def test_clocks_that_disagree(
    people: Path, tmp_path: Path, ahead_s: float, level: str, words: str
) -> None:
    async with AmiPeer() as peer:
        peer.on(
            "Ping", lambda ping: [ping.ok(Ping="Pong", Timestamp=f"{now().timestamp() + ahead_s}")]
        )
        _, said = await findings(_side(peer, tmp_path), people, tmp_path)
    assert one(said, words).startswith(f"[{level}] main: ")


async def test_the_command_that_watches_a_call(people: Path, tmp_path: Path) -> None:
    async with AmiPeer() as peer:
        peer.clock = f"{now().timestamp()}"
        config = tmp_path / "config.toml"
        config.write_text(config_text(_side(peer, tmp_path), people))
        config.chmod(0o600)
        watch = ("doctor", "--call", "-c", str(config))
        told = await asyncio.to_thread(run, *watch, "--wait", "1", "--from", "+79110000001")
        nowhere = await asyncio.to_thread(run, *watch, "--pbx", "branch")
    assert (told.returncode, told.stderr) == (1, "")
    assert told.stdout.startswith("Call now from +79110000001 and press 3. I wait 1 s")
    assert "[fail] no call came in 1 s" in told.stdout
    assert nowhere.returncode == 1
    assert "no [[asterisk]] 'branch' in the configuration; there is: main" in nowhere.stderr


async def test_days_that_can_not_be_read_any_more_and_data_open_to_others(tmp_path: Path) -> None:
    async with AmiPeer() as peer, open_desk(_side(peer, tmp_path), tmp_path, start=False) as desk:
        peer.clock = f"{now().timestamp()}"
        settings = load(desk.config)
        away_since = now() - timedelta(days=20)

        async def work(session: AsyncSession) -> None:
            session.add(PbxState(pbx="main", last_contact_at=away_since, startup="x"))

        async with open_database(settings) as database:
            await database.writer.run(work)
        settings.service.data_dir.chmod(0o755)
        said: list[str] = []
        await examine(settings, said.append, desk.config)
    lost = one(said, "can't be read any more")
    assert lost.startswith("[warn]")
    local = away_since.astimezone(settings.zone)
    assert f"presses from {local:%Y-%m-%d %H:%M} to " in lost
    assert "queue_log" in lost
    assert one(said, f"chmod 700 {settings.service.data_dir}")
