"""The deadline of an appeal: one warning, one report when missed, also across restarts.

There is one deadline in wall time, `resolve`: set when the appeal is opened, met by reaching the
phase `responded`. Being due is not an event that could be lost but a question asked of the rows.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Select, and_, exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from appeals.case import audience, history
from appeals.case.history import Record
from appeals.case.model import Appeal
from appeals.case.stages import UNRESOLVED
from appeals.deadlines.entries import DeadlineDueSoon, DeadlineOverdue, DeadlineReached
from appeals.deadlines.model import DeadlineNotice
from store.outbox import publish
from store.upsert import insert_new

__all__ = ["RESOLVE", "DeadlineSettings", "Level", "is_time", "tick"]

RESOLVE: Final = "resolve"  # the deadline's name in events and history
_AT_ONCE: Final = 200  # a transaction stays short; the rest comes with the next tick


class Level(enum.StrEnum):
    """How near a deadline is."""

    DUE_SOON = "due_soon"
    OVERDUE = "overdue"


@dataclass(frozen=True, kw_only=True)
class DeadlineSettings:
    """How long a case may take, and when the warning comes.

    `resolve_h`: hours from opening to the deadline. `due_soon_h`: hours before it that the warning
    comes, at most half of `resolve_h`.
    """

    resolve_h: float = 24
    due_soon_h: float = 4

    @property
    def lead(self) -> timedelta:
        """How long before the deadline the warning comes."""
        return timedelta(hours=min(self.due_soon_h, self.resolve_h / 2))


async def is_time(session: AsyncSession, now: datetime, settings: DeadlineSettings) -> bool:
    """Return whether `tick` has something to publish; for a reader, so that no press waits."""
    for level in Level:
        if (await session.scalars(_untold(level, now, settings.lead).limit(1))).first() is not None:
            return True
    return False


async def tick(session: AsyncSession, now: datetime, settings: DeadlineSettings) -> int:
    """Publish each deadline that is due soon or overdue and was not yet; return how many.

    A deadline found overdue is not announced as due soon afterwards.
    """
    told = 0
    for level in Level:
        untold = await session.scalars(_untold(level, now, settings.lead).limit(_AT_ONCE))
        # Locks are taken in one order everywhere.
        for appeal in sorted(untold, key=lambda appeal: appeal.number):
            told += await _tell(session, appeal, level, now)
    return told


def _untold(level: Level, now: datetime, lead: timedelta) -> Select[Appeal]:
    # At `due_at` it is overdue. In no order: to sort, the database would read every deadline there
    # ever was.
    due = Appeal.deadline_at
    at_level = due <= now if level is Level.OVERDUE else and_(due > now, due <= now + lead)
    was_told = exists().where(
        DeadlineNotice.appeal_number == Appeal.number,
        DeadlineNotice.due_at == Appeal.deadline_at,
        DeadlineNotice.level == level,
    )
    return select(Appeal).where(at_level, Appeal.phase.in_(UNRESOLVED), ~was_told)


async def _tell(session: AsyncSession, appeal: Appeal, level: Level, now: datetime) -> bool:
    notice = {"appeal_number": appeal.number, "due_at": _due(appeal), "level": level, "at": now}
    key = ("appeal_number", "due_at", "level")
    if await insert_new(session, DeadlineNotice, notice, key=key) is None:
        return False  # another process published it a moment ago
    due_at = _due(appeal).isoformat()
    entry = DeadlineReached(name=RESOLVE, level=level.value, due_at=due_at)
    await history.append(session, appeal.number, Record(now, entry))
    to = await audience.of_appeal(session, appeal)
    event = _EVENTS[level](number=appeal.number, name=RESOLVE, due_at=due_at)
    publish(session, event, at=now, audience=to.to_json())
    return True


_EVENTS: Final[Mapping[Level, type[DeadlineDueSoon | DeadlineOverdue]]] = {
    Level.DUE_SOON: DeadlineDueSoon,
    Level.OVERDUE: DeadlineOverdue,
}


def _due(appeal: Appeal) -> datetime:
    assert appeal.deadline_at is not None  # the query asked for it
    return appeal.deadline_at
