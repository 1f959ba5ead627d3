"""The deadline of an appeal: warned of once, reported once when missed, also across restarts.

There is one deadline in wall time, `resolve`: set when the appeal is opened, met by reaching the
phase `responded`. Being due is not an event that could be lost but a question asked of the rows.
"""

import enum
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import and_, exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from appeals import audience, history
from appeals.history import Entry
from appeals.model import Appeal, DeadlineNotice
from appeals.stages import UNRESOLVED
from store.outbox import Message, emit
from store.upsert import insert_new

__all__ = ["RESOLVE", "DeadlineSettings", "Level", "level_at", "tick"]

RESOLVE: Final = "resolve"  # the deadline's name in events and history
_AT_ONCE: Final = 200  # a transaction stays short; the rest comes with the next tick


class Level(enum.StrEnum):
    DUE_SOON = "due_soon"
    OVERDUE = "overdue"


@dataclass(frozen=True, kw_only=True)
class DeadlineSettings:
    """`resolve_h`: hours from opening to the deadline. `due_soon_h`: hours before it that the warning
    comes, at most half of `resolve_h`."""

    resolve_h: float = 24
    due_soon_h: float = 4

    @property
    def lead(self) -> timedelta:
        return timedelta(hours=min(self.due_soon_h, self.resolve_h / 2))


def level_at(due_at: datetime, now: datetime, lead: timedelta) -> Level | None:
    """Return how near a deadline is; None while it is far. At `due_at` it is overdue."""
    if now >= due_at:
        return Level.OVERDUE
    return Level.DUE_SOON if now >= due_at - lead else None


async def tick(session: AsyncSession, now: datetime, settings: DeadlineSettings) -> int:
    """Tell every deadline that is due soon or overdue and was not told so; return how many.

    A deadline found overdue is not announced as due soon afterwards.
    """
    told = 0
    for level in Level:
        for appeal in await _untold(session, level, now, settings.lead):
            told += await _tell(session, appeal, level, now)
    return told


async def _untold(
    session: AsyncSession, level: Level, now: datetime, lead: timedelta
) -> list[Appeal]:
    """The same question as `level_at`, asked of all rows."""
    due = Appeal.deadline_at
    at_level = due <= now if level is Level.OVERDUE else and_(due > now, due <= now + lead)
    was_told = exists().where(
        DeadlineNotice.appeal_number == Appeal.number,
        DeadlineNotice.due_at == Appeal.deadline_at,
        DeadlineNotice.level == level,
    )
    found = await session.scalars(
        select(Appeal)
        .where(at_level, Appeal.phase.in_(UNRESOLVED), ~was_told)
        .limit(_AT_ONCE)  # in no order: that would read every deadline there ever was
    )
    return sorted(
        found, key=lambda appeal: appeal.number
    )  # locks are taken in one order everywhere


async def _tell(session: AsyncSession, appeal: Appeal, level: Level, now: datetime) -> bool:
    notice = {"appeal_number": appeal.number, "due_at": _due(appeal), "level": level, "at": now}
    key = ("appeal_number", "due_at", "level")
    if await insert_new(session, DeadlineNotice, notice, key=key) is None:
        return False  # another process told it a moment ago
    due_at = _due(appeal).isoformat()
    data = {"name": RESOLVE, "level": level.value, "due_at": due_at}
    entry = Entry(at=now, author_id=None, action="deadline", data=data)
    await history.append(session, appeal.number, entry)
    to = await audience.of_appeal(session, appeal)
    message = {"number": appeal.number, "name": RESOLVE, "due_at": due_at}
    emit(
        session,
        Message(type=f"deadline.{level.value}", at=now, audience=to.to_json(), data=message),
    )
    return True


def _due(appeal: Appeal) -> datetime:
    assert appeal.deadline_at is not None  # the query asked for it
    return appeal.deadline_at
