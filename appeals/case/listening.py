"""The right to listen to a recording, and its playings that the viewer may read."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import ColumnElement, and_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from appeals.case import conflicts, subjects
from appeals.case.conflicts import calls_about
from appeals.case.errors import NotFound
from appeals.case.performing import check, refused
from appeals.case.reach import calls_for
from appeals.case.rights import Action, Allowed, Person, conflict, may
from calls.model import Call
from people.model import Employee, Role
from recordings.model import Listening, Recording

__all__ = ["Listened", "ListeningQuery", "listen_allowed", "listened"]


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
    """Return the newest playings of calls that `viewer` may read, one more than `limit`.

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
    # The listeners are those who handle the case: its accused must not see them, though it was
    # their call.
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


async def listen_allowed(session: AsyncSession, recording_id: int, actor: Person) -> Recording:
    """Return the recording when `actor` may listen to it; NotFound or Refused otherwise.

    `actor` must be out of conflict with every appeal that the call belongs to.
    """
    recording = await session.get(Recording, recording_id)
    if recording is None:
        raise NotFound("recording", recording_id)
    call = await session.get(Call, recording.call_id) if recording.call_id else None
    found = await subjects.of_call(session, call) if call else [await subjects.of_orphan(session)]
    rule = await conflicts.rule(session)
    found = [replace(subject, rule=rule) for subject in found]
    reach = [s for s in found if isinstance(may(actor, Action.READ, s), Allowed)]
    if not reach:
        raise NotFound("recording", recording_id)
    for subject in found:  # also where they may not look: a conflict is a conflict
        if (reason := conflict(actor.id, subject)) is not None:
            raise refused(actor, Action.LISTEN, subject, reason)
    check(actor, Action.LISTEN, reach[0])
    return recording
