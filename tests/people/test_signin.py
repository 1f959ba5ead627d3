"""The entrance: who gets in, who is locked out and for how long, and what a token is good for."""

import asyncio
import statistics
import time
from collections.abc import Awaitable

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from people import roster
from people import sessions as sessions_of
from people.errors import LockedOut, SignInRefused
from people.model import LoginAttempt, Session
from people.signin import SignIn
from store.writer import Writer
from tests.people.conftest import PASSWORD, Clock, Hire

Sessions = async_sessionmaker[AsyncSession]


async def who(sessions: Sessions, token: str, clock: Clock) -> str | None:
    async with sessions() as session:
        present = await sessions_of.authenticate(session, token, clock())
        return present.employee.login if present else None


async def fail(entrance: SignIn, login: str = "anna", times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(SignInRefused):
            await entrance.sign_in(login, "wrong password")


async def test_the_right_password_opens_a_session(
    entrance: SignIn, hire: Hire, sessions: Sessions, clock: Clock
) -> None:
    await hire("anna")
    opened = await entrance.sign_in("anna", PASSWORD)
    assert opened.employee.name == "Anna"
    assert (opened.expires_at - clock()).total_seconds() == 12 * 3600
    assert await who(sessions, opened.token, clock) == "anna"
    assert await who(sessions, opened.token + "x", clock) is None


async def test_logins_are_the_same_in_capitals_and_with_blanks(
    entrance: SignIn, hire: Hire
) -> None:
    await hire("Анна")
    assert (await entrance.sign_in(" АННА ", PASSWORD)).employee.login == "анна"


@pytest.mark.parametrize(
    ("login", "password"),
    [
        ("anna", "wrong"),
        ("nobody", PASSWORD),
        ("anna", ""),
        ("", PASSWORD),
        ("anna", "x" * 100_000),
        ("x" * 100_000, PASSWORD),
        ("anna' OR '1'='1", PASSWORD),
        ("anna", PASSWORD + "\0"),
        ("anna", "\udcff"),
        ("\udcff", PASSWORD),
        ("an\0na", PASSWORD),
    ],
)
async def test_everything_else_is_refused_in_the_same_words(
    entrance: SignIn, hire: Hire, login: str, password: str
) -> None:
    await hire("anna")
    with pytest.raises(SignInRefused) as refused:
        await entrance.sign_in(login, password)
    assert str(refused.value) == "login or password is wrong"


async def test_the_database_holds_neither_token_nor_password(
    entrance: SignIn, hire: Hire, sessions: Sessions
) -> None:
    employee = await hire("anna")
    opened = await entrance.sign_in("anna", PASSWORD)
    async with sessions() as session:
        kept = (await session.scalars(select(Session))).one()
    assert kept.token_hash == sessions_of.token_hash(opened.token)
    assert len(opened.token) >= 43
    assert opened.token.encode() not in kept.token_hash
    assert employee.password_hash.startswith("$argon2id$")


async def test_a_session_ends_after_its_time(
    entrance: SignIn, hire: Hire, sessions: Sessions, clock: Clock
) -> None:
    await hire("anna")
    token = (await entrance.sign_in("anna", PASSWORD)).token
    clock.move(minutes=12 * 60 - 1)
    assert await who(sessions, token, clock) == "anna"
    clock.move(minutes=1)
    assert await who(sessions, token, clock) is None


async def test_signing_out_ends_this_session_only(
    entrance: SignIn, hire: Hire, sessions: Sessions, writer: Writer, clock: Clock
) -> None:
    await hire("anna")
    here, there = [(await entrance.sign_in("anna", PASSWORD)).token for _ in range(2)]
    assert await writer.run(lambda session: sessions_of.sign_out(session, here, clock()))
    assert not await writer.run(lambda session: sessions_of.sign_out(session, here, clock()))
    assert await who(sessions, here, clock) is None
    assert await who(sessions, there, clock) == "anna"
    async with sessions() as session:
        assert not await sessions_of.is_live(session, sessions_of.token_hash(here), clock())
        assert await sessions_of.is_live(session, sessions_of.token_hash(there), clock())


async def test_a_disabled_employee_is_out_at_once_and_stays_out(
    entrance: SignIn, hire: Hire, sessions: Sessions, writer: Writer, clock: Clock
) -> None:
    await hire("anna")
    token = (await entrance.sign_in("anna", PASSWORD)).token
    await writer.run(lambda session: roster.disable(session, "anna", clock()))
    assert await who(sessions, token, clock) is None
    with pytest.raises(SignInRefused):
        await entrance.sign_in("anna", PASSWORD)


async def test_five_failures_lock_the_login_also_for_the_right_password(
    entrance: SignIn, hire: Hire, clock: Clock
) -> None:
    await hire("anna")
    await fail(entrance, times=5)
    for password in ("wrong password", PASSWORD):
        with pytest.raises(LockedOut) as locked:
            await entrance.sign_in("anna", password)
        assert locked.value.retry_after_s == 15 * 60
    clock.move(minutes=14, seconds=59.5)
    with pytest.raises(LockedOut) as locked:
        await entrance.sign_in("anna", PASSWORD)
    assert locked.value.retry_after_s == 1
    clock.move(seconds=0.5)
    await entrance.sign_in("anna", PASSWORD)


async def test_a_new_password_lifts_the_lock(
    entrance: SignIn, hire: Hire, new_password: Hire
) -> None:
    await hire("anna")
    await fail(entrance, times=5)
    await new_password("anna", "another horse 43")
    assert (await entrance.sign_in("anna", "another horse 43")).employee.login == "anna"


async def test_a_lock_counts_from_the_fifth_failure_not_the_first(
    entrance: SignIn, hire: Hire, clock: Clock
) -> None:
    await hire("anna")
    await fail(entrance)
    clock.move(minutes=14)
    await fail(entrance, times=4)
    clock.move(minutes=14)
    with pytest.raises(LockedOut):
        await entrance.sign_in("anna", PASSWORD)


async def test_refusals_during_the_lock_do_not_prolong_it(
    entrance: SignIn, hire: Hire, clock: Clock
) -> None:
    await hire("anna")
    await fail(entrance, times=5)
    for _ in range(14):
        clock.move(minutes=1)
        with pytest.raises(LockedOut):
            await entrance.sign_in("anna", "wrong password")
    clock.move(minutes=1)
    await entrance.sign_in("anna", PASSWORD)


async def test_slow_failures_and_forgiven_ones_do_not_lock(
    entrance: SignIn, hire: Hire, clock: Clock
) -> None:
    await hire("anna")
    for _ in range(6):
        await fail(entrance)
        clock.move(minutes=4)
    await entrance.sign_in("anna", PASSWORD)
    await fail(entrance, times=4)
    await entrance.sign_in("anna", PASSWORD)
    await fail(entrance, times=4)
    await entrance.sign_in("anna", PASSWORD)


async def test_a_lock_survives_a_restart_and_is_one_logins_own(
    entrance: SignIn, hire: Hire, sessions: Sessions, writer: Writer, clock: Clock
) -> None:
    await hire("anna")
    await hire("boris")
    await fail(entrance, times=5)
    restarted = SignIn(sessions, writer, now=clock)
    with pytest.raises(LockedOut):
        await restarted.sign_in("Anna", PASSWORD)
    await restarted.sign_in("boris", PASSWORD)


async def test_a_login_that_does_not_exist_locks_like_one_that_does(entrance: SignIn) -> None:
    await fail(entrance, "nobody", times=5)
    with pytest.raises(LockedOut):
        await entrance.sign_in("nobody", PASSWORD)


async def test_guesses_sent_all_at_once_are_stopped_too(
    entrance: SignIn, hire: Hire, sessions: Sessions
) -> None:
    await hire("anna")
    guesses: list[Awaitable[object]] = [
        entrance.sign_in("anna", f"guess number {i}") for i in range(30)
    ]
    answers = await asyncio.gather(*guesses, return_exceptions=True)
    refused = [type(a) for a in answers].count(SignInRefused)
    assert 5 <= refused <= 6  # two passwords are checked at a time
    assert [type(a) for a in answers].count(LockedOut) == 30 - refused


async def test_old_failures_are_forgotten_in_the_database(
    entrance: SignIn, sessions: Sessions, clock: Clock
) -> None:
    for name in ("a", "b", "c"):
        await fail(entrance, name)
    clock.move(minutes=31)
    await fail(entrance, "d")
    async with sessions() as session:
        assert (await session.scalars(select(LoginAttempt.login))).all() == ["d"]


@pytest.mark.timing
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_an_unknown_login_takes_as_long_as_a_known_one(entrance: SignIn, hire: Hire) -> None:
    await hire("anna")

    async def took_s(login: str) -> float:
        begin = time.perf_counter()
        with pytest.raises(SignInRefused):
            await entrance.sign_in(login, "wrong password")
        return time.perf_counter() - begin

    await took_s("warm-up")
    took = [(await took_s("anna"), await took_s("nobody")) for _ in range(4)]
    known, unknown = (statistics.median(times) for times in zip(*took, strict=True))
    # Without the password check it is a tenth; the machine's noise is less than that.
    assert unknown > 0.4 * known


async def test_checking_passwords_does_not_hold_up_other_writes(
    entrance: SignIn, hire: Hire, writer: Writer
) -> None:
    await hire("anna")
    signing = [asyncio.create_task(entrance.sign_in("anna", PASSWORD)) for _ in range(4)]
    written = 0
    while not all(task.done() for task in signing):
        await writer.run(lambda session: asyncio.sleep(0))
        written += 1
    assert written > 10
    await asyncio.gather(*signing)
