"""The playings of recordings, within what the viewer may read."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from appeals.conflicts import calls_about
from appeals.reach import calls_for
from appeals.rights import Person
from calls.model import Call
from people.model import Employee, Role
from recordings.model import Listening, Recording

__all__ = ["Listened", "ListeningQuery", "listened"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListeningQuery:
    """None does not filter. `before` is the id of the last row of the page before."""

    limit: int = 50
    employee: int | None = None
    recording: int | None = None
    call: str | None = None
    at_from: datetime | None = None
    at_to: datetime | None = None
    before: int | None = None


@dataclass(frozen=True, slots=True)
class Listened:
    """One playing. `call` None: the recording belongs to no call."""

    row: Listening
    name: str
    call: str | None


async def listened(session: AsyncSession, viewer: Person, query: ListeningQuery) -> list[Listened]:
    """Return the newest playings of recordings whose call `viewer` may read, one more than `limit`.

    Recordings without a call are shown to those who read the whole company.
    """
    rows = await session.execute(
        select(Listening, Employee.name, Recording.call_id)
        .join(Employee, Employee.id == Listening.employee_id)
        .join(Recording, Recording.id == Listening.recording_id)
        .outerjoin(Call, Call.id == Recording.call_id)
        .where(_readable(viewer), *_asked(query))
        .order_by(Listening.id.desc())
        .limit(query.limit + 1)
    )
    return [Listened(row, name, call) for row, name, call in rows]


def _readable(viewer: Person) -> ColumnElement[bool]:
    whole_company = viewer.role == Role.ADMIN or viewer.department_id is None
    # The listeners are those who handle the case: its accused must not see them, though it was their call.
    not_about = Call.id.not_in(calls_about(viewer.id))
    of_a_call = and_(Call.id.is_not(None), calls_for(viewer), not_about)
    return of_a_call | Recording.call_id.is_(None) if whole_company else of_a_call


def _asked(query: ListeningQuery) -> list[ColumnElement[bool]]:
    wanted = [
        (query.employee, Listening.employee_id == query.employee),
        (query.recording, Listening.recording_id == query.recording),
        (query.call, Recording.call_id == query.call),
        (query.at_from, Listening.at >= query.at_from if query.at_from else true()),
        (query.at_to, Listening.at < query.at_to if query.at_to else true()),
        (query.before, Listening.id < query.before if query.before else true()),
    ]
    return [condition for value, condition in wanted if value is not None]
