from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from store.writer import Writer
from tests.appeals.world import World
from tests.web.site import Site


@pytest.fixture
def world(sessions: async_sessionmaker[AsyncSession], writer: Writer) -> World:
    return World(sessions, writer)


@pytest.fixture
async def site(world: World, tmp_path: Path) -> AsyncIterator[Site]:
    """The web application over a fresh company, on SQLite and once more on PostgreSQL."""
    site = Site(world, tmp_path / "data")
    yield site
    await site.close()
