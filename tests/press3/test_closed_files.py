"""What a command writes is closed to other users of the machine, whatever the umask it was started with."""

import signal
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from press3.config.settings import load
from press3.database import open_database
from store.journal import JournalEntry, append
from tests.recordings.at_hand import add_call
from tests.recordings.test_sweep import put
from tests.waiting import until

UMASK = 0o022  # as most machines have it
UNIQUEID = "1795670275.290"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "config.toml"
    file.write_text(
        f'[service]\ndata_dir = "{tmp_path}/data"\n[http]\nport = 0\n'
        f'[recordings]\nroots = ["{tmp_path}/monitor"]\n'
    )
    return file


def command(config: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "press3", *arguments, "-c", str(config)]


def press3(config: Path, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(config, *arguments), input=text, umask=UMASK,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def open_to_others(folder: Path) -> dict[str, str]:
    """Return `folder` and what is in it that others may read, write or enter, with its mode."""
    modes = {path: path.lstat().st_mode for path in (folder, *folder.rglob("*"))}
    return {str(path): stat.filemode(mode) for path, mode in modes.items() if mode & 0o077}


async def keep_an_event(config: Path) -> None:
    event = JournalEntry(pbx="main", at=datetime.now(UTC), call_id=None, raw=b"Event: Hangup")
    async with open_database(load(config)) as database:
        await database.writer.run(lambda session: append(session, [event]))


@pytest.mark.parametrize(
    "arguments",
    [
        ("migrate",),
        ("user", "add", "anna", "--role", "operator", "--password-stdin"),
        ("capture", "trace.jsonl"),
    ],
    ids=" ".join,
)
def test_a_command_that_makes_the_database(config: Path, arguments: tuple[str, ...]) -> None:
    done = press3(config, *arguments, text="correct horse battery\n")
    data = config.parent / "data"
    assert (data / "press3.db").exists(), done.stderr
    assert open_to_others(data) == {}


async def test_the_service_with_a_copy_of_a_recording(config: Path) -> None:
    """Its database with -wal and -shm, its lock, and what a worker process writes."""
    data, now = config.parent / "data", datetime.now(UTC)
    assert press3(config, "migrate").returncode == 0
    over = now - timedelta(seconds=90)
    async with open_database(load(config)) as database:
        started_at = over - timedelta(seconds=60)
        await add_call(database.writer, UNIQUEID, started_at=started_at, ended_at=over)
    (config.parent / "monitor").mkdir()
    put(config.parent / f"monitor/press3-{UNIQUEID}.wav", over)
    serving = subprocess.Popen(command(config, "serve"), umask=UMASK, stdout=subprocess.DEVNULL)  # noqa: ASYNC220 - takes a millisecond
    try:
        copies = (data / "recordings").rglob
        await until(
            lambda: [each for each in copies("*") if each.suffix == ".mp3"],
            deadline_s=60, what="the browser's copy",
        )  # fmt: skip
        names = {each.name for each in data.iterdir()}
        assert {"press3.db-wal", "press3.db-shm", "press3.db.serve-lock"} <= names
        assert open_to_others(data) == {}
    finally:
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(30) == 0


async def test_a_captured_trace_is_closed_and_overwrites_nothing(config: Path) -> None:
    await keep_an_event(config)
    out = config.parent / "trace.jsonl"
    done = press3(config, "capture", str(out))
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    out.write_text("another trace")
    done = press3(config, "capture", str(out))
    assert (done.returncode, out.read_text()) == (1, "another trace")
    assert done.stderr.splitlines()[-1] == (
        f"press3: {out} is there already and is not overwritten: give another name, or remove it"
    )


async def test_a_trace_that_can_not_be_written_is_told(config: Path) -> None:
    await keep_an_event(config)
    out = config.parent / "nowhere/trace.jsonl"
    done = press3(config, "capture", str(out))
    assert done.returncode == 1
    assert done.stderr == f"press3: {out} can't be written: No such file or directory\n"
