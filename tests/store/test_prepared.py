"""A prepared statement does in the writer what it does in any session, only sooner."""

import asyncio
import contextlib
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Insert, bindparam, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

import store.engine
from appeals.case.model import RecordType
from calls.model import Call
from customers.model import Customer, CustomerPhone
from people.model import Department, Employee, Extension
from store.base import table
from store.errors import CommitFailed
from store.fast.batch import next_number, once_a_batch
from store.fast.prepared import Runner, insert_later, insert_now, prepared
from store.journal import JournalRow
from store.outbox import OutboxRow
from store.writer import Writer
from tests.store.samples import NOON, add, names, say
from tests.waiting import until

Sessions = async_sessionmaker[AsyncSession]

_DEPARTMENTS, _OUTBOX, _JOURNAL = table(Department), table(OutboxRow), table(JournalRow)
_PHONES = table(CustomerPhone)
INSERT = prepared(insert(_DEPARTMENTS).returning(_DEPARTMENTS.c.id, _DEPARTMENTS.c.name))
INSERT_MANY = prepared(insert(_DEPARTMENTS))
RENAME = prepared(update(_DEPARTMENTS).where(_DEPARTMENTS.c.name == bindparam("old")))
COUNT = prepared(
    select(func.count()).select_from(_DEPARTMENTS).where(_DEPARTMENTS.c.parent_id.is_not(None))
)
INSERT_MESSAGE = prepared(insert(_OUTBOX))
MESSAGES = prepared(select(_OUTBOX).where(_OUTBOX.c.at == bindparam("when")).limit(5))
INSERT_EVENT = prepared(insert(_JOURNAL))
INSERT_CUSTOMER = prepared(insert(table(Customer)))
INSERT_PHONE = prepared(insert(_PHONES).returning(_PHONES.c.number))
INSERT_PHONES = prepared(insert(_PHONES))
INSERT_EMPLOYEE = prepared(insert(table(Employee)))
INSERT_EXTENSION = prepared(insert(table(Extension)))
SET_DEPARTMENT = prepared(update(table(Call)).where(table(Call).c.id == bindparam("call")))
GIVE_PHONE = prepared(update(_PHONES).where(_PHONES.c.number == bindparam("which")))


def _event(pbx: str | None, raw: bytes = b"x") -> dict[str, Any]:
    return {"pbx": pbx, "at": NOON, "call_id": None, "raw": raw}


def _employee(n: int, department: int) -> dict[str, Any]:
    return {
        "id": n,
        "login": f"e{n}",
        "name": f"e{n}",
        "role": "operator",
        "department_id": department,
        "password_hash": "-",
        "created_at": NOON,
        "disabled_at": None,
        "must_change": False,
    }


async def test_values_and_rows_are_those_of_sqlalchemy(writer: Writer, sessions: Sessions) -> None:
    at = NOON + timedelta(microseconds=7)
    row = {
        "seq": 77,
        "type": "t\x00 \ud800",
        "at": at,
        "audience": {},
        "data": {"имя": [1, None, True]},
    }

    async def work(session: AsyncSession) -> list[Any]:
        await session.execute(INSERT_MESSAGE, row)
        return list((await session.execute(MESSAGES, {"when": at})).mappings())

    (told,) = await writer.run(work)
    async with sessions() as session:
        (read,) = (await session.execute(MESSAGES, {"when": at})).mappings()
        one = (await session.scalars(select(OutboxRow))).one()
    assert dict(told) == dict(read) == row | {"type": "t\ufffd \ufffd"}
    assert (one.at, one.data) == (at, row["data"])


async def test_what_was_added_to_the_session_is_there_for_the_next_statement(
    writer: Writer,
) -> None:
    async def work(session: AsyncSession) -> int | None:
        session.add(Department(name="a", parent_id=1))
        return await session.scalar(COUNT)

    assert await writer.run(work) == 1


async def test_one_row_many_rows_and_rows_given_back(writer: Writer, sessions: Sessions) -> None:
    async def work(session: AsyncSession) -> str:
        made = (await session.execute(INSERT, {"name": "a", "parent_id": 1})).one()
        await session.execute(INSERT_MANY, [{"name": n, "parent_id": made.id} for n in "bc"])
        await session.execute(RENAME, {"old": "b", "name": "B"})
        assert (await session.scalars(COUNT)).one() == 3
        return str(made.name)

    assert await writer.run(work) == "a"
    assert await names(sessions) == ["a", "B", "c"]


