"""What happens by the clock: deadlines, unseen pops, pruning. Loops over rows, so a restart loses nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog
from sqlalchemy import delete, func, select
from sqlalchemy.exc import SQLAlchemyError

from appeals import deadlines
from calls.model import Call
from people.model import LoginAttempt, Session, Ticket
from press3.database import Store
from press3.settings import Settings
from push import pops, snapshot
from store import journal
from store.errors import CommitFailed, WriterBusy
from web import idempotency

__all__ = ["Upkeep"]

log = structlog.get_logger(__name__)

_TICK_S = 1.0
_PRUNE_EVERY_S = 3600.0
_JOURNAL_KEPT = timedelta(days=14)
_SIGN_IN_KEPT = timedelta(days=30)
_PAUSE_S = 0.05  # between prunings, so that presses get their turn at the writer


class Upkeep:
    """Runs until cancelled. Trouble with the database is logged and met again at the next tick."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._push_kept = timedelta(days=settings.push.keep_days)
        self._deadlines = deadlines.DeadlineSettings(
            resolve_h=settings.deadlines.resolve_h, due_soon_h=settings.deadlines.due_soon_h
        )

    async def run(self) -> None:
        """Tick every second, prune every hour."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._every(_TICK_S, self.tick), name="upkeep-tick")
            tasks.create_task(self._every(_PRUNE_EVERY_S, self.prune), name="upkeep-prune")

    async def _every(self, period_s: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except (SQLAlchemyError, CommitFailed, WriterBusy) as error:
                log.error("upkeep failed; it is tried again", period_s=period_s, error=str(error))
            await asyncio.sleep(period_s)

    async def tick(self) -> None:
        """Tell unseen pops first: they wait for no reader, however many sessions are taken."""
        now, settings = self._store.now(), self._deadlines
        await self._store.writer.run(lambda session: pops.unseen_tick(session, now))
        async with self._store.sessions() as session:
            is_time = await deadlines.is_time(session, now, settings)
        if is_time:
            await self._store.writer.run(lambda s: deadlines.tick(s, now, settings))

    async def prune(self) -> None:
        now = self._store.now()
        await self._store.writer.run(lambda session: pops.close_stale(session, now=now))
        await self._store.writer.run(lambda session: snapshot.prune(session, now, self._push_kept))
        await self._store.writer.run(lambda session: idempotency.prune(session, now))
        await self._prune_journal()
        for rows in (
            delete(Ticket).where(Ticket.expires_at < now - _SIGN_IN_KEPT),
            delete(LoginAttempt).where(LoginAttempt.at < now - _SIGN_IN_KEPT),
            delete(Session).where(Session.expires_at < now - _SIGN_IN_KEPT),
        ):
            await self._store.writer.run(lambda session, rows=rows: session.execute(rows))  # type: ignore[misc]

    async def _prune_journal(self) -> None:
        before = self._store.now() - _JOURNAL_KEPT
        async with self._store.sessions() as session:
            open_since = await session.scalar(
                select(func.min(Call.started_at)).where(Call.ended_at.is_(None))
            )
        more = True
        while more:
            more = (
                await self._store.writer.run(
                    lambda session: journal.prune(session, before, open_since=open_since)
                )
                > 0
            )
            await asyncio.sleep(_PAUSE_S)
