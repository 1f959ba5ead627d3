"""What the migrations build is what the models say, on both databases, with the rows to begin with."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, DateTime, Insert, column, insert, select, table, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from structlog.testing import capture_logs

from appeals.case import template
from appeals.case.model import Category, RecordType, Stage
from calls.model import hour_n
from people import directory
from press3 import schema
from store import outbox
from store.engine import create_engine
from store.migrate import _config
from store.search import folded, in_models
from tests.appeals.first_rows import CATEGORIES, RECORD_TYPES


def _differences(connection: Connection) -> Any:
    options = {
        "compare_type": True,
        "compare_server_default": True,
        "include_name": in_models,
    }
    return compare_metadata(MigrationContext.configure(connection, opts=options), schema.metadata)


async def test_the_migrated_schema_is_the_schema_of_the_models(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        assert await connection.run_sync(_differences) == []


async def test_the_comparison_can_see_a_difference(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.exec_driver_sql("DROP INDEX ix_journal_pbx_at")
        await connection.exec_driver_sql("ALTER TABLE categories ADD COLUMN extra INTEGER")
        found = {change[0] for change in await connection.run_sync(_differences)}
    assert found == {"add_index", "remove_column"}


async def test_a_migrated_database_is_current_and_migrating_again_changes_nothing(
    database_url: str,
) -> None:
    assert await schema.current(database_url) == schema.head()
    await schema.upgrade(database_url)
    assert await schema.current(database_url) == schema.head()


async def test_what_was_added_to_the_first_schema_can_be_taken_back_and_made_again(
    engine: AsyncEngine,
) -> None:
    async with engine.execution_options(press3_write=True).begin() as connection:
        for go, revision in ((command.downgrade, "0002"), (command.upgrade, "head")):
            await connection.run_sync(lambda sync, go=go, to=revision: go(_config(sync), to))
        assert await connection.run_sync(_differences) == []


async def test_an_empty_database_is_not_current(tmp_path: Any) -> None:
    assert await schema.current(f"sqlite+aiosqlite:///{tmp_path}/empty.db") != schema.head()


async def test_two_processes_may_migrate_at_once(empty_database_url: str) -> None:
    await asyncio.gather(*(schema.upgrade(empty_database_url) for _ in range(3)))
    assert await schema.current(empty_database_url) == schema.head()


async def test_the_first_rows_are_there(sessions: async_sessionmaker[AsyncSession]) -> None:
    async with sessions() as session:
        assert await outbox.last_seq(session) == 0
        assert (await directory.root_department(session)).parent_id is None
        stages = (await session.scalars(select(Stage).order_by(Stage.position))).all()
        kept = [{c: getattr(stage, c) for c in template.STAGES[0]} for stage in stages]
        assert kept == list(template.STAGES)
        types = {t.code: (t.name, t.kind) for t in await session.scalars(select(RecordType))}
        assert types.items() >= {(t["code"], (t["name"], t["kind"])) for t in RECORD_TYPES}
        assert {types["БЛ"][1], types["ПЖ"][1]} == {"praise", "proposal"}
        categories = {c.code: c.name for c in await session.scalars(select(Category))}
        assert categories.items() >= {(c["code"], c["name"]) for c in CATEGORIES}


async def test_an_upgrade_is_logged_before_and_after_and_a_start_without_one_is_not(
    empty_database_url: str,
) -> None:
    """A large database takes minutes: without a word a start would seem to hang."""
    with capture_logs() as made:
        await schema.upgrade(empty_database_url, "0007")
    with capture_logs() as upgraded:
        await schema.upgrade(empty_database_url)
    with capture_logs() as started:
        await schema.upgrade(empty_database_url)
    assert [(line["event"], line["revision"]) for line in upgraded] == [
        ("an older database is brought up to date; a large one takes minutes", "0007"),
        ("the database is brought up to date", schema.head()),
    ]
    assert (made, started) == ([], [])


async def test_calls_stored_before_keep_their_time_in_the_queue(empty_database_url: str) -> None:
    """0003: what is known of them is the first entering and the last leaving."""
    await schema.upgrade(empty_database_url, "0002")
    engine = create_engine(empty_database_url).execution_options(press3_write=True)
    call = (
        "INSERT INTO calls (id, pbx, uniqueid, direction, from_raw, from_kind, to_raw, started_at,"
        " recovered, transfers, queue_entered_at, queue_left_at) VALUES ('{}', 'main', '{}', 'in',"
        " '1', 'other', '2', '2026-11-21 09:00:00', false, '[]', {}, {})"
    )
    entered, left = "'2026-11-21 09:00:01.250000'", "'2026-11-21 09:01:02.500000'"
    async with engine.begin() as connection:
        await connection.exec_driver_sql(call.format("a", "1.1", entered, left))
        await connection.exec_driver_sql(call.format("b", "1.2", entered, "NULL"))
    await schema.upgrade(empty_database_url)
    async with engine.connect() as connection:
        rows = await connection.exec_driver_sql("SELECT id, queue_wait_s FROM calls ORDER BY id")
        assert [tuple(row) for row in rows] == [("a", 61.25), ("b", None)]
    await engine.dispose()


async def test_more_calls_and_appeals_than_a_page_all_get_their_text(
    empty_database_url: str,
) -> None:
    """0006 reads 5,000 rows at a time; here a page ends among calls of one moment, and one is full."""
    await schema.upgrade(empty_database_url, "0005")
    engine = create_engine(empty_database_url).execution_options(press3_write=True)
    began = datetime(2026, 11, 21, 9, tzinfo=UTC)
    calls = [
        {**OLD_CALL, "id": f"main-{i}", "from_raw": f"1{i}", "started_at": began + i % 3 * MINUTE}
        for i in range(6_000)
    ]
    appeals = [
        {**OLD_APPEAL, "number": i, "caller_raw": f"2{i}", "opened_at": began} for i in range(5_000)
    ]
    async with engine.begin() as connection:
        await connection.execute(_old("calls", calls[0], "started_at"), calls)
        await connection.execute(_old("appeals", appeals[0], "opened_at", "registered_at"), appeals)
    await schema.upgrade(empty_database_url)
    async with engine.connect() as connection:
        of_calls = await connection.execute(text("SELECT call_id, n, text FROM call_texts"))
        rows = {row.call_id: row for row in of_calls}
        of_appeals = await connection.execute(text("SELECT number, text FROM appeal_texts"))
        told = {row.number: row.text for row in of_appeals}
    await engine.dispose()
    assert {key: row.text for key, row in rows.items()} == {
        call["id"]: folded(None, call["from_raw"], None, "24", None) for call in calls
    }
    assert sorted(row.n - hour_n(began) for row in rows.values()) == list(range(1, 6_001))
    in_order = sorted(calls, key=lambda call: (call["started_at"], call["id"]))
    assert [call["id"] for call in in_order] == sorted(rows, key=lambda key: rows[key].n)
    assert told == {appeal["number"]: folded(appeal["caller_raw"]) for appeal in appeals}


async def test_windows_of_before_get_the_calls_that_went_on_in_them(
    empty_database_url: str,
) -> None:
    """0007, and back: the numbers are those of the calls."""
    await schema.upgrade(empty_database_url, "0006")
    engine = create_engine(empty_database_url).execution_options(press3_write=True)
    noon = datetime(2026, 11, 21, 12, tzinfo=UTC)
    pressed = {"in": 5, "pressed-before": -5, "over-before": -6, "heard": 5, "later": 90}
    calls = [
        {
            **OLD_CALL,
            "id": name,
            "from_raw": "1",
            "recovered": name != "heard",
            "started_at": noon + (minute - 1) * MINUTE,
            "pressed_at": noon + minute * MINUTE,
            "ended_at": noon + (minute + (1 if name == "over-before" else 20)) * MINUTE,
        }
        for name, minute in pressed.items()
    ]
    window = {"pbx": "main", "reason": "cut", "calls_recovered": 7, "appeals_recovered": 7}
    window |= {"started_at": noon, "ended_at": noon + 60 * MINUTE}
    async with engine.begin() as connection:
        times = ("started_at", "pressed_at", "ended_at")
        await connection.execute(_old("calls", calls[0], *times), calls)
        await connection.execute(_old("blind_windows", window, *times), window)
    await schema.upgrade(empty_database_url, "0007")
    async with engine.connect() as connection:
        found = await connection.execute(text("SELECT call_id, press FROM recoveries"))
        assert {row.call_id: bool(row.press) for row in found} == {
            "in": True,
            "pressed-before": False,
        }
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: command.downgrade(_config(sync), "0006"))
        found = await connection.execute(
            text("SELECT calls_recovered, appeals_recovered FROM blind_windows")
        )
        assert [tuple(row) for row in found] == [(2, 1)]
    await engine.dispose()


MINUTE = timedelta(minutes=1)
OLD_CALL = {"pbx": "main", "uniqueid": "1.1", "direction": "in", "from_kind": "other", "to_raw": "24", "recovered": False, "transfers": "[]"}  # fmt: skip
OLD_APPEAL = {"version": 1, "kind": "complaint", "type": "ЖК", "source": "phone_key", "verified": "verified", "phase": "received", "stage": "recorded", "registered_at": datetime(2026, 11, 21, tzinfo=UTC)}  # fmt: skip


def _old(name: str, row: dict[str, Any], *times: str) -> Insert:
    """An insert into a table as it was: the models know only what it is now."""
    columns = [column(key, DateTime(True)) if key in times else column(key) for key in row]
    return insert(table(name, *columns))
