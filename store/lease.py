"""One process at a time serves a PBX: a row that its holder renews, and a fence.

The clock is the database's. A holder that stopped renewing is replaced when its lease expires, also
when that clock was set back meanwhile; one that ran on this host and is dead, at once. The fence, a
number, grows with every new holder and is checked in the transaction of each batch, so that a
holder that slept through its own replacement commits nothing.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import BigInteger, bindparam, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from store.base import Base, table
from store.engine import database_time
from store.errors import CommitFailed, LeaseLost, WriterBusy
from store.fast.prepared import prepared
from store.processes import Process, lives, this_process
from store.writer import Writer

__all__ = ["Lease", "LeaseLost", "LeaseRow", "LeaseTimes", "check"]

log = structlog.get_logger(__name__)


class LeaseRow(Base):
    """The server of a PBX. The row stays for ever, so that the fence never starts again."""

    __tablename__ = "leases"

    pbx: Mapped[str] = mapped_column(primary_key=True)
    fence: Mapped[int] = mapped_column(BigInteger)
    host: Mapped[str]
    pid: Mapped[int]
    started: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTimes:
    renew_every_s: float = 3
    expire_after_s: float = 10
    ask_every_s: float = 0.5


_TROUBLE = (CommitFailed, WriterBusy, DBAPIError)
_LEASES = table(LeaseRow)
_HELD = prepared(
    select(_LEASES.c.fence).where(_LEASES.c.pbx == bindparam("of")).with_for_update(read=True)
)


async def check(session: AsyncSession, pbx: str, fence: int) -> None:
    """Make sure, until this transaction ends, that nobody replaces the holder of `fence`.

    Raises:
        LeaseLost: somebody already has.
    """
    held = await session.scalar(_HELD, {"of": pbx})
    if held != fence:
        raise LeaseLost(pbx, fence)


class Lease:
    """The right to serve `pbx`: `acquire`, then `keep` as a task beside the work, then `release`.

    `trouble` is what the database answered while it stores nothing: nobody else writes so often.
    `is_alive` returns whether a process still runs, None when it can't be seen from here.
    `held_by_another` is true once the lease was really found in a living holder's hands.
    """

    def __init__(
        self,
        writer: Writer,
        pbx: str,
        *,
        me: Process | None = None,
        is_alive: Callable[[Process], bool | None] = lives,
        times: LeaseTimes = LeaseTimes(),
    ) -> None:
        self._writer = writer
        self._pbx = pbx
        self._me = me or this_process()
        self._is_alive = is_alive
        self._times = times
        self.fence: int | None = None
        self.held_by_another = False
        self.trouble = ""  # the database's answer when it last refused; empty while it stores
        self.trouble_since_s = 0.0  # of the loop's clock, while there is trouble
        self._seen: tuple[int, datetime] | None = None
        self._seen_at_s = 0.0

    async def acquire(self) -> int:
        """Wait until this process serves the PBX; return its fence."""
        told = ""
        while (fence := await self._ask()) is None:
            why = self.trouble or self._who_has_it()
            if why != told:
                log.warning("standing by", pbx=self._pbx, reason=why)
                told = why
            await asyncio.sleep(self._times.ask_every_s)
        return fence

    def _who_has_it(self) -> str:
        if self.held_by_another:
            return "another process serves this PBX"
        return "the process that served this PBX has not let go of it yet"

    async def _ask(self) -> int | None:
        """Try to take the lease; trouble with the database is no reason to give up waiting for it."""
        try:
            fence = await self.try_acquire()
        except _TROUBLE as error:
            self._in_trouble(error)
            return None
        self.trouble = ""
        return fence

    async def try_acquire(self) -> int | None:
        """Take the lease if it is free; return its fence, None while another process has it."""
        try:
            self.fence = await self._writer.run(self._take)
        except IntegrityError:
            self.fence = None  # the very first lease of this PBX, and another process was faster
        return self.fence

    async def keep(self) -> None:
        """Renew until `release`; trouble with the database is logged and tried again.

        Raises:
            LeaseLost: another process serves the PBX now. Stop what depends on the lease.
        """
        while True:
            await asyncio.sleep(self._times.renew_every_s)
            if self.fence is None:
                return
            try:
                await self._writer.run(self._renew)
            except _TROUBLE as error:
                self._in_trouble(error)
                log.warning("the lease could not be renewed", pbx=self._pbx, error=str(error))
            else:
                self.trouble = ""

    async def release(self) -> None:
        """Let the next process begin at once. Without a lease this does nothing."""
        if self.fence is not None:
            await self._writer.run(self._expire)
            self.fence = None

    async def _take(self, session: AsyncSession) -> int | None:
        now = await database_time(session)
        if (held := await session.get(LeaseRow, self._pbx)) is None:
            session.add(LeaseRow(pbx=self._pbx, fence=1, **self._mine(now)))
            return 1
        self.held_by_another = not self._is_free(held, now)
        if self.held_by_another:
            return None
        # A holder that is writing right now is no dead one: don't wait for its lock, ask again
        # later.
        row = await session.scalar(
            select(LeaseRow)
            .where(LeaseRow.pbx == self._pbx)
            .with_for_update(skip_locked=True)
            .execution_options(populate_existing=True)
        )
        if row is None or not self._is_free(row, now):
            return None
        fence = row.fence + 1
        await session.execute(
            update(LeaseRow).where(LeaseRow.pbx == self._pbx).values(fence=fence, **self._mine(now))
        )
        return fence

    def _mine(self, now: datetime) -> dict[str, Any]:
        expires_at = now + timedelta(seconds=self._times.expire_after_s)
        return {
            "host": self._me.host,
            "pid": self._me.pid,
            "started": self._me.started,
            "expires_at": expires_at,
        }

    def _is_free(self, row: LeaseRow, now: datetime) -> bool:
        holder = Process(row.host, row.pid, row.started)
        if holder == self._me or self._is_alive(holder) is False:
            return True  # ours: a commit that was reported as failed did hold
        return row.expires_at <= now or self._was_not_renewed(row)

    def _was_not_renewed(self, row: LeaseRow) -> bool:
        """Whether we ourselves saw no renewal for the length of a lease: then its expiry is a wrong clock's."""
        seen, at_s = (row.fence, row.expires_at), asyncio.get_running_loop().time()
        if seen != self._seen:
            self._seen, self._seen_at_s = seen, at_s
        return at_s - self._seen_at_s > self._times.expire_after_s

    def _in_trouble(self, error: Exception) -> None:
        if not self.trouble:
            self.trouble_since_s = asyncio.get_running_loop().time()
        self.trouble = str(error)

    async def _renew(self, session: AsyncSession) -> None:
        now = await database_time(session)
        await self._set_expiry(session, now + timedelta(seconds=self._times.expire_after_s))

    async def _expire(self, session: AsyncSession) -> None:
        now = await database_time(session)
        with suppress(LeaseLost):  # then there is nothing to give back
            await self._set_expiry(session, now)

    async def _set_expiry(self, session: AsyncSession, at: datetime) -> None:
        fence = self.fence or 0
        mine = await session.scalar(
            update(LeaseRow)
            .where(LeaseRow.pbx == self._pbx, LeaseRow.fence == fence)
            .values(expires_at=at)
            .returning(LeaseRow.fence)
        )
        if mine is None:
            raise LeaseLost(self._pbx, fence)
