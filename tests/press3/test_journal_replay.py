"""Stored calls told anew by today's rules: said first, stored when asked, and nothing is lost by it."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from appeals.case.model import Appeal, AppealCall, HistoryEntry
from calls import storage
from calls.model import Call, CallText, Leg, StoredFact
from calls.retelling import differences, retold, story_of
from calls.story import CallStory
from press3.config.settings import Settings
from press3.database import Database
from press3.journal_replay import Found, retell
from press3.replay import TraceLink
from press3.traces import read_trace
from recordings.model import Recording
from store.journal import JournalRow
from store.outbox import OutboxRow
from store.writer import Writer
from tests.calls.traces import facts_of
from tests.telephony.parts import new_pipeline, new_recorder

PBX = "main"
TRACE = Path("tests/traces/answered-22.jsonl")
SETTINGS = Settings(asterisk=[{"name": PBX}])  # type: ignore[list-item]


class Told:
    """A database in which press3 has heard a trace."""

    def __init__(self, writer: Writer, sessions: async_sessionmaker[AsyncSession]) -> None:
        self.writer, self.sessions = writer, sessions
        self.now = max(line.at for line in read_trace(TRACE)) + timedelta(hours=1)
        self.database = Database(sessions=sessions, writer=writer, now=lambda: self.now)

    async def hear(self, trace: Path = TRACE) -> None:
        recorder = await new_recorder(PBX, self.writer, self.sessions, lambda: self.now)
        await new_pipeline(TraceLink(read_trace(trace)), recorder).run()

    async def retell(self, *, apply: bool = False) -> Found:
        return await retell(self.database, SETTINGS, PBX, apply=apply)

    async def rows(self, table: Any) -> list[dict[str, Any]]:
        async with self.sessions() as session:
            found = await session.scalars(select(table))
            return [
                {column.key: getattr(row, column.key) for column in row.__table__.columns}
                for row in found
            ]

    async def story(self) -> CallStory:
        async with self.sessions() as session:
            call = (await session.scalars(select(Call.id))).one()
            story = await storage.load_story(session, call)
        assert story is not None
        return story

    async def believe(self) -> None:
        """Store what older rules would have said: nobody answered, and the caller gave up."""

        async def work(session: AsyncSession) -> None:
            gone = ("OperatorRang", "OperatorStoppedRinging", "OperatorAnswered", "OperatorLeft")
            await session.execute(delete(StoredFact).where(StoredFact.type.in_(gone)))
            ended = select(StoredFact).where(StoredFact.type == "CallEnded")
            row = (await session.scalars(ended)).one()
            row.data = {**row.data, "outcome": "abandoned"}
            await session.execute(delete(Leg))
            await session.execute(update(Call).values(outcome="abandoned", answered_at=None))
            await session.execute(update(Appeal).values(first_contact_at=None))

        await self.writer.run(work)


@pytest.fixture
async def told(writer: Writer, sessions: async_sessionmaker[AsyncSession]) -> Told:
    told = Told(writer, sessions)
    await told.hear()
    return told


EVERYTHING = (
    Call,
    Leg,
    StoredFact,
    Appeal,
    AppealCall,
    HistoryEntry,
    Recording,
    OutboxRow,
    JournalRow,
)


async def test_by_the_same_rules_nothing_changes(told: Told) -> None:
    before = [await told.rows(table) for table in EVERYTHING]
    for apply in (False, True):
        found = await told.retell(apply=apply)
        assert (found.heard, found.changed, found.unknown) == (1, {}, [])
    assert [await told.rows(table) for table in EVERYTHING] == before


async def test_a_call_that_was_misread_is_said_and_stored_only_when_asked(told: Told) -> None:
    right = await told.story()
    await told.believe()
    wrong = await told.story()
    assert (wrong.outcome, wrong.legs) == ("abandoned", ())
    before = [await told.rows(table) for table in EVERYTHING]
    (names,) = (await told.retell()).changed.values()
    assert {"outcome", "legs", "answered_at"} <= set(names)
    assert [await told.rows(table) for table in EVERYTHING] == before, "nothing is written"

    facts, links = await told.rows(StoredFact), await told.rows(AppealCall)
    recordings = await told.rows(Recording)
    assert len((await told.retell(apply=True)).changed) == 1
    assert await told.story() == right
    assert (await told.rows(StoredFact))[: len(facts)] == facts, "what was believed stays stored"
    assert (await told.rows(AppealCall), await told.rows(Recording)) == (links, recordings)
    (call,), (appeal,) = await told.rows(Call), await told.rows(Appeal)
    assert (call["outcome"], call["answered_at"]) == ("answered", right.answered_at)
    assert [leg["extension"] for leg in await told.rows(Leg)] == [
        leg.extension for leg in right.legs
    ]
    assert appeal["first_contact_at"] == right.answered_at
    assert (await told.retell(apply=True)).changed == {}


async def test_a_press_and_its_evidence_are_never_taken_back(told: Told) -> None:
    """Today's rules hear no press: the event of the press is gone from the journal."""

    async def work(session: AsyncSession) -> None:
        row = (
            await session.scalars(select(StoredFact).where(StoredFact.type == "ComplaintRequested"))
        ).one()
        row.data = {**row.data, "evidence": "verified"}
        press = select(JournalRow).where(JournalRow.raw.contains(b"Press3"))
        for event in await session.scalars(press):
            event.raw = b"Event: Other"

    await told.writer.run(work)
    await told.believe()
    before = await told.story()
    await told.retell(apply=True)
    after = await told.story()
    assert after.outcome == "answered"
    assert (after.pressed_at, after.press_uniqueid, after.press_key, after.evidence) == (
        before.pressed_at,
        before.press_uniqueid,
        before.press_key,
        "verified",
    )


@pytest.mark.parametrize("within", [True, False])
async def test_a_call_that_a_blind_window_touches_stays_as_it_is(told: Told, within: bool) -> None:
    await told.believe()
    story = await told.story()
    at = story.started_at + timedelta(seconds=1 if within else 3000)

    async def work(session: AsyncSession) -> None:
        storage.begin_window(session, PBX, at, "test").ended_at = at + timedelta(seconds=1)

    await told.writer.run(work)
    found = await told.retell(apply=True)
    assert (found.heard, found.not_whole) == ((0, 1) if within else (1, 0))
    assert ((await told.story()).outcome == "abandoned") is within


async def test_calls_that_only_todays_rules_find_are_counted_and_not_stored(told: Told) -> None:
    await told.hear(Path("tests/traces/outbound-22.jsonl"))
    assert (await told.retell()).heard == 2

    async def work(session: AsyncSession) -> None:
        """As a version without today's rules left it."""
        out = select(Call.id).where(Call.direction == "out").scalar_subquery()
        for column in (Leg.call_id, StoredFact.call_id, CallText.call_id, Recording.call_id):
            await session.execute(delete(column.class_).where(column == out))
        await session.execute(delete(Call).where(Call.direction == "out"))

    await told.writer.run(work)
    found = await told.retell(apply=True)
    assert (found.heard, len(found.unknown), found.pressed_unknown) == (1, 1, [])
    assert len(await told.rows(Call)) == 1


def test_the_facts_of_a_call_told_anew_begin_with_it() -> None:
    facts = facts_of("answered-22")
    anew = retold(facts, facts)
    story, again = story_of(facts), story_of([*facts, *anew])
    assert story is not None
    assert again == story
    assert differences(story, replace(story, recovered=True)) == []
    assert differences(story, replace(story, ended_at=None)) == ["ended_at"]
