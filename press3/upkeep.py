"""What happens by the clock: deadlines, unseen pops, pruning. Loops over rows, so a restart loses nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import InstrumentedAttribute

from appeals.case import old_conflicts
from appeals.deadlines import verbs as deadlines
from appeals.parties import verbs as parties
from calls.model import Call
from people.model import LoginAttempt, Session, Ticket
from press3.config.settings import Settings
from press3.database import Database
from press3.telephony_parts import number_rules
from push import pops, snapshot
from store import journal
from store.base import Base
from store.errors import CommitFailed, WriterBusy
from store.writer import Work
from web import idempotency

__all__ = ["Upkeep"]

log = structlog.get_logger(__name__)

_TICK_S = 1.0
_PRUNE_EVERY_S = 3600.0
_JOURNAL_KEPT = timedelta(days=14)
_SIGN_IN_KEPT = timedelta(days=30)
_MEND_AGAIN_S = 5.0
_PIECE_ROWS = 500
_PAUSE_S = 0.05  # between prunings, so that presses get their turn at the writer


class Upkeep:
    """Runs until cancelled. Trouble with the database is logged and met again at the next tick."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._numbers = number_rules(settings)
        self._push_kept = timedelta(days=settings.push.keep_days)
        self._deadlines = deadlines.DeadlineSettings(
            resolve_h=settings.deadlines.resolve_h, due_soon_h=settings.deadlines.due_soon_h
        )

    async def run(self) -> None:
        """Tick every second, prune every hour."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._every(_TICK_S, self.tick), name="upkeep-tick")
            tasks.create_task(self._every(_PRUNE_EVERY_S, self.prune), name="upkeep-prune")
            tasks.create_task(self._once(self.mend), name="upkeep-mend")

    async def _every(self, period_s: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except (SQLAlchemyError, CommitFailed, WriterBusy) as error:
                log.error("upkeep failed; it is tried again", period_s=period_s, error=str(error))
            await asyncio.sleep(period_s)

    async def _once(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work` until it has succeeded: what it did before it failed is stored, and it goes on there."""
        while True:
            try:
                return await work()
            except (SQLAlchemyError, CommitFailed, WriterBusy) as error:
                log.error("upkeep failed; it is tried again", error=str(error))
            await asyncio.sleep(_MEND_AGAIN_S)

    async def mend(self) -> None:
        """Bring what older versions stored up to the rules of now, in pieces that presses hardly notice."""
        await self._write_conflicts()
        await self._withdraw_held()
        await self._detach_strangers()

    async def _write_conflicts(self) -> None:
        more = True
        while more:
            async with self._database.sessions() as session:
                numbers = await old_conflicts.next_numbers(session)
            if numbers is None:
                return
            now, more = self._database.now(), bool(numbers)
            await self._database.writer.run(
                lambda s, n=numbers, at=now: old_conflicts.write_conflicts(s, n, now=at)  # type: ignore[misc]
            )
            await asyncio.sleep(_PAUSE_S)

    async def _withdraw_held(self) -> None:
        place = 0
        while True:
            async with self._database.sessions() as session:
                numbers = await old_conflicts.next_held(session, place)
            if not numbers:
                return
            now, place = self._database.now(), numbers[-1]
            await self._database.writer.run(
                lambda s, n=numbers, at=now: old_conflicts.withdraw(s, n, now=at)  # type: ignore[misc]
            )
            await asyncio.sleep(_PAUSE_S)

    async def _detach_strangers(self) -> None:
        place = ""
        while True:
            async with self._database.sessions() as session:
                page = await parties.phones_after(session, place)
            if not page:
                return
            for phone in page:
                if self._is_hidden(phone.number):
                    await self._detach(phone)
            place = page[-1].number

    async def _detach(self, phone: parties.Phone) -> None:
        log.info("appeals are looked through that a withheld number may have tied together")
        more = True
        while more:
            now = self._database.now()
            more = await self._database.writer.run(
                lambda s, at=now: parties.detach(s, phone, self._is_hidden, now=at)  # type: ignore[misc]
            )
            await asyncio.sleep(_PAUSE_S)

    def _is_hidden(self, number: str) -> bool:
        return self._numbers.party(number).kind == "anonymous"

    async def tick(self) -> None:
        """Tell unseen pops first: they wait for no reader, however many sessions are taken."""
        now, settings = self._database.now(), self._deadlines
        await self._database.writer.run(lambda session: pops.unseen_tick(session, now))
        async with self._database.sessions() as session:
            is_time = await deadlines.is_time(session, now, settings)
        if is_time:
            await self._database.writer.run(lambda s: deadlines.tick(s, now, settings))

    async def prune(self) -> None:
        """Delete what is kept no longer, in pieces: presses wait for one of them at most."""
        now = self._database.now()
        await self._database.writer.run(lambda session: pops.close_stale(session, now=now))
        await self._in_pieces(lambda session: snapshot.prune(session, now, self._push_kept))
        await self._in_pieces(lambda session: idempotency.prune(session, now))
        await self._prune_journal()
        before = now - _SIGN_IN_KEPT
        await self._prune_rows(Ticket, Ticket.ticket_hash, Ticket.expires_at < before)
        await self._prune_rows(LoginAttempt, LoginAttempt.id, LoginAttempt.at < before)
        await self._prune_rows(Session, Session.token_hash, Session.expires_at < before)

    async def _prune_journal(self) -> None:
        before = self._database.now() - _JOURNAL_KEPT
        async with self._database.sessions() as session:
            open_since = await session.scalar(
                select(func.min(Call.started_at)).where(Call.ended_at.is_(None))
            )
        await self._in_pieces(lambda s: journal.prune(s, before, open_since=open_since))

    async def _in_pieces(self, prune: Work[int]) -> None:
        """Run `prune` until it finds nothing to delete."""
        more = True
        while more:
            more = await self._database.writer.run(prune) > 0
            await asyncio.sleep(_PAUSE_S)

    async def _prune_rows(
        self, model: type[Base], key: InstrumentedAttribute[Any], old: ColumnElement[bool]
    ) -> None:
        """Delete the rows of `model` that are `old`; a reader looks for them, for no index does."""
        found = select(key).where(old).limit(_PIECE_ROWS)
        while True:
            async with self._database.sessions() as session:
                keys = (await session.scalars(found)).all()
            if not keys:
                return
            rows = delete(model).where(key.in_(keys))
            await self._database.writer.run(lambda session, rows=rows: session.execute(rows))  # type: ignore[misc]
            await asyncio.sleep(_PAUSE_S)
