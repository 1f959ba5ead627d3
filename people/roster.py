"""Changes of the people who work here: add, disable, password, telephone, unlock.

Each leaves its entry in the audit. Passwords come hashed (`people.passwords.chosen`): hashing takes too long for a transaction.
"""

import re
from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from people import audit, directory, lockout, sessions, signin
from people.audit import COMMAND_LINE, AuditKind, By
from people.errors import (
    ExtensionTaken,
    LoginTaken,
    UnknownDepartment,
    UnknownEmployee,
    UnknownRole,
    WrongValue,
)
from people.model import Department, Employee, Extension, Role
from people.passwords import PasswordHash

__all__ = [
    "add_employee",
    "department",
    "disable",
    "end_sessions",
    "find",
    "give_extension",
    "give_telephone",
    "reset_second_factor",
    "set_password",
    "unlock",
]

_TELEPHONE = re.compile(r"\+[1-9][0-9]{6,14}|[0-9A-Za-z*#._-]{1,32}")


async def add_employee(
    session: AsyncSession,
    *,
    login: str,
    name: str,
    role: str,
    password: PasswordHash,
    now: datetime,
    extension: str | None = None,
    department: str | None = None,
    must_change: bool = False,
    by: By = COMMAND_LINE,
) -> Employee:
    """Add an employee. `department` None (or the root) is the whole company.

    `must_change`: the password is good only to choose another.

    Raises:
        LoginTaken, ExtensionTaken, UnknownDepartment, UnknownRole, WrongValue.
    """
    login = _checked_login(login)
    if not (name := name.strip()):
        raise WrongValue("the name is empty")
    if role not in set(Role):
        raise UnknownRole(role, [each.value for each in Role])
    if await session.scalar(select(Employee.id).where(Employee.login == login)) is not None:
        raise LoginTaken(login)
    employee = Employee(
        login=login,
        name=name,
        role=Role(role),
        department_id=await _department_id(session, department),
        password_hash=password.text,
        created_at=now,
        must_change=must_change,
    )
    session.add(employee)
    await session.flush()
    audit.record(
        session, AuditKind.USER_ADDED, at=now, by=by, subject_id=employee.id, role=employee.role
    )
    if extension:
        await give_extension(session, employee.id, extension, now, by=by)
    return employee


async def find(session: AsyncSession, login: str) -> Employee:
    """Return the employee with this login; raises UnknownEmployee."""
    login = signin.normal_login(login)
    employee = await session.scalar(select(Employee).where(Employee.login == login))
    if employee is None:
        raise UnknownEmployee(login)
    return employee


async def disable(
    session: AsyncSession, login: str, now: datetime, *, by: By = COMMAND_LINE
) -> Employee:
    """End an employee's access at once and free the telephone; the name stays with what was done."""
    employee = await find(session, login)
    employee.disabled_at = employee.disabled_at or now
    await session.execute(
        update(Extension)
        .where(
            Extension.employee_id == employee.id,
            or_(Extension.until.is_(None), Extension.until > now),
        )
        .values(until=now)
    )
    ended = await sessions.revoke_all(session, employee.id, now)
    audit.record(
        session, AuditKind.USER_DISABLED, at=now, by=by, subject_id=employee.id, ended=ended
    )
    return employee


async def set_password(
    session: AsyncSession,
    login: str,
    password: PasswordHash,
    now: datetime,
    *,
    must_change: bool = False,
    by: By = COMMAND_LINE,
) -> None:
    """Change a password; every session opened with the old one ends, and so does a lock-out.

    `must_change`: the new one is good only to choose another.
    """
    employee = await find(session, login)
    employee.password_hash, employee.must_change = password.text, must_change
    ended = await sessions.revoke_all(session, employee.id, now)
    await lockout.unlock(session, employee.login)
    audit.record(
        session,
        AuditKind.PASSWORD_SET,
        at=now,
        by=by,
        subject_id=employee.id,
        must_change=must_change,
        ended=ended,
    )


