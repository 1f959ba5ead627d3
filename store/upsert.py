"""INSERT … ON CONFLICT DO NOTHING on both databases: exactly once under a race, without an error."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import Executable, Row
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from store.base import Base, table
from store.fast.prepared import prepared

__all__ = ["insert_new"]


async def insert_new(
    session: AsyncSession, model: type[Base], values: Mapping[str, Any], *, key: tuple[str, ...]
) -> Row[Any] | None:
    """Insert a row and return its primary key; None when one with equal `key` columns exists.

    On PostgreSQL it waits for another transaction that is inserting the same key just now.
    """
    await session.flush()
    statement = _statement(session.get_bind().dialect.name, model, key)
    return (await session.execute(statement, values)).one_or_none()


@cache
def _statement(dialect: str, model: type[Base], key: tuple[str, ...]) -> Executable:
    make = postgresql.insert if dialect == "postgresql" else sqlite.insert
    into = table(model)
    return prepared(
        make(into).on_conflict_do_nothing(index_elements=key).returning(*into.primary_key)
    )