async def test_a_savepoint_holds_what_was_done_in_it_alone(
    writer: Writer, sessions: Sessions
) -> None:
    async def inside(session: AsyncSession) -> None:
        async with session.begin_nested():
            await session.execute(INSERT, {"name": "inside", "parent_id": 1})
            await session.execute(INSERT, {"name": "before", "parent_id": 1})

    async def work(session: AsyncSession) -> None:
        await session.execute(INSERT, {"name": "before", "parent_id": 1})
        with pytest.raises(IntegrityError):
            await inside(session)
        await session.execute(INSERT, {"name": "after", "parent_id": 1})

    await writer.run(work)
    assert await names(sessions) == ["before", "after"]


async def test_a_work_that_fails_leaves_neither_rows_nor_rows_for_later(
    writer: Writer, sessions: Sessions
) -> None:
    def work(name: str, *, twice: bool = False) -> Any:
        async def run(session: AsyncSession) -> None:
            await insert_later(session, INSERT_EVENT, [_event(name)])
            for _ in range(1 + twice):
                await session.execute(INSERT, {"name": name, "parent_id": 1})
            await add(f"{name}-told")(session)

        return run

    results = await asyncio.gather(
        writer.run(work("a")),
        writer.run(work("b", twice=True)),
        writer.run(work("c")),
        return_exceptions=True,
    )
    assert isinstance(results[1], IntegrityError)
    assert [results[0], results[2]] == [None, None]
    assert await names(sessions) == ["a", "a-told", "c", "c-told"]
    assert [text for _, text in await say(sessions)] == ["a-told", "c-told"]
    async with sessions() as session:
        kept = await session.scalars(select(JournalRow.pbx).order_by(JournalRow.id))
        assert list(kept) == ["a", "c"]


async def test_rows_for_later_that_cannot_be_stored_fail_their_work_alone(
    writer: Writer, sessions: Sessions
) -> None:
    def work(name: str, pbx: str | None) -> Any:
        async def run(session: AsyncSession) -> None:
            await insert_later(session, INSERT_EVENT, [_event(pbx)])
            await add(name)(session)

        return run

    results = await asyncio.gather(
        *(writer.run(work(name, pbx)) for name, pbx in (("a", "a"), ("b", None), ("c", "c"))),
        return_exceptions=True,
    )
    assert isinstance(results[1], IntegrityError)
    assert [results[0], results[2]] == [None, None]
    assert await names(sessions) == ["a", "c"]
    assert [text for _, text in await say(sessions)] == ["a", "c"]
    with pytest.raises(IntegrityError):  # alone in its batch too
        await writer.run(work("d", None))


async def test_whoever_swallows_the_failure_of_others_rows_commits_nothing_without_them(
    writer: Writer, sessions: Sessions
) -> None:
    async def tells(session: AsyncSession) -> None:
        await insert_later(session, INSERT_EVENT, [_event("kept"), _event(None)])

    async def swallows(session: AsyncSession) -> None:
        with contextlib.suppress(IntegrityError):
            await session.scalar(select(JournalRow.pbx))
        await add("swallowed")(session)

    told, _ = await asyncio.gather(writer.run(tells), writer.run(swallows), return_exceptions=True)
    assert isinstance(told, IntegrityError)
    assert await names(sessions) == ["swallowed"]
    async with sessions() as session:
        assert (await session.scalars(select(JournalRow))).all() == []


@pytest.mark.parametrize("way", ["prepared", "core", "orm", "get"])
async def test_rows_for_later_are_there_for_whoever_asks(writer: Writer, way: str) -> None:
    async def tells(session: AsyncSession) -> None:
        await insert_later(session, INSERT_EVENT, [_event("main")])

    async def asks(session: AsyncSession) -> str | None:
        of_table = select(_JOURNAL.c.pbx).where(_JOURNAL.c.pbx == bindparam("of"))
        if way == "prepared":
            found: str | None = await session.scalar(prepared(of_table), {"of": "main"})
        elif way == "core":
            found = await session.scalar(of_table, {"of": "main"})
        elif way == "orm":
            found = await session.scalar(select(JournalRow.pbx))
        else:
            row = await session.get(JournalRow, 1)
            found = row and row.pbx
        return found

    _, found = await asyncio.gather(writer.run(tells), writer.run(asks))
    assert found == "main"


