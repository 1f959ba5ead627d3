"""The entrance: sign in, and change what one signs in with.

Checking a password takes some 20 ms of a core: it is done outside any transaction, because every other
write waits for the one writer, and a few at a time, behind a bounded waiting room. What failed is
counted in `people.lockout` and kept in `people.audit`; the log names the client's address only.
"""

import enum
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from people import audit, devices, lockout, passwords, sessions, totp
from people.audit import AuditKind, By
from people.client import ELSEWHERE, Client
from people.errors import (
    LockedOut,
    NoSecondFactor,
    PeopleError,
    SecondFactorNeeded,
    SignInRefused,
    TooManyAttempts,
    WrongPassword,
)
from people.lockout import Attempt, LockRules
from people.model import Employee, ServerSecret
from people.waiting_room import RoomRules, WaitingRoom
from store.writer import Writer

__all__ = [
    "Duty",
    "SignIn",
    "SignInRules",
    "SignedIn",
    "duty_of",
    "is_login",
    "normal_login",
]

log = structlog.get_logger(__name__)

_LOGIN = re.compile(r"[\w.@+-]{1,64}")
_CODE = re.compile(r"[0-9]{6}")


class Duty(enum.StrEnum):
    """What somebody who is signed in must do before anything else."""

    CHANGE_PASSWORD = "change-password"
    ENROL_SECOND_FACTOR = "enrol-second-factor"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInRules:
    """A session ends `session` after its beginning, and when it is not used for `idle`.

    `totp`: everybody needs a second factor; a person without one enrols at the first sign-in. Of failures at
    logins that nobody has, the audit keeps `strangers_an_hour`.
    """

    lock: LockRules = field(default_factory=LockRules)
    room: RoomRules = field(default_factory=RoomRules)
    session: timedelta = timedelta(hours=12)
    idle: timedelta = timedelta(hours=12)
    totp: bool = False
    strangers_an_hour: int = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """`token` is shown this once and can't be read again; `device` is the device cookie to keep."""

    token: str
    employee: Employee
    expires_at: datetime
    device: str = ""


@dataclass(slots=True)
class _Refused:
    """Addresses refused recently, until when: a flood costs no query. Forgets beyond `most`."""

    until: dict[str, datetime] = field(default_factory=dict)
    most: int = 10_000

    def check(self, network: str, now: datetime) -> None:
        until = self.until.get(network)
        if until is None:
            return
        if until <= now:
            del self.until[network]
            return
        raise TooManyAttempts(int((until - now).total_seconds()) + 1)

    def add(self, network: str, until: datetime) -> None:
        if len(self.until) >= self.most:
            self.until.clear()
        self.until[network] = until


@dataclass(slots=True)
class _Ration:
    """At most `most` entries an `hour` for what strangers can cause without end; the rest is counted."""

    most: int
    since: datetime | None = None
    kept: int = 0
    left_out: int = 0

    def take(self, now: datetime) -> bool:
        """Return whether one more may be kept now."""
        if self.since is None or now - self.since >= timedelta(hours=1):
            self.since, self.kept = now, 0
        self.kept += 1
        self.left_out += self.kept > self.most
        return self.kept <= self.most

    def owed(self) -> int:
        """Return how many were left out since it was asked, once there is room again."""
        owed, self.left_out = self.left_out, 0
        return owed


