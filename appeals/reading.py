"""What a person may read, as SQL: the same rule as `rights.may(…, READ, …)`, for lists.

A test compares the two over a whole company.
"""

from sqlalchemy import ColumnElement, Select, exists, false, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute, aliased

from appeals.model import Appeal, AppealCall
from appeals.rights import Person
from calls.model import Call, Leg
from people.model import Department, Role

__all__ = ["appeals_for", "calls_for"]


def appeals_for(viewer: Person) -> ColumnElement[bool]:
    """Return the condition on `Appeal` that holds for what `viewer` may read."""
    if viewer.role == Role.ADMIN:
        return true()
    at_his_telephone = exists().where(
        AppealCall.appeal_number == Appeal.number,
        Leg.call_id == AppealCall.call_id,
        Leg.employee_id == viewer.id,
    )
    his_own = Appeal.responsible_id == viewer.id
    return or_(at_his_telephone, his_own, _in_department(viewer, Appeal.department_id))


def calls_for(viewer: Person) -> ColumnElement[bool]:
    """Return the condition on `Call` that holds for what `viewer` may read."""
    if viewer.role == Role.ADMIN:
        return true()
    at_his_telephone = exists().where(Leg.call_id == Call.id, Leg.employee_id == viewer.id)
    of_an_appeal = exists(
        select(AppealCall.call_id)
        .join(Appeal, Appeal.number == AppealCall.appeal_number)
        .where(AppealCall.call_id == Call.id, appeals_for(viewer))
        .correlate(Call)
    )
    return or_(at_his_telephone, of_an_appeal, _in_department(viewer, Call.department_id))


def _in_department(
    viewer: Person, column: InstrumentedAttribute[int | None]
) -> ColumnElement[bool]:
    if viewer.role == Role.OPERATOR:
        return false()
    if viewer.department_id is None:
        return true()
    return column.in_(_below(viewer.department_id))


def _below(department_id: int) -> Select[tuple[int]]:
    """A department and all departments under it."""
    tree = select(Department.id).where(Department.id == department_id).cte(recursive=True)
    child = aliased(Department)
    tree = tree.union(select(child.id).join(tree, child.parent_id == tree.c.id))
    return select(tree.c.id)
