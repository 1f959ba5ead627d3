"""The conflicts of cases older than conflicts: an upkeep job writes them in pieces.

Until the job is there, the older signs protect those cases just the same
(`appeals.case.conflicts`).
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy import Select, exists, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from appeals.case import changing, conflicts, history, subjects
from appeals.case.conflicts import ACCUSED, ANSWERED
from appeals.case.entries import Changed
from appeals.case.model import Appeal, AppealCall, AppealConflict, HistoryEntry
from appeals.case.rights import AnsweredBy
from appeals.case.scope import PRESS
from appeals.case.stages import UNRESOLVED
from calls.model import Leg
from store import progress

__all__ = ["JOB", "next_held", "next_numbers", "withdraw", "write_conflicts"]

JOB: Final = "conflicts of stored cases"
_AT_ONCE: Final = 40  # appeals of one transaction: presses wait for it


async def next_numbers(session: AsyncSession) -> Sequence[int] | None:
    """Return the next appeals whose conflicts are not stored; None when the job is done.

    Asked of a reader: nobody waits for the search. Empty: nothing is left.
    """
    place = await progress.place_of(session, JOB)
    if place is None:
        return None
    found = set(await session.scalars(_answered_after(place)))
    found |= set(await session.scalars(_accused_after(place)))
    return sorted(found)[:_AT_ONCE]


def _answered_after(place: int) -> Select[int]:
    """Ask by exists, not by joins.

    Then the appeals are gone through in their order until there are enough.
    """
    unwritten = ~exists().where(
        AppealConflict.appeal_number == AppealCall.appeal_number,
        AppealConflict.employee_id == Leg.employee_id,
        AppealConflict.degree == ANSWERED,
    )
    answered = exists(
        select(AppealCall.call_id)
        .join(Leg, Leg.call_id == AppealCall.call_id)
        .where(
            AppealCall.appeal_number == Appeal.number,
            AppealCall.link == PRESS,
            Leg.answered_at.is_not(None),
            Leg.employee_id.is_not(None),
            unwritten,
        )
        .correlate(Appeal)
    )
    return (
        select(Appeal.number)
        .where(Appeal.number > place, Appeal.press_key.is_not(None), answered)
        .order_by(Appeal.number)
        .limit(_AT_ONCE)
    )


def _accused_after(place: int) -> Select[int]:
    return (
        select(Appeal.number)
        .where(
            Appeal.number > place,
            Appeal.accused_id.is_not(None),
            ~exists().where(
                AppealConflict.appeal_number == Appeal.number,
                AppealConflict.employee_id == Appeal.accused_id,
                AppealConflict.degree == ACCUSED,
            ),
        )
        .order_by(Appeal.number)
        .limit(_AT_ONCE)
    )


async def write_conflicts(session: AsyncSession, numbers: Sequence[int], *, now: datetime) -> None:
    """Write the conflicts of `numbers`, in ascending order, and how far the job is.

    No numbers: it is done.
    """
    for number in numbers:
        appeal = await changing.load(session, number)
        _, unwritten = await subjects.read(session, appeal)
        await conflicts.add(session, number, unwritten, ANSWERED, by=None)
        entries = [
            conflicts.written(now, employee, ANSWERED, call=appeal.call_id, stored_before=True)
            for employee in sorted(unwritten)
        ]
        accused = appeal.accused_id
        rows = await conflicts.rows_of(session, number)
        if accused is not None and accused not in conflicts.mentioned(rows, ACCUSED):
            since, by = await _named(session, number, now)
            await conflicts.add(session, number, {accused: since}, ACCUSED, by=by)
            entries.append(conflicts.written(now, accused, ACCUSED, stored_before=True))
        if entries:
            await history.append(session, number, *entries)
    if numbers:
        await progress.reached(session, JOB, numbers[-1])
    else:
        await progress.done(session, JOB, now)


async def _named(session: AsyncSession, number: int, now: datetime) -> tuple[datetime, int | None]:
    """Return when the accused was named, and the id of the author, as the history has it."""
    changes = await session.scalars(
        select(HistoryEntry)
        .where(HistoryEntry.appeal_number == number, HistoryEntry.action == Changed.TYPE)
        .order_by(HistoryEntry.n.desc())
    )
    for row in changes:
        if Changed.from_data(row.data).field == "accused":
            return row.at, row.author_id
    return now, None


# -- cases in the hands of somebody in conflict -----------------------------------------------


async def next_held(session: AsyncSession, place: int) -> Sequence[int]:
    """Return the next open appeals after `place` whose responsible is in conflict.

    Older versions let a retyped case be taken, and a changed `[conflict] answered_by` may bar the
    employee who took one. For a reader.
    """
    rule = await conflicts.rule(session)
    degrees = {ACCUSED} if rule is AnsweredBy.NONE else {ACCUSED, ANSWERED}
    lifting = aliased(AppealConflict)
    in_conflict = exists().where(
        AppealConflict.appeal_number == Appeal.number,
        AppealConflict.employee_id == Appeal.responsible_id,
        AppealConflict.degree.in_(degrees),
        AppealConflict.lifts.is_(None),
        ~exists().where(lifting.lifts == AppealConflict.id),
    )
    held = (
        select(Appeal.number)
        .where(Appeal.number > place, Appeal.phase.in_(UNRESOLVED))
        .where(Appeal.responsible_id.is_not(None), in_conflict)
    )
    return (await session.scalars(held.order_by(Appeal.number).limit(_AT_ONCE))).all()


async def withdraw(session: AsyncSession, numbers: Sequence[int], *, now: datetime) -> None:
    """Take `numbers`, in ascending order, from responsible persons in conflict."""
    rule = await conflicts.rule(session)
    for number in numbers:
        appeal = await changing.load(session, number)
        if appeal.phase not in UNRESOLVED:
            continue
        subject = replace(await subjects.of_appeal(session, appeal), rule=rule)
        if entries := await changing.withdraw_responsible(session, appeal, subject, now=now):
            await changing.write(session, appeal, *entries, now=now)