class SignIn:
    """The entrance: `await SignIn(sessions, writer, now=now).sign_in(login, password)`.

    Passwords are checked a few at a time, so guesses sent all at once learn no more than that many
    answers beyond the lock-out.
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
        self.rules = rules
        self._room = WaitingRoom(rules.room)
        self._refused = _Refused()
        self._strangers = _Ration(rules.strangers_an_hour)
        self._key: bytes | None = None

    async def sign_in(
        self, login: str, password: str, *, client: Client = ELSEWHERE, code: str | None = None
    ) -> SignedIn:
        """Check the password, and the code when there is a second factor; open a session.

        Raises:
            LockedOut, TooManyAttempts: the password was not judged.
            Crowded: nothing was checked.
            SignInRefused: wrong login or password, or a disabled employee.
            SecondFactorNeeded: the password is right, the code is missing, wrong or used.
        """
        login = normal_login(login)
        if not is_login(login) or len(password) > passwords.MAX_LENGTH:
            _log_refused(client, "form")
            raise SignInRefused  # nobody's, and not worth a row or a core's time
        attempt = await self._attempt(login, client)
        async with self._turn(attempt):
            employee = await self._checked(attempt, client, password)
            if employee is None:
                raise SignInRefused
            outcome = await self._writer.run(lambda s: self._opened(s, attempt, client, code))
        if isinstance(outcome, SecondFactorNeeded) and outcome.wrong:
            _log_refused(client, "second-factor")
        if isinstance(outcome, PeopleError):
            raise outcome
        key = (
            await self._device_key()
        )  # after the commit: the first time it is read, and makes a hash
        cookie = devices.cookie_for(key, client.device, outcome.employee.login, self._now())
        return replace(outcome, device=cookie)

    async def change_password(
        self, employee: Employee, old: str, new: str, *, client: Client, session_hash: bytes
    ) -> None:
        """Change one's own password; all other sessions of the employee end.

        Raises:
            WrongPassword, LockedOut, TooManyAttempts, Crowded: about `old`, counted like a sign-in.
            WeakPassword: about `new`.
        """
        passwords.check_strength(new, login=employee.login, name=employee.name)
        passwords.check_other(old, new)
        attempt = await self._attempt(employee.login, client)
        async with self._turn(attempt):
            if await self._checked(attempt, client, old) is None:
                raise WrongPassword
            chosen = await passwords.chosen(new, login=employee.login, name=employee.name)

        async def work(session: AsyncSession) -> None:
            now, row = self._now(), await session.get_one(Employee, employee.id)
            row.password_hash, row.must_change = chosen.text, False
            ended = await sessions.revoke_all(session, row.id, now, but=session_hash)
            by = By(actor_id=row.id, client=client)
            audit.record(
                session, AuditKind.PASSWORD_CHANGED, at=now, by=by, subject_id=row.id, ended=ended
            )

        await self._writer.run(work)

    async def begin_second_factor(
        self, employee: Employee, password: str, code: str | None, *, client: Client
    ) -> bytes:
        """Return a new secret for the employee's app; it counts once `confirm_second_factor` was given a code.

        Raises:
            NoSecondFactor: the service asks for none.
            WrongPassword, LockedOut, TooManyAttempts, Crowded: about `password`.
            SecondFactorNeeded: there is one already, and `code` is not good.
        """
        if not self.rules.totp:
            raise NoSecondFactor
        attempt = await self._attempt(employee.login, client)
        async with self._turn(attempt):
            if await self._checked(attempt, client, password) is None:
                raise WrongPassword
        secret = totp.new_secret()

        async def work(session: AsyncSession) -> SecondFactorNeeded | None:
            row = await session.get_one(Employee, employee.id)
            if row.totp_since is not None:
                refusal = await self._code_refused(session, row, attempt, client, code)
                if refusal is not None:
                    return refusal
            row.totp_secret, row.totp_since, row.totp_step = secret, None, None
            return None

        if (refusal := await self._writer.run(work)) is not None:
            raise refusal
        return secret

    async def confirm_second_factor(self, employee: Employee, code: str, *, client: Client) -> None:
        """Let the secret of `begin_second_factor` count from now on; raises NoSecondFactor, SecondFactorNeeded."""
        attempt = await self._attempt(employee.login, client)

        async def work(session: AsyncSession) -> SecondFactorNeeded | None:
            row = await session.get_one(Employee, employee.id)
            if row.totp_secret is None or row.totp_since is not None:
                raise NoSecondFactor
            await lockout.refuse_locked(session, attempt, self._now(), self.rules.lock)
            refusal = await self._code_refused(session, row, attempt, client, code)
            if refusal is None:
                now = row.totp_since = self._now()
                by = By(actor_id=row.id, client=client)
                audit.record(session, AuditKind.SECOND_FACTOR_SET, at=now, by=by, subject_id=row.id)
            return refusal

        if (refusal := await self._writer.run(work)) is not None:
            raise refusal

    async def _attempt(self, login: str, client: Client) -> Attempt:
        device = devices.device_of(await self._device_key(), client.device, login, self._now())
        return Attempt(login=login, network=client.network, device=device)

    def _turn(self, attempt: Attempt) -> AbstractAsyncContextManager[None]:
        """Return the turn at checking; a stranger's address that is refused gets none."""
        if attempt.device is None:
            self._refused.check(attempt.network, self._now())
        return self._room.turn(attempt.network, known=attempt.device is not None)

    async def _checked(self, attempt: Attempt, client: Client, password: str) -> Employee | None:
        """Return whose login and password these are; None, counted and logged, when they are nobody's."""
        now = self._now()
        async with self._sessions() as session:
            try:
                await lockout.refuse_locked(session, attempt, now, self.rules.lock)
            except TooManyAttempts as refusal:
                until = now + timedelta(seconds=refusal.retry_after_s)
                self._refused.add(attempt.network, until)
                _log_refused(client, "address")
                raise
            except LockedOut:
                _log_refused(client, "locked-out")
                raise
            employee = await _enabled(session, attempt.login)
        known = employee.password_hash if employee else None
        if await passwords.verify(known, password):
            return employee
        await self._writer.run(lambda s: self._failed(s, attempt, client, employee, "password"))
        _log_refused(client, "password")
        return None

    async def _failed(
        self,
        session: AsyncSession,
        attempt: Attempt,
        client: Client,
        employee: Employee | None,
        why: str,
    ) -> None:
        now, by = self._now(), By(client=client)
        subject, kind = (employee.id if employee else None), AuditKind.SIGN_IN_FAILED
        if employee is not None or self._strangers.take(now):
            audit.record(session, kind, at=now, by=by, subject_id=subject, why=why)
            if owed := self._strangers.owed():
                audit.record(session, kind, at=now, by=By(), why="not-kept", count=owed)
        locks, sprays = await lockout.fail(session, attempt, now, self.rules.lock)
        if locks:
            device = "known" if attempt.device is not None else "strangers"
            audit.record(
                session, AuditKind.LOCKED_OUT, at=now, by=by, subject_id=subject, device=device
            )
        if sprays:
            logins = self.rules.lock.spraying
            audit.record(session, AuditKind.SPRAYING, at=now, by=by, logins=logins)
            log.warning("many logins are tried from one address", address=client.address)

    async def _opened(
        self, session: AsyncSession, attempt: Attempt, client: Client, code: str | None
    ) -> SignedIn | SecondFactorNeeded:
        # Asked again: others may have failed, or somebody was disabled, while the password was checked.
        now, rules = self._now(), self.rules
        await lockout.refuse_locked(session, attempt, now, rules.lock)
        employee = await _enabled(session, attempt.login)
        if employee is None:
            raise SignInRefused
        if rules.totp and employee.totp_since is not None:
            refusal = await self._code_refused(session, employee, attempt, client, code)
            if refusal is not None:
                return refusal
        await lockout.forgive(session, attempt)
        token, expires_at = await sessions.open_session(
            session, employee, client, now=now, lasts=rules.session, idle=rules.idle
        )
        device = "known" if attempt.device is not None else "new"
        by = By(actor_id=employee.id, client=client)
        audit.record(
            session, AuditKind.SIGNED_IN, at=now, by=by, subject_id=employee.id, device=device
        )
        return SignedIn(token=token, employee=employee, expires_at=expires_at)

    async def _code_refused(
        self,
        session: AsyncSession,
        employee: Employee,
        attempt: Attempt,
        client: Client,
        code: str | None,
    ) -> SecondFactorNeeded | None:
        """Use `code` up; return the refusal, counted, when it is none of now or was used."""
        if code is None:
            return SecondFactorNeeded(wrong=False)
        secret, typed = employee.totp_secret or b"", code.replace(" ", "")
        step = None
        if _CODE.fullmatch(typed):
            step = totp.step_of(secret, typed, self._now(), after=employee.totp_step)
        if step is None:
            await self._failed(session, attempt, client, employee, "second-factor")
            return SecondFactorNeeded(wrong=True)
        employee.totp_step = step
        return None

    async def _device_key(self) -> bytes:
        if self._key is None:
            async with self._sessions() as session:
                self._key = (await session.get_one(ServerSecret, "device")).value
            await passwords.warm_up()
        return self._key


def duty_of(employee: Employee, *, totp: bool) -> Duty | None:
    """Return what the employee must do before anything else; None: nothing."""
    if employee.must_change:
        return Duty.CHANGE_PASSWORD
    if totp and employee.totp_since is None:
        return Duty.ENROL_SECOND_FACTOR
    return None


def normal_login(login: str) -> str:
    """Return the one form of a login: people type capitals and blanks."""
    return login.strip().casefold()


def is_login(login: str) -> bool:
    """Return whether `login` has the form of one: letters, digits and . _ @ + -, at most 64."""
    return _LOGIN.fullmatch(login) is not None


def _log_refused(client: Client, why: str) -> None:
    """The one line that deploy/fail2ban reads. No login: people type their password into that field."""
    log.warning("sign-in refused", address=client.address, why=why)


async def _enabled(session: AsyncSession, login: str) -> Employee | None:
    return await session.scalar(
        select(Employee).where(Employee.login == login, Employee.disabled_at.is_(None))
    )
