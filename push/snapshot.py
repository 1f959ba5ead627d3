"""What a screen shows when it comes, and what it missed: read so that nothing is lost or told twice.

A snapshot and its `seq` are read in one transaction that sees one state of the database; the events
after that `seq` bring it up to what a fresh snapshot would show.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from appeals.card import view
from appeals.case.conflicts import Hidden, hidden_from
from people.access.audience import Audience, Viewer
from push.hiding import card_without, messages_without
from push.model import Pop
from store import outbox
from store.outbox import Message, OutboxRow

__all__ = ["KEPT", "Start", "missed", "prune", "read_snapshot", "start"]

KEPT = timedelta(days=14)
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Start:
    """Where a screen begins: at `seq`, with a snapshot, or with the events after `seq` (snapshot null)."""

    seq: int
    snapshot: dict[str, Any] | None


async def start(
    sessions: async_sessionmaker[AsyncSession], viewer: Viewer, last_seq: int | None
) -> Start:
    """Return where a screen that remembers `last_seq` begins; a snapshot when its rows are not kept."""
    async with _one_state(sessions) as session:
        last = await outbox.last_seq(session)
        if last_seq is not None and await _oldest(session, last) - 1 <= last_seq <= last:
            return Start(last_seq, None)
        return Start(last, await read_snapshot(session, viewer))


async def _oldest(session: AsyncSession, last: int) -> int:
    oldest = await session.scalar(select(func.min(OutboxRow.seq)))
    return last + 1 if oldest is None else oldest


@asynccontextmanager
async def _one_state(sessions: async_sessionmaker[AsyncSession]) -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        if session.get_bind().dialect.name == "postgresql":  # SQLite reads one state anyway
            await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        yield session


async def read_snapshot(session: AsyncSession, viewer: Viewer) -> dict[str, Any]:
    """Return what the viewer's screen shows now: his ringing pops and the calls he answered and is in."""
    pops = await session.scalars(
        select(Pop)
        .where(Pop.employee_id == viewer.id, Pop.withdrawn_at.is_(None))
        .order_by(Pop.shown_at, Pop.pop_id)
    )
    current = await session.scalars(
        select(Pop)
        .where(
            Pop.employee_id == viewer.id,
            Pop.reason == "answered_here",
            Pop.left_at.is_(None),
        )
        .order_by(Pop.shown_at, Pop.pop_id)
    )
    hidden = await hidden_from(session, viewer.id)
    return {
        "pops": [card_without(pop.card, hidden) for pop in pops],
        "calls": await _calls(session, current.all(), hidden),
    }


async def _calls(
    session: AsyncSession, pops: Sequence[Pop], hidden: Hidden
) -> list[dict[str, Any]]:
    told = await view.calls(session, [pop.call_id for pop in pops], hidden)
    cards = {pop.call_id: card_without(pop.card, hidden) for pop in pops}
    return [{**call, "pop": cards[call["id"]]} for call in told]


async def missed(session: AsyncSession, viewer: Viewer, seq: int) -> tuple[list[Message], int]:
    """Return the viewer's messages of one page after `seq`, and the seq up to which that is all.

    The audience of each was decided when it was written; an accused is asked for again.
    """
    last = await outbox.last_seq(session)
    rows = await outbox.read_after(session, seq, _PAGE)
    upto = rows[-1].seq if len(rows) == _PAGE else max(last, rows[-1].seq if rows else 0)
    own = [row for row in rows if Audience.from_json(row.audience).includes(viewer)]
    hidden = await hidden_from(session, viewer.id) if own else Hidden()
    return list(messages_without(own, hidden)), upto


async def prune(
    session: AsyncSession, now: datetime, kept: timedelta = KEPT, *, limit: int = 500
) -> int:
    """Delete at most `limit` messages older than `kept`, oldest first; return how many.

    Call again until 0: short transactions let others write.
    """
    newest = await session.scalar(select(func.max(OutboxRow.seq)).where(OutboxRow.at < now - kept))
    if newest is None:
        return 0
    oldest = select(OutboxRow.seq).where(OutboxRow.seq <= newest).order_by(OutboxRow.seq)
    last = await session.scalar(oldest.offset(limit - 1).limit(1))
    upto = newest if last is None else last
    gone = await session.execute(delete(OutboxRow).where(OutboxRow.seq <= upto))
    return int(gone.rowcount)  # type: ignore[attr-defined]
