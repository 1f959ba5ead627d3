"""The audience of an event: everyone who may read the appeal or the call.

`scope` and `rights` decide that.
"""

from collections.abc import Iterable

from sqlalchemy.ext.asyncio import AsyncSession

from appeals.case import subjects
from appeals.case.model import Appeal
from appeals.case.rights import Subject
from appeals.case.scope import MANY
from calls.model import Call
from people import directory
from people.access.audience import Audience
from people.model import Role

__all__ = ["of_appeal", "of_call", "of_subjects", "supervisors"]


async def of_appeal(session: AsyncSession, appeal: Appeal) -> Audience:
    """Return everyone who may read `appeal` now."""
    return of_subjects(await subjects.of_appeal(session, appeal))


async def of_call(session: AsyncSession, call: Call) -> Audience:
    """Return everyone who may read `call` now, through any of its appeals too."""
    return of_subjects(*await subjects.of_call(session, call))


async def supervisors(
    session: AsyncSession, department_id: int | None, *, except_: Iterable[int] = ()
) -> Audience:
    """Return the supervisors in charge of a department but those of `except_`."""
    departments = await directory.ancestors(session, department_id)
    return Audience(
        roles=(Role.SUPERVISOR,), departments=departments, except_=tuple(sorted(except_))
    )


def of_subjects(*read: Subject) -> Audience:
    """Return everyone who may read any of these and is the accused of none. Pure."""
    accused = {e for s in read for e in s.accused}
    employees = {e for s in read for e in (*s.telephones, *s.own)} - accused
    departments = dict.fromkeys(d for s in read for d in s.departments)
    return Audience(
        employees=tuple(sorted(employees)),
        roles=MANY,
        departments=tuple(departments),
        except_=tuple(sorted(accused)),
    )
