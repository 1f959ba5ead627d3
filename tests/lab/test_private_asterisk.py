"""The private Asterisk: it starts anywhere, answers, dies when it should, and says why it can't be had."""

import asyncio
import os
import signal
import socket
import sys
from contextlib import ExitStack, nullcontext
from pathlib import Path

import pytest

from press3.demo import tree as tree_module
from press3.demo.asterisk import (
    RTP_PORTS,
    AsteriskFailed,
    PrivateAsterisk,
    _is_free,
    free_port_range,
)
from press3.demo.pbx_files import PbxPorts, pbx_files
from press3.demo.tree import NoAsterisk, get_tree
from tests.lab import harness, ports
from tests.lab.fixtures import Labs, StartAsterisk
from tests.lab.ports import held_ports
from tests.lab.scenarios import Bye
from tests.waiting import until

EXTENSIONS = {"extensions.conf": "[incoming]\n"}


def private(labs: Labs, version: str, folder: Path) -> PrivateAsterisk:
    etc = {**pbx_files(PbxPorts(), [], anonymous_context="incoming"), **EXTENSIONS}
    return PrivateAsterisk(labs.tree(version), folder, etc=etc)


@pytest.mark.asterisk
async def test_life_of_one(labs: Labs, asterisk_version: str, tmp_path: Path) -> None:
    async with private(labs, asterisk_version, tmp_path) as pbx:
        assert f"Asterisk {asterisk_version}." in await pbx.rx("core show version")
        first = pbx.pid
        pbx.kill9()
        assert not pbx.running
        assert await pbx.rx("core show version") == ""
        await pbx.start()
        assert pbx.pid != first
        await pbx.restart()
        assert "fully booted" in await pbx.rx("core waitfullybooted")
    assert not pbx.running
    await pbx.stop()


@pytest.mark.asterisk
async def test_one_that_can_not_start_says_why(labs: Labs, tmp_path: Path) -> None:
    pbx = private(labs, "22", tmp_path)
    (tmp_path / "etc/modules.conf").write_text("[modules]\nrequire = res_no_such_thing.so\n")
    with pytest.raises(AsteriskFailed, match=r"ended while booting|not booted"):
        await pbx.start(deadline_s=5)
    assert not pbx.running


@pytest.mark.asterisk
async def test_nothing_is_left_when_its_owner_is_killed(labs: Labs, tmp_path: Path) -> None:
    labs.tree("22")
    program = f"""
import asyncio, pathlib
from press3.demo.asterisk import PrivateAsterisk
from press3.demo.pbx_files import PbxPorts, pbx_files
from press3.demo.tree import get_tree
async def main():
    etc = {{**pbx_files(PbxPorts(), [], anonymous_context="x"), "extensions.conf": "[x]\\n"}}
    pbx = PrivateAsterisk(get_tree("22"), pathlib.Path({str(tmp_path)!r}), etc=etc)
    await pbx.start()
    print(pbx.pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE
    )
    assert owner.stdout is not None
    pid = int(await asyncio.wait_for(owner.stdout.readline(), 20))
    owner.send_signal(signal.SIGKILL)
    await owner.wait()
    await until(lambda: not Path(f"/proc/{pid}").exists(), what="Asterisk is gone with its owner")


def test_too_long_a_path_is_refused_at_once(labs: Labs, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="too long"):
        private(labs, "22", tmp_path / ("x" * 100))


def test_no_debian_is_a_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PRESS3_ASTERISK_BINARY", raising=False)
    monkeypatch.setattr(tree_module, "KEYRING", tmp_path / "absent.gpg")
    with pytest.raises(NoAsterisk, match=r"absent\.gpg is missing"):
        get_tree("22", cache=tmp_path / "cache", say=lambda _: None)
    assert not (tmp_path / "cache").exists()


def test_asterisk_on_path_is_asked_for_by_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PRESS3_ASTERISK_BINARY", "path")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoAsterisk, match="no asterisk on PATH"):
        get_tree("22")


def test_a_half_fetched_tree_does_not_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("PRESS3_ASTERISK_BINARY", raising=False)
    monkeypatch.setattr(tree_module, "_mirror", lambda: "http://127.0.0.1:9/debian")
    (tmp_path / "asterisk-22/usr").mkdir(parents=True)
    with pytest.raises(NoAsterisk, match="apt-get failed"):
        get_tree("22", cache=tmp_path, say=lambda _: None)
    assert [name for name in os.listdir(tmp_path) if name.startswith(".fetch")] == []


async def test_a_caller_is_given_ports_that_nobody_else_gets_until_they_are_his() -> None:
    """SIPp dies at its start when a port is taken meanwhile: once a story waited for such a caller's sound."""
    with ExitStack() as starting:
        given = [starting.enter_context(held_ports(8)) for _ in range(300)]
        assert len({port + n for port in given for n in range(8)}) == 8 * 300
    assert all(port + 8 <= RTP_PORTS.start for port in given), (
        "a call takes RTP ports at any moment"
    )


def test_a_port_taken_between_the_look_and_the_hold_is_looked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = free_port_range(2), free_port_range(2)
    offered = iter([first, second])
    monkeypatch.setattr(ports, "free_port_range", lambda count: next(offered))
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as another:
        another.bind(("127.0.0.1", first + 1))
        with held_ports(2) as given:
            assert given == second
            assert not _is_free(second)
            assert _is_free(first), "what was held in vain is let go"


@pytest.mark.asterisk
async def test_the_ports_of_a_killed_asterisk_and_an_unplugged_telephone_are_nobody_else_s(
    asterisk: StartAsterisk,
) -> None:
    lab = await asterisk("22", fresh=True)
    assert await lab.pbx.rx("core show version")
    lab.pbx.kill9()
    telephones = [port for first in lab.phones.values() for port in range(first, first + 10)]
    for port in (lab.ports.ami, lab.ports.sip, *telephones):
        assert not _is_free(port), port
    await lab.pbx.start()
    async with lab.tap():
        pass  # its own ports are its own again
    lab.close()
    assert _is_free(lab.ports.ami)


@pytest.mark.asterisk
async def test_a_caller_who_can_not_start_says_so_at_once(
    asterisk: StartAsterisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = await asterisk("22")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        monkeypatch.setattr(harness, "held_ports", lambda count: nullcontext(port))
        with pytest.raises(AssertionError, match="Unable to bind main socket"):
            await lab.call(steps=[Bye()])
