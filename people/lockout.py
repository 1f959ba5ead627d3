"""Failed sign-ins are counted twice: per login and kind of device, and per address.

Per login strangers count apart from each known device (`people.devices`), so that a stranger who
fails on purpose locks out strangers only. Per address only strangers count: colleagues behind the same
address get in from devices that are known. Failures are rows, so that a restart forgets no lock-out,
and logins that do not exist count like those that do.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from people.errors import LockedOut, TooManyAttempts
from people.model import LoginAttempt

__all__ = ["Attempt", "LockRules", "fail", "forgive", "refuse_locked", "unlock"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LockRules:
    """`failures` within `window` lock a login for `lock`; `per_network` within `window` an address.

    `spraying`: from so many logins on, failed from one address within `window`, it is called an attack.
    """

    failures: int = 5
    window: timedelta = timedelta(minutes=15)
    lock: timedelta = timedelta(minutes=15)
    per_network: int = 50
    spraying: int = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A sign-in under way. `device` None: a stranger's. `network` empty: it came from no address."""

    login: str
    network: str
    device: str | None


async def refuse_locked(
    session: AsyncSession, attempt: Attempt, now: datetime, rules: LockRules
) -> None:
    """Raise LockedOut for the login on such a device, TooManyAttempts for a stranger's address."""
    times = await _newest(session, rules.failures, *_of_login(attempt))
    if len(times) == rules.failures and times[0] - times[-1] <= rules.window:
        left_s = (times[0] + rules.lock - now).total_seconds()
        if left_s > 0:
            raise LockedOut(ceil(left_s))
    if attempt.device is None and attempt.network:
        times = await _newest(session, rules.per_network, *_of_network(attempt.network))
        if len(times) == rules.per_network:
            left_s = (times[-1] + rules.window - now).total_seconds()
            if left_s > 0:
                raise TooManyAttempts(ceil(left_s))


async def fail(
    session: AsyncSession, attempt: Attempt, now: datetime, rules: LockRules
) -> tuple[bool, bool]:
    """Count a failure; return whether it locks the login, and whether its address begins to spray."""
    before = await _logins_tried(session, attempt.network, now - rules.window)
    session.add(
        LoginAttempt(
            login=attempt.login, at=now, network=attempt.network or None, device=attempt.device
        )
    )
    await session.flush()
    await session.execute(
        delete(LoginAttempt).where(LoginAttempt.at < now - rules.window - rules.lock)
    )
    times = await _newest(session, rules.failures, *_of_login(attempt))
    locks = len(times) == rules.failures and times[0] - times[-1] <= rules.window
    after = await _logins_tried(session, attempt.network, now - rules.window)
    return locks, before < rules.spraying <= after


async def _logins_tried(session: AsyncSession, network: str, since: datetime) -> int:
    """Return with how many logins strangers failed from an address."""
    tried = select(func.count(func.distinct(LoginAttempt.login))).where(
        *_of_network(network), LoginAttempt.at >= since
    )
    return (await session.scalar(tried)) or 0


async def forgive(session: AsyncSession, attempt: Attempt) -> None:
    """Forgive what failed before at this login on such a device: the right password came."""
    await session.execute(update(LoginAttempt).where(*_of_login(attempt)).values(forgiven=True))


async def unlock(session: AsyncSession, login: str) -> int:
    """Forgive all failures of `login`, strangers' too; return how many."""
    forgiven = await session.execute(
        update(LoginAttempt)
        .where(LoginAttempt.login == login, LoginAttempt.forgiven.is_(False))
        .values(forgiven=True)
        .returning(LoginAttempt.id)
    )
    return len(forgiven.all())


async def _newest(session: AsyncSession, count: int, *which: ColumnElement[bool]) -> list[datetime]:
    newest = select(LoginAttempt.at).where(*which).order_by(LoginAttempt.at.desc()).limit(count)
    return list(await session.scalars(newest))


def _of_login(attempt: Attempt) -> tuple[ColumnElement[bool], ...]:
    return (
        LoginAttempt.login == attempt.login,
        LoginAttempt.device == attempt.device
        if attempt.device is not None
        else LoginAttempt.device.is_(None),
        LoginAttempt.forgiven.is_(False),
    )


def _of_network(network: str) -> tuple[ColumnElement[bool], ...]:
    return (LoginAttempt.network == network, LoginAttempt.device.is_(None))
