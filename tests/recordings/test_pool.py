"""Worker processes: replaced when killed, gone with the service however it ends."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from recordings import audio
from recordings.errors import BrokenAudio, ConversionFailed, WorkerDied
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


def _reserve(size_bytes: int) -> int:
    return len(bytearray(size_bytes))


async def test_a_worker_is_refused_more_memory_than_it_may_have(pool: SoundPool) -> None:
    with pytest.raises(MemoryError):
        await pool.run(_reserve, 4 * 1024**3)
    assert await pool.run(_reserve, 1) == 1
    assert pool.deaths == 0


def _use_cpu() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    assert soft < 1_000
    used = resource.getrusage(resource.RUSAGE_SELF)
    now_s = int(used.ru_utime + used.ru_stime)
    resource.setrlimit(resource.RLIMIT_CPU, (now_s + 1, hard))
    while True:
        pass


async def test_a_worker_that_computes_for_ever_is_ended(pool: SoundPool) -> None:
    with pytest.raises(WorkerDied):
        await pool.run(_use_cpu)


async def test_a_worker_that_waits_for_ever_is_ended(pool: SoundPool) -> None:
    pid = await pool.run(os.getpid)
    pool._limit_s = 1  # not before: on a busy machine the process takes longer to start
    with pytest.raises(ConversionFailed) as raised:
        await pool.run(signal.pause)
    assert raised.value.code == "too_slow"
    await until(lambda: not alive(pid), what="the worker is gone")


def _score() -> str:
    return Path("/proc/self/oom_score_adj").read_text().strip()


async def test_when_memory_is_short_the_worker_goes_first(pool: SoundPool) -> None:
    assert await pool.run(_score) == "1000"


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
