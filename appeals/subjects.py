"""What the rights must know of an appeal or a call, read from the database."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from appeals.model import Appeal, AppealCall, Kind
from appeals.rights import Subject
from calls.model import Call, Leg
from people import directory

__all__ = ["PRESS", "of_appeal", "of_call", "of_orphan"]

PRESS = "press"  # AppealCall.link of the call that opened the appeal


async def of_appeal(session: AsyncSession, appeal: Appeal) -> Subject:
    """Return `appeal` as the rights see it now."""
    legs = await session.execute(
        select(Leg.employee_id, Leg.answered_at, AppealCall.link)
        .join(AppealCall, AppealCall.call_id == Leg.call_id)
        .where(AppealCall.appeal_number == appeal.number, Leg.employee_id.is_not(None))
    )
    rows = [(leg.employee_id, leg.answered_at, leg.link) for leg in legs]
    return Subject(
        number=appeal.number,
        departments=await directory.ancestors(session, appeal.department_id),
        telephones=frozenset(employee for employee, _, _ in rows if employee is not None),
        responsible_id=appeal.responsible_id,
        accused_id=appeal.accused_id,
        answered_by=_in_conflict(appeal, rows),
    )


def _in_conflict(
    appeal: Appeal, legs: list[tuple[int | None, datetime | None, str]]
) -> frozenset[int]:
    """Who answered the call that opened a complaint by itself; others' appeals know no such conflict."""
    if appeal.press_key is None or appeal.kind != Kind.COMPLAINT:
        return frozenset()
    return frozenset(e for e, answered_at, link in legs if e and answered_at and link == PRESS)


async def of_call(session: AsyncSession, call: Call) -> list[Subject]:
    """Return the appeals that the call belongs to, then the call itself, as the rights see them.

    Who may read any of them may read the call.
    """
    appeals = await session.scalars(
        select(Appeal)
        .join(AppealCall, AppealCall.appeal_number == Appeal.number)
        .where(AppealCall.call_id == call.id)
        .order_by(Appeal.number)
    )
    subjects = [await of_appeal(session, appeal) for appeal in appeals.all()]
    return [*subjects, await _of_call_alone(session, call)]


async def _of_call_alone(session: AsyncSession, call: Call) -> Subject:
    rang = await session.scalars(
        select(Leg.employee_id).where(Leg.call_id == call.id, Leg.employee_id.is_not(None))
    )
    return Subject(
        departments=await directory.ancestors(session, call.department_id),
        telephones=frozenset(employee for employee in rang if employee is not None),
    )


async def of_orphan(session: AsyncSession) -> Subject:
    """Return what a recording without a call is to the rights: a thing of the whole company."""
    return Subject(departments=((await directory.root_department(session)).id,))
