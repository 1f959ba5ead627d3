"""Calls in the database, on SQLite and PostgreSQL: what was told comes back, lists find it."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from calls import storage
from calls.codec import fact_from_row
from calls.facts import CallEnded, Fact, LegFact, OperatorRang
from calls.model import Call, Leg, PbxState, StoredFact
from calls.story import CallChange, CallStory, fold
from people import directory
from people.passwords import PasswordHash
from people.roster import add_employee, give_telephone
from store.writer import Writer
from tests.calls.builders import START, stories_of
from tests.calls.traces import facts_of

Sessions = async_sessionmaker[AsyncSession]


def change_of(facts: Iterable[Fact], before: CallStory | None = None) -> CallChange:
    story, new = before, []
    for fact in facts:
        told = fold(story, fact)
        if told is not story:
            new.append(fact)
        story = told
    assert story is not None
    return CallChange(before=before, story=story, facts=tuple(new))


async def store(writer: Writer, change: CallChange) -> None:
    async def work(session: AsyncSession) -> None:
        await storage.store_change(session, change)

    await writer.run(work)


async def store_piecemeal(writer: Writer, facts: list[Fact], step: int = 3) -> CallStory:
    story: CallStory | None = None
    for i in range(0, len(facts), step):
        change = change_of(facts[i : i + step], story)
        await store(writer, change)
        story = change.story
    assert story is not None
    return story


async def test_a_call_stored_piece_by_piece_reads_as_it_was_told(
    writer: Writer, sessions: Sessions
) -> None:
    for trace in ("blind-transfer-22", "pressed-twice-16", "on-hold-22"):
        facts = facts_of(trace)
        story = await store_piecemeal(writer, facts)
        async with sessions() as session:
            assert await storage.load_story(session, story.id) == story
            assert await storage.load_facts(session, story.id) == facts
            numbers = await session.scalars(
                select(StoredFact.n).where(StoredFact.call_id == story.id).order_by(StoredFact.n)
            )
            assert list(numbers) == list(range(1, len(facts) + 1))


async def test_the_rows_are_the_story(writer: Writer, sessions: Sessions) -> None:
    story = await store_piecemeal(writer, facts_of("blind-transfer-22"))
    async with sessions() as session:
        call = await session.get_one(Call, story.id)
        legs = list(await session.scalars(select(Leg).order_by(Leg.id)))
    assert (call.outcome, call.answered_at, call.ended_at) == (
        "answered",
        story.answered_at,
        story.ended_at,
    )
    assert (call.from_e164, call.queue, call.press_uniqueid) == (
        "+79110000001",
        "press3",
        story.uniqueid,
    )
    assert [(leg.extension, leg.outcome) for leg in legs] == [
        ("101", "answered"),
        ("102", "elsewhere"),
        ("103", "answered"),
    ]
    assert call.transfers[0]["to"] == "103"
    assert all(leg.ended_at is not None for leg in legs)


async def test_a_leg_keeps_who_sat_at_the_telephone_then(
    writer: Writer, sessions: Sessions
) -> None:
    facts = facts_of("answered-22")
    await writer.run(partial(_hire_anna, at=facts[0].at - timedelta(days=1)))
    await store_piecemeal(writer, facts)
    async with sessions() as session:
        legs = await session.execute(select(Leg.extension, Leg.employee_id))
        rows = {leg.extension: leg.employee_id for leg in legs}
    assert rows["101"] is not None
    assert rows["102"] is None


async def test_the_leg_of_who_was_found_ringing_is_his(writer: Writer, sessions: Sessions) -> None:
    """Since when it rings nobody knows; whose telephone it is, one knows."""
    facts = [
        replace(fact, recovered=isinstance(fact, OperatorRang)) for fact in facts_of("answered-22")
    ]
    await writer.run(partial(_hire_anna, at=facts[0].at - timedelta(days=1)))
    await store_piecemeal(writer, facts)
    async with sessions() as session:
        legs = {leg.extension: leg for leg in await session.scalars(select(Leg))}
        (call,) = await session.scalars(select(Call))
    assert legs["101"].employee_id is not None
    assert (legs["101"].rang_at, call.first_ring_at) == (None, None)
    assert legs["101"].answered_at == call.answered_at


async def test_an_outside_telephone_is_a_leg_of_whose_number_it_is(
    writer: Writer, sessions: Sessions
) -> None:
    facts = [_from_outside(fact) for fact in facts_of("answered-22")]
    await writer.run(partial(_hire_anna, at=facts[0].at - timedelta(days=2)))
    given_at = facts[0].at - timedelta(days=1)

    async def give(session: AsyncSession) -> None:
        await give_telephone(session, "anna", MOBILE, given_at, until=None)

    await writer.run(give)
    story = await store_piecemeal(writer, facts)
    async with sessions() as session:
        legs = {leg.number or leg.extension: leg for leg in await session.scalars(select(Leg))}
        call = await session.get_one(Call, story.id)
        assert await storage.load_story(session, story.id) == story
        assert await directory.employee_at(session, MOBILE, facts[-1].at) is not None
    assert (legs[MOBILE].extension, legs[MOBILE].answered_at) == ("", call.answered_at)
    assert legs[MOBILE].employee_id is not None
    assert (legs["102"].number, legs["102"].employee_id) == (None, None)
    assert (call.outcome, call.ended_by) == ("answered", "caller")


MOBILE = "+79110000009"


def _from_outside(fact: Fact) -> Fact:
    """101 is a mobile."""
    if isinstance(fact, LegFact) and fact.extension == "101":
        return replace(fact, extension=None, number=MOBILE)
    return fact


def test_facts_stored_before_legs_had_numbers_and_calls_a_side_that_ended_them() -> None:
    rang = {"recovered": False, "leg": "1.1", "extension": "101", "round": 1}
    fact = fact_from_row("main-1.0", "OperatorRang", START, rang)
    assert fact == OperatorRang(call="main-1.0", at=START, leg="1.1", extension="101", round=1)
    ended = {"recovered": False, "outcome": "abandoned"}
    assert fact_from_row("main-1.0", "CallEnded", START, ended) == CallEnded(
        call="main-1.0", at=START, outcome="abandoned", ended_by=None
    )


async def _hire_anna(session: AsyncSession, at: datetime) -> None:
    await add_employee(
        session,
        login="anna",
        name="Анна",
        role="operator",
        password=PasswordHash("-"),
        extension="101",
        now=at,
    )


async def test_open_calls_and_the_call_of_a_press(writer: Writer, sessions: Sessions) -> None:
    await store_piecemeal(writer, facts_of("answered-22"))
    half = await store_piecemeal(writer, facts_of("gave-up-22")[:5])
    async with sessions() as session:
        assert await storage.load_open(session, "main") == {half.id: half}
        assert await storage.load_open(session, "other") == {}
        assert await storage.find_by_press(session, "main", half.uniqueid) == half
        assert await storage.find_by_press(session, "other", half.uniqueid) is None
        assert await storage.load_story(session, "main-0.0") is None


async def test_blind_windows_and_the_state_of_a_pbx(writer: Writer, sessions: Sessions) -> None:
    async def login(session: AsyncSession) -> None:
        await storage.note_login(session, "main", START, "2026-11-21 14:00:00")
        storage.begin_window(session, "main", START, "connection lost")

    async def contact(session: AsyncSession) -> None:
        await storage.note_contact(session, "main", START + timedelta(seconds=9))
        await storage.note_contact(session, "main", START + timedelta(seconds=5))
        window = await storage.open_window(session, "main")
        assert window is not None
        window.ended_at = START + timedelta(seconds=9)

    await writer.run(login)
    await writer.run(contact)
    async with sessions() as session:
        state = await session.get_one(PbxState, "main")
        assert state.last_contact_at == START + timedelta(seconds=9)
        assert await storage.open_window(session, "main") is None


async def test_every_fact_of_every_trace_survives_the_table(
    writer: Writer, sessions: Sessions
) -> None:
    for trace in ("attended-transfer-22", "parked-22", "rejected-22", "click-to-call-22"):
        facts = facts_of(trace)
        await store(writer, change_of(facts))
        async with sessions() as session:
            stored = await storage.load_facts(session, facts[0].call)
        assert stored == facts
        assert stories_of(stored) == stories_of(facts)
