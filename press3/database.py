"""The configured database, brought up to date and opened with its one writer."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from press3 import schema
from press3.clock import now
from press3.config.settings import Settings
from press3.database_faults import plainly
from press3.errors import Press3Error
from push.bus import MemoryBus
from store.engine import create_engine, try_to_write
from store.writer import Writer

__all__ = ["Database", "migrate", "open_database", "prepare_data_dir"]


@dataclass(frozen=True, kw_only=True)
class Database:
    """The database as every part of the service is given it."""

    sessions: async_sessionmaker[AsyncSession]
    writer: Writer
    now: Callable[[], datetime]


def prepare_data_dir(settings: Settings) -> None:
    """Make `data_dir`, closed to others; raises Press3Error when it can't be written."""
    folder = settings.service.data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise Press3Error(
            f"data_dir {folder} can't be written: {error}; set [service] data_dir to a folder that the user "
            f"of press3 may write, or give it to him: chown"
        ) from error


async def migrate(settings: Settings) -> None:
    """Make the configured database, or bring it up to date; raises Press3Error when it can't be used."""
    prepare_data_dir(settings)
    with plainly(settings.database_url):
        await schema.upgrade(settings.database_url)


@asynccontextmanager
async def open_database(
    settings: Settings, *, bus: MemoryBus | None = None
) -> AsyncIterator[Database]:
    """Open the configured database, brought up to date, with its one writer; `bus` hears of commits.

    Raises:
        Press3Error: `data_dir` can't be written, or the database can't be used.
    """
    await migrate(settings)
    engine = create_engine(settings.database_url)
    try:
        with plainly(settings.database_url):
            await try_to_write(engine)
        heard = bus or MemoryBus()
        async with Writer(engine, on_commit=heard.ring, on_messages=heard.carry) as writer:
            sessions = async_sessionmaker(engine, expire_on_commit=False)
            yield Database(sessions=sessions, writer=writer, now=now)
    finally:
        await engine.dispose()
