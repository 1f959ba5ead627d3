"""Worker processes for sound, so that the event loop never waits and a crash takes nothing along.

Each worker leads its own process group (ffmpeg is in it) and holds a lifeline, a pipe whose other
end only the service has. When that end closes, because the service stops or was killed with -9, the
worker kills its group: nothing is left running.
"""

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from typing import TypeVar

from recordings import limits
from recordings.errors import ConversionFailed, WorkerDied

__all__ = ["SoundPool"]

T = TypeVar("T")

_CPU_S = (
    120  # of a task; Python measures an hour of sound in 0.2 s, and ffmpeg has limits of its own
)


class SoundPool:
    """At most `processes` at work. Processes start when first needed; a dead one is replaced.

    `limit_s`: when work takes longer, all workers are killed and replaced.
    """

    def __init__(self, *, processes: int, limit_s: float = 1_000.0) -> None:
        self._processes = processes
        self._limit_s = limit_s
        self._executor: ProcessPoolExecutor | None = None
        self._lifeline: Connection | None = None
        self.deaths = 0

    async def run(self, function: Callable[..., T], *args: object) -> T:
        """Return `function(*args)`, done in a worker; both must be picklable.

        Raises:
            WorkerDied: the process was killed meanwhile (also when a neighbour's death took it along).
            ConversionFailed: `too_slow`: it took longer than the pool allows.
        """
        executor = self._executor or self._start()
        work = asyncio.get_running_loop().run_in_executor(executor, _bounded, function, args)
        try:
            async with asyncio.timeout(self._limit_s):
                return await work
        except TimeoutError as error:
            if not work.cancelled():
                raise  # the work's own
            self._give_up(executor)
            why = f"the worker did not end in {self._limit_s:g} s"
            raise ConversionFailed("too_slow", why) from error
        except BrokenProcessPool as error:
            self._give_up(executor)
            raise WorkerDied("worker_died", "the worker process was killed") from error

    def close(self) -> None:
        """Kill what is at work. Idempotent; the pool starts anew when used again."""
        executor, self._executor = self._executor, None
        if self._lifeline is not None:
            self._lifeline.close()
            self._lifeline = None
        if executor is not None:
            executor.shutdown(wait=False, cancel_futures=True)

    def _start(self) -> ProcessPoolExecutor:
        # spawn: a fork of a process with threads and database connections would inherit their locks.
        context = multiprocessing.get_context("spawn")
        theirs, self._lifeline = context.Pipe(duplex=False)
        self._executor = ProcessPoolExecutor(
            self._processes, mp_context=context, initializer=_begin, initargs=(theirs,)
        )
        return self._executor

    def _give_up(self, executor: ProcessPoolExecutor) -> None:
        if self._executor is executor:  # the first to notice; others share the same death
            self.deaths += 1
            self.close()


def _bounded(function: Callable[..., T], args: tuple[object, ...]) -> T:
    limits.allow_cpu(_CPU_S)
    return function(*args)


def _begin(lifeline: Connection) -> None:
    os.setpgid(0, 0)
    os.nice(10)  # telephony first
    limits.lower_worker()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, args=(lifeline,), daemon=True, name="lifeline").start()


def _follow(lifeline: Connection) -> None:
    try:
        lifeline.recv_bytes()  # nothing is ever sent
    except (EOFError, OSError):
        os.killpg(0, signal.SIGKILL)
