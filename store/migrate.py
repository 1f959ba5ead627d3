"""Bring a database to the schema this program needs, and say how far it is."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from store.engine import create_engine

__all__ = ["current", "head", "is_current", "upgrade"]

_FOLDER = Path(__file__).parent / "migrations"
_LOCK = 0x70726573  # "pres": one migration at a time on a PostgreSQL server's database


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def head() -> str:
    """Return the revision this program needs."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    if revision is None:
        raise RuntimeError(f"no migrations in {_FOLDER}")
    return revision


async def upgrade(url: str, to: str = "head") -> None:
    """Create or bring up to date the schema and the seed rows; one transaction, all or nothing.

    `to` is the revision to stop at.
    """
    engine = create_engine(url).execution_options(press3_write=True)
    try:
        async with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            await connection.run_sync(lambda sync: command.upgrade(_config(sync), to))
    finally:
        await engine.dispose()


async def current(url: str) -> str | None:
    """Return the revision the database is at, None for one that was never migrated."""
    engine = create_engine(url)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(
                lambda sync: MigrationContext.configure(sync).get_current_revision()
            )
    finally:
        await engine.dispose()


async def is_current(url: str) -> bool:
    """Return whether the database has exactly the schema this program needs."""
    return await current(url) == head()
