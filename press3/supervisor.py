"""Named tasks with an owner: one that dies unexpectedly stops the service loudly; the stop has stages."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import structlog

from press3.errors import Press3Error, ServiceFailed
from store.errors import LeaseLost

__all__ = ["Stage", "Supervisor"]

log = structlog.get_logger(__name__)


_CANCEL_LIMIT_S = 5.0


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the stop. `limit_s` passed, the stop goes on and says what hung."""

    name: str
    stop: Callable[[], Awaitable[None]]
    limit_s: float = 5


class Supervisor:
    """Owns the tasks of the service. `start` them, `wait` until told to stop or one dies, then `stop`."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[None], str] = {}
        self._stages: list[Stage] = []
        self._stopping = asyncio.Event()

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` as a task; if it ends before the stop, the service stops as failed."""
        self._tasks[asyncio.create_task(work, name=name)] = name

    def on_stop(self, stage: Stage) -> None:
        """Add a stage; stages run in the order in which they were added."""
        self._stages.append(stage)

    def request_stop(self) -> None:
        self._stopping.set()

    async def wait(self) -> None:
        """Return when a stop was requested; raise ServiceFailed, or the task's own
        Press3Error or LeaseLost, when one ended unasked."""
        stop = asyncio.create_task(self._stopping.wait(), name="stop-requested")
        try:
            done, _ = await asyncio.wait([stop, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()
        for task, name in [*self._tasks.items()]:
            if task in done:
                del self._tasks[task]
                error = _error_of(task) or RuntimeError("ended")
                if isinstance(error, Press3Error | LeaseLost):  # it says itself what happened
                    log.error("a task of the service ended it", task=name, error=str(error))
                    raise error
                log.error("a task of the service died", task=name, exc_info=error)
                raise ServiceFailed(name, error)

    async def stop(self) -> None:
        """Run the stages, then cancel what is left."""
        for stage in self._stages:
            try:
                await asyncio.wait_for(stage.stop(), stage.limit_s)
            except TimeoutError:
                log.error(
                    "a stage of the stop hangs and is left behind",
                    stage=stage.name,
                    limit_s=stage.limit_s,
                )
            except Exception:
                log.exception("a stage of the stop failed", stage=stage.name)
        await self._cancel()

    async def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()
        late = (await asyncio.wait(self._tasks, timeout=_CANCEL_LIMIT_S))[1] if self._tasks else ()
        for task, name in self._tasks.items():
            if task in late:
                log.error("a task does not end and is left behind", task=name)
            elif (error := _error_of(task)) is not None:
                log.error("a task ended with an error while stopping", task=name, exc_info=error)


def _error_of(task: asyncio.Task[None]) -> BaseException | None:
    return None if task.cancelled() else task.exception()