async def unlock(session: AsyncSession, login: str, now: datetime, *, by: By = COMMAND_LINE) -> int:
    """Forgive the failed sign-ins of an employee; return how many there were."""
    employee = await find(session, login)
    forgiven = await lockout.unlock(session, employee.login)
    audit.record(
        session, AuditKind.USER_UNLOCKED, at=now, by=by, subject_id=employee.id, failures=forgiven
    )
    return forgiven


async def reset_second_factor(
    session: AsyncSession, login: str, now: datetime, *, by: By = COMMAND_LINE
) -> None:
    """Forget an employee's second factor and end all sessions: the telephone is lost."""
    employee = await find(session, login)
    employee.totp_secret = employee.totp_since = employee.totp_step = None
    ended = await sessions.revoke_all(session, employee.id, now)
    audit.record(
        session, AuditKind.SECOND_FACTOR_RESET, at=now, by=by, subject_id=employee.id, ended=ended
    )


async def end_sessions(
    session: AsyncSession, login: str, now: datetime, *, by: By = COMMAND_LINE
) -> int:
    """End all sessions of an employee; return how many there were."""
    employee = await find(session, login)
    ended = await sessions.revoke_all(session, employee.id, now)
    audit.record(
        session, AuditKind.SESSIONS_ENDED, at=now, by=by, subject_id=employee.id, ended=ended
    )
    return ended


async def give_extension(
    session: AsyncSession,
    employee_id: int,
    extension: str,
    now: datetime,
    *,
    until: datetime | None = None,
    by: By = COMMAND_LINE,
) -> None:
    """Give a telephone from `now` on, an extension or an outside number (E.164).

    `until` None: without an end. Given again, the telephone stays the employee's and gets the new end.

    Raises:
        ExtensionTaken: it is somebody else's now, or will be.
        WrongValue: neither the form of an extension nor E.164.
    """
    if _TELEPHONE.fullmatch(extension) is None:
        raise WrongValue(f"{extension!r} is no extension")
    owner = await _owner(session, extension, now)
    if owner is None:
        session.add(Extension(number=extension, employee_id=employee_id, since=now, until=until))
        await session.flush()
    elif owner.id != employee_id:
        raise ExtensionTaken(extension, owner.name)
    else:
        await session.execute(update(Extension).where(_held_at(extension, now)).values(until=until))
    kind, end = AuditKind.TELEPHONE_GIVEN, until.isoformat() if until is not None else None
    audit.record(
        session, kind, at=now, by=by, subject_id=employee_id, telephone=extension, until=end
    )


async def give_telephone(
    session: AsyncSession, login: str, telephone: str, now: datetime, *, until: datetime | None
) -> None:
    """As `give_extension`, by login; raises UnknownEmployee too, and WrongValue for a disabled employee."""
    employee = await find(session, login)
    if employee.disabled_at is not None:
        raise WrongValue(f"employee {employee.login} is disabled")
    await give_extension(session, employee.id, telephone, now, until=until)


async def department(session: AsyncSession, name: str) -> Department:
    """Return the department of this name, made under the root when there is none yet."""
    if not (name := name.strip()):
        raise WrongValue("the name of a department is empty")
    found = await directory.department_named(session, name)
    if found is not None:
        return found
    root = await directory.root_department(session)
    made = Department(name=name, parent_id=root.id)
    session.add(made)
    await session.flush()
    return made


def _checked_login(login: str) -> str:
    login = signin.normal_login(login)
    if not signin.is_login(login):
        raise WrongValue(f"{login!r} is no login: use letters, digits and . _ @ + -, at most 64")
    return login


async def _department_id(session: AsyncSession, name: str | None) -> int | None:
    if name is None:
        return None
    found = await directory.department_named(session, name.strip())
    if found is None:
        known = await session.scalars(select(Department.name).order_by(Department.name))
        raise UnknownDepartment(name, list(known))
    return found.id if found.parent_id is not None else None


async def _owner(session: AsyncSession, extension: str, now: datetime) -> Employee | None:
    return await session.scalar(
        select(Employee)
        .join(Extension, Extension.employee_id == Employee.id)
        .where(_held_at(extension, now))
        .limit(1)
    )


def _held_at(extension: str, now: datetime) -> ColumnElement[bool]:
    return and_(
        Extension.number == extension, or_(Extension.until.is_(None), Extension.until > now)
    )
