"""Who works here, changed: add, disable, password, telephone."""

import re
from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from people import directory, passwords, signin
from people.errors import (
    ExtensionTaken,
    LoginTaken,
    UnknownDepartment,
    UnknownEmployee,
    UnknownRole,
    WrongValue,
)
from people.model import Department, Employee, Extension, Role

__all__ = [
    "add_employee",
    "department",
    "disable",
    "find",
    "give_extension",
    "give_telephone",
    "set_password",
]

_TELEPHONE = re.compile(r"\+[1-9][0-9]{6,14}|[0-9A-Za-z*#._-]{1,32}")


async def add_employee(
    session: AsyncSession,
    *,
    login: str,
    name: str,
    role: str,
    password: str,
    now: datetime,
    extension: str | None = None,
    department: str | None = None,
) -> Employee:
    """Add an employee. `department` None (or the root) is the whole company.

    Hashing the password takes some 20 ms, in a thread; the transaction stays open meanwhile.

    Raises:
        LoginTaken, ExtensionTaken, UnknownDepartment, UnknownRole, WeakPassword, WrongValue.
    """
    login = _checked_login(login)
    if not (name := name.strip()):
        raise WrongValue("the name is empty")
    if role not in set(Role):
        raise UnknownRole(role, [each.value for each in Role])
    passwords.check_strength(password, login=login)
    if await session.scalar(select(Employee.id).where(Employee.login == login)) is not None:
        raise LoginTaken(login)
    employee = Employee(
        login=login,
        name=name,
        role=Role(role),
        department_id=await _department_id(session, department),
        password_hash=await passwords.hash_password(password),
        created_at=now,
    )
    session.add(employee)
    await session.flush()
    if extension:
        await give_extension(session, employee.id, extension, now)
    return employee


async def find(session: AsyncSession, login: str) -> Employee:
    """Return the employee with this login; raises UnknownEmployee."""
    login = signin.normal_login(login)
    employee = await session.scalar(select(Employee).where(Employee.login == login))
    if employee is None:
        raise UnknownEmployee(login)
    return employee


async def disable(session: AsyncSession, login: str, now: datetime) -> Employee:
    """End an employee's access at once and free his telephone; what he did keeps his name."""
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
    await signin.revoke_all(session, employee.id, now)
    return employee


async def set_password(session: AsyncSession, login: str, password: str, now: datetime) -> None:
    """Change a password; every session opened with the old one ends, and so does a lock-out."""
    employee = await find(session, login)
    passwords.check_strength(password, login=employee.login)
    employee.password_hash = await passwords.hash_password(password)
    await signin.revoke_all(session, employee.id, now)
    await signin.unlock(session, employee.login)


async def give_extension(
    session: AsyncSession,
    employee_id: int,
    extension: str,
    now: datetime,
    *,
    until: datetime | None = None,
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
