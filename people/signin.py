"""Sign in, stay signed in, sign out: opaque tokens, of which the database keeps only the SHA-256.

Failures are rows, so that a restart forgets no lock-out, and a lock-out counts for logins that do not
exist too. Checking a password takes some 20 ms of a core: it is done outside any transaction, because
every other write waits for the one writer, and a few at a time.
"""

import asyncio
import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from sqlalchemy import Select, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from people import passwords
from people.errors import LockedOut, SignInRefused
from people.model import Employee, LoginAttempt, Session
from store.writer import Writer

__all__ = [
    "SignIn",
    "SignInRules",
    "SignedIn",
    "authenticate",
    "is_live",
    "is_login",
    "normal_login",
    "revoke_all",
    "sign_out",
    "token_hash",
    "unlock",
]

_LOGIN = re.compile(r"[\w.@+-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInRules:
    """`failures` within `window` lock a login for `lock`. A session ends `session` after its beginning."""

    failures: int = 5
    window: timedelta = timedelta(minutes=15)
    lock: timedelta = timedelta(minutes=15)
    session: timedelta = timedelta(hours=12)
    at_once: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """`token` is shown this once and can't be read again."""

    token: str
    employee: Employee
    expires_at: datetime


class SignIn:
    """The entrance: `await SignIn(sessions, writer, now=now).sign_in(login, password)`.

    Passwords are checked `rules.at_once` at a time, so guesses sent all at once learn no more than
    that many answers beyond the lock-out.
    """

    def __init__(
        self,
        sessions: async_sessionmaker[AsyncSession],
        writer: Writer,
        *,
        now: Callable[[], datetime],
        rules: SignInRules = SignInRules(),
    ) -> None:
        self._sessions = sessions
        self._writer = writer
        self._now = now
        self._rules = rules
        self._turns = asyncio.Semaphore(rules.at_once)

    async def sign_in(self, login: str, password: str) -> SignedIn:
        """Check the password and open a session.

        Raises:
            LockedOut: whether the password was right is not told.
            SignInRefused: wrong login or password, or a disabled employee.
        """
        login = normal_login(login)
        if not is_login(login) or len(password) > passwords.MAX_LENGTH:
            raise SignInRefused  # nobody's, and not worth a row or a core's time
        async with self._turns:
            async with self._sessions() as session:
                await self._refuse_locked(session, login)
                employee = await _enabled(session, login)
            known = employee.password_hash if employee else None
            if not await passwords.verify(known, password):
                await self._writer.run(lambda session: self._failed(session, login))
                raise SignInRefused
            return await self._writer.run(lambda session: self._opened(session, login))

    async def _refuse_locked(self, session: AsyncSession, login: str) -> None:
        rules = self._rules
        newest = select(LoginAttempt.at).where(LoginAttempt.login == login)
        rows = await session.scalars(newest.order_by(LoginAttempt.at.desc()).limit(rules.failures))
        times = rows.all()
        if len(times) < rules.failures or times[0] - times[-1] > rules.window:
            return
        left_s = (times[0] + rules.lock - self._now()).total_seconds()
        if left_s > 0:
            raise LockedOut(ceil(left_s))

    async def _failed(self, session: AsyncSession, login: str) -> None:
        now, rules = self._now(), self._rules
        session.add(LoginAttempt(login=login, at=now))
        await session.execute(
            delete(LoginAttempt).where(LoginAttempt.at < now - rules.window - rules.lock)
        )

    async def _opened(self, session: AsyncSession, login: str) -> SignedIn:
        # Asked again: others may have failed, or somebody was disabled, while the password was checked.
        await self._refuse_locked(session, login)
        employee = await _enabled(session, login)
        if employee is None:
            raise SignInRefused
        now, token = self._now(), secrets.token_urlsafe(32)
        expires_at = now + self._rules.session
        session.add(
            Session(
                token_hash=token_hash(token),
                employee_id=employee.id,
                created_at=now,
                expires_at=expires_at,
            )
        )
        await unlock(session, login)
        return SignedIn(token=token, employee=employee, expires_at=expires_at)


async def unlock(session: AsyncSession, login: str) -> None:
    """Forget the failed attempts of `login`."""
    await session.execute(delete(LoginAttempt).where(LoginAttempt.login == login))


async def authenticate(session: AsyncSession, token: str, now: datetime) -> Employee | None:
    """Return whose session `token` opens; None when it is unknown, over, revoked or he is disabled."""
    return await session.scalar(_live(token_hash(token), now))


async def is_live(session: AsyncSession, token_hash: bytes, now: datetime) -> bool:
    """Return whether the session still counts: what the push server asks of open connections."""
    return await session.scalar(_live(token_hash, now)) is not None


async def sign_out(session: AsyncSession, token: str, now: datetime) -> bool:
    """Revoke the session of `token`; return whether there was one."""
    revoked = await session.execute(
        update(Session)
        .where(Session.token_hash == token_hash(token), Session.revoked_at.is_(None))
        .values(revoked_at=now)
        .returning(Session.token_hash)
    )
    return revoked.first() is not None


async def revoke_all(session: AsyncSession, employee_id: int, now: datetime) -> None:
    """Revoke every session of an employee: he is disabled, or his password was changed."""
    await session.execute(
        update(Session)
        .where(Session.employee_id == employee_id, Session.revoked_at.is_(None))
        .values(revoked_at=now)
    )


def token_hash(token: str) -> bytes:
    """Return what is kept of a token. It has 256 random bits, so a plain hash is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def normal_login(login: str) -> str:
    """Return the one form of a login: people type capitals and blanks."""
    return login.strip().casefold()


def is_login(login: str) -> bool:
    """Return whether `login` has the form of one: letters, digits and . _ @ + -, at most 64."""
    return _LOGIN.fullmatch(login) is not None


async def _enabled(session: AsyncSession, login: str) -> Employee | None:
    return await session.scalar(
        select(Employee).where(Employee.login == login, Employee.disabled_at.is_(None))
    )


def _live(hashed: bytes, now: datetime) -> Select[Employee]:
    return (
        select(Employee)
        .join(Session, Session.employee_id == Employee.id)
        .where(
            Session.token_hash == hashed,
            Session.revoked_at.is_(None),
            Session.expires_at > now,
            Employee.disabled_at.is_(None),
        )
    )
