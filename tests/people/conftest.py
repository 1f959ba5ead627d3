"""A clock that tests move, and people at an entrance."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from people import roster
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

    async def add(login: str, **details: str | None) -> Employee:
        given: dict[str, str | None] = {
            "name": login.title(),
            "role": "operator",
            "password": PASSWORD,
            **details,
        }
        return await writer.run(
            lambda session: roster.add_employee(session, login=login, now=clock(), **given)  # type: ignore[arg-type]
        )

    return add


@pytest.fixture
def entrance(sessions: async_sessionmaker[AsyncSession], writer: Writer, clock: Clock) -> SignIn:
    return SignIn(sessions, writer, now=clock)