async def test_what_no_work_changes_is_asked_once_a_batch(
    writer: Writer, sessions: Sessions
) -> None:
    asked = []

    async def ask() -> int:
        asked.append(len(asked))
        return len(asked)

    async def work(session: AsyncSession) -> int:
        return await once_a_batch(session, "key", ask)

    assert await asyncio.gather(*(writer.run(work) for _ in range(3))) == [1, 1, 1]
    assert await writer.run(work) == 2
    async with sessions() as session:
        assert [await work(session), await work(session)] == [3, 4]


@pytest.mark.parametrize("way", ["one row", "many rows", "update", "orm"])
async def test_rows_for_later_go_before_what_refers_to_them(
    writer: Writer, sessions: Sessions, way: str
) -> None:
    async def work(session: AsyncSession) -> None:
        people = [{"id": i, "name": "Ivan", "created_at": NOON} for i in (7, 8)]
        await session.execute(INSERT_CUSTOMER, people[0])
        await session.execute(INSERT_PHONE, {"number": "7", "customer_id": 7})
        await insert_later(session, INSERT_EVENT, [_event("main")])
        await insert_later(session, INSERT_CUSTOMER, people[1:])
        phone = {"number": "8", "customer_id": 8}
        if way == "one row":
            assert await session.scalar(INSERT_PHONE, phone) == "8"
        elif way == "many rows":
            await session.execute(INSERT_PHONES, [phone])
        elif way == "update":
            await session.execute(GIVE_PHONE, {"which": "7", "customer_id": 8})
        else:
            session.add(CustomerPhone(**phone))

    await writer.run(work)
    async with sessions() as session:
        assert 8 in list(await session.scalars(select(CustomerPhone.customer_id)))
        assert list(await session.scalars(select(JournalRow.pbx))) == ["main"]


@pytest.mark.parametrize("first", ["referred to", "not referred to"])
async def test_rows_for_later_of_a_table_go_after_those_that_they_refer_to(
    writer: Writer, sessions: Sessions, first: str
) -> None:
    """However often the table of the parents was asked for meanwhile, and though a child came first."""

    async def parent_and_child(session: AsyncSession, n: int) -> None:
        await insert_later(session, INSERT_MANY, [{"id": n, "name": f"d{n}", "parent_id": 1}])
        await insert_later(session, INSERT_EMPLOYEE, [_employee(n, n)])

    async def work(session: AsyncSession) -> None:
        if first == "referred to":
            await parent_and_child(session, 10)
            await session.execute(SET_DEPARTMENT, {"call": "none", "department_id": 10})
        else:
            await insert_later(session, INSERT_EMPLOYEE, [_employee(10, 1)])
        await parent_and_child(session, 11)
        await parent_and_child(session, 12)

    await writer.run(work)
    async with sessions() as session:
        found = await session.execute(
            select(Employee.id, Employee.department_id).order_by(Employee.id)
        )
        wanted = [(10, 10 if first == "referred to" else 1), (11, 11), (12, 12)]
        assert [tuple(row) for row in found] == wanted


async def test_rows_for_later_go_with_what_refers_to_them_through_others(
    writer: Writer, sessions: Sessions
) -> None:
    async def work(session: AsyncSession) -> None:
        await insert_later(session, INSERT_MANY, [{"id": 10, "name": "d", "parent_id": 1}])
        await insert_later(session, INSERT_EMPLOYEE, [_employee(10, 10)])
        await session.execute(INSERT_EXTENSION, {"number": "101", "employee_id": 10, "since": NOON})

    await writer.run(work)
    async with sessions() as session:
        assert await session.scalar(select(Extension.employee_id)) == 10


