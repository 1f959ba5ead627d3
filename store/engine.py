"""Engines: SQLite with the pragmas that make a commit durable, PostgreSQL by URL."""

from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

__all__ = ["create_engine"]


def create_engine(url: str) -> AsyncEngine:
    """Return an engine for `sqlite+aiosqlite:///PATH` or `postgresql+psycopg://…`."""
    engine = create_async_engine(url, pool_pre_ping=not url.startswith("sqlite"))
    if engine.dialect.name == "sqlite":
        event.listen(engine.sync_engine, "connect", _sqlite_pragmas)
        event.listen(engine.sync_engine, "begin", _sqlite_begin)
    return engine


def _sqlite_pragmas(connection: Any, _record: Any) -> None:
    # The driver's own BEGIN comes too late for SAVEPOINT; we say BEGIN ourselves (SQLAlchemy docs, pysqlite).
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _sqlite_begin(connection: Any) -> None:
    mode = "IMMEDIATE" if connection.get_execution_options().get("press3_write") else "DEFERRED"
    connection.exec_driver_sql(f"BEGIN {mode}")
