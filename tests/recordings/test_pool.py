"""Worker processes: replaced when killed, gone with the service however it ends."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from recordings import audio
from recordings.errors import BrokenAudio, WorkerDied
from recordings.pool import SoundPool
from tests import timing
from tests.recordings.test_audio import job
from tests.waiting import until

pytestmark = pytest.mark.timing


@pytest.fixture
async def pool() -> AsyncIterator[SoundPool]:
    pool = SoundPool(processes=1)
    yield pool
    pool.close()


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


async def test_errors_come_back_whole(pool: SoundPool, tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    with pytest.raises(BrokenAudio) as raised:
        await pool.run(audio.convert, job(tmp_path / "a.wav"))
    assert raised.value.code == "empty"


async def test_a_killed_worker_is_reported_and_replaced(pool: SoundPool) -> None:
    first = await pool.run(os.getpid)
    assert first != os.getpid()
    with pytest.raises(WorkerDied):
        await pool.run(os._exit, 9)
    assert pool.deaths == 1
    assert await pool.run(os.getpid) not in (first, os.getpid())


async def test_closing_kills_what_is_at_work(pool: SoundPool) -> None:
    pid = await pool.run(os.getpid)
    pool.close()
    pool.close()
    await until(lambda: not alive(pid), what="the worker is gone")


async def test_workers_give_way_to_telephony(pool: SoundPool) -> None:
    assert await pool.run(os.nice, 0) >= 10


_SERVICE = """
import asyncio, os, sys
from pathlib import Path
from recordings import audio
from recordings.pool import SoundPool
from tests.recordings.test_audio import job

async def main():
    pool = SoundPool(processes=1)
    print(await pool.run(os.getpid), flush=True)
    await pool.run(audio.convert, job(Path(sys.argv[1])))

if __name__ == "__main__":
    asyncio.run(main())
"""


def _service(folder: Path) -> "subprocess.Popen[bytes]":
    with open(folder / "long.sln", "wb") as file:
        file.truncate(4 * 3600 * 16_000)
    (folder / "service.py").write_text(_SERVICE)
    return subprocess.Popen(
        [sys.executable, str(folder / "service.py"), str(folder / "long.sln")],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def _children(pid: int) -> list[int]:
    try:
        return [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


async def test_a_service_killed_in_mid_conversion_leaves_nothing_running(tmp_path: Path) -> None:
    service = _service(tmp_path)
    assert service.stdout is not None
    worker = int(service.stdout.readline())
    ffmpeg = (await until(lambda: _children(worker), what="ffmpeg runs"))[0]
    service.send_signal(signal.SIGKILL)
    service.wait()
    stopwatch = timing.Stopwatch()
    await until(lambda: not alive(worker) and not alive(ffmpeg), what="worker and ffmpeg are gone")
    assert stopwatch.own_s < 3
    service.stdout.close()
