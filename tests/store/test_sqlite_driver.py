"""Our SQLite cursor gives what aiosqlite's gives, however long the result is."""

import asyncio
import gc
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from store.engine import create_engine
from store.sqlite_driver import connect

COUNT = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :last) SELECT i FROM n"


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(f"sqlite+aiosqlite:///{tmp_path}/driver.db")
    yield engine
    await engine.dispose()


@pytest.mark.parametrize("rows", [1, 999, 1000, 1001, 2000, 5003])
@pytest.mark.parametrize("writes", [False, True])
async def test_every_row_comes_once(engine: AsyncEngine, rows: int, writes: bool) -> None:
    expected = list(range(1, rows + 1))
    async with engine.execution_options(press3_write=writes).connect() as connection:
        all_at_once = await connection.execute(text(COUNT), {"last": rows})
        assert list(all_at_once.scalars()) == expected
        streamed = await connection.stream(text(COUNT), {"last": rows})
        assert [row.i async for row in streamed] == expected
        parts = await connection.stream(text(COUNT), {"last": rows})
        assert [row.i async for part in parts.partitions(700) for row in part] == expected
        few = await connection.stream(text(COUNT), {"last": rows})
        assert (await few.fetchmany(1))[0].i == 1
        await few.close()


async def test_counts_ids_and_returned_rows(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT UNIQUE)"))
        many = [{"v": f"v{i}"} for i in range(5)]
        await connection.execute(text("INSERT INTO t (v) VALUES (:v)"), many)
        one = await connection.execute(text("INSERT INTO t (v) VALUES ('x') RETURNING id"))
        assert one.scalar_one() == 6
        changed = await connection.execute(text("UPDATE t SET v = v || '!' WHERE id > 3"))
        assert changed.rowcount == 3
        none = await connection.execute(text("SELECT id, v FROM t WHERE id > 100"))
        assert (list(none.keys()), none.all()) == (["id", "v"], [])


@pytest.mark.parametrize("writes", [False, True])
async def test_errors_are_those_of_the_database(engine: AsyncEngine, writes: bool) -> None:
    async with engine.execution_options(press3_write=writes).connect() as connection:
        await connection.execute(text("CREATE TABLE t (v TEXT UNIQUE)"))
        await connection.execute(text("INSERT INTO t VALUES ('a')"))
        with pytest.raises(IntegrityError) as broken:
            await connection.execute(text("INSERT INTO t VALUES ('a')"))
        assert isinstance(broken.value.orig, sqlite3.IntegrityError)
        with pytest.raises(OperationalError):
            await connection.execute(text("SELECT nonsense"))
        await connection.rollback()


async def test_waiting_for_a_lock_does_not_hold_up_the_loop(engine: AsyncEngine) -> None:
    writing = engine.execution_options(press3_write=True)
    async with writing.connect() as first:
        await first.execute(text("CREATE TABLE t (v TEXT)"))

        async def second() -> None:
            async with writing.begin() as connection:
                await connection.execute(text("INSERT INTO t VALUES ('b')"))

        waits = asyncio.create_task(second())
        turns = 0
        loop = asyncio.get_running_loop()
        end = loop.time() + 0.3
        while loop.time() < end:
            await asyncio.sleep(0)
            turns += 1
        assert turns > 100
        assert not waits.done()
        await first.commit()
        await waits


def test_whoever_was_cancelled_in_a_statement_does_not_hear_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event loop is closed while SQLite still works: its thread ends in silence, the file closed."""
    threads = set(threading.enumerate())
    faults: list[object] = []
    monkeypatch.setattr(threading, "excepthook", faults.append)

    async def cancelled_in_mid_statement() -> None:
        connection = await connect(f"{tmp_path}/driver.db", check_same_thread=False)
        await connection.begin(writes=False)
        count = COUNT.replace(":last", "300000")
        counting = asyncio.create_task(connection.run(count, (), many=False))
        await asyncio.sleep(0)
        counting.cancel()
        await asyncio.wait({counting})

    asyncio.run(cancelled_in_mid_statement())
    gc.collect()
    for thread in set(threading.enumerate()) - threads:
        thread.join(60)
        assert not thread.is_alive()
    assert faults == []
