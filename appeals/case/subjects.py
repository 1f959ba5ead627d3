"""What the rights must know of an appeal or a call, read from the database."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from appeals.case import conflicts, hot
from appeals.case.conflicts import ACCUSED, ANSWERED, Row
from appeals.case.model import Appeal, AppealCall
from appeals.case.rights import Action, Allowed, Person, Subject, conflict, may
from appeals.case.scope import OWN_COLUMNS, PRESS
from calls.model import Call
from people import directory
from people.access.audience import Viewer
from people.model import Employee, Role

__all__ = [
    "PRESS",
    "for_verb",
    "of_appeal",
    "of_call",
    "of_call_alone",
    "of_orphan",
    "owned_now",
    "read",
]


async def of_appeal(session: AsyncSession, appeal: Appeal) -> Subject:
    """Return `appeal` as the rights of reading see it now; of a verb ask `for_verb`."""
    subject, _ = await read(session, appeal)
    return subject


async def read(session: AsyncSession, appeal: Appeal) -> tuple[Subject, dict[int, datetime]]:
    """Return `of_appeal`, and employee → time of answers without a conflict yet.

    Those are the employees who answered the press call.
    """
    found = (await session.execute(hot.OF_APPEAL, {"number": appeal.number, "press": PRESS})).all()
    legs = [row for row in found if row.id is None]
    rows = [Row(r.id, r.employee_id, r.degree, r.lifts) for r in found if r.id is not None]
    talked = frozenset(leg.employee_id for leg in legs if leg.answered_at is not None)
    by_machine = appeal.press_key is not None
    known = conflicts.mentioned(rows, ANSWERED)
    unwritten = {
        leg.employee_id: leg.answered_at
        for leg in legs
        if by_machine and leg.answered_at is not None and leg.employee_id not in known
    }
    sign = frozenset() if appeal.accused_id is None else frozenset({appeal.accused_id})
    subject = Subject(
        number=appeal.number,
        departments=await directory.ancestors(session, appeal.department_id),
        telephones=frozenset(leg.employee_id for leg in legs),
        talked=talked,
        own=_own(appeal),
        accused=conflicts.in_force(rows, ACCUSED) | sign,
        answered_by=conflicts.in_force(rows, ANSWERED) | frozenset(unwritten),
        named=bool(sign) or any(row.degree == ACCUSED for row in rows),
    )
    return subject, unwritten


def _own(appeal: Appeal) -> frozenset[int]:
    named = (getattr(appeal, column) for column in OWN_COLUMNS)
    return frozenset(employee for employee in named if employee is not None)


def owned_now(subject: Subject, appeal: Appeal) -> Subject:
    """Return `subject` after a change of the person responsible for `appeal`. Pure."""
    return replace(subject, own=_own(appeal))


async def for_verb(session: AsyncSession, appeal: Appeal, actor: Person) -> Subject:
    """Return `appeal` as the rights of a verb by `actor` see it, with the conflict rule set."""
    subject = await of_appeal(session, appeal)
    subject = replace(subject, rule=await conflicts.rule(session))
    if actor.role == Role.ADMIN:
        subject = replace(subject, supervised=await _is_supervised(session, subject))
    return subject


async def _is_supervised(session: AsyncSession, subject: Subject) -> bool:
    """Return whether a supervisor in charge of the appeal stands outside the conflict.

    Then no admin acts.
    """
    found = await session.scalars(
        select(Employee).where(Employee.role == Role.SUPERVISOR, Employee.disabled_at.is_(None))
    )
    people = [Viewer.of(employee) for employee in found]
    return any(
        conflict(each.id, subject) is None and may(each, Action.READ, subject) == Allowed()
        for each in people
    )


async def of_call(session: AsyncSession, call: Call) -> list[Subject]:
    """Return the appeals of the call, then the call itself, as the rights see them.

    A person who may read any of them may read the call, unless it is of an appeal about that
    person.
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
    rows = (await session.execute(hot.CALL_AND_LEGS, {"call": call})).all()
    return Subject(
        departments=await directory.ancestors(session, rows[0].department_id),
        telephones=frozenset(row.employee_id for row in rows if row.employee_id is not None),
    )


async def of_orphan(session: AsyncSession) -> Subject:
    """Return what a recording without a call is to the rights: a thing of the whole company."""
    return Subject(departments=(await directory.root_id(session),))
