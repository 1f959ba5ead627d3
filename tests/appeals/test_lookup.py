"""Lists and single things, as CONTRACT names them, within what each person may read."""

import random
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from appeals.card import read
from appeals.card.read import AppealQuery, CallQuery
from appeals.case import reach, subjects
from appeals.case.errors import Invalid, NotFound
from appeals.case.model import Appeal, AppealCall, Phase
from appeals.case.pages import encode
from appeals.case.rights import Action, Allowed, may
from calls.model import Call
from people.access.audience import Viewer
from people.model import Role
from press3.features import entry_kinds
from recordings.model import Recording, RecordingState
from tests.appeals.world import CUSTOMER, NOON, World

APPEAL = [
    "number",
    "version",
    "kind",
    "type",
    "category",
    "source",
    "verified",
    "phase",
    "stage",
    "missing",
    "caller",
    "customer",
    "opened_at",
    "deadline_at",
    "responsible",
    "calls",
    "times",
    "times_business",
    "targets",
]
TIMES = [
    "queue_wait_s",
    "wait_s",
    "abandoned_after_s",
    "ring_s",
    "first_contact_s",
    "take_s",
    "stages",
    "resolution_s",
]
CALL = [
    "id",
    "pbx",
    "direction",
    "from",
    "to",
    "queue",
    "pressed_at",
    "queue_entered_at",
    "queue_left_at",
    "first_ring_at",
    "started_at",
    "answered_at",
    "ended_at",
    "outcome",
    "appeal",
    "legs",
    "transfers",
    "recordings",
    "recovered",
]
LEG = ["extension", "number", "employee", "rang_at", "answered_at", "ended_at", "outcome"]


@pytest.fixture
async def chief(world: World) -> Viewer:
    return await world.hire("Глава", Role.SUPERVISOR)


async def appeals(world: World, viewer: Viewer, **query: Any) -> list[int]:
    async with world.sessions() as session:
        page = await read.list_appeals(session, viewer, AppealQuery(**query))
    return [item["number"] for item in page.items]


async def calls(world: World, viewer: Viewer, **query: Any) -> list[str]:
    async with world.sessions() as session:
        page = await read.list_calls(session, viewer, CallQuery(**query))
    return [item["id"] for item in page.items]


async def test_every_field_of_the_contract_is_there(world: World, chief: Viewer) -> None:
    await world.hire("Анна", extension="101")
    call = world.call().press().enter().ring("101", "102")
    world.pass_s(5)
    call.answer("101").stop("102")
    await call.stored()
    (row,) = await world.appeals()
    async with world.sessions() as session:
        appeal = await read.one_appeal(session, chief, row.number)
        (told,) = (await read.list_calls(session, chief, CallQuery())).items

    assert set(appeal) >= set(APPEAL)
    assert list(appeal["times"]) == TIMES
    assert appeal["times_business"] is None
    assert set(told) >= set(CALL)
    assert appeal["calls"] == [told]
    assert told["outcome"] == "in_progress"
    assert told["from"] == {
        "raw": CUSTOMER,
        "e164": CUSTOMER,
        "name": "Иван",
        "kind": "public",
    }
    assert [list(leg) for leg in told["legs"]] == [LEG, LEG]
    assert [(leg["extension"], leg["outcome"]) for leg in told["legs"]] == [
        ("101", "answered"),
        ("102", "elsewhere"),
    ]
    assert told["legs"][0]["employee"]["name"] == "Анна"
    assert told["legs"][1]["employee"] is None


async def add_recording(world: World, call: str, path: str, **columns: Any) -> None:
    """Let the call have a recording that can be heard."""
    values = {"guessed": False, "attempts": 0, **columns}

    async def work(session: AsyncSession) -> None:
        recording = Recording(
            pbx="main", call_id=call, remote_path=path, state=RecordingState.CONVERTED, **values
        )
        session.add(recording)

    await world.writer.run(work)


async def test_a_transfer_and_a_recording_of_the_call(world: World, chief: Viewer) -> None:
    call = await world.pressed()
    await add_recording(world, call.id, "/monitor/a.wav", started_at=NOON, duration_s=12.5)
    await call.transfer("101", "102").end().stored()
    async with world.sessions() as session:
        (told,) = (await read.list_calls(session, chief, CallQuery())).items
    assert told["transfers"] == [
        {"at": NOON.isoformat(), "kind": "blind", "from": "101", "to": "102"}
    ]
    assert await calls(world, chief, recorded=True) == [call.id]
    assert await calls(world, chief, recorded=False) == []
    (recording,) = told["recordings"]
    assert {k: v for k, v in recording.items() if k != "id"} == {
        "state": "converted",
        "duration_s": 12.5,
        "started_at": NOON.isoformat(),
        "reason": None,
        "guessed": False,
    }


