"""AMI events as they arrived, so that the state of open calls can be rebuilt after a restart."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from store.base import Base, table
from store.fast.prepared import insert_later, prepared

__all__ = ["JournalEntry", "JournalRow", "append", "prune", "read_after", "read_open"]


class JournalRow(Base):
    """`id` is the order of arrival: a PBX has one writer at a time. `call_id` null: of no call we keep."""

    __tablename__ = "journal"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    pbx: Mapped[str]
    at: Mapped[datetime]
    call_id: Mapped[str | None] = mapped_column(index=True)
    raw: Mapped[bytes]

    __table_args__ = (Index("ix_journal_pbx_at", "pbx", "at"), Index("ix_journal_at", "at"))


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One event: `at` in PBX time, `raw` the bytes as they came."""

    pbx: str
    at: datetime
    call_id: str | None
    raw: bytes


_INSERT = prepared(insert(table(JournalRow)))


async def append(session: AsyncSession, rows: Sequence[JournalEntry]) -> None:
    """Store `rows` in this order."""
    if rows:
        await insert_later(
            session,
            _INSERT,
            [{"pbx": r.pbx, "at": r.at, "call_id": r.call_id, "raw": r.raw} for r in rows],
        )


async def read_open(session: AsyncSession, pbx: str, since: datetime) -> Sequence[JournalEntry]:
    """Return every event of `pbx` from the first one at or after `since` on, in order of arrival.

    `since` is the start of the earliest open call. Events of other calls come too: calls meet in
    queues, bridges and transfers, and a tracker that had seen only half would see another call.
    """
    first = select(func.min(JournalRow.id)).where(JournalRow.pbx == pbx, JournalRow.at >= since)
    rows = await session.execute(
        select(JournalRow.at, JournalRow.call_id, JournalRow.raw)
        .where(JournalRow.pbx == pbx, JournalRow.id >= first.scalar_subquery())
        .order_by(JournalRow.id)
    )
    return [JournalEntry(pbx=pbx, at=at, call_id=call, raw=raw) for at, call, raw in rows]


async def read_after(
    session: AsyncSession, pbx: str, after: int, since: datetime, *, limit: int = 2_000
) -> tuple[Sequence[JournalEntry], int]:
    """Return the next events of `pbx` from `since` on, in order of arrival, and the place behind them.

    `after` is that place of the last reading, 0 at the beginning. No events: there are no more.
    """
    found = await session.execute(
        select(JournalRow.id, JournalRow.at, JournalRow.call_id, JournalRow.raw)
        .where(JournalRow.pbx == pbx, JournalRow.id > after, JournalRow.at >= since)
        .order_by(JournalRow.id)
        .limit(limit)
    )
    rows = found.all()
    entries = [JournalEntry(pbx=pbx, at=at, call_id=call, raw=raw) for _, at, call, raw in rows]
    return entries, rows[-1].id if rows else after


async def prune(
    session: AsyncSession,
    before: datetime,
    *,
    open_since: datetime | None = None,
    limit: int = 1_000,
) -> int:
    """Delete at most `limit` events older than `before`; return how many, 0 when none are left.

    `open_since` is the start of the earliest open call, None when no call is open: from there on
    events are kept however old they are. Call again until 0: short transactions let others write.
    """
    end = before if open_since is None else min(before, open_since)
    old = select(JournalRow.id).where(JournalRow.at < end).order_by(JournalRow.at).limit(limit)
    gone = await session.execute(
        delete(JournalRow).where(JournalRow.id.in_(old.scalar_subquery())).returning(JournalRow.id)
    )
    return len(gone.all())
