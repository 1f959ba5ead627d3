"""Which process is this, and does that one still live? Read from /proc; nothing to guess elsewhere."""

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Process", "lives", "this_process"]

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """`started` (clock ticks since boot) sets a process apart from a later one that got the same pid.

    `host` names the boot of the machine and the container's view of its processes; it is empty where
    /proc has none, and then equals no other host.
    """

    host: str
    pid: int
    started: int


def this_process(proc: Path = _PROC) -> Process:
    pid = os.getpid()
    return Process(_host(proc), pid, _started(proc, pid) or 0)


def lives(process: Process, proc: Path = _PROC) -> bool | None:
    """Return whether `process` still runs; None when it is on another host and can't be seen from here."""
    if not process.host or process.host != _host(proc):
        return None
    return _started(proc, process.pid) == process.started


def _host(proc: Path) -> str:
    try:
        boot = (proc / "sys/kernel/random/boot_id").read_text().strip()
        # Containers of one machine share the boot id but not the pids.
        return f"{boot}/{os.readlink(proc / 'self/ns/pid')}"
    except OSError:
        return ""


def _started(proc: Path, pid: int) -> int | None:
    try:
        stat = (proc / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    # The name in parentheses may hold anything, blanks and parentheses too; a zombie no longer works.
    state, *rest = stat.rpartition(b")")[2].split()
    return None if state in (b"Z", b"X") else int(rest[18])
