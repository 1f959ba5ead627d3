"""The sweep, again and again: files in the recording folders that no event told of become rows."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from recordings import sweep
from recordings.model import Recording
from recordings.settings import RecordingSettings
from store.errors import StoreError
from store.writer import Writer

__all__ = ["Sweeper"]

log = structlog.get_logger(__name__)

_AT_ONCE = 1_000


class Sweeper:
    """Runs until cancelled: `await Sweeper(...).run()`.

    `in_thread(function, *args)` calls what blocks; `on_added(count)` is told how many rows were added.
    """

    def __init__(
        self,
        sessions: async_sessionmaker[AsyncSession],
        writer: Writer,
        settings: RecordingSettings,
        *,
        now: Callable[[], datetime],
        in_thread: Callable[..., Awaitable[Any]],
        on_added: Callable[[int], None],
    ) -> None:
        self._sessions = sessions
        self._writer = writer
        self._settings = settings
        self._timing = settings.timing
        self._now = now
        self._in_thread = in_thread
        self._on_added = on_added
        self._wanted_early = asyncio.Event()
        self._swept_until: datetime | None = None

    def sweep_soon(self) -> None:
        """A recording is missing: the PBX may have renamed it, and its new name is looked for in seconds."""
        self._wanted_early.set()

    async def run(self) -> None:
        """Sweep at once, then every `sweep_every_s`, and soon after `sweep_soon()`, but never without `sweep_rest_s` between.

        Ends only by cancellation. A sweep that the database or a folder fails is logged; the next one looks again.
        """
        while True:
            early = self._wanted_early.is_set()
            self._wanted_early.clear()
            await asyncio.sleep(self._timing.renamed_after_s if early else 0)
            try:
                await self.look_for_orphans(early=early)
            except (SQLAlchemyError, StoreError, OSError) as error:
                log.warning("the sweep for orphans failed", error=str(error))
            await asyncio.sleep(self._timing.sweep_rest_s)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timing.sweep_every_s - self._timing.sweep_rest_s):
                    await self._wanted_early.wait()

    async def look_for_orphans(self, *, early: bool = False) -> int:
        """Look for files that nobody told us of; return how many were added.

        `early`: also for those that were left alone for a few seconds only, which may be renamed ones.
        """
        now = self._now()
        settled_s = self._timing.renamed_after_s / 2 if early else self._timing.sweep_settled_s
        until = now - timedelta(seconds=settled_s)
        async with self._sessions() as session:
            since = await self._since(session, now)
        found = await self._in_thread(_scan, self._settings, since, until)
        async with self._sessions() as session:
            fresh = await sweep.unknown(session, found, self._settings)
        added = 0
        for swept in fresh:
            added += await self._writer.run(self._adder(swept, now)) is not None
        self._swept_until = found[-1].changed_at if len(found) == _AT_ONCE else until
        if added:
            log.info("the sweep found recordings that no event told of", count=added)
            self._on_added(added)
        return added

    async def _since(self, session: AsyncSession, now: datetime) -> datetime:
        """Return where the last sweep ended; after the clock was set back that would lie ahead."""
        if self._swept_until is not None and self._swept_until <= now:
            return self._swept_until
        return await sweep.first_interest(session, now, self._timing.sweep_back_s)

    def _adder(
        self, swept: sweep.SweptFile, now: datetime
    ) -> Callable[[AsyncSession], Awaitable[Recording | None]]:
        return lambda session: sweep.add_found(session, swept, self._settings, now)


def _scan(settings: RecordingSettings, since: datetime, until: datetime) -> list[sweep.SweptFile]:
    return sweep.scan(settings, since, until, most=_AT_ONCE)
