"""Adding and changing employees: what is accepted, and what the refusal says."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from people import directory, passwords, roster
from people.client import ELSEWHERE
from people.errors import (
    ExtensionTaken,
    LoginTaken,
    RosterError,
    SignInRefused,
    UnknownDepartment,
    UnknownEmployee,
    UnknownRole,
    WeakPassword,
    WrongValue,
)
from people.model import Employee, Role
from people.sessions import token_hash
from people.signin import SignIn
from store.writer import Writer
from tests.people.conftest import PASSWORD, Clock, Hire

Sessions = async_sessionmaker[AsyncSession]
MOBILE = "+79110000009"


async def test_an_employee_is_kept_as_given(hire: Hire, writer: Writer, sessions: Sessions) -> None:
    made = await writer.run(lambda session: roster.department(session, "Доставка"))
    await hire(
        "Anna", name="Анна Ёлкина", role="supervisor", extension="101", department="Доставка"
    )
    async with sessions() as session:
        anna = await roster.find(session, "ANNA")
        assert (anna.login, anna.name, Role(anna.role)) == ("anna", "Анна Ёлкина", Role.SUPERVISOR)
        assert anna.department_id == made.id
        assert await directory.extension_of(session, anna.id) == "101"


async def test_the_root_department_is_the_whole_company(hire: Hire, sessions: Sessions) -> None:
    async with sessions() as session:
        root = (await directory.root_department(session)).name
    assert (await hire("anna", department=root)).department_id is None
    assert (await hire("boris")).department_id is None


@pytest.mark.parametrize(
    ("details", "error", "says"),
    [
        ({"login": "ANNA"}, LoginTaken, "'anna' is taken"),
        ({"login": ""}, WrongValue, "no login"),
        ({"login": "a b"}, WrongValue, "no login"),
        ({"name": "  "}, WrongValue, "name is empty"),
        ({"extension": "101"}, ExtensionTaken, "101 belongs to 'Anna'"),
        ({"extension": "10 1"}, WrongValue, "no extension"),
        ({"department": "Склад"}, UnknownDepartment, "no department 'Склад'; there are: Компания"),
        ({"role": "boss"}, UnknownRole, "use one of: operator, handler"),
        ({"role": ""}, UnknownRole, "use one of"),
        ({"password": "short"}, WeakPassword, "at least 8"),
        ({"password": "x" * 257}, WeakPassword, "at most 256"),
        ({"password": "abababab"}, WeakPassword, "repeats"),
        ({"login": "boris.petrov", "password": "Boris.Petrov"}, WeakPassword, "is the login"),
    ],
)
async def test_what_can_not_be_is_refused_and_nothing_is_stored(
    hire: Hire, sessions: Sessions, details: dict[str, Any], error: type[RosterError], says: str
) -> None:
    await hire("anna", extension="101")
    given = {"login": "boris", **details}
    with pytest.raises(error, match=says):
        await hire(**given)
    if error is not LoginTaken:
        async with sessions() as session:
            with pytest.raises(UnknownEmployee):
                await roster.find(session, given["login"])


async def test_a_freed_extension_has_a_new_owner_and_old_calls_keep_theirs(
    hire: Hire, writer: Writer, sessions: Sessions, clock: Clock
) -> None:
    await hire("anna", extension="101")
    before = clock()
    clock.move(minutes=60)
    await writer.run(lambda session: roster.disable(session, "anna", clock()))
    clock.move(minutes=60)
    between = clock()
    clock.move(minutes=60)
    await hire("boris", extension="101")

    async def owner(at: Any) -> str | None:
        async with sessions() as session:
            found = await directory.employee_at(session, "101", at)
            return (await session.get_one(Employee, found)).login if found else None

    assert [await owner(at) for at in (before, between, clock())] == ["anna", None, "boris"]


async def test_an_employee_may_have_two_telephones_and_keeps_what_he_has(
    hire: Hire, writer: Writer, sessions: Sessions, clock: Clock
) -> None:
    anna = await hire("anna", extension="101")
    clock.move(minutes=1)
    for extension in ("102", "101"):
        await writer.run(
            lambda session, e=extension: roster.give_extension(session, anna.id, e, clock())  # type: ignore[misc]
        )
    async with sessions() as session:
        for extension in ("101", "102"):
            assert await directory.employee_at(session, extension, clock()) == anna.id


async def test_an_outside_number_is_a_persons_until_its_day_and_no_extension(
    hire: Hire, writer: Writer, sessions: Sessions, clock: Clock
) -> None:
    anna, boris = await hire("anna", extension="101"), await hire("boris")
    clock.move(minutes=1)

    async def give(login: str, until: timedelta | None) -> None:
        now = clock()
        end = None if until is None else now + until
        await writer.run(
            lambda session: roster.give_telephone(session, login, MOBILE, now, until=end)
        )

    async def owner() -> int | None:
        async with sessions() as session:
            return await directory.employee_at(session, MOBILE, clock())

    await give("anna", None)
    async with sessions() as session:
        assert await directory.extension_of(session, anna.id) == "101"
    assert await owner() == anna.id
    await give("anna", timedelta(hours=1))  # the same again, now with an end
    with pytest.raises(ExtensionTaken, match="belongs to 'Anna'"):
        await give("boris", None)
    clock.move(minutes=61)
    assert await owner() is None
    await give("boris", None)
    assert await owner() == boris.id
    await writer.run(lambda session: roster.disable(session, "boris", clock()))
    clock.move(minutes=1)
    assert await owner() is None
    with pytest.raises(WrongValue, match="disabled"):
        await give("boris", None)
    with pytest.raises(UnknownEmployee):
        await give("eve", None)


async def test_a_disabled_employee_loses_a_number_that_had_an_end_as_well(
    hire: Hire, writer: Writer, sessions: Sessions, clock: Clock
) -> None:
    await hire("anna")
    end = clock() + timedelta(days=30)
    await writer.run(
        lambda session: roster.give_telephone(session, "anna", MOBILE, clock(), until=end)
    )
    clock.move(minutes=1)
    await writer.run(lambda session: roster.disable(session, "anna", clock()))
    clock.move(minutes=1)
    async with sessions() as session:
        assert await directory.employee_at(session, MOBILE, clock()) is None


async def test_a_new_password_ends_old_sessions(
    hire: Hire, entrance: SignIn, new_password: Hire
) -> None:
    await hire("anna")
    await entrance.sign_in("anna", PASSWORD)
    await new_password("anna", "another horse 43")
    with pytest.raises(SignInRefused):
        await entrance.sign_in("anna", PASSWORD)
    assert (await entrance.sign_in("anna", "another horse 43")).employee.login == "anna"


async def test_a_department_is_made_once_under_the_root(writer: Writer, sessions: Sessions) -> None:
    made = [
        await writer.run(lambda session: roster.department(session, "Доставка")) for _ in range(2)
    ]
    assert made[0].id == made[1].id
    async with sessions() as session:
        root = await directory.root_department(session)
        assert await directory.ancestors(session, made[0].id) == (made[0].id, root.id)


async def test_the_same_password_typed_on_another_keyboard() -> None:
    composed, decomposed = "\u0439ogurt-1", "\u0438\u0306ogurt-1"
    assert await passwords.verify(await passwords.hash_password(composed), decomposed)


async def test_a_damaged_hash_is_no_password() -> None:
    assert not await passwords.verify("not a hash", PASSWORD)
    assert not await passwords.verify(None, "nobody's password")


async def test_passwords_are_hashed_before_the_transaction_opens(
    hire: Hire, new_password: Hire, entrance: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a password is hashed, presses are stored: no hashing is called from the writer's task."""
    called_in: list[str] = []
    hashed = passwords.hash_password

    async def watched(password: str) -> str:
        task = asyncio.current_task()
        called_in.append(task.get_name() if task is not None else "")
        return await hashed(password)

    monkeypatch.setattr(passwords, "hash_password", watched)
    anna = await hire("anna")
    await new_password("anna", "another horse 43")
    done = await entrance.sign_in("anna", "another horse 43")
    await entrance.change_password(
        anna,
        "another horse 43",
        "third horse 44",
        client=ELSEWHERE,
        session_hash=token_hash(done.token),
    )
    assert len(called_in) == 3
    assert "store-writer" not in called_in
