"""The messages to screens and other programs, written in the transaction that caused it.

`emit` only collects; `store.writer.Writer` numbers the messages last, just before the commit, under
the one lock (`assign`) that makes commit order and `seq` order the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Integer, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from store.base import Base, table
from store.errors import CommitFailed
from store.fast.prepared import prepared
from store.typed import Typed

__all__ = [
    "Message",
    "OutboxCounter",
    "OutboxRow",
    "assign",
    "emit",
    "last_seq",
    "mark",
    "numbered",
    "pending",
    "publish",
    "read_after",
    "rewind",
]

_PENDING = "press3_outbox"


class OutboxRow(Base):
    __tablename__ = "outbox"

    seq: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False
    )
    type: Mapped[str]
    at: Mapped[datetime] = mapped_column(index=True)
    audience: Mapped[dict[str, Any]]
    data: Mapped[dict[str, Any]]


class OutboxCounter(Base):
    """One row. Updating it holds a row lock to the commit, on PostgreSQL as on SQLite."""

    __tablename__ = "outbox_counter"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last_seq: Mapped[int] = mapped_column(BigInteger)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """`seq` is 0 until the writer numbers it. `audience` is the JSON form of `people.access.audience.Audience`."""

    type: str
    at: datetime
    audience: dict[str, Any]
    data: dict[str, Any]
    seq: int = 0


def publish(session: AsyncSession, event: Typed, *, at: datetime, audience: dict[str, Any]) -> None:
    """Publish `event` to `audience`, as of `Message`, once the transaction commits."""
    emit(session, Message(type=event.TYPE, at=at, audience=audience, data=event.to_data()))


def emit(session: AsyncSession, message: Message) -> None:
    """Publish `message` to its audience once the surrounding transaction commits."""
    session.info.setdefault(_PENDING, []).append(message)


def mark(session: AsyncSession) -> int:
    """Return how many messages wait in `session`, for `rewind`."""
    return len(session.info.get(_PENDING, ()))


def rewind(session: AsyncSession, mark: int) -> None:
    """Forget what was emitted since `mark`: its SAVEPOINT was rolled back."""
    del session.info.setdefault(_PENDING, [])[mark:]


def pending(session: AsyncSession) -> list[Message]:
    """Return what was emitted in `session` and not yet numbered."""
    return list(session.info.get(_PENDING, ()))


_COUNTER = table(OutboxCounter)
_COUNT_ON = prepared(
    update(_COUNTER)
    .where(_COUNTER.c.id == 1)
    .values(last_seq=_COUNTER.c.last_seq + bindparam("more", type_=Integer))
    .returning(_COUNTER.c.last_seq)
)
_INSERT = prepared(insert(table(OutboxRow)))


async def assign(session: AsyncSession, messages: Sequence[Message]) -> int | None:
    """Number and insert `messages`; return the last seq, None when there is nothing.

    From here to its end the transaction holds the one lock of all writers: do it last.
    """
    if not messages:
        return None
    last: int | None = await session.scalar(_COUNT_ON, {"more": len(messages)})
    if last is None:
        raise CommitFailed("the outbox counter row is missing: run `press3 migrate`")
    first = last - len(messages) + 1
    await session.execute(
        _INSERT,
        [
            {"seq": first + i, "type": m.type, "at": m.at, "audience": m.audience, "data": m.data}
            for i, m in enumerate(messages)
        ],
    )
    return last


def numbered(messages: Sequence[Message], last: int) -> list[Message]:
    """Return `messages` as `assign` numbered them when it returned `last`."""
    first = last - len(messages) + 1
    return [replace(message, seq=first + i) for i, message in enumerate(messages)]


async def last_seq(session: AsyncSession) -> int:
    """Return the seq of the newest committed message, 0 when there was none."""
    return await session.scalar(select(OutboxCounter.last_seq)) or 0


async def read_after(session: AsyncSession, seq: int, limit: int = 500) -> Sequence[Message]:
    """Return at most `limit` messages with a seq greater than `seq`, in order."""
    rows = await session.scalars(
        select(OutboxRow).where(OutboxRow.seq > seq).order_by(OutboxRow.seq).limit(limit)
    )
    return [
        Message(type=r.type, at=r.at, audience=r.audience, data=r.data, seq=r.seq) for r in rows
    ]
