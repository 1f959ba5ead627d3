"""What a person may read, as SQL for lists: the scope and the conflict rule's accused.

The same as `rights.may(…, READ, …)`; a test compares the two over a whole company.
"""

from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
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

from appeals.case.conflicts import appeals_about, calls_about
from appeals.case.model import Appeal, AppealCall
from appeals.case.rights import Person
from appeals.case.scope import BY_DEPARTMENT, EVERYTHING, OWN_COLUMNS, PRESS
from calls.model import Call, Leg
from people.model import Department

__all__ = ["Reach", "appeals_for", "appeals_within_reach", "calls_for", "calls_within_reach"]

# A viewer who may read no more than this has a list made of all of it; for a viewer with more, the
# newest are looked through until the page is full.
_FEW = 2000


@dataclass(frozen=True, slots=True)
class Reach:
    """What a viewer may read, in the form that makes lists fast.

    `is_short`: it can be read through.
    """

    condition: ColumnElement[bool]
    is_short: bool


def appeals_for(viewer: Person) -> ColumnElement[bool]:
    """Return the condition on `Appeal` that holds for what `viewer` may read."""
    return and_(_appeals_in_scope(viewer), _not_about(viewer))


def _not_about(viewer: Person) -> ColumnElement[bool]:
    """No appeal about `viewer`: whatever the role."""
    return Appeal.number.not_in(appeals_about(viewer.id))


def _appeals_in_scope(viewer: Person) -> ColumnElement[bool]:
    if _reads_all(viewer):
        return true()
    # An exists in an exists, not a join: SQLite would begin with all that ever rang at that
    # telephone. An alias, because the query may be about another call of the appeal.
    link = aliased(AppealCall)
    at_own_telephone = exists().where(
        link.appeal_number == Appeal.number,
        link.link == PRESS,
        exists().where(Leg.call_id == link.call_id, Leg.employee_id == viewer.id),
    )
    own = [getattr(Appeal, column) == viewer.id for column in OWN_COLUMNS]
    return or_(at_own_telephone, *own, _in_department(viewer, Appeal.department_id))


def calls_for(viewer: Person) -> ColumnElement[bool]:
    """Return the condition on `Call` that holds for what `viewer` may read.

    A call of an appeal about `viewer` is left to those only at whose telephone it rang, and what it
    shows of the case is hidden (`appeals.card.view`).
    """
    not_about = _calls_not_about(viewer)
    if _reads_all(viewer):
        return not_about
    at_own_telephone = exists().where(Leg.call_id == Call.id, Leg.employee_id == viewer.id)
    of_an_appeal = exists(
        select(AppealCall.call_id)
        .join(Appeal, Appeal.number == AppealCall.appeal_number)
        .where(AppealCall.call_id == Call.id, _appeals_in_scope(viewer))
        .correlate(Call)
    )
    in_scope = or_(at_own_telephone, of_an_appeal, _in_department(viewer, Call.department_id))
    return and_(in_scope, not_about)


def _calls_not_about(viewer: Person) -> ColumnElement[bool]:
    at_own_telephone = exists().where(Leg.call_id == Call.id, Leg.employee_id == viewer.id)
    return or_(Call.id.not_in(calls_about(viewer.id)), at_own_telephone)


async def appeals_within_reach(session: AsyncSession, viewer: Person) -> Reach:
    """Return what `appeals_for(viewer)` means."""
    if _reads_all(viewer) or not await _are_few(session, _appeals_of(viewer)):
        return Reach(appeals_for(viewer), is_short=False)
    few = and_(Appeal.number.in_(union(*_appeals_of(viewer))), _not_about(viewer))
    return Reach(few, is_short=True)


async def calls_within_reach(session: AsyncSession, viewer: Person) -> Reach:
    """Return what `calls_for(viewer)` means."""
    if _reads_all(viewer) or not await _are_few(session, _calls_of(viewer)):
        return Reach(calls_for(viewer), is_short=False)
    few = and_(Call.id.in_(union(*_calls_of(viewer))), _calls_not_about(viewer))
    return Reach(few, is_short=True)


async def _are_few(session: AsyncSession, parts: list[Select[int]] | list[Select[str]]) -> bool:
    some = union_all(*parts).limit(_FEW + 1).subquery()
    return (await session.scalar(select(func.count()).select_from(some)) or 0) <= _FEW


def _appeals_of(viewer: Person) -> list[Select[int]]:
    """Return what is in scope, beginning with the viewer instead of the appeals."""
    parts = [
        select(AppealCall.appeal_number)
        .join(Leg, Leg.call_id == AppealCall.call_id)
        .where(Leg.employee_id == viewer.id, AppealCall.link == PRESS),
        *(select(Appeal.number).where(getattr(Appeal, c) == viewer.id) for c in OWN_COLUMNS),
    ]
    if viewer.role in BY_DEPARTMENT:
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
    if viewer.role in BY_DEPARTMENT:
        parts.append(select(Call.id).where(_in_department(viewer, Call.department_id)))
    return parts


def _reads_all(viewer: Person) -> bool:
    return viewer.role in EVERYTHING or (
        viewer.role in BY_DEPARTMENT and viewer.department_id is None
    )


def _in_department(
    viewer: Person, column: InstrumentedAttribute[int | None]
) -> ColumnElement[bool]:
    if viewer.role not in BY_DEPARTMENT or viewer.department_id is None:
        return false()
    return column.in_(_below(viewer.department_id))


def _below(department_id: int) -> Select[int]:
    """Return a department and all departments under it."""
    tree = select(Department.id).where(Department.id == department_id).cte(recursive=True)
    child = aliased(Department)
    tree = tree.union(select(child.id).join(tree, child.parent_id == tree.c.id))
    return select(tree.c.id)
