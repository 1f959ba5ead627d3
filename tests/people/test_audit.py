"""The audit: what is written, who sees it, and that nothing of it can be changed."""

import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from people import audit, roster
from people.audit import AuditKind, AuditQuery
from people.client import Client
from people.errors import LockedOut, SignInRefused, WrongPassword
from people.lockout import LockRules
from people.model import AuditEntry, Employee, LoginAttempt
from people.sessions import token_hash
from people.signin import SignIn, SignInRules
from store.errors import WrittenOnce
from store.writer import Writer
from tests.people.conftest import PASSWORD, Clock, Hire

Sessions = async_sessionmaker[AsyncSession]
FROM = Client(address="203.0.113.9", network="203.0.113.9/32", agent="Mozilla/5.0")


async def seen(sessions: Sessions, viewer: Employee, **query: object) -> list[str]:
    async with sessions() as session:
        found = await audit.entries(session, viewer, AuditQuery(**query), 200)  # type: ignore[arg-type]
        return [entry.kind for entry in reversed(found)]


async def test_a_life_at_the_entrance_leaves_its_entries(
    entrance: SignIn,
    hire: Hire,
    new_password: Hire,
    sessions: Sessions,
    writer: Writer,
    clock: Clock,
) -> None:
    admin = await hire("admin", role="admin")
    anna = await hire("anna", extension="101")
    with pytest.raises(SignInRefused):
        await entrance.sign_in("anna", "wrong password", client=FROM)
    done = await entrance.sign_in("anna", PASSWORD, client=FROM)
    own = token_hash(done.token)
    with pytest.raises(WrongPassword):
        await entrance.change_password(
            anna, "wrong", "another horse 43", client=FROM, session_hash=own
        )
    await entrance.change_password(
        anna, PASSWORD, "another horse 43", client=FROM, session_hash=own
    )
    await new_password("anna", "third horse 44", must_change=True)
    await writer.run(lambda session: roster.unlock(session, "anna", clock()))
    await writer.run(lambda session: roster.disable(session, "anna", clock()))
    assert await seen(sessions, admin, employee=anna.id) == [
        "user-added",
        "telephone-given",
        "sign-in-failed",
        "signed-in",
        "sign-in-failed",
        "password-changed",
        "password-set",
        "user-unlocked",
        "user-disabled",
    ]
    assert await seen(sessions, admin, kind=AuditKind.SIGNED_IN) == ["signed-in"]
    async with sessions() as session:
        (entry,) = await session.scalars(select(AuditEntry).where(AuditEntry.kind == "signed-in"))
        assert (entry.actor_id, entry.address, entry.agent) == (anna.id, "203.0.113.9", FROM.agent)
        whole = await session.execute(text("SELECT * FROM audit"))
        rows = " ".join(str(row) for row in whole)
    for secret in (PASSWORD, "another horse 43", "third horse 44", "wrong", done.token):
        assert secret not in rows


async def test_a_lock_out_and_spraying_are_said_once(
    hire: Hire, sessions: Sessions, writer: Writer, clock: Clock
) -> None:
    admin = await hire("admin", role="admin")
    rules = SignInRules(lock=LockRules(failures=2, spraying=3, per_network=9))
    entrance = SignIn(sessions, writer, now=clock, rules=rules)
    await hire("anna")
    for login, error in (
        *(("anna", SignInRefused),) * 2,
        ("anna", LockedOut),
        *((f"user{n}", SignInRefused) for n in range(5)),
    ):
        with pytest.raises(error):
            await entrance.sign_in(login, "wrong password", client=FROM)
    kinds = await seen(sessions, admin)
    assert (kinds.count("locked-out"), kinds.count("spraying")) == (1, 1)
    assert kinds.index("locked-out") < kinds.index("spraying")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_flood_at_logins_that_nobody_has_does_not_fill_the_disk(
    hire: Hire, sessions: Sessions, writer: Writer, clock: Clock
) -> None:
    admin = await hire("admin", role="admin")
    entrance = SignIn(sessions, writer, now=clock, rules=SignInRules(strangers_an_hour=2))

    async def fail(login: str) -> None:
        with pytest.raises(SignInRefused):
            await entrance.sign_in(login, "wrong password", client=FROM)

    for n in range(5):
        await fail(f"user{n}")
    await fail("admin")
    assert (await seen(sessions, admin)).count("sign-in-failed") == 4
    clock.move(minutes=61)
    await fail("user9")
    async with sessions() as session:
        found = await audit.entries(session, admin, AuditQuery(kind=AuditKind.SIGN_IN_FAILED), 9)
    assert [entry.data["why"] for entry in reversed(found)] == [
        *("password", "password", "password", "not-kept"),
        "password",
    ]
    assert sum(entry.data.get("count", 0) for entry in found) == 3


