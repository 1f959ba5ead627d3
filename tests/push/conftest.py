"""The desk of push's tests: its writer rings the bus, as in the service."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from push.bus import MemoryBus
from store.writer import Writer
from tests.push.desk import Desk


@pytest.fixture
def bus() -> MemoryBus:
    return MemoryBus()


@pytest.fixture
async def desk(
    engine: AsyncEngine, sessions: async_sessionmaker[AsyncSession], bus: MemoryBus
) -> AsyncIterator[Desk]:
    async with Writer(engine, on_commit=bus.ring, on_messages=bus.carry) as writer:
        yield Desk(writer, sessions)
