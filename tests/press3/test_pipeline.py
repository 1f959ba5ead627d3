"""From the link's items to the database: what fails is tried again, and nothing is stored twice."""

from collections.abc import Awaitable, Callable
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
from appeals.case.model import Appeal
from appeals.intake.presses import IntakeSettings
from calls import history
from calls.facts import CallArrived, OperatorRang
from calls.model import BlindWindow, Call, CallText, Leg, SetAside, StoredFact
from calls.numbers import NumberRules
from calls.story import CallChange
from calls.tracker import Tracker
from calls.triggers import TriggerRules
from press3.replay import REPLAY_PBX, TraceLink
from press3.telephony_parts import change_handlers
from press3.traces import TraceLine, read_trace
from store.base import table
from store.errors import CommitFailed, LeaseLost
from store.fast.prepared import insert_later, prepared
from store.journal import JournalRow
from store.lease import Lease
from store.outbox import Message, OutboxRow, emit
from store.writer import Writer
from telephony import pipeline as module
from telephony.pipeline import Pipeline, PipelineParts

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


async def nothing(pipeline: Pipeline, item: object) -> None:
    """A trace has no gaps."""


async def make(
    writer: Writer,
    sessions: Callable[[], AsyncSession],
    link: TraceLink,
    through: Any = None,
) -> Pipeline:
    numbers = NumberRules()
    parts = PipelineParts(
        pbx=REPLAY_PBX,
        fence=await Lease(writer, REPLAY_PBX).acquire(),
        link=link,
        writer=through or writer,
        sessions=sessions,  # type: ignore[arg-type]
        new_tracker=lambda: Tracker(REPLAY_PBX, TriggerRules(), numbers),
        handlers=change_handlers(IntakeSettings(departments={})),
        now=lambda: NOW,
    )
    return Pipeline(parts, catch_up=nothing, link_down=nothing)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trying again does not wait."""
    monkeypatch.setattr(module, "_RETRY_S", (0.0,))


async def count(sessions: async_sessionmaker[AsyncSession], table: Any) -> int:
    async with sessions() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


async def test_a_commit_that_holds_though_it_was_told_to_have_failed_is_not_done_twice(
    writer: Writer, sessions: async_sessionmaker[AsyncSession]
) -> None:
    unlucky = UnluckyWriter(writer)
    one_by_one = TraceLink(read_trace(ANSWERED), pace=lambda at: _done())
    await (await make(writer, sessions, one_by_one, unlucky)).run()

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

    pipeline = await make(writer, sometimes, TraceLink(()))
    tracker = pipeline.parts.new_tracker()
    events = [parse(line.raw.rstrip(), line.at) for line in read_trace(ANSWERED)]
    (change,) = await pipeline.store([fact for event in events for fact in tracker.feed(event)])
    call = change.story.id
    story = await pipeline.read(lambda session: history.load_story(session, call))
    assert story == change.story
    assert (change.story.outcome, away) == ("answered", 0)
    assert pipeline.stuck_since is None


async def test_whoever_lost_the_lease_writes_nothing_at_all(
    writer: Writer, sessions: async_sessionmaker[AsyncSession]
) -> None:
    pipeline = await make(writer, sessions, TraceLink(read_trace(ANSWERED)))
    old, new = Lease(writer, REPLAY_PBX), Lease(writer, REPLAY_PBX)
    old.fence = pipeline.parts.fence
    await old.release()
    await new.acquire()

    async def work(session: AsyncSession) -> None:
        history.begin_window(session, REPLAY_PBX, NOW, "told by one who slept")

    with pytest.raises(LeaseLost):
        await pipeline.write(work)
    with pytest.raises(LeaseLost):
        await pipeline.run()
    assert await count(sessions, BlindWindow) == await count(sessions, JournalRow) == 0


async def test_a_fault_of_ours_ends_the_pipeline_instead_of_being_tried_for_ever(
    writer: Writer, sessions: async_sessionmaker[AsyncSession]
) -> None:
    pipeline = await make(writer, sessions, TraceLink(()))

    async def work(session: AsyncSession) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await pipeline.write(work)


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

    pipeline = await make(writer, sessions, TraceLink(()))
    handlers = (*pipeline.parts.handlers, stumble)
    pipeline.parts = replace(pipeline.parts, handlers=handlers)
    events = [parse(line.raw.rstrip(), line.at) for line in read_trace(ANSWERED)]
    tracker = pipeline.parts.new_tracker()
    arrived = next(fact for event in events for fact in tracker.feed(event))
    calls = ("good", "bad", "better")
    with capture_logs() as logs:
        kept = await pipeline.store([replace(arrived, call=call) for call in calls])

    assert [change.story.id for change in kept] == ["good", "better"]
    (apart,) = [line for line in logs if line["log_level"] == "warning"]
    assert (apart["pbx"], "IntegrityError" in apart["personal_error"]) == (REPLAY_PBX, True)
    assert {story.id for story in pipeline.book.open_stories} == {"good", "better"}
    async with sessions() as session:
        assert set(await session.scalars(select(Call.id))) == {"good", "better"}
        assert [fact.call_id for fact in await session.scalars(select(SetAside))] == ["bad"]
        told = await session.scalars(select(OutboxRow.type).order_by(OutboxRow.seq))
        assert list(told) == ["good", "better"]


async def test_a_call_that_arrives_while_another_rings_is_stored_together_with_it(
    writer: Writer, sessions: async_sessionmaker[AsyncSession]
) -> None:
    """The leg takes the call that rings along: the next call must not go behind what else waits of that one."""
    pipeline = await make(writer, sessions, TraceLink(()))
    events = [parse(line.raw.rstrip(), line.at) for line in read_trace(ANSWERED)]
    tracker = pipeline.parts.new_tracker()
    facts = [fact for event in events for fact in tracker.feed(event)]
    arrived = next(fact for fact in facts if isinstance(fact, CallArrived))
    rang = next(fact for fact in facts if isinstance(fact, OperatorRang))
    calls = ("rings", "only arrives")
    told = [replace(fact, call=calls[0]) for fact in (arrived, rang)]
    told.append(replace(arrived, call=calls[1]))
    with capture_logs() as logs:
        kept = await pipeline.store(told)

    assert logs == []
    assert [change.story.id for change in kept] == list(calls)
    async with sessions() as session:
        assert set(await session.scalars(select(Call.id))) == set(calls)
        assert list(await session.scalars(select(Leg.call_id))) == ["rings"]


async def test_an_event_stored_by_another_version_does_not_keep_the_service_from_starting(
    writer: Writer, sessions: async_sessionmaker[AsyncSession]
) -> None:
    talking = list(read_trace(ANSWERED))[:-12]
    await (await make(writer, sessions, TraceLink(talking))).run()
    broken = JournalRow(pbx=REPLAY_PBX, at=talking[-1].at, call_id=None, raw=b"Event: Newchannel")

    async def work(session: AsyncSession) -> None:
        session.add(broken)

    await writer.run(work)
    pipeline = await make(writer, sessions, TraceLink(()))
    await pipeline.run()
    assert pipeline.broken_events == 1
    assert len(pipeline.book.open_stories) == len(pipeline.tracker.open_calls()) == 1


async def test_a_damaged_event_of_a_trace_is_passed_over_as_on_the_link(
    writer: Writer, sessions: async_sessionmaker[AsyncSession]
) -> None:
    lines = list(read_trace(ANSWERED))
    damaged = TraceLine(lines[3].at, b"Event: Hangup\r\nUniqueid: 1.1\r\nUniqueid: 1.2")
    pipeline = await make(writer, sessions, TraceLink([*lines[:4], damaged, *lines[4:]]))
    await pipeline.run()
    assert pipeline.broken_events == 1
    assert await count(sessions, Call) == 1
