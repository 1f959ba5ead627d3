"""A desk for every test: see `tests.recordings.at_hand`."""

from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from store.writer import Writer
from tests.recordings.at_hand import Desk


@pytest.fixture
def desk(writer: Writer, sessions: async_sessionmaker[AsyncSession], tmp_path: Path) -> Desk:
    (tmp_path / "monitor").mkdir()
    return Desk(writer, sessions, tmp_path)
