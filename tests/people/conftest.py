"""A clock that tests move, and people at an entrance."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from people import passwords, roster
from people.model import Employee
from people.signin import SignIn
from store.writer import Writer

PASSWORD = "correct horse 42"


class Clock:
    """`clock()` is now; `clock.move(minutes=15)` lets time pass."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, *, minutes: float = 0, seconds: float = 0) -> None:
        self.now += timedelta(minutes=minutes, seconds=seconds)


Hire = Callable[..., Awaitable[Employee]]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hire(writer: Writer, clock: Clock) -> Hire:
    """`await hire("anna", extension="101")` adds an employee with the usual password."""

    async def add(login: str, **details: Any) -> Employee:
        password = details.pop("password", None) or PASSWORD
        given: dict[str, Any] = {
            "name": login.title(),
            "role": "operator",
            **details,
        }
        given["password"] = await passwords.chosen(password, login=login, name=given["name"])
        return await writer.run(
            lambda session: roster.add_employee(session, login=login, now=clock(), **given)
        )

    return add


@pytest.fixture
def entrance(sessions: async_sessionmaker[AsyncSession], writer: Writer, clock: Clock) -> SignIn:
    return SignIn(sessions, writer, now=clock)


@pytest.fixture
def new_password(writer: Writer, sessions: async_sessionmaker[AsyncSession], clock: Clock) -> Hire:
    """`await new_password("anna", "another horse 43")` is an administrator's doing."""

    async def give(login: str, password: str, **details: Any) -> None:
        async with sessions() as session:
            name = (await roster.find(session, login)).name
        chosen = await passwords.chosen(password, login=login, name=name)
        await writer.run(
            lambda session: roster.set_password(session, login, chosen, clock(), **details)
        )

    return give
