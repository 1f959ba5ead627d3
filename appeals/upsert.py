"""INSERT … ON CONFLICT DO NOTHING on both databases: exactly once under a race, without an error."""

from collections.abc import Mapping
from typing import Any, TypeVar

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from store.base import Base

__all__ = ["insert_new"]

Row = TypeVar("Row", bound=Base)


async def insert_new(
    session: AsyncSession, model: type[Row], values: Mapping[str, Any], *, key: tuple[str, ...]
) -> Row | None:
    """Insert a row and return it; None when one with equal `key` columns exists.

    On PostgreSQL it waits for another transaction that is inserting the same key just now.
    """
    await session.flush()
    dialect = session.get_bind().dialect.name
    make = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return await session.scalar(
        make(model).values(**values).on_conflict_do_nothing(index_elements=key).returning(model)
    )
