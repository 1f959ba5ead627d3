"""What an engine says when the database refuses."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine


async def test_an_error_does_not_show_who_called(engine: AsyncEngine) -> None:
    with pytest.raises(DBAPIError) as refused:
        async with engine.connect() as connection:
            await connection.execute(
                text("INSERT INTO nowhere (number) VALUES (:number)"), {"number": "+79110000001"}
            )
    assert "nowhere" in str(refused.value)
    assert "+79110000001" not in str(refused.value) + repr(refused.value)