async def test_nothing_of_it_can_be_changed_or_deleted(
    hire: Hire, sessions: Sessions, writer: Writer
) -> None:
    await hire("anna")

    async def change(session: AsyncSession) -> None:
        (await session.scalars(select(AuditEntry))).one().address = "198.51.100.1"
        await session.flush()

    async def remove(session: AsyncSession) -> None:
        await session.delete((await session.scalars(select(AuditEntry))).one())
        await session.flush()

    async def change_all(session: AsyncSession) -> None:
        await session.execute(update(AuditEntry).values(kind="x"))

    async def remove_all(session: AsyncSession) -> None:
        await session.execute(delete(AuditEntry))

    for attempt in (change, remove, change_all, remove_all):
        with pytest.raises(WrittenOnce):
            await writer.run(attempt)
    async with sessions() as session:
        assert (await session.scalars(select(AuditEntry.kind))).all() == ["user-added"]


async def test_a_supervisor_sees_what_concerns_people_below(
    hire: Hire, sessions: Sessions, writer: Writer, entrance: SignIn
) -> None:
    for name in ("Доставка", "Склад"):
        await writer.run(lambda session, n=name: roster.department(session, n))  # type: ignore[misc]
    boss = await hire("boss", role="supervisor", department="Доставка")
    anna = await hire("anna", department="Доставка")
    other = await hire("boris", department="Склад")
    everything = await hire("head", role="supervisor")
    for login in ("anna", "boris", "nobody"):
        with pytest.raises(SignInRefused):
            await entrance.sign_in(login, "wrong password", client=FROM)

    async def subjects(viewer: Employee) -> list[int | None]:
        async with sessions() as session:
            query = AuditQuery(kind=AuditKind.SIGN_IN_FAILED)
            return [e.subject_id for e in await audit.entries(session, viewer, query, 9)]

    assert await subjects(boss) == [anna.id]
    assert await subjects(everything) == [None, other.id, anna.id]


async def test_looking_up_and_forgetting_failures_reads_no_whole_table(
    sessions: Sessions, writer: Writer, clock: Clock
) -> None:
    """After a flood the table is long; each sign-in must stay as cheap as before."""

    async def work(session: AsyncSession) -> None:
        session.add_all(
            LoginAttempt(login=f"user{n}", at=clock(), network=f"net{n}") for n in range(500)
        )

    await writer.run(work)
    statements = [
        "DELETE FROM login_attempts WHERE at < '2026-01-01 00:00:00'",
        "SELECT at FROM login_attempts WHERE login = 'user1' AND device IS NULL AND NOT forgiven"
        " ORDER BY at DESC LIMIT 5",
        "SELECT count(DISTINCT login) FROM login_attempts WHERE network = 'net1' AND at > '2026-01-01 00:00:00'",
    ]
    async with sessions() as session:
        sqlite = session.get_bind().dialect.name == "sqlite"
        if not sqlite:
            await session.execute(text("SET LOCAL enable_seqscan = off"))
        for statement in statements:
            explain = "EXPLAIN QUERY PLAN" if sqlite else "EXPLAIN"
            rows = await session.execute(text(f"{explain} {statement}"))
            plan = " ".join(str(row) for row in rows)
            assert "ix_login_attempts" in plan, plan
