"""One-time passes to the push socket: a browser can't put its token into a WebSocket's headers."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from people.model import Employee, Ticket
from people.sessions import is_live, token_hash

__all__ = ["LIFETIME", "Admitted", "issue", "redeem"]

LIFETIME = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Admitted:
    """`session_hash` names the session to ask `people.sessions.is_live` about while the connection lasts."""

    employee: Employee
    session_hash: bytes


async def issue(session: AsyncSession, employee_id: int, session_hash: bytes, now: datetime) -> str:
    """Return a ticket good once, for `LIFETIME`, and only while the session it came from lives."""
    ticket = secrets.token_urlsafe(32)
    session.add(
        Ticket(
            ticket_hash=token_hash(ticket),
            employee_id=employee_id,
            session_hash=session_hash,
            expires_at=now + LIFETIME,
        )
    )
    return ticket


async def redeem(session: AsyncSession, ticket: str, now: datetime) -> Admitted | None:
    """Use `ticket` up and return who comes in; None when it is unknown, used, late or signed out."""
    used = await session.execute(
        update(Ticket)
        .where(
            Ticket.ticket_hash == token_hash(ticket),
            Ticket.used_at.is_(None),
            Ticket.expires_at > now,
        )
        .values(used_at=now)
        .returning(Ticket.employee_id, Ticket.session_hash)
    )
    found = used.first()
    if found is None or not await is_live(session, found.session_hash, now):
        return None
    return Admitted(await session.get_one(Employee, found.employee_id), found.session_hash)
