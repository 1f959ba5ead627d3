"""A task that dies stops the service loudly; the stop runs every stage, each with its limit."""

import asyncio
from contextlib import suppress

import pytest
from structlog.testing import capture_logs

from press3 import supervisor as module
from press3.errors import ServiceFailed
from press3.supervisor import Stage, Supervisor


async def forever() -> None:
    await asyncio.Event().wait()


async def test_a_dying_task_ends_the_wait_with_its_name() -> None:
    supervisor = Supervisor()

    async def dies() -> None:
        raise ValueError("broken")

    supervisor.start("healthy", forever())
    supervisor.start("recorder", dies())
    with pytest.raises(ServiceFailed, match="'recorder' died: ValueError"):
        await asyncio.wait_for(supervisor.wait(), 5)
    await supervisor.stop()


async def test_a_task_that_simply_ends_is_a_failure_too() -> None:
    supervisor = Supervisor()

    async def ends() -> None:
        return

    supervisor.start("relay", ends())
    with pytest.raises(ServiceFailed, match="'relay'"):
        await asyncio.wait_for(supervisor.wait(), 5)
    await supervisor.stop()


async def test_the_stop_runs_its_stages_in_order_then_cancels() -> None:
    supervisor, done = Supervisor(), []
    cancelled = asyncio.Event()

    async def works() -> None:
        try:
            await forever()
        finally:
            cancelled.set()

    async def stage(name: str) -> None:
        assert not cancelled.is_set()
        done.append(name)

    supervisor.start("worker", works())
    await asyncio.sleep(0)
    for name in ("no new input", "drain"):
        supervisor.on_stop(Stage(name, lambda name=name: stage(name)))  # type: ignore[misc]
    supervisor.request_stop()
    await supervisor.wait()
    await supervisor.stop()
    assert done == ["no new input", "drain"]
    assert cancelled.is_set()


async def test_a_stage_that_hangs_or_fails_does_not_keep_the_others_from_running() -> None:
    supervisor, done = Supervisor(), []

    async def fails() -> None:
        raise OSError("no")

    async def last() -> None:
        done.append("last")

    supervisor.on_stop(Stage("hangs", forever, limit_s=0.05))
    supervisor.on_stop(Stage("fails", fails))
    supervisor.on_stop(Stage("last", last))
    await asyncio.wait_for(supervisor.stop(), 5)
    assert done == ["last"]


async def test_what_goes_wrong_while_stopping_is_said_and_holds_nothing_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_CANCEL_LIMIT_S", 0.05)
    supervisor, released = Supervisor(), asyncio.Event()

    async def stumbles() -> None:
        try:
            await forever()
        finally:
            raise OSError("disk full")

    async def stays() -> None:
        while not released.is_set():
            with suppress(asyncio.CancelledError):
                await released.wait()

    supervisor.start("stumbles", stumbles())
    supervisor.start("stays", stays())
    await asyncio.sleep(0)
    with capture_logs() as said:
        await asyncio.wait_for(supervisor.stop(), 5)
    assert [(line["task"], line["log_level"]) for line in said] == [
        ("stumbles", "error"),
        ("stays", "error"),
    ]
    released.set()
