"""What happened at the entrance and to its keys, for those who oversee."""

from typing import Any

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from appeals.case.pages import cut
from people import audit
from people.audit import AuditKind, AuditQuery
from people.model import AuditEntry, Employee
from web import schemas
from web.api import Ask, Id, Moment, Nothing, Operation, Page, Reply, get
from web.routes.blind_windows import OVERSEERS, place_of

__all__ = ["OPERATIONS"]


class AuditPage(Page):
    """`employee`: who did it, or whom it is about. `at_to` is not included."""

    kind: AuditKind | None = None
    employee: Id | None = None
    at_from: Moment | None = None
    at_to: Moment | None = Field(None, description="not included")


@get("/audit", query=AuditPage, answers=schemas.AuditList, roles=OVERSEERS)
async def list_audit(ask: Ask[AuditPage, Nothing]) -> Reply:
    """List sign-ins, failures, lock-outs, sign-outs, tickets, changed passwords and employees, newest first.
    Somebody of a department sees what concerns people of it and below; an admin and those of the whole company see all."""
    given = ask.query
    query = AuditQuery(
        kind=given.kind,
        employee=given.employee,
        at_from=given.at_from,
        at_to=given.at_to,
        before=place_of(given.cursor) if given.cursor is not None else None,
    )
    found = await audit.entries(ask.session, ask.person, query, given.limit + 1)
    rows, following = cut(found, given.limit, lambda row: (row.id,))
    names = await _names(ask.session, rows)
    items = [_shown(row, names) for row in rows]
    return Reply(body={"items": items, "next": following}, next_cursor=following)


async def _names(session: AsyncSession, rows: Any) -> dict[int, str]:
    wanted = {row.actor_id for row in rows} | {row.subject_id for row in rows}
    found = await session.execute(
        select(Employee.id, Employee.name).where(Employee.id.in_(wanted - {None}))
    )
    return {row.id: row.name for row in found}


def _shown(row: AuditEntry, names: dict[int, str]) -> dict[str, Any]:
    def named(number: int | None) -> dict[str, Any] | None:
        return None if number is None else {"id": number, "name": names.get(number)}

    return {
        "id": row.id,
        "at": row.at.isoformat(),
        "kind": row.kind,
        "actor": named(row.actor_id),
        "subject": named(row.subject_id),
        "address": row.address,
        "agent": row.agent,
        "data": row.data,
    }


OPERATIONS: tuple[Operation, ...] = (list_audit,)
