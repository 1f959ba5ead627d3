"""The examples of deploy/: the unit is closed to what press3 does not need, and press3 works inside it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ci import skip
from tests.recordings.sounds import write_wav

ROOT = Path(__file__).parents[1]
UNIT = ROOT / "deploy" / "press3.service"
_REFUSE_WRITABLE_CODE = 65  # PR_SET_MDWE of prctl(2), Linux 6.3
_CONVERT = """
import asyncio, ctypes, sys
from pathlib import Path
done = ctypes.CDLL(None, use_errno=True).prctl({option}, 1, 0, 0, 0)
if done != 0:
    print("no prctl")
    sys.exit(0)
from recordings import audio
from recordings.pool import SoundPool
from tests.recordings.test_audio import job
import argon2

async def main():
    pool = SoundPool(processes=1)
    made = await pool.run(audio.convert, job(Path(sys.argv[1])))
    argon2.PasswordHasher().hash("x")
    pool.close()
    print("converted", made.duration_s)

if __name__ == "__main__":
    asyncio.run(main())
"""


def systemd_analyze(*arguments: str) -> "subprocess.CompletedProcess[str]":
    if shutil.which("systemd-analyze") is None:
        skip("no systemd-analyze: scripts/test-tools.sh brings it")
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True)


def test_the_unit_is_at_most_2_exposed() -> None:
    done = systemd_analyze("security", "--offline=true", "--threshold=20", str(UNIT))
    said = re.search(r"exposure level for press3.service: ([0-9.]+)", done.stdout)
    assert said is not None, done.stdout + done.stderr
    assert (done.returncode, float(said[1]) <= 2.0) == (0, True), done.stdout


def test_every_line_of_the_unit_is_known() -> None:
    done = systemd_analyze("verify", "--man=no", str(UNIT))
    faults = [
        line for line in done.stderr.splitlines() if "Unknown" in line or "ailed to parse" in line
    ]
    assert faults == []


def test_what_the_unit_promises_is_in_it() -> None:
    lines = UNIT.read_text().splitlines()
    for line in ("Type=notify", "WatchdogSec=30", "OOMPolicy=continue", "LimitNOFILE=65536"):
        assert line in lines


@pytest.mark.parametrize(
    "call", ["setrlimit", "prlimit64", "sched_getaffinity", "clone", "execve", "kill", "setpgid"]
)
def test_what_the_workers_of_recordings_call_is_allowed(call: str) -> None:
    lines = re.findall(r"^SystemCallFilter=(.*)$", UNIT.read_text(), re.MULTILINE)
    assert call in _allowed(lines)


def _allowed(lines: list[str]) -> set[str]:
    """Return the calls that the filter lets through: later lines change what earlier ones said."""
    found: set[str] = set()
    for line in lines:
        names = _calls(line.lstrip("~").split())
        found = found - names if line.startswith("~") else found | names
    return found


def _calls(names: list[str]) -> set[str]:
    calls = {name for name in names if not name.startswith("@")}
    for group in (name for name in names if name.startswith("@")):
        text = systemd_analyze("syscall-filter", "--no-pager", group).stdout
        listed = [line.strip() for line in text.splitlines()[1:]]
        calls |= {name for name in listed if re.fullmatch(r"[a-z0-9_]+", name)}
        inner = [name for name in listed if name.startswith("@")]
        calls |= _calls(inner) if inner else set()
    return calls


def test_recordings_are_converted_where_no_memory_may_become_code(tmp_path: Path) -> None:
    """MemoryDenyWriteExecute, by the kernel's own switch: Python, ffmpeg and argon2 need no such memory."""
    script = tmp_path / "convert.py"
    script.write_text(_CONVERT.format(option=_REFUSE_WRITABLE_CODE))
    sound = write_wav(tmp_path / "a.wav")
    done = subprocess.run(
        [sys.executable, str(script), str(sound)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        timeout=120,
    )
    if "no prctl" in done.stdout:
        pytest.skip("skipped: this kernel has no PR_SET_MDWE (Linux 6.3)")
    assert "converted 2.0" in done.stdout, done.stdout + done.stderr