@pytest.mark.parametrize("fault", ["one row", "many rows", "naive time"])
async def test_a_value_that_cannot_be_sent_loses_nobody_elses_rows(
    writer: Writer, sessions: Sessions, fault: str
) -> None:
    """The transaction is still sound then: a work that swallows the error would have it committed."""

    async def tells(session: AsyncSession) -> None:
        customer = {"id": 7, "name": "Ivan", "created_at": NOON}
        await insert_later(session, INSERT_CUSTOMER, [customer])

    async def swallows(session: AsyncSession) -> None:
        phone = {"number": "7", "customer_id": object()}
        naive = {"id": 8, "name": "-", "created_at": NOON.replace(tzinfo=None)}
        ways = {
            "one row": lambda: session.execute(INSERT_PHONE, phone),
            "many rows": lambda: session.execute(INSERT_PHONES, [phone]),
            "naive time": lambda: insert_later(session, INSERT_CUSTOMER, [naive]),
        }
        with pytest.raises((DBAPIError, TypeError, ValueError)):
            await ways[fault]()

    await asyncio.gather(writer.run(tells), writer.run(swallows))
    async with sessions() as session:
        assert list(await session.scalars(select(Customer.id))) == [7]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_was_cancelled_while_rows_for_later_went_in_is_not_committed(
    engine: AsyncEngine,
) -> None:
    class Driver:
        """Is cancelled at its first statement, as by the limit of whoever waits for it."""

        sent = 0

        async def run(self, sql: str, bound: Any, *, many: bool) -> list[Any]:
            self.sent += 1
            if self.sent == 1:
                raise asyncio.CancelledError
            return []

    driver = Driver()
    runner = Runner(engine.dialect, driver)
    async with AsyncSession(engine) as session:
        runner.serve(session)
        await insert_later(session, INSERT_EVENT, [_event("main")])
        for _ in range(2):
            with pytest.raises(asyncio.CancelledError):
                await insert_now(session)
    assert driver.sent == 1


@pytest.mark.parametrize(
    "statement",
    [
        insert(_DEPARTMENTS).returning(_DEPARTMENTS.c.id),
        insert(_DEPARTMENTS).values(name=func.upper("x")),
        insert(_DEPARTMENTS).values(name="fixed"),
        insert(_DEPARTMENTS).from_select(["name"], select(_PHONES.c.number)),
    ],
    ids=["returning", "expression", "fixed value", "select"],
)
async def test_only_an_insert_of_values_can_be_for_later(
    writer: Writer, sessions: Sessions, statement: Insert
) -> None:
    async def work(session: AsyncSession) -> None:
        await insert_later(session, prepared(statement), [{"parent_id": 1}])

    with pytest.raises(ValueError, match="not for later"):
        await writer.run(work)
    assert await names(sessions) == []


async def test_numbers_of_a_batch_count_on_from_what_is_asked_once(
    writer: Writer, sessions: Sessions
) -> None:
    asked = []

    async def last() -> int:
        asked.append(1)
        return 7

    async def work(session: AsyncSession) -> int:
        return await next_number(session, "key", last)

    assert await asyncio.gather(*(writer.run(work) for _ in range(3))) == [8, 9, 10]
    assert len(asked) == 1
    assert await writer.run(work) == 8
    async with sessions() as session:
        assert [await work(session), await work(session)] == [8, 8]


async def test_a_savepoint_undone_takes_only_its_own_rows_for_later(
    writer: Writer, sessions: Sessions
) -> None:
    async def undone(session: AsyncSession) -> None:
        async with session.begin_nested():
            await session.connection()  # says SAVEPOINT
            assert await session.scalar(select(JournalRow.pbx)) == "before"
            await insert_later(session, INSERT_EVENT, [_event("inside")])
            raise LookupError

    async def work(session: AsyncSession) -> None:
        await insert_later(session, INSERT_EVENT, [_event("before")])
        with pytest.raises(LookupError):
            await undone(session)
        await insert_later(session, INSERT_EVENT, [_event("after")])

    await writer.run(work)
    async with sessions() as session:
        kept = await session.scalars(select(JournalRow.pbx).order_by(JournalRow.id))
        assert list(kept) == ["before", "after"]


