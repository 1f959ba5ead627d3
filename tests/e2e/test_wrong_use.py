"""press3 as somebody starts it wrongly: a clear line, the right exit code, never a traceback."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.desk import Desk, PbxSide, config_text, open_desk, run
from tests.e2e.office import STORIES
from tests.lab.fixtures import StartAsterisk
from tests.lab.harness import PRESS3
from tests.waiting import until

NOWHERE = 1  # nobody listens at TCP port 1


def nowhere(folder: Path) -> PbxSide:
    return PbxSide(
        port=NOWHERE, username=PRESS3.username, secret=PRESS3.secret, monitor=folder / "monitor"
    )


def write(folder: Path, text: str, mode: int = 0o600) -> Path:
    file = folder / "wrong.toml"
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)
    return file


async def refused(*arguments: str) -> tuple[int, str]:
    """Run a command that must fail by itself; return its exit code and what it said."""
    done = await asyncio.to_thread(run, *arguments)
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stdout == ""
    return done.returncode, done.stderr


WRONG = [
    ("[service]\nlangage = 'ru'\n", "line 2: unknown key 'service.langage'; did you mean 'language'?"),
    ("[service\n", "not TOML"),
    ("[[asterisk]]\nname = 'main'\n", "neither secret nor secret_file is set"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), WRONG)
async def test_a_wrong_file(tmp_path: Path, text: str, said: str) -> None:
    file = str(write(tmp_path, text))
    for code, told in await asyncio.gather(
        refused("serve", "-c", file), refused("check-config", "-c", file)
    ):
        assert (code, said in told) == (2, True), told


async def test_a_secret_that_others_may_read(tmp_path: Path) -> None:
    file = write(tmp_path, config_text(nowhere(tmp_path), tmp_path / "data"), mode=0o640)
    for code, told in await asyncio.gather(
        refused("serve", "-c", str(file)), refused("check-config", "-c", str(file))
    ):
        assert (code, f"chmod 600 {file}" in told) == (2, True), told
        assert PRESS3.secret not in told
    assert not (tmp_path / "data").exists()


async def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    code, told = await refused("serve", "-c", str(tmp_path / "absent.toml"))
    assert (code, "absent.toml can't be used" in told) == (2, True), told


async def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        text = config_text(nowhere(tmp_path), tmp_path / "data")
        file = write(tmp_path, text.replace("[http]\nport = 0", f"[http]\nport = {port}"))
        code, told = await refused("serve", "-c", str(file))
    assert code == 1
    assert f"can't listen on 127.0.0.1:{port}: " in told
    assert "is another press3 running?" in told


async def test_a_second_serve_on_the_same_database(tmp_path: Path) -> None:
    async with open_desk(nowhere(tmp_path), tmp_path, start=False) as desk:
        await desk.start()
        assert desk.process is not None
        code, told = await refused("serve", "-c", str(desk.config))
        assert (code, f"process {desk.process.pid}" in told) == (1, True), told
        assert await desk.person("chief"), "the first one serves on"
        assert await desk.stop() == 0
        await desk.start()  # the lock is free again


@pytest.fixture
async def not_ready() -> AsyncIterator[Callable[[Desk, str], Awaitable[str]]]:
    """Wait until press3 is alive but not ready because of a link in `state`; return the reason."""
    async with aiohttp.ClientSession() as http:

        async def read(desk: Desk, path: str) -> tuple[int, Any]:
            async with http.get(desk.url + path) as answer:
                return answer.status, await answer.json()

        async def wait(desk: Desk, state: str) -> str:
            async def found() -> list[dict[str, Any]]:
                return [
                    link
                    for link in (await read(desk, "/readyz"))[1]["links"]
                    if link["state"] == state
                ]

            (link,) = await until(found, deadline_s=30, what=f"link is {state}")
            status, told = await read(desk, "/readyz")
            assert (status, told["ready"], told["database"]["ready"]) == (503, False, True)
            assert (await read(desk, "/healthz"))[0] == 200
            chief = await desk.person("chief")
            (listed,) = (await chief.get("/links"))["items"]
            assert listed["state"] == state
            async with chief.screen() as screen:
                assert screen.welcome["snapshot"] is not None, "the screens are served all the same"
            return str(link["reason"])

        yield wait


@pytest.mark.asterisk
async def test_a_wrong_ami_secret_is_a_state_of_its_own(
    asterisk: StartAsterisk,
    tmp_path: Path,
    not_ready: Callable[[Desk, str], Awaitable[str]],
) -> None:
    lab = await asterisk("22", STORIES)
    side = replace(PbxSide.of(lab), secret="not-the-secret")
    async with open_desk(side, tmp_path, start=False) as desk:
        await desk.start()
        reason = await not_ready(desk, "refused")
        assert re.search("refuses the AMI login: check user and secret", reason)
        log = desk.log.read_text()
        assert "refuses our login" in log
        assert "not-the-secret" not in log
        assert "Traceback" not in log
        desk.config.write_text(config_text(lab, desk.config.with_suffix(".data")))
        assert await desk.stop() == 0
        await desk.start()
        await desk.linked()


async def test_no_asterisk_at_that_port(
    tmp_path: Path, not_ready: Callable[[Desk, str], Awaitable[str]]
) -> None:
    async with open_desk(nowhere(tmp_path), tmp_path, start=False) as desk:
        await desk.start()
        said = await not_ready(desk, "down")
        assert "no connection to the PBX" in said
        assert "refused" in said
        chief = await desk.person("chief")
        status, body, _ = await chief.bytes("/reconciliation?day=2026-11-21")
        assert (status, json.loads(body)["pbx"]) == (503, ["main"])
        assert json.loads(body)["type"] == "urn:press3:problem:telephony-unavailable"
        assert "Traceback" not in desk.log.read_text()
