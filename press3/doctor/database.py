"""The database, looked at beside a running service: what is tried there is taken back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from press3 import schema
from press3.config.settings import Settings
from press3.database_faults import DatabaseRefuses, plainly
from press3.doctor.findings import Finding, fail, ok
from store.engine import create_engine, try_to_write
from store.errors import NewerDatabase

__all__ = ["opened"]


@asynccontextmanager
async def opened(
    settings: Settings,
) -> AsyncIterator[tuple[Finding, async_sessionmaker[AsyncSession] | None]]:
    """Give what there is to say of the database, and sessions when it can be read."""
    engine = create_engine(settings.database_url)
    try:
        finding = await _state(engine, settings)
        usable = finding.level != "fail"
        yield finding, async_sessionmaker(engine, expire_on_commit=False) if usable else None
    finally:
        await engine.dispose()


async def _state(engine: AsyncEngine, settings: Settings) -> Finding:
    try:
        with plainly(settings.database_url):
            async with engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
            await try_to_write(engine)
            at, head = await schema.current(settings.database_url), schema.head()
            schema.check_known(at)
    except (DatabaseRefuses, NewerDatabase) as error:
        return fail(error.what, error.advice)
    if at != head:
        return fail(f"the database is at revision {at}, needed is {head}", "run: press3 migrate")
    return ok(f"database at revision {head}")
