import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from store.writer import Writer
from tests.appeals.world import World


@pytest.fixture
def world(sessions: async_sessionmaker[AsyncSession], writer: Writer) -> World:
    """A fresh company on SQLite, and once more on PostgreSQL."""
    return World(sessions, writer)