async def test_a_recording_that_may_be_another_calls_says_so(world: World, chief: Viewer) -> None:
    call = await world.pressed()
    await add_recording(world, call.id, "/monitor/note-89161112233.wav", guessed=True)
    async with world.sessions() as session:
        (told,) = (await read.list_calls(session, chief, CallQuery())).items
    assert [recording["guessed"] for recording in told["recordings"]] == [True]


async def test_pages_follow_each_other_without_a_gap(world: World, chief: Viewer) -> None:
    for _ in range(7):
        await world.pressed()
    seen, seen_calls = [], []
    async with world.sessions() as session:
        cursor = None
        while True:
            page = await read.list_appeals(session, chief, AppealQuery(limit=3, cursor=cursor))
            seen.append([item["number"] for item in page.items])
            if (cursor := page.next) is None:
                break
        while True:
            calls = await read.list_calls(session, chief, CallQuery(limit=3, cursor=cursor))
            seen_calls.append([item["id"] for item in calls.items])
            if (cursor := calls.next) is None:
                break
    assert [len(page) for page in seen] == [3, 3, 1]
    numbers = [number for page in seen for number in page]
    assert numbers == sorted(numbers, reverse=True)
    assert [len(page) for page in seen_calls] == [3, 3, 1]
    assert len({call for page in seen_calls for call in page}) == 7


@pytest.mark.parametrize("cursor", ["", "x", "W10", "WyJhIl0", "WzFd8", "\u0436", "bnVsbA"])
async def test_a_cursor_of_somewhere_else_is_refused(
    world: World, chief: Viewer, cursor: str
) -> None:
    for find in (appeals, calls):
        with pytest.raises(Invalid) as refused:
            await find(world, chief, cursor=cursor)
        assert refused.value.field == "cursor"


async def test_filters(world: World, chief: Viewer) -> None:
    await world.pressed("+79161234567")
    world.pass_s(3600)
    await world.pressed("+79037654321")
    one, two = (appeal.number for appeal in await world.appeals())
    await world.change(
        two,
        phase=Phase.CLOSED,
        type="ОБР",
        kind="request",
        gist="Вода с Запахом",
        responsible_id=chief.id,
    )
    customer = (await world.appeals())[0].customer_id

    assert await appeals(world, chief) == [two, one]
    assert await appeals(world, chief, phase=Phase.CLOSED) == [two]
    assert await appeals(world, chief, kind="complaint") == [one]
    assert await appeals(world, chief, type="ОБР") == [two]
    assert await appeals(world, chief, customer=customer) == [one]
    assert await appeals(world, chief, employee=chief.id) == [two]
    later = NOON + timedelta(hours=1)
    assert await appeals(world, chief, opened_from=later) == [two]
    assert await appeals(world, chief, opened_to=later) == [one]
    for q in (str(two), f"№{two}", "903 765", "+7903", "8 903 765-43-21", "запахом", "ВОДА"):
        assert two in await appeals(world, chief, q=q), q
    for q in ("Петров", "%", "_", "00000", "9" * 30):
        assert await appeals(world, chief, q=q) == [], q


async def test_filters_of_calls(world: World, chief: Viewer) -> None:
    anna = await world.hire("Анна", extension="101")
    answered = await world.call().press().answer("101").stored()
    await answered.end().stored()
    world.pass_s(3600)
    missed = await world.call("+79037654321").ring("101").end("no_answer").stored()
    world.pass_s(3600)
    out = await world.call("101", direction="out", to="+79037654321").stored()

    assert await calls(world, chief) == [out.id, missed.id, answered.id]
    assert await calls(world, chief, direction="out") == [out.id]
    assert await calls(world, chief, direction="in") == [missed.id, answered.id]
    assert await calls(world, chief, outcome="in_progress") == [out.id]
    assert await calls(world, chief, outcome="answered") == [answered.id]
    assert await calls(world, chief, pressed=True) == [answered.id]
    assert await calls(world, chief, missed=True) == [missed.id]
    assert await calls(world, chief, missed=False) == [out.id, answered.id]
    assert await calls(world, chief, pbx="main") == [out.id, missed.id, answered.id]
    assert await calls(world, chief, pbx="other") == []
    await world.change_call(missed.id, recovered=True)
    assert await calls(world, chief, recovered=True) == [missed.id]
    assert await calls(world, chief, recovered=False) == [out.id, answered.id]
    assert await calls(world, chief, employee=anna.id) == [missed.id, answered.id]
    assert await calls(world, chief, started_from=NOON + timedelta(hours=1)) == [out.id, missed.id]
    assert await calls(world, chief, started_to=NOON + timedelta(hours=1)) == [answered.id]
    assert await calls(world, chief, q="903765") == [out.id, missed.id]
    (appeal,) = await world.appeals()
    assert await calls(world, chief, customer=appeal.customer_id) == [answered.id]


