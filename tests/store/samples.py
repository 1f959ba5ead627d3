"""Small pieces of work for the tests of the store."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from people.model import Department
from store import outbox

__all__ = ["NOON", "add", "message", "names", "say"]

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def message(text: str) -> outbox.Message:
    return outbox.Message(type="test", at=NOON, audience={}, data={"text": text})


def add(name: str) -> Callable[[AsyncSession], Awaitable[str]]:
    """Return work that stores a department and tells it."""

    async def work(session: AsyncSession) -> str:
        session.add(Department(name=name))
        await session.flush()
        outbox.emit(session, message(name))
        return name

    return work


async def names(sessions: async_sessionmaker[AsyncSession]) -> list[str]:
    """Return the departments stored beside the root, in order of storing."""
    async with sessions() as session:
        found = await session.scalars(select(Department.name).order_by(Department.id).offset(1))
        return list(found)


async def say(sessions: async_sessionmaker[AsyncSession], after: int = 0) -> list[tuple[int, Any]]:
    """Return (seq, text) of the messages after `after`."""
    async with sessions() as session:
        return [(m.seq, m.data["text"]) for m in await outbox.read_after(session, after)]
