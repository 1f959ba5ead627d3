"""The relay reads rows for what was not carried by hand, and only for that."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from people.access.audience import Audience
from people.model import Employee
from push import relay as relay_module
from push.bus import MemoryBus
from push.hub import Hub
from push.relay import Relay
from store.outbox import Message, read_after
from store.writer import Writer
from tests.push.desk import Desk
from tests.waiting import until


def to(person: Employee) -> dict[str, Any]:
    return Audience(employees=(person.id,)).to_json()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The seqs behind which rows were read."""
    behind: list[int] = []

    async def counted(session: AsyncSession, seq: int, limit: int) -> Sequence[Message]:
        behind.append(seq)
        return await read_after(session, seq, limit)

    monkeypatch.setattr(relay_module.outbox, "read_after", counted)
    return behind


@asynccontextmanager
async def relaying(desk: Desk, bus: MemoryBus, hub: Hub, **how: Any) -> AsyncIterator[None]:
    task = asyncio.create_task(Relay(desk.sessions, hub, bus, **how).run())
    await until(lambda: hub.position is not None, what="the relay's beginning")
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_what_was_carried_is_not_read(desk: Desk, bus: MemoryBus, reads: list[int]) -> None:
    ann, hub = await desk.hire("ann", "101"), Hub()
    async with relaying(desk, bus, hub, poll_s=60):
        await until(lambda: len(reads) == 1, what="the first look")
        before = hub.position or 0
        for n in range(5):
            await desk.tell("test.n", to(ann), {"n": n})
        await until(lambda: hub.position == before + 5, what="all carried")
    assert len(reads) == 1


async def test_what_was_only_rung_is_read(
    engine: AsyncEngine, desk: Desk, bus: MemoryBus, reads: list[int]
) -> None:
    ann, hub = await desk.hire("ann", "101"), Hub()
    async with Writer(engine, on_commit=bus.ring) as elsewhere, relaying(desk, bus, hub, poll_s=60):
        before = hub.position or 0
        await replace(desk, writer=elsewhere).tell("test.n", to(ann), {"n": 0})
        await until(lambda: hub.position == before + 1, what="the row of another process")


async def test_a_bell_that_never_rings_costs_a_poll(
    engine: AsyncEngine, desk: Desk, bus: MemoryBus
) -> None:
    ann, hub = await desk.hire("ann", "101"), Hub()
    async with Writer(engine) as elsewhere, relaying(desk, bus, hub, poll_s=0.05):
        before = hub.position or 0
        await replace(desk, writer=elsewhere).tell("test.n", to(ann), {"n": 0})
        await until(lambda: hub.position == before + 1, what="the row nobody told of")
