"""One service a database file, proved with real processes, killed ones too."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from store.errors import AlreadyServing
from store.serve_lock import ServeLock

HOLD = """
import os, sys
from pathlib import Path
from store.serve_lock import ServeLock
with ServeLock(Path(sys.argv[1])):
    if sys.argv[2:] == ["fork"]:
        child = os.fork()
        if child == 0:
            os.read(0, 1)  # a worker that outlives its killed parent
            os._exit(0)
    print("held", flush=True)
    sys.stdin.readline()
"""


def holder(database: Path, *options: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(database), *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_service_is_refused_and_told_by_whom(tmp_path: Path) -> None:
    database = tmp_path / "press3.db"
    with holder(database) as first:
        with pytest.raises(AlreadyServing) as refused, ServeLock(database):
            pass
        assert refused.value.pid == first.pid
        assert str(first.pid) in str(refused.value)
        first.communicate("\n")
    with ServeLock(database):
        pass


def test_the_lock_dies_with_a_killed_holder_though_its_workers_live(tmp_path: Path) -> None:
    database = tmp_path / "press3.db"
    with holder(database, "fork") as first:
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        with ServeLock(database):
            pass


def test_it_can_be_taken_again(tmp_path: Path) -> None:
    for _ in range(2):
        with ServeLock(tmp_path / "press3.db"):
            pass
