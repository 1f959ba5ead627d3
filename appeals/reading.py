"""What a person may read, as SQL: the same rule as `rights.may(…, READ, …)`, for lists.

A test compares the two over a whole company.
"""

from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Select,
    exists,
    false,
    func,
    or_,
    select,
    true,
    union,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, aliased

from appeals.model import Appeal, AppealCall
from appeals.rights import Person
from calls.model import Call, Leg
from people.model import Department, Role

__all__ = ["Reach", "appeals_for", "appeals_within_reach", "calls_for", "calls_within_reach"]

# Whoever may read no more than this has his list made of what he may read; for whoever may read more,
# the newest are looked through until the page is full.
_FEW = 2000


@dataclass(frozen=True, slots=True)
class Reach:
    """What a viewer may read, in the form that makes his lists fast. `is_short`: it can be read through."""

    condition: ColumnElement[bool]
    is_short: bool


def appeals_for(viewer: Person) -> ColumnElement[bool]:
    """Return the condition on `Appeal` that holds for what `viewer` may read."""
    if _reads_all(viewer):
        return true()
    # An exists in an exists, not a join: SQLite would begin with all that ever rang at his telephone.
    # An alias, because any call of the appeal counts, whatever call the query is about.
    link = aliased(AppealCall)
    at_his_telephone = exists().where(
        link.appeal_number == Appeal.number,
        exists().where(Leg.call_id == link.call_id, Leg.employee_id == viewer.id),
    )
    his_own = Appeal.responsible_id == viewer.id
    return or_(at_his_telephone, his_own, _in_department(viewer, Appeal.department_id))


def calls_for(viewer: Person) -> ColumnElement[bool]:
    """Return the condition on `Call` that holds for what `viewer` may read."""
    if _reads_all(viewer):
        return true()
    at_his_telephone = exists().where(Leg.call_id == Call.id, Leg.employee_id == viewer.id)
    of_an_appeal = exists(
        select(AppealCall.call_id)
        .join(Appeal, Appeal.number == AppealCall.appeal_number)
        .where(AppealCall.call_id == Call.id, appeals_for(viewer))
        .correlate(Call)
    )
    return or_(at_his_telephone, of_an_appeal, _in_department(viewer, Call.department_id))


async def appeals_within_reach(session: AsyncSession, viewer: Person) -> Reach:
    """Return what `appeals_for(viewer)` means."""
    if _reads_all(viewer) or not await _are_few(session, _appeals_of(viewer)):
        return Reach(appeals_for(viewer), is_short=False)
    return Reach(Appeal.number.in_(union(*_appeals_of(viewer))), is_short=True)


async def calls_within_reach(session: AsyncSession, viewer: Person) -> Reach:
    """Return what `calls_for(viewer)` means."""
    if _reads_all(viewer) or not await _are_few(session, _calls_of(viewer)):
        return Reach(calls_for(viewer), is_short=False)
    return Reach(Call.id.in_(union(*_calls_of(viewer))), is_short=True)


async def _are_few(session: AsyncSession, parts: list[Select[int]] | list[Select[str]]) -> bool:
    some = union_all(*parts).limit(_FEW + 1).subquery()
    return (await session.scalar(select(func.count()).select_from(some)) or 0) <= _FEW


def _appeals_of(viewer: Person) -> list[Select[int]]:
    """What `viewer` may read, beginning with him instead of the appeals."""
    parts = [
        select(AppealCall.appeal_number)
        .join(Leg, Leg.call_id == AppealCall.call_id)
        .where(Leg.employee_id == viewer.id),
        select(Appeal.number).where(Appeal.responsible_id == viewer.id),
    ]
    if viewer.role != Role.OPERATOR:
        parts.append(select(Appeal.number).where(_in_department(viewer, Appeal.department_id)))
    return parts


def _calls_of(viewer: Person) -> list[Select[str]]:
    parts = [
        select(Leg.call_id).where(Leg.employee_id == viewer.id),
        *(
            select(AppealCall.call_id).where(AppealCall.appeal_number.in_(each))
            for each in _appeals_of(viewer)
        ),
    ]
    if viewer.role != Role.OPERATOR:
        parts.append(select(Call.id).where(_in_department(viewer, Call.department_id)))
    return parts


def _reads_all(viewer: Person) -> bool:
    return viewer.role == Role.ADMIN or (
        viewer.role != Role.OPERATOR and viewer.department_id is None
    )


def _in_department(
    viewer: Person, column: InstrumentedAttribute[int | None]
) -> ColumnElement[bool]:
    if viewer.role == Role.OPERATOR or viewer.department_id is None:
        return false()
    return column.in_(_below(viewer.department_id))


def _below(department_id: int) -> Select[int]:
    """A department and all departments under it."""
    tree = select(Department.id).where(Department.id == department_id).cte(recursive=True)
    child = aliased(Department)
    tree = tree.union(select(child.id).join(tree, child.parent_id == tree.c.id))
    return select(tree.c.id)
