"""Sessions: opaque tokens, of which the database keeps only the SHA-256.

They end by time, idleness or revocation.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from people.client import Client
from people.errors import NoSuchSession
from people.model import Employee, Session

__all__ = [
    "Present",
    "authenticate",
    "end",
    "good",
    "is_live",
    "is_stale",
    "list_of",
    "open_session",
    "public_id",
    "revoke_all",
    "sign_out",
    "token_hash",
    "touch",
]

_PRECISION = 24  # of the idle time: its 24th part may pass before a use is written


@dataclass(frozen=True, slots=True)
class Present:
    """The employee a session belongs to. `idle_at`: when it ends unless it is used, None: not by idleness."""

    employee: Employee
    session_hash: bytes
    idle_at: datetime | None


async def open_session(
    session: AsyncSession,
    employee: Employee,
    client: Client,
    *,
    now: datetime,
    lasts: timedelta,
    idle: timedelta,
) -> tuple[str, datetime]:
    """Open a session; return its token, which can't be read again, and when it ends at the latest."""
    token = secrets.token_urlsafe(32)
    session.add(
        Session(
            token_hash=token_hash(token),
            employee_id=employee.id,
            created_at=now,
            expires_at=now + lasts,
            seen_at=now,
            idle_at=now + idle,
            address=client.address or None,
            agent=client.agent or None,
        )
    )
    return token, now + lasts


async def authenticate(session: AsyncSession, token: str, now: datetime) -> Present | None:
    """Return whose session `token` opens; None when it is unknown, over, revoked or they are disabled."""
    rows = await session.execute(
        select(Employee, Session.token_hash, Session.idle_at)
        .join(Session, Session.employee_id == Employee.id)
        .where(Session.token_hash == token_hash(token), *good(now))
    )
    found = rows.first()
    return None if found is None else Present(*found)


def good(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Return what holds for a session that counts, joined with its employee."""
    return (
        Session.revoked_at.is_(None),
        Session.expires_at > now,
        or_(Session.idle_at.is_(None), Session.idle_at > now),
        Employee.disabled_at.is_(None),
    )


async def is_live(session: AsyncSession, token_hash: bytes, now: datetime) -> bool:
    """Return whether the session still counts: what the push server asks of open connections."""
    live = select(Session.token_hash).join(Employee, Employee.id == Session.employee_id)
    found = await session.scalar(live.where(Session.token_hash == token_hash, *good(now)))
    return found is not None


def is_stale(present: Present, now: datetime, idle: timedelta) -> bool:
    """Return whether the last use is so long ago that this one is to be written."""
    return present.idle_at is not None and now > present.idle_at - idle + idle / _PRECISION


async def touch(session: AsyncSession, session_hash: bytes, now: datetime, idle: timedelta) -> None:
    """Write that the session is used now."""
    await session.execute(
        update(Session)
        .where(Session.token_hash == session_hash, Session.revoked_at.is_(None))
        .values(seen_at=now, idle_at=now + idle)
    )


async def sign_out(session: AsyncSession, token: str, now: datetime) -> bool:
    """Revoke the session of `token`; return whether there was one."""
    revoked = await session.execute(
        update(Session)
        .where(Session.token_hash == token_hash(token), Session.revoked_at.is_(None))
        .values(revoked_at=now)
        .returning(Session.token_hash)
    )
    return revoked.first() is not None


async def revoke_all(
    session: AsyncSession, employee_id: int, now: datetime, *, but: bytes | None = None
) -> int:
    """Revoke every session of an employee except `but`; return how many ended."""
    still = [Session.revoked_at.is_(None), Session.expires_at > now]
    if but is not None:
        still.append(Session.token_hash != but)
    revoked = await session.execute(
        update(Session)
        .where(Session.employee_id == employee_id, *still)
        .values(revoked_at=now)
        .returning(Session.token_hash)
    )
    return len(revoked.all())


async def list_of(session: AsyncSession, employee_id: int, now: datetime) -> list[Session]:
    """Return the sessions of an employee that still count, newest first."""
    rows = await session.scalars(
        select(Session)
        .join(Employee, Employee.id == Session.employee_id)
        .where(Session.employee_id == employee_id, *good(now))
        .order_by(Session.created_at.desc())
    )
    return list(rows)


async def end(session: AsyncSession, employee_id: int, public: str, now: datetime) -> None:
    """End the session of an employee that `list_of` shows as `public`; raises NoSuchSession."""
    for each in await list_of(session, employee_id, now):
        if public_id(each.token_hash) == public:
            each.revoked_at = now
            return
    raise NoSuchSession


def token_hash(token: str) -> bytes:
    """Return what is kept of a token. It has 256 random bits, so a plain hash is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def public_id(token_hash: bytes) -> str:
    """Return the name of a session: it reveals nothing of its token."""
    return token_hash[:8].hex()
