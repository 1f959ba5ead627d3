"""Calls, facts and a worker at hand for the tests of recordings."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from calls.facts import CallEnded, Fact, Party, RecordingStarted, RecordingStopped
from calls.model import Call, Leg
from calls.story import CallChange, CallStory
from recordings import linker
from recordings.model import Recording, RecordingState
from recordings.settings import PathMap, RecordingSettings, Timing
from recordings.worker import RecordingWorker
from store.outbox import Message, read_after
from store.writer import Writer
from tests.waiting import until

__all__ = ["AT", "Clock", "Desk", "add_call", "change", "ended", "started", "stopped", "story"]

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NUMBER = "+79161112233"
# The clock stands still unless a test moves it; only the loop itself turns in real time.
TIMING = Timing(poll_every_s=0.02, breath_s=0, sweep_every_s=3600)


@dataclass
class Clock:
    at: datetime = AT

    def __call__(self) -> datetime:
        return self.at

    def forward(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


async def add_call(
    writer: Writer,
    uniqueid: str,
    *,
    pbx: str = "main",
    number: str = NUMBER,
    started_at: datetime = AT,
    ended_at: datetime | None = None,
    answered: bool = True,
    leg: str | None = None,
) -> str:
    """Store a call and return its id."""
    call_id = f"{pbx}-{uniqueid}"

    async def work(session: AsyncSession) -> None:
        session.add(
            Call(
                id=call_id,
                pbx=pbx,
                uniqueid=uniqueid,
                direction="in",
                from_raw=number,
                from_e164=number,
                from_kind="public",
                to_raw="5000",
                started_at=started_at,
                answered_at=started_at if answered else None,
                ended_at=ended_at,
                recovered=False,
                transfers=[],
            )
        )
        await session.flush()
        if leg is not None:
            session.add(Leg(call_id=call_id, uniqueid=leg, extension="101"))

    await writer.run(work)
    return call_id


def story(call_id: str, **changes: Any) -> CallStory:
    caller = Party(raw=NUMBER, e164=NUMBER, name=None, kind="public")
    to = Party(raw="5000", e164=None, name=None, kind="internal")
    pbx, _, uniqueid = call_id.partition("-")
    plain = CallStory(
        id=call_id, pbx=pbx, uniqueid=uniqueid, direction="in", caller=caller, to=to, started_at=AT
    )
    return replace(plain, **changes)


def change(told: CallStory, *facts: Fact) -> CallChange:
    return CallChange(before=None, story=told, facts=facts)


def started(call_id: str, path: str, at: datetime = AT) -> RecordingStarted:
    return RecordingStarted(call=call_id, at=at, path=path, uniqueid="1.1")


def stopped(call_id: str, path: str, at: datetime = AT) -> RecordingStopped:
    return RecordingStopped(call=call_id, at=at, path=path, uniqueid="1.1")


def ended(call_id: str, at: datetime = AT) -> CallEnded:
    return CallEnded(call=call_id, at=at, outcome="answered")


async def _audience(session: AsyncSession, call_id: str) -> dict[str, Any]:
    return {"for": call_id}


async def _appeal(session: AsyncSession, call_id: str) -> int | None:
    return 7


@dataclass
class Desk:
    """A root, a database, a clock, and a worker when asked for."""

    writer: Writer
    sessions: async_sessionmaker[AsyncSession]
    folder: Path
    clock: Clock = field(default_factory=Clock)
    maps: tuple[PathMap, ...] = ()
    worker: RecordingWorker | None = None

    @property
    def root(self) -> Path:
        return self.folder / "monitor"

    @property
    def settings(self) -> RecordingSettings:
        return RecordingSettings(
            roots=(self.root,),
            data_dir=self.folder / "data",
            maps=self.maps,
            default_pbx="main",
            processes=1,
            timing=TIMING,
        )

    @asynccontextmanager
    async def working(self) -> AsyncIterator[RecordingWorker]:
        """Run a worker in the block and kill it at the end, wherever it is."""
        self.worker = RecordingWorker(
            self.sessions,
            self.writer,
            self.settings,
            now=self.clock,
            audience_of=_audience,
            appeal_of=_appeal,
        )
        task = asyncio.create_task(self.worker.run())
        try:
            yield self.worker
        finally:
            failed = task.done()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            assert not failed, "the worker died"

    async def tell(self, told: CallStory, *facts: Fact) -> None:
        """Let the linker hear of facts, as the pipeline does."""
        now = self.clock()
        await self.writer.run(
            lambda session: linker.on_change(session, change(told, *facts), now=now)
        )
        if self.worker is not None:
            self.worker.wake()

    async def rows(self) -> list[Recording]:
        async with self.sessions() as session:
            return list(await session.scalars(select(Recording).order_by(Recording.id)))

    async def row(self) -> Recording:
        (row,) = await self.rows()
        return row

    async def reach(self, *states: RecordingState) -> list[Recording]:
        """Let time pass until the rows are in `states`, in order of their ids."""

        async def there() -> list[Recording] | None:
            found = await self.rows()
            if [row.state for row in found] == [str(state) for state in states]:
                return found
            self.pass_time(found)
            return None

        found = await until(there, deadline_s=90, what=f"recordings {states}")
        assert found is not None
        return found

    def pass_time(self, rows: list[Recording]) -> None:
        """Move the clock to the next due row, unless one is being worked at: work takes no time here."""
        due = [row.next_try_at for row in rows if row.next_try_at is not None]
        if due and min(due) > self.clock():
            self.clock.at = min(due)

    async def messages(self) -> list[Message]:
        async with self.sessions() as session:
            return list(await read_after(session, 0))
