"""The demo as a stranger runs it: a process that shows calls, stops by itself, leaves nothing."""

import asyncio
import fcntl
import os
import pty
import re
import shlex
import signal
import socket
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import aiohttp
import pytest

from press3.clock import now
from tests.lab.fixtures import Labs
from tests.waiting import until

pytestmark = pytest.mark.timing

TRACES = Path(__file__).parents[1] / "traces"
COPIES = Path(__file__).parents[2] / "press3" / "demo" / "traces"


class RunningDemo:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said = ""

    @property
    def url(self) -> str:
        found = re.search(r"press3 is at +(http\S+)", self.said)
        return found[1] if found else ""

    async def listen(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            self.said += line.decode()


async def start(port: int = 0, **environment: str) -> RunningDemo:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "press3", "demo", "--port", str(port), "--calls-a-minute", "40"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=os.environ | {"PYTHONUNBUFFERED": "1"} | environment,
    )
    return RunningDemo(process)


async def seen_and_stopped(demo: RunningDemo, *, deadline_s: float) -> None:
    """Wait until a call pressed 3, rang and was talked with; sign in; stop it as Ctrl-C does."""
    listening = asyncio.create_task(demo.listen())
    for words in ("PRESSED 3", "rings → pop", "talks with the customer"):
        await until(lambda words=words: words in demo.said, deadline_s=deadline_s, what=words)  # type: ignore[misc]
    login = re.search(r"supervisor +(\S+)", demo.said)
    assert login is not None
    async with aiohttp.ClientSession() as http:
        body = {"login": "supervisor", "password": login[1]}
        async with http.post(demo.url + "/api/v1/session", json=body) as answer:
            token = (await answer.json())["token"]
        headers = {"Authorization": f"Bearer {token}"}
        async with http.get(demo.url + "/api/v1/appeals", headers=headers) as answer:
            assert (await answer.json())["items"]
    demo.process.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(demo.process.wait(), 40) == 0
    await listening
    assert "nothing is left running" in demo.said
    assert "Traceback" not in demo.said


@pytest.mark.asterisk
async def test_on_a_real_asterisk(labs: Labs) -> None:
    labs.tree("22")  # fetched, or skipped loudly
    demo = await start()
    await seen_and_stopped(demo, deadline_s=60)
    assert "Asterisk 22" in demo.said


async def test_without_asterisk_recorded_calls_are_replayed_and_that_is_said() -> None:
    demo = await start(PRESS3_ASTERISK_BINARY="path", PATH="/nowhere", TZ="Asia/Tokyo")
    await seen_and_stopped(demo, deadline_s=60)
    assert "NO ASTERISK HERE" in demo.said
    assert "times in Europe/Moscow as on the screen" in demo.said
    hours = {now().astimezone(ZoneInfo("Europe/Moscow")).hour - ago for ago in (0, 1)}
    assert int(re.findall(r"(?m)^  (\d\d):\d\d:\d\d\.\d", demo.said)[-1]) in {h % 24 for h in hours}


@pytest.fixture
def short_folder() -> Iterator[str]:
    """A folder for temporary files: a socket's path, which lies in it, must be short."""
    with TemporaryDirectory(prefix="p3-") as folder:
        yield folder


async def test_a_closed_terminal_stops_it_as_ctrl_c_does(tmp_path: Path, short_folder: str) -> None:
    window, terminal = pty.openpty()
    errors = tmp_path / "errors"
    with errors.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "press3", "demo", "--port", "0"),
            stdin=terminal,
            stdout=terminal,
            stderr=stderr,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env=os.environ
            | {"PRESS3_ASTERISK_BINARY": "path", "PATH": "/nowhere", "TMPDIR": short_folder},
        )
    os.close(terminal)
    said = ""
    async with asyncio.timeout(60):
        while not re.search(r"as on the screen:\s+", said):
            try:
                said += (await asyncio.to_thread(os.read, window, 4096)).decode(errors="replace")
            except OSError:  # nobody holds the terminal any more: it has ended by itself
                pytest.fail(f"{said}\n{errors.read_text()}")
    assert os.listdir(short_folder)
    os.close(window)
    code = await asyncio.wait_for(process.wait(), 40)
    assert (code, os.listdir(short_folder)) == (0, []), errors.read_text()


async def test_a_folder_for_temporary_files_too_deep_for_a_socket_is_said(tmp_path: Path) -> None:
    deep = tmp_path / ("a" * 90)
    deep.mkdir()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "press3", "demo", "--port", "0"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ
        | {"PRESS3_ASTERISK_BINARY": "path", "PATH": "/nowhere", "TMPDIR": str(deep)},
    )
    _, told = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 1
    assert "set TMPDIR to a shorter one" in told.decode()
    assert "Traceback" not in told.decode()


async def test_a_port_that_is_taken_is_said_in_a_line_before_anything_is_started() -> None:
    with socket.create_server(("127.0.0.1", 0)) as another:
        port = another.getsockname()[1]
        demo = await start(port)
        listening = asyncio.create_task(demo.listen())
        assert await asyncio.wait_for(demo.process.wait(), 30) == 1
        await listening
    (line,) = demo.said.splitlines()
    assert f"can't be at 127.0.0.1:{port}: Address already in use" in line
    advised = re.findall(r"`(.+ demo --port \d+)`", line)[0]
    helped = await asyncio.create_subprocess_exec(
        *shlex.split(advised), "--help", stdout=asyncio.subprocess.PIPE
    )
    told, _ = await helped.communicate()
    assert (helped.returncode, b"Port of the screen" in told) == (0, True), advised


@pytest.mark.parametrize("copy", sorted(COPIES.glob("*.jsonl")), ids=lambda path: path.stem)
def test_the_demo_s_recorded_calls_are_the_tested_traces(copy: Path) -> None:
    assert copy.read_bytes() == (TRACES / f"{copy.stem}-22.jsonl").read_bytes()