async def test_what_may_not_be_read_is_not_found(world: World) -> None:
    boris = await world.hire("Борис", extension="102")
    await world.pressed()
    (appeal,) = await world.appeals()
    async with world.sessions() as session:
        for reading in (
            read.one_appeal(session, boris, appeal.number),
            read.history_of(session, boris, appeal.number, kinds=entry_kinds()),
        ):
            with pytest.raises(NotFound):
                await reading
    assert await calls(world, boris) == []


@pytest.mark.parametrize("few", [0, 2000])
async def test_lists_show_exactly_what_the_rights_allow(
    world: World, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A company at random: SQL and the pure rule must agree about everybody and everything.

    Both forms of the SQL: for whoever may read much, and for whoever may read few things.
    """
    monkeypatch.setattr(reach, "_FEW", few)
    chance = random.Random(3)
    north = await world.department("Север")
    places = [None, north, await world.department("Порт", north), await world.department("Юг")]
    people = [
        await world.hire(f"{role}{n}", role, extension=f"{n}{i:02}", department=place)
        for i, role in enumerate(Role)
        for n, place in enumerate(places, start=1)
    ]
    for _ in range(12):
        call = await world.pressed()
        call.ring(*(f"{chance.randint(1, 4)}{chance.randint(0, 5):02}" for _ in range(2)))
        await call.stored()
        number = (await world.appeals())[-1].number
        responsible = chance.choice([None, chance.choice(people).id])
        await world.change(number, department_id=chance.choice(places), responsible_id=responsible)
        await world.change_call(call.id, department_id=chance.choice(places))
        other = world.call("+79990000000").ring(f"{chance.randint(1, 4)}{chance.randint(0, 5):02}")
        await other.stored()
        await world.writer.run(lambda session, n=number, c=other.id: _link(session, n, c))

    async with world.sessions() as session:
        cases = [
            await subjects.of_appeal(session, a) for a in await session.scalars(select(Appeal))
        ]
        of_calls = {
            call.id: await subjects.of_call(session, call)
            for call in await session.scalars(select(Call))
        }
        for person in people:
            allowed = {s.number for s in cases if isinstance(may(person, Action.READ, s), Allowed)}
            assert set(await world.reads(person)) == allowed, person
            page = await read.list_calls(session, person, CallQuery(limit=200))
            readable = {
                call
                for call, found in of_calls.items()
                if any(isinstance(may(person, Action.READ, s), Allowed) for s in found)
            }
            assert {item["id"] for item in page.items} == readable, person


async def _link(session: AsyncSession, number: int, call: str) -> None:
    session.add(AppealCall(appeal_number=number, call_id=call, link="manual"))


async def test_a_page_costs_the_same_queries_for_one_as_for_many(
    world: World, engine: AsyncEngine, chief: Viewer
) -> None:
    async def queries(limit: int) -> int:
        statements: list[str] = []

        def note(*args: Any) -> None:
            statements.append(args[2])

        event.listen(engine.sync_engine, "before_cursor_execute", note)
        await appeals(world, chief, limit=limit)
        await calls(world, chief, limit=limit)
        event.remove(engine.sync_engine, "before_cursor_execute", note)
        return len(statements)

    for _ in range(6):
        await world.pressed()
    await queries(1)
    assert await queries(6) == await queries(1) <= 10


@pytest.mark.parametrize(
    "place",
    [
        ["2026-11-29T00:00:00", "x"],
        ["0001-01-01T00:00:00+14:00", "x"],
        ["9999-12-31T23:59:59-14:00", "x"],
        ["2026-11-29T00:00:00+00:00", "\0"],
        ["2026-11-29T00:00:00+00:00", "\ud800"],
    ],
)
async def test_a_cursor_that_no_list_gave_is_refused(world: World, place: list[str]) -> None:
    boss = await world.hire("boss", Role.SUPERVISOR)
    async with world.sessions() as session:
        with pytest.raises(Invalid):
            await read.list_calls(session, boss, CallQuery(cursor=encode(place)))
