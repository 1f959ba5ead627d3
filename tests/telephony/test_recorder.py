"""What a batch makes of the database: whole or call by call, under the fence, tried until it holds."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from structlog.testing import capture_logs

from ami.parser import parse
from calls import storage
from calls.facts import CallArrived, OperatorRang
from calls.model import BlindWindow, Call, CallText, Leg, SetAside
from calls.story import CallChange
from press3.replay import REPLAY_PBX, TraceLink
from press3.traces import read_trace
from store.base import table
from store.errors import LeaseLost
from store.fast.prepared import insert_later, prepared
from store.journal import JournalRow
from store.lease import Lease
from store.outbox import Message, OutboxRow, emit
from store.writer import Writer
from telephony.recorder import ChangeHandler, Recorder
from tests.telephony.parts import new_pipeline, new_recorder, new_tracker

pytestmark = pytest.mark.usefixtures("at_once")

ANSWERED = Path("tests/traces/answered-22.jsonl")
NOW = datetime(2026, 11, 21, 19, 2, tzinfo=UTC)


async def recorder_of(writer: Writer, sessions: Any, *more: ChangeHandler) -> Recorder:
    return await new_recorder(REPLAY_PBX, writer, sessions, lambda: NOW, more=more)


async def count(sessions: async_sessionmaker[AsyncSession], table: Any) -> int:
    async with sessions() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


async def test_a_database_away_for_reading_is_waited_for(
    writer: Writer, sessions: async_sessionmaker[AsyncSession]
) -> None:
    away = 2

    def sometimes() -> AsyncSession:
        nonlocal away
        if away:
            away -= 1
            raise OperationalError(None, None, ConnectionError("server closed the connection"))
        return sessions()

    recorder = await recorder_of(writer, sometimes)
    tracker = new_tracker(REPLAY_PBX)
    events = [parse(line.raw.rstrip(), line.at) for line in read_trace(ANSWERED)]
    (change,) = await recorder.store([fact for event in events for fact in tracker.feed(event)])
    call = change.story.id
    story = await recorder.read(lambda session: storage.load_story(session, call))
    assert story == change.story
    assert (change.story.outcome, away) == ("answered", 0)
    assert recorder.stuck_since is None


async def test_whoever_lost_the_lease_writes_nothing_at_all(
    writer: Writer, sessions: async_sessionmaker[AsyncSession]
) -> None:
    recorder = await recorder_of(writer, sessions)
    pipeline = new_pipeline(TraceLink(read_trace(ANSWERED)), recorder)
    old, new = Lease(writer, REPLAY_PBX), Lease(writer, REPLAY_PBX)
    old.fence = recorder._fence
    await old.release()
    await new.acquire()

    async def work(session: AsyncSession) -> None:
        storage.begin_window(session, REPLAY_PBX, NOW, "told by one who slept")

    with pytest.raises(LeaseLost):
        await recorder.write(work)
    with pytest.raises(LeaseLost):
        await pipeline.run()
    assert await count(sessions, BlindWindow) == await count(sessions, JournalRow) == 0


async def test_a_fault_of_ours_ends_the_pipeline_instead_of_being_tried_for_ever(
    writer: Writer, sessions: async_sessionmaker[AsyncSession]
) -> None:
    recorder = await recorder_of(writer, sessions)

    async def work(session: AsyncSession) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await recorder.write(work)


_INSERT_TEXT = prepared(insert(table(CallText)))


@pytest.mark.parametrize("refused", ["at the flush", "at the end"])
async def test_a_call_that_cannot_be_stored_is_set_aside_and_the_others_go_on(
    writer: Writer, sessions: async_sessionmaker[AsyncSession], refused: str
) -> None:
    async def stumble(session: AsyncSession, change: CallChange, *, now: datetime) -> None:
        emit(session, Message(type=change.story.id, at=now, audience={}, data={}))
        if change.story.id == "bad" and refused == "at the flush":
            session.add(Call(id="good"))  # there already: refused by the database
        elif change.story.id == "bad":
            unknown = {"call_id": "unknown", "n": 0, "text": "-"}
            await insert_later(session, _INSERT_TEXT, [unknown])

    recorder = await recorder_of(writer, sessions, stumble)
    events = [parse(line.raw.rstrip(), line.at) for line in read_trace(ANSWERED)]
    tracker = new_tracker(REPLAY_PBX)
    arrived = next(fact for event in events for fact in tracker.feed(event))
    calls = ("good", "bad", "better")
    with capture_logs() as logs:
        kept = await recorder.store([replace(arrived, call=call) for call in calls])

    assert [change.story.id for change in kept] == ["good", "better"]
    (apart,) = [line for line in logs if line["log_level"] == "warning"]
    assert (apart["pbx"], "IntegrityError" in apart["personal_error"]) == (REPLAY_PBX, True)
    assert {story.id for story in recorder.open_stories} == {"good", "better"}
    async with sessions() as session:
        assert set(await session.scalars(select(Call.id))) == {"good", "better"}
        assert [fact.call_id for fact in await session.scalars(select(SetAside))] == ["bad"]
        told = await session.scalars(select(OutboxRow.type).order_by(OutboxRow.seq))
        assert list(told) == ["good", "better"]


async def test_a_call_that_arrives_while_another_rings_is_stored_together_with_it(
    writer: Writer, sessions: async_sessionmaker[AsyncSession]
) -> None:
    """The leg takes the call that rings along: the next call must not go behind what else waits of that one."""
    recorder = await recorder_of(writer, sessions)
    events = [parse(line.raw.rstrip(), line.at) for line in read_trace(ANSWERED)]
    tracker = new_tracker(REPLAY_PBX)
    facts = [fact for event in events for fact in tracker.feed(event)]
    arrived = next(fact for fact in facts if isinstance(fact, CallArrived))
    rang = next(fact for fact in facts if isinstance(fact, OperatorRang))
    calls = ("rings", "only arrives")
    told = [replace(fact, call=calls[0]) for fact in (arrived, rang)]
    told.append(replace(arrived, call=calls[1]))
    with capture_logs() as logs:
        kept = await recorder.store(told)

    assert logs == []
    assert [change.story.id for change in kept] == list(calls)
    async with sessions() as session:
        assert set(await session.scalars(select(Call.id))) == set(calls)
        assert list(await session.scalars(select(Leg.call_id))) == ["rings"]