async def test_many_rows_hold_what_one_row_holds(writer: Writer, sessions: Sessions) -> None:
    """PostgreSQL gets many as one JSON text: what is in the table must not tell the difference."""
    data = {"имя": [1, None, True, '\\ " \u0000'], "f": 0.1}
    row = {"type": "t\x00 \ud800 \\x41", "at": NOON + timedelta(microseconds=7), "audience": None}

    async def work(session: AsyncSession) -> None:
        await session.execute(INSERT_MESSAGE, {"seq": 1, "data": data, **row})
        await session.execute(INSERT_MESSAGE, [{"seq": seq, "data": data, **row} for seq in (2, 3)])
        raw = [_event("one", b"\x00\xff\\'"), _event("two", b"")]
        await session.execute(INSERT_EVENT, raw[0])
        await session.execute(INSERT_EVENT, raw)

    await writer.run(work)
    async with sessions() as session:
        columns = "type, at, CAST(audience AS varchar), CAST(data AS varchar)"
        one, *many = await session.execute(text(f"SELECT {columns} FROM outbox ORDER BY seq"))
        assert many == [one, one]
        assert one[2] == "null"
        events = await session.execute(
            select(JournalRow.pbx, JournalRow.raw).order_by(JournalRow.id)
        )
        first, second = ("one", b"\x00\xff\\'"), ("two", b"")
        assert [tuple(row) for row in events] == [first, first, second]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.postgres
async def test_what_is_too_long_is_refused_in_many_rows_too(writer: Writer) -> None:
    statement = prepared(insert(table(RecordType)))

    async def work(session: AsyncSession) -> None:
        rows = [{"code": "x" * n, "name": "-", "kind": "request"} for n in (16, 17)]
        await session.execute(statement, rows)

    with pytest.raises(DBAPIError, match="too long"):
        await writer.run(work)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_nothing_is_written_once_sqlite_has_ended_the_transaction(
    writer: Writer, sessions: Sessions
) -> None:
    async def goes_on(session: AsyncSession) -> None:
        raw = await (await session.connection()).get_raw_connection()
        assert raw.driver_connection is not None
        await raw.driver_connection.rollback()
        with pytest.raises(OperationalError):
            await session.execute(INSERT, {"name": "smuggled", "parent_id": 1})

    with pytest.raises(CommitFailed):
        await writer.run(goes_on)
    assert await names(sessions) == []


async def test_a_default_that_python_computes_is_refused(writer: Writer) -> None:
    statement = prepared(insert(table(Call)))  # `recovered` is false when nothing is said

    async def work(session: AsyncSession) -> None:
        await session.execute(statement, {"id": "main-1.7", "pbx": "main", "started_at": NOON})

    with pytest.raises(ValueError, match="not to be prepared"):
        await writer.run(work)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.postgres
@pytest.mark.parametrize("way", ["prepared", "core", "orm"])
async def test_who_freezes_after_many_rows_is_let_go(
    engine: AsyncEngine, sessions: Sessions, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By psycopg's executemany PostgreSQL would wait for ever: its pipeline ends the count of idle seconds."""
    monkeypatch.setattr(
        store.engine, "_WRITER_IDLE_LIMIT", "SET idle_in_transaction_session_timeout = '300ms'"
    )
    frozen, wakes = asyncio.Event(), asyncio.Event()
    rows = [{"name": name, "parent_id": 1} for name in "abc"]

    async def freezes(session: AsyncSession) -> None:
        if way == "prepared":
            await session.execute(INSERT_MANY, rows)
        else:
            made = await session.scalars(insert(Department).returning(Department), rows)
            departments = made.all()
            if way == "core":
                await session.connection()
                await session.execute(
                    update(_DEPARTMENTS).where(_DEPARTMENTS.c.id == bindparam("of")),
                    [{"of": each.id, "name": each.name.upper()} for each in departments],
                )
            for each in departments:
                each.name += "'"
            await session.flush()
        frozen.set()
        await wakes.wait()

    async with Writer(engine) as writer:
        writing = asyncio.create_task(writer.run(freezes))
        await frozen.wait()
        try:
            async with sessions() as session:
                open_ones = text(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                    " AND xact_start IS NOT NULL AND pid <> pg_backend_pid()"
                )

                async def nobody() -> bool:
                    found = await session.scalar(open_ones)
                    await session.rollback()  # what a transaction has seen once it sees for ever
                    return found == 0

                await until(nobody, deadline_s=10, what="its transaction was ended")
        finally:
            wakes.set()
        await writing  # it was cut off, so it began again
    assert len(await names(sessions)) == 3


async def test_a_hundred_rows_are_as_many_in_this_order(writer: Writer, sessions: Sessions) -> None:
    """PostgreSQL gets them as one statement."""
    wanted = [f"{n:03d}" for n in range(100)]

    async def work(session: AsyncSession) -> None:
        await session.execute(INSERT_MANY, [{"name": name, "parent_id": 1} for name in wanted])

    await writer.run(work)
    assert await names(sessions) == wanted
