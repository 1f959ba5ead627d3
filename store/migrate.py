"""Bring a database to the schema this program needs, and find how far it is."""

from pathlib import Path

import structlog
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from store.engine import create_engine
from store.errors import NewerDatabase

__all__ = ["check_known", "current", "head", "upgrade"]

log = structlog.get_logger(__name__)

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


def check_known(revision: str | None) -> None:
    """Do nothing for a revision of this program, or None.

    Raises:
        NewerDatabase: `revision` is none of this program's.
    """
    scripts = ScriptDirectory.from_config(_config()).walk_revisions()
    if revision is not None and revision not in {script.revision for script in scripts}:
        raise NewerDatabase(revision, head())


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


async def upgrade(url: str, to: str = "head") -> None:
    """Create or bring up to date the schema and the seed rows; one transaction, all or nothing.

    `to` is the revision to stop at. An older schema is logged before and after: rewriting a large database
    takes minutes, in which nothing else is logged.

    Raises:
        NewerDatabase: A newer program has used this database.
    """
    engine = create_engine(url).execution_options(press3_write=True)
    try:
        async with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            before = await connection.run_sync(_revision)
            check_known(before)
            old = before not in (None, head())
            if old:
                log.info(
                    "an older database is brought up to date; a large one takes minutes",
                    revision=before,
                )
            await connection.run_sync(lambda sync: command.upgrade(_config(sync), to))
            after = await connection.run_sync(_revision)
        if old:
            log.info("the database is brought up to date", revision=after)
    finally:
        await engine.dispose()


async def current(url: str) -> str | None:
    """Return the revision the database is at, None for one that was never migrated."""
    engine = create_engine(url)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_revision)
    finally:
        await engine.dispose()
