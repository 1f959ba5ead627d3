"""What the migrations build is what the models say, on both databases, with the rows to begin with."""

import asyncio
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from appeals import template
from appeals.model import Category, RecordType, Stage
from people import directory
from press3 import schema
from store import outbox
from store.engine import create_engine
from store.migrate import _config
from store.search import in_models


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
    assert await schema.is_current(database_url)
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
    assert not await schema.is_current(f"sqlite+aiosqlite:///{tmp_path}/empty.db")


async def test_two_processes_may_migrate_at_once(empty_database_url: str) -> None:
    await asyncio.gather(*(schema.upgrade(empty_database_url) for _ in range(3)))
    assert await schema.is_current(empty_database_url)


async def test_the_first_rows_are_there(sessions: async_sessionmaker[AsyncSession]) -> None:
    async with sessions() as session:
        assert await outbox.last_seq(session) == 0
        assert (await directory.root_department(session)).parent_id is None
        stages = (await session.scalars(select(Stage).order_by(Stage.position))).all()
        kept = [{c: getattr(stage, c) for c in template.STAGES[0]} for stage in stages]
        assert kept == list(template.STAGES)
        types = {t.code: (t.name, t.kind) for t in await session.scalars(select(RecordType))}
        assert types.items() >= {(t["code"], (t["name"], t["kind"])) for t in template.RECORD_TYPES}
        assert {types["БЛ"][1], types["ПЖ"][1]} == {"praise", "proposal"}
        categories = {c.code: c.name for c in await session.scalars(select(Category))}
        assert categories.items() >= {(c["code"], c["name"]) for c in template.CATEGORIES}


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
