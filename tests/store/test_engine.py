"""What an engine says when the database refuses."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from store.engine import create_engine


async def test_an_error_does_not_show_who_called(engine: AsyncEngine) -> None:
    with pytest.raises(DBAPIError) as refused:
        async with engine.connect() as connection:
            await connection.execute(
                text("INSERT INTO nowhere (number) VALUES (:number)"), {"number": "+79110000001"}
            )
    assert "nowhere" in str(refused.value)
    assert "+79110000001" not in str(refused.value) + repr(refused.value)


async def test_a_new_file_that_another_process_begins_to_write_is_waited_for(
    tmp_path: Path,
) -> None:
    """Two commands at once on a database that is not there yet: neither is refused."""
    file = tmp_path / "new.db"
    engine = create_engine(f"sqlite+aiosqlite:///{file}")
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        opening = asyncio.create_task(_journal_mode(engine))
        done, _ = await asyncio.wait({opening}, timeout=0.2)
        assert not done, "refused, or written beside the other"
        other.execute("COMMIT")
        assert await asyncio.wait_for(opening, 10) == "wal"
    await engine.dispose()


async def _journal_mode(engine: AsyncEngine) -> str:
    async with engine.connect() as connection:
        mode = await connection.scalar(text("PRAGMA journal_mode"))
    assert isinstance(mode, str)
    return mode
