"""What an accused reads of the appeal about them: number, phase, deciding department.

And nothing else: no gist, caller, category, responsible, history or sound. An admin above whom
nobody stands reads the appeal all the same; that is recorded in its chain.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from appeals.card.entries import ReadInConflict
from appeals.case import conflicts, history, subjects
from appeals.case.history import Record
from appeals.case.model import Appeal, HistoryEntry
from appeals.case.rights import Person, conflict
from people import directory
from people.model import Department, Employee, Role

__all__ = ["note_reading", "own_case", "reads_in_conflict"]

_ONE_READING: Final = timedelta(hours=1)  # a screen reads again at each event


async def own_case(session: AsyncSession, person: Person, number: int) -> dict[str, Any] | None:
    """Return OwnCase of CONTRACT when `person` is an accused of appeal `number`, else None."""
    if not await conflicts.is_accused(session, number, person.id):
        return None
    appeal = await session.get(Appeal, number)
    assert appeal is not None  # a conflict refers to it
    return {
        "number": number,
        "opened_at": appeal.opened_at.isoformat(),
        "phase": appeal.phase,
        "handled_by": await _handled_by(session, appeal),
        "explanation": None,  # asked for by the analysis, which is not built yet
        "hidden": True,
    }


async def _handled_by(session: AsyncSession, appeal: Appeal) -> dict[str, Any]:
    """Return the nearest department with a supervisor outside the conflict, else the company."""
    subject = await subjects.of_appeal(session, appeal)
    root = await directory.root_id(session)
    supervisors = await session.execute(
        select(Employee.id, Employee.department_id).where(
            Employee.role == Role.SUPERVISOR, Employee.disabled_at.is_(None)
        )
    )
    outside = {
        row.department_id if row.department_id is not None else root
        for row in supervisors
        if conflict(row.id, subject) is None
    }
    chosen = next((each for each in subject.departments if each in outside), root)
    department = await session.get_one(Department, chosen)
    return {"id": department.id, "name": department.name}


async def reads_in_conflict(session: AsyncSession, person: Person, number: int) -> bool:
    """Return whether `person` is an admin who reads appeal `number` though it is about them.

    Nobody stands above: neither another admin nor a supervisor of the whole company is there.
    `note_reading` records it.
    """
    if person.role != Role.ADMIN or not await conflicts.is_accused(session, number, person.id):
        return False
    root = await directory.root_id(session)
    of_all = or_(Employee.department_id.is_(None), Employee.department_id == root)
    other = exists().where(
        Employee.id != person.id,
        Employee.disabled_at.is_(None),
        or_(Employee.role == Role.ADMIN, and_(Employee.role == Role.SUPERVISOR, of_all)),
    )
    return not await session.scalar(select(other))


async def note_reading(
    session: AsyncSession, number: int, person: Person, *, now: datetime
) -> None:
    """Record that an accused reads the appeal about them.

    At most once an hour: a screen reads often.
    """
    recent = exists().where(
        HistoryEntry.appeal_number == number,
        HistoryEntry.author_id == person.id,
        HistoryEntry.action == ReadInConflict.TYPE,
        HistoryEntry.at > now - _ONE_READING,
    )
    if not await session.scalar(select(recent)):
        await history.append(session, number, Record(now, ReadInConflict(), person.id))
