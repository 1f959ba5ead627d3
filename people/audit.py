"""The audit: what happened at the entrance and to its keys. Rows that are only ever added.

The program refuses UPDATE and DELETE of them. A production PostgreSQL should also give the
program's role only SELECT and INSERT on `audit`.
"""

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from people import directory
from people.client import ELSEWHERE, Client
from people.model import AuditEntry, Employee, Role
from store.append_only import append_only

__all__ = ["COMMAND_LINE", "AuditKind", "AuditQuery", "By", "entries", "record"]


class AuditKind(enum.StrEnum):
    """What happened."""

    SIGNED_IN = "signed-in"
    SIGN_IN_FAILED = "sign-in-failed"
    LOCKED_OUT = "locked-out"
    SPRAYING = "spraying"
    SIGNED_OUT = "signed-out"
    SESSIONS_ENDED = "sessions-ended"
    TICKET_ISSUED = "ticket-issued"
    PASSWORD_CHANGED = "password-changed"
    PASSWORD_SET = "password-set"
    SECOND_FACTOR_SET = "second-factor-set"
    SECOND_FACTOR_RESET = "second-factor-reset"
    USER_ADDED = "user-added"
    USER_DISABLED = "user-disabled"
    USER_UNLOCKED = "user-unlocked"
    TELEPHONE_GIVEN = "telephone-given"
    EXPORTED = "exported"


@dataclass(frozen=True, slots=True, kw_only=True)
class By:
    """Whose doing: `actor_id` None is nobody signed in, or the command line (`how`)."""

    actor_id: int | None = None
    client: Client = ELSEWHERE
    how: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """None does not filter. `at_to` and `before` are not included.

    `employee`: the actor or the subject of an entry.
    """

    kind: AuditKind | None = None
    employee: int | None = None
    at_from: datetime | None = None
    at_to: datetime | None = None
    before: int | None = None


COMMAND_LINE = By(how="command line")


def record(
    session: AsyncSession,
    kind: AuditKind,
    *,
    at: datetime,
    by: By,
    subject_id: int | None = None,
    **data: Any,
) -> None:
    """Add an entry, in the transaction of what happened. `data` holds no password, token or typed login."""
    session.add(
        AuditEntry(
            at=at,
            kind=kind,
            actor_id=by.actor_id,
            subject_id=subject_id,
            address=by.client.address or None,
            agent=by.client.agent or None,
            data={**data, **({"how": by.how} if by.how else {})},
        )
    )


async def entries(
    session: AsyncSession, viewer: Employee, query: AuditQuery, limit: int
) -> list[AuditEntry]:
    """Return the newest `limit` entries that `viewer` may see.

    Somebody of a department sees what people of it and below did, and what was done to them. An admin
    and the supervisors and auditors of the whole company see all, strangers' doings too.
    """
    rows = select(AuditEntry).where(_seen_by(viewer), *_asked(query))
    return list(await session.scalars(rows.order_by(AuditEntry.id.desc()).limit(limit)))


def _asked(query: AuditQuery) -> Iterator[ColumnElement[bool]]:
    if query.kind is not None:
        yield AuditEntry.kind == query.kind
    if query.employee is not None:
        yield or_(AuditEntry.actor_id == query.employee, AuditEntry.subject_id == query.employee)
    if query.at_from is not None:
        yield AuditEntry.at >= query.at_from
    if query.at_to is not None:
        yield AuditEntry.at < query.at_to
    if query.before is not None:
        yield AuditEntry.id < query.before


def _seen_by(viewer: Employee) -> ColumnElement[bool]:
    if viewer.role == Role.ADMIN or viewer.department_id is None:
        return true()
    below = directory.below(viewer.department_id)
    colleagues = select(Employee.id).where(Employee.department_id.in_(below))
    return or_(AuditEntry.actor_id.in_(colleagues), AuditEntry.subject_id.in_(colleagues))


append_only(AuditEntry)
