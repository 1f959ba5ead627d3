"""A pressed-3 call that rang and that nobody has seen: its supervisor is told, once, also after a restart."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from appeals.case.audience import supervisors
from appeals.case.conflicts import accused_of
from appeals.case.model import Appeal
from push.events import PopUnseen
from push.model import UnseenWatch
from store import outbox
from store.base import table
from store.fast.prepared import prepared
from store.upsert import insert_new

__all__ = ["SEEN_WITHIN", "settle", "unseen_tick", "watch"]

SEEN_WITHIN = timedelta(seconds=30)


async def watch(session: AsyncSession, call_id: str, now: datetime) -> None:
    """Start the clock of a pressed-3 call at its first pop; a clock that runs, or ran, is left alone."""
    clock = {"call_id": call_id, "due_at": now + SEEN_WITHIN}
    await insert_new(session, UnseenWatch, clock, key=("call_id",))


async def settle(session: AsyncSession, call_id: str) -> None:
    """Stop the clock: somebody has acknowledged a pop of the call, or answered it."""
    await session.execute(_SETTLE, {"call": call_id})


_WATCHES = table(UnseenWatch)
_SETTLE = prepared(
    update(_WATCHES).where(_WATCHES.c.call_id == bindparam("call")).values(due_at=None)
)


async def unseen_tick(session: AsyncSession, now: datetime) -> int:
    """Tell supervisors of every call whose 30 seconds are over; return how many calls that were.

    A clock that would take longer than that was wound when ours was ahead: it begins again.
    """
    await session.execute(
        update(UnseenWatch)
        .where(UnseenWatch.due_at > now + SEEN_WITHIN)
        .values(due_at=now + SEEN_WITHIN)
        .execution_options(synchronize_session=False)
    )
    due = await session.scalars(
        update(UnseenWatch)
        .where(UnseenWatch.due_at <= now)
        .values(due_at=None, told_at=now)
        .returning(UnseenWatch.call_id)
        .execution_options(synchronize_session="fetch")
    )
    calls = sorted(due)
    if calls:
        await _tell(session, calls, now)
    return len(calls)


async def _tell(session: AsyncSession, calls: Sequence[str], now: datetime) -> None:
    rows = await session.execute(
        select(Appeal.call_id, Appeal.number, Appeal.department_id)
        .where(Appeal.call_id.in_(calls))
        .order_by(Appeal.number.desc())
    )
    appeals = {row.call_id: row for row in rows}  # the first appeal of each call
    accused = await accused_of(session, [row.number for row in appeals.values()])
    for call in calls:
        appeal = appeals.get(call)
        department = appeal.department_id if appeal else None
        except_ = accused.get(appeal.number, ()) if appeal else ()
        to = await supervisors(session, department, except_=except_)
        event = PopUnseen(call=call, appeal=appeal.number if appeal else None)
        outbox.publish(session, event, at=now, audience=to.to_json())
