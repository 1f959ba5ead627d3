"""Engines: SQLite with the pragmas that make a commit durable, PostgreSQL by URL."""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, event, func, make_url, select, type_coerce
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    create_async_engine,
)
from sqlalchemy.util import await_only

from store.base import UtcDateTime
from store.sqlite_driver import BUSY_TIMEOUT_MS, connect

__all__ = [
    "create_engine",
    "database_time",
    "index_grams_soon",
    "let_go_when_frozen",
    "transaction_is_sound",
    "try_to_write",
]

_PRAGMAS = (
    "synchronous=FULL",
    "foreign_keys=ON",
    # KiB, as far as they are touched: with the 2 MB that are usual, searching a million calls reads
    # the same pages again and again (a third more CPU).
    "cache_size=-16000",
)
_WAL_AGAIN_S = 0.01
_POSTGRES = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    # A host that vanished in mid-transaction must not hold its row locks for hours.
    "options": "-c idle_in_transaction_session_timeout=30s",
}
# Less than a lease lasts: a process frozen in mid-transaction holds the lease's row, and the
# outbox's.
_WRITER_IDLE_LIMIT = "SET idle_in_transaction_session_timeout = '8s'"
# New grams (store.search) wait in a list for their index. At the usual 4 MB it is one press in some
# thousands that puts the list in order, for 30 ms of CPU; so each does a little, at the same cost.
_WRITER_GRAMS = "SET gin_pending_list_limit = '64kB'"


def create_engine(url: str) -> AsyncEngine:
    """Return an engine for `sqlite+aiosqlite:///PATH` or `postgresql+psycopg://…`.

    Transactions of `engine.execution_options(press3_write=True)` take SQLite's write lock when they
    begin: one that read first and then wanted to write would be refused without any waiting.
    Errors don't show parameters: they end in the log, where the parties of a call do not belong.

    Raises:
        ValueError: another kind of database.
    """
    driver = make_url(url).drivername
    if driver == "postgresql+psycopg":
        from store.postgres_driver import PlainCursor  # an extra: not installed everywhere

        how = {**_POSTGRES, "cursor_factory": PlainCursor}
        engine = create_async_engine(
            url, hide_parameters=True, pool_pre_ping=True, connect_args=how
        )
    elif driver == "sqlite+aiosqlite":
        engine = create_async_engine(
            url, hide_parameters=True, connect_args={"async_creator_fn": connect}
        )
        event.listen(engine.sync_engine, "connect", _sqlite_pragmas)
        event.listen(engine.sync_engine, "begin", _sqlite_begin)
    else:
        raise ValueError(f"{driver!r} is not served: use sqlite+aiosqlite or postgresql+psycopg")
    _speak_plainly(engine.sync_engine.dialect)
    event.listen(engine.sync_engine, "savepoint", _refuse_unsound)
    event.listen(engine.sync_engine, "commit", _refuse_unsound)
    return engine


async def try_to_write(engine: AsyncEngine) -> None:
    """Write to SQLite and take it back; raises what the database refuses it with.

    A file that may only be read is opened without a word, and even its write lock is given.
    PostgreSQL has no such thing: there each table has its rights.
    """
    if engine.dialect.name != "sqlite":
        return
    async with engine.execution_options(press3_write=True).connect() as connection:
        await connection.exec_driver_sql("CREATE TABLE press3_probe (n INTEGER)")
        await connection.rollback()


async def database_time(session: AsyncSession) -> datetime:
    """Return the time by the database's own clock, the one clock that several hosts share."""
    if session.get_bind().dialect.name == "sqlite":
        text = func.strftime("%Y-%m-%d %H:%M:%f000", "now")  # the form SQLAlchemy reads back
        clock = type_coerce(text, UtcDateTime())
    else:
        clock = type_coerce(func.clock_timestamp(), UtcDateTime())
    return (await session.scalars(select(clock))).one()


async def let_go_when_frozen(connection: AsyncConnection) -> None:
    """Make PostgreSQL end a transaction of `connection` in which its process sends nothing for 8 s.

    SQLite needs no such thing: nobody else waits to serve the same file.
    """
    if connection.dialect.name == "postgresql":
        await connection.exec_driver_sql(_WRITER_IDLE_LIMIT)
        await connection.commit()


async def index_grams_soon(connection: AsyncConnection) -> None:
    """Keep what `connection` writes from being indexed by one unlucky press; SQLite has its own ways."""
    if connection.dialect.name == "postgresql":
        await connection.exec_driver_sql(_WRITER_GRAMS)
        await connection.commit()


def transaction_is_sound(connection: Connection) -> bool:
    """Return whether the driver still has a transaction that a COMMIT would commit.

    SQLite ends a transaction by itself (full disk, I/O error), and its driver's commit is then
    silent; PostgreSQL answers COMMIT of a failed transaction with a silent ROLLBACK.
    """
    if connection.invalidated or connection.closed:
        return False
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        return bool(driver.in_transaction)
    return driver.info.transaction_status.name not in ("INERROR", "UNKNOWN")


def _speak_plainly(dialect: Any) -> None:
    """Send SAVEPOINT as text: SQLAlchemy compiles the three clauses each time, for 150 µs."""

    def saying(command: str) -> Callable[[Connection, str], None]:
        return lambda connection, name: connection.exec_driver_sql(f"{command} {name}").close()

    dialect.do_savepoint = saying("SAVEPOINT")
    dialect.do_release_savepoint = saying("RELEASE SAVEPOINT")
    dialect.do_rollback_to_savepoint = saying("ROLLBACK TO SAVEPOINT")


def _refuse_unsound(connection: Connection, *_details: object) -> None:
    # A SAVEPOINT outside a transaction would begin one on SQLite, and its RELEASE commit it.
    if not transaction_is_sound(connection):
        lost = RuntimeError("the database has ended the transaction")
        raise OperationalError(None, None, lost)


def _sqlite_pragmas(connection: Any, _record: Any) -> None:
    # The driver's own BEGIN comes too late for SAVEPOINT; we send BEGIN ourselves (SQLAlchemy docs,
    # pysqlite).
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")  # first: what follows may have to wait
    _use_wal(cursor)
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _use_wal(cursor: Any) -> None:
    """Switch to WAL, as often as needed: the switch refuses at once, without busy_timeout, when others
    open the new file at the same moment."""
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            await_only(asyncio.sleep(_WAL_AGAIN_S))
        else:
            return


def _sqlite_begin(connection: Connection) -> None:
    writes = bool(connection.get_execution_options().get("press3_write"))
    driver: Any = connection.connection.driver_connection
    try:
        await_only(driver.begin(writes=writes))
    except sqlite3.Error as error:
        raise OperationalError("BEGIN", None, error) from error
