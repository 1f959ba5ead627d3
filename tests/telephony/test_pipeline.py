"""From the link's items to the database: what fails is tried again, and nothing is stored twice."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from appeals.case.model import Appeal
from calls.model import Call, SetAside, StoredFact
from press3.replay import REPLAY_PBX, TraceLink
from press3.traces import TraceLine, read_trace
from store.errors import CommitFailed
from store.journal import JournalRow
from store.writer import Writer
from telephony.recorder import Recorder
from tests.telephony.parts import new_pipeline, new_recorder

pytestmark = pytest.mark.usefixtures("at_once")

ANSWERED = Path("tests/traces/answered-22.jsonl")
NOW = datetime(2026, 11, 21, 19, 2, tzinfo=UTC)


class UnluckyWriter:
    """The real writer; every commit holds, and every second one is told to have failed."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self.told_failed = 0

    async def run(self, work: Callable[[AsyncSession], Awaitable[Any]]) -> Any:
        done = await self._writer.run(work)
        if self.told_failed % 2 == 0:
            self.told_failed += 1
            raise CommitFailed("the connection broke after COMMIT was sent")
        self.told_failed += 1
        return done


async def recorder_of(
    writer: Writer, sessions: async_sessionmaker[AsyncSession], through: Any = None
) -> Recorder:
    return await new_recorder(REPLAY_PBX, writer, sessions, lambda: NOW, through=through)


async def count(sessions: async_sessionmaker[AsyncSession], table: Any) -> int:
    async with sessions() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


async def test_a_commit_that_holds_though_it_was_told_to_have_failed_is_not_done_twice(
    writer: Writer, sessions: async_sessionmaker[AsyncSession]
) -> None:
    unlucky = UnluckyWriter(writer)
    one_by_one = TraceLink(read_trace(ANSWERED), pace=lambda at: _done())
    await new_pipeline(one_by_one, await recorder_of(writer, sessions, unlucky)).run()

    assert unlucky.told_failed > 20
    assert await count(sessions, SetAside) == 0
    assert await count(sessions, Appeal) == 1
    async with sessions() as session:
        call = (await session.scalars(select(Call))).one()
        kinds = list(
            await session.scalars(
                select(StoredFact.type).where(StoredFact.call_id == call.id).order_by(StoredFact.n)
            )
        )
    assert call.outcome == "answered"
    assert kinds.count("OperatorRang") == 2
    assert len(kinds) == 13


async def _done() -> None:
    return


async def test_an_event_stored_by_another_version_does_not_keep_the_service_from_starting(
    writer: Writer, sessions: async_sessionmaker[AsyncSession]
) -> None:
    talking = list(read_trace(ANSWERED))[:-12]
    await new_pipeline(TraceLink(talking), await recorder_of(writer, sessions)).run()
    broken = JournalRow(pbx=REPLAY_PBX, at=talking[-1].at, call_id=None, raw=b"Event: Newchannel")

    async def work(session: AsyncSession) -> None:
        session.add(broken)

    await writer.run(work)
    recorder = await recorder_of(writer, sessions)
    pipeline = new_pipeline(TraceLink(()), recorder)
    await pipeline.run()
    assert pipeline.broken_events == 1
    assert len(recorder.open_stories) == len(pipeline.tracker.open_calls()) == 1


async def test_a_damaged_event_of_a_trace_is_passed_over_as_on_the_link(
    writer: Writer, sessions: async_sessionmaker[AsyncSession]
) -> None:
    lines = list(read_trace(ANSWERED))
    damaged = TraceLine(lines[3].at, b"Event: Hangup\r\nUniqueid: 1.1\r\nUniqueid: 1.2")
    tape = TraceLink([*lines[:4], damaged, *lines[4:]])
    pipeline = new_pipeline(tape, await recorder_of(writer, sessions))
    await pipeline.run()
    assert pipeline.broken_events == 1
    assert await count(sessions, Call) == 1
