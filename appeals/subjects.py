"""What the rights must know of an appeal or a call, read from the database."""

from datetime import datetime

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from appeals.model import Appeal, AppealCall, Kind
from appeals.rights import Subject
from calls.model import Call, Leg
from people import directory
from store.base import table
from store.prepared import prepared

__all__ = ["PRESS", "of_appeal", "of_call", "of_call_alone", "of_orphan"]

PRESS = "press"  # AppealCall.link of the call that opened the appeal


_CALLS, _LEGS, _LINKS = table(Call), table(Leg), table(AppealCall)
_LEGS_OF_APPEAL = prepared(
    select(_LEGS.c.employee_id, _LEGS.c.answered_at, _LINKS.c.link)
    .join(_LINKS, _LINKS.c.call_id == _LEGS.c.call_id)
    .where(_LINKS.c.appeal_number == bindparam("number"), _LEGS.c.employee_id.is_not(None))
)
_CALL_AND_LEGS = prepared(
    select(_CALLS.c.department_id, _LEGS.c.employee_id)
    .outerjoin(_LEGS, _LEGS.c.call_id == _CALLS.c.id)
    .where(_CALLS.c.id == bindparam("call"))
)


async def of_appeal(session: AsyncSession, appeal: Appeal) -> Subject:
    """Return `appeal` as the rights see it now."""
    legs = await session.execute(_LEGS_OF_APPEAL, {"number": appeal.number})
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
    return [*subjects, await of_call_alone(session, call.id)]


async def of_call_alone(session: AsyncSession, call: str) -> Subject:
    """Return the call itself as the rights see it, without its appeals."""
    rows = (await session.execute(_CALL_AND_LEGS, {"call": call})).all()
    return Subject(
        departments=await directory.ancestors(session, rows[0].department_id),
        telephones=frozenset(row.employee_id for row in rows if row.employee_id is not None),
    )


async def of_orphan(session: AsyncSession) -> Subject:
    """Return what a recording without a call is to the rights: a thing of the whole company."""
    return Subject(departments=(await directory.root_id(session),))
