"""What `press3 user …` does: employees and their keys, from the command line. Every change is in the audit."""

from sqlalchemy.ext.asyncio import AsyncSession

from people import passwords, roster
from people.errors import WrongValue
from people.passwords import PasswordHash
from press3.clock import now
from press3.config.settings import Settings
from press3.database import Database, open_database
from press3.telephony_parts import number_rules

__all__ = [
    "add_user",
    "disable_user",
    "end_user_sessions",
    "reset_user_totp",
    "set_password",
    "unlock_user",
]


async def add_user(
    settings: Settings,
    *,
    login: str,
    password: str,
    name: str | None,
    role: str | None,
    extension: str | None,
    department: str | None,
    must_change: bool = False,
) -> None:
    """Add an employee; raises WrongValue for an extension that never rings on a screen."""
    if extension is not None and not number_rules(settings).is_internal(extension):
        raise WrongValue(
            f"{extension!r} is no extension here: [calls] internal is {settings.calls.internal!r}. "
            "Give the number at which the operator's telephone is called, or change that key"
        )
    shown = name or login
    chosen = await passwords.chosen(password, login=login, name=shown)

    async def work(session: AsyncSession) -> None:
        if department:
            await roster.department(session, department)
        await roster.add_employee(
            session,
            login=login,
            name=shown,
            role=role or "",
            extension=extension,
            department=department,
            password=chosen,
            must_change=must_change,
            now=now(),
        )

    async with open_database(settings) as database:
        await database.writer.run(work)


async def set_password(settings: Settings, login: str, password: str, *, must_change: bool) -> None:
    """Change an employee's password."""
    async with open_database(settings) as database:
        chosen = await _chosen(database, login, password)
        await database.writer.run(
            lambda s: roster.set_password(s, login, chosen, now(), must_change=must_change)
        )


async def _chosen(database: Database, login: str, password: str) -> PasswordHash:
    async with database.sessions() as session:
        employee = await roster.find(session, login)
    return await passwords.chosen(password, login=employee.login, name=employee.name)


async def disable_user(settings: Settings, login: str) -> None:
    """Disable an employee."""
    async with open_database(settings) as database:
        await database.writer.run(lambda session: roster.disable(session, login, now()))


async def unlock_user(settings: Settings, login: str) -> int:
    """Forgive an employee's failed sign-ins; return how many there were."""
    async with open_database(settings) as database:
        return await database.writer.run(lambda session: roster.unlock(session, login, now()))


async def reset_user_totp(settings: Settings, login: str) -> None:
    """Forget an employee's second factor."""
    async with open_database(settings) as database:
        await database.writer.run(lambda session: roster.reset_second_factor(session, login, now()))


async def end_user_sessions(settings: Settings, login: str) -> int:
    """End an employee's sessions; return how many there were."""
    async with open_database(settings) as database:
        return await database.writer.run(lambda session: roster.end_sessions(session, login, now()))
