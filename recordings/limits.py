"""What sound work may use of the machine: the worker process once for all, ffmpeg by the length of the sound.

A limit that is reached ends that work alone; telephony goes on beside it.
"""

import os
import resource
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ENVIRONMENT", "Limits", "allow_cpu", "bind", "for_sound", "lower_worker"]

_MIB = 1024 * 1024
_FFMPEG_BYTES = 768 * _MIB  # measured: 254 MB of addresses, 35 MB of memory
_WORKER_BYTES = 2048 * _MIB  # of addresses; it holds 20 MB
_WORKER_FILE_BYTES = 512 * _MIB
_LAST_WORD_S = 5  # between asking ffmpeg to end and killing it
_COPY_BYTES_PER_S = 8_000  # twice what the richest encoder writes

# An arena a thread would reserve 64 MB of addresses each.
ENVIRONMENT = {"MALLOC_ARENA_MAX": "1"}


@dataclass(frozen=True, slots=True)
class Limits:
    """Wall clock and CPU in seconds, address space and size of a file in bytes."""

    wall_s: float
    cpu_s: int
    memory_bytes: int
    file_bytes: int


def for_sound(longest_s: float, most_wall_s: float) -> Limits:
    """Return what one ffmpeg may use for sound of at most `longest_s`.

    An hour takes 10 s on one core of the reference machine: a machine a tenth as fast may do it, or
    one whose processor is lent to others.
    """
    return Limits(
        wall_s=min(most_wall_s, 60 + longest_s / 4),
        cpu_s=int(30 + longest_s / 20),
        memory_bytes=_FFMPEG_BYTES,
        file_bytes=int(_MIB + longest_s * _COPY_BYTES_PER_S),
    )


def bind(pid: int, limits: Limits) -> None:
    """Put `limits` on a child, before it is given anything to read. A child that is gone is none to bind."""
    bounds = {
        resource.RLIMIT_AS: (limits.memory_bytes, limits.memory_bytes),
        resource.RLIMIT_CPU: (limits.cpu_s, limits.cpu_s + _LAST_WORD_S),
        resource.RLIMIT_FSIZE: (limits.file_bytes, limits.file_bytes),
        resource.RLIMIT_CORE: (0, 0),
    }
    with suppress(ProcessLookupError):
        for kind, bound in bounds.items():
            resource.prlimit(pid, kind, _no_more_than_now(pid, kind, bound))


def _no_more_than_now(pid: int, kind: int, bound: tuple[int, int]) -> tuple[int, int]:
    """Return `bound`, or less where the machine allows less: only root may raise a hard limit."""
    hard = resource.prlimit(pid, kind)[1]
    if hard == resource.RLIM_INFINITY:
        return bound
    return min(bound[0], hard), min(bound[1], hard)


def lower_worker() -> None:
    """Bound this process, a worker, for good; when memory is short, it goes before all others."""
    me = os.getpid()
    for kind, most in (
        (resource.RLIMIT_AS, _WORKER_BYTES),
        (resource.RLIMIT_FSIZE, _WORKER_FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, _no_more_than_now(me, kind, (most, most)))
    with suppress(OSError):  # not Linux's, or hidden: the limits hold all the same
        Path("/proc/self/oom_score_adj").write_text("1000")


def allow_cpu(seconds: int) -> None:
    """Let this process use `seconds` of CPU from now on; the kernel kills it when they are used up."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = int(used.ru_utime + used.ru_stime) + 1 + seconds
    resource.setrlimit(
        resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard)
    )
