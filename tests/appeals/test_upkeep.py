"""What older versions stored is brought up to the rules of now, in pieces, with entries in the chains."""

from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from appeals.case import conflicts, old_conflicts
from appeals.case.errors import Refused
from appeals.case.model import Appeal, AppealCall, AppealConflict
from appeals.parties import verbs as parties
from calls.numbers import NumberRules
from customers.model import Customer, CustomerPhone
from people.access.audience import Viewer
from people.model import Role
from store import setting_log
from tests.appeals.test_desk import answered_by, patch, take
from tests.appeals.world import World

RULES = NumberRules()


def is_hidden(number: str) -> bool:
    return RULES.party(number).kind == "anonymous"


@pytest.fixture
async def chief(world: World) -> Viewer:
    return await world.hire("Глава", Role.SUPERVISOR)


async def forget_conflicts(world: World) -> None:
    """Leave the database as a version without stored conflicts left it, but for the chains."""

    async def work(session: AsyncSession) -> None:
        # The program itself refuses to delete these rows; only SQL beside it does.
        await session.execute(text("DELETE FROM appeal_conflicts WHERE lifts IS NOT NULL"))
        await session.execute(text("DELETE FROM appeal_conflicts"))

    await world.writer.run(work)


async def piece(world: World) -> int:
    """Do one piece of the job, as the service does; return how many appeals it was."""
    async with world.sessions() as session:
        numbers = await old_conflicts.next_numbers(session)
    if numbers is None:
        return -1
    await world.writer.run(lambda s: old_conflicts.write_conflicts(s, numbers, now=world.now))
    return len(numbers)


async def stored(world: World) -> list[tuple[int, int, int]]:
    async with world.sessions() as session:
        rows = await session.scalars(select(AppealConflict).order_by(AppealConflict.id))
        return sorted((row.appeal_number, row.employee_id, row.degree) for row in rows)


async def test_conflicts_of_stored_cases_are_written_in_pieces_and_protect_before(
    world: World, chief: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(old_conflicts, "_AT_ONCE", 2)
    anna = await world.hire("Анна", extension="101")
    boris = await world.hire("Борис", Role.HANDLER)
    numbers = [await answered_by(world, "101") for _ in range(3)]
    await world.pressed()  # nobody answered: nothing to write
    await patch(world, numbers[1], chief, accused=boris.id)
    await forget_conflicts(world)

    for number in numbers:
        with pytest.raises(Refused):  # the older signs stand
            await take(world, number, anna)
    assert numbers[1] not in await world.reads(boris)

    assert await piece(world) == 2
    world.now = world.pass_s(1)  # a restart in between: the place is in the database
    assert [await piece(world), await piece(world), await piece(world)] == [1, 0, -1]
    assert await stored(world) == sorted(
        [(number, anna.id, 2) for number in numbers] + [(numbers[1], boris.id, 1)]
    )
    entries = [e for e in await world.history(numbers[1]) if e["action"] == "conflict"]
    assert [e["data"].get("stored_before") for e in entries] == [None, True, True]
    async with world.sessions() as session:
        row = await session.scalar(select(AppealConflict).where(AppealConflict.degree == 1))
        assert row is not None
        assert row.by_id == chief.id


async def take_away(world: World) -> list[int]:
    """Withdraw as the service does at its start; return from which appeals."""
    async with world.sessions() as session:
        held = list(await old_conflicts.next_held(session, 0))
    await world.writer.run(lambda s: old_conflicts.withdraw(s, held, now=world.now))
    async with world.sessions() as session:
        assert await old_conflicts.next_held(session, 0) == []
    return held


async def test_open_cases_are_taken_from_who_took_them_in_conflict(world: World) -> None:
    """Older versions let the answerer take a case that a colleague had retyped for them."""
    anna = await world.hire("Анна", extension="101")
    numbers = [await answered_by(world, "101") for _ in range(2)]
    await forget_conflicts(world)
    in_hand = {"responsible_id": anna.id, "phase": "investigating", "stage": "in_work"}
    await world.change(numbers[0], **in_hand)
    await world.change(numbers[1], **in_hand | {"phase": "responded", "stage": "analysed"})
    version = (await world.appeal(numbers[0]))["version"]
    assert [await piece(world), await piece(world), await piece(world)] == [2, 0, -1]
    assert await take_away(world) == numbers[:1]
    taken, done = [await world.appeal(number) for number in numbers]
    assert (taken["responsible"], taken["phase"]) == (None, "received")
    assert taken["version"] == version + 1
    assert (await world.actions(numbers[0]))[-2:] == ["conflict", "responsible_withdrawn"]
    assert (done["responsible"]["id"], done["phase"]) == (anna.id, "responded")


async def test_a_stricter_rule_takes_the_cases_that_a_looser_one_gave(
    world: World, chief: Viewer
) -> None:
    async def set_rule(value: str) -> None:
        await world.writer.run(lambda s: setting_log.note(s, conflicts.SETTING, value, world.now))

    anna = await world.hire("Анна", extension="101")
    number = await answered_by(world, "101")
    await set_rule("none")
    await take(world, number, anna)
    assert await take_away(world) == []
    await set_rule("notes")
    with pytest.raises(Refused):
        await patch(world, number, anna, result="Всё хорошо")
    assert await take_away(world) == [number]
    appeal = await world.appeal(number)
    assert (appeal["responsible"], appeal["phase"]) == (None, "received")


async def test_the_job_changes_nothing_that_is_written_or_lifted(
    world: World, chief: Viewer
) -> None:
    anna = await world.hire("Анна", extension="101")
    number = await answered_by(world, "101")
    await patch(world, number, chief, accused=anna.id)
    await patch(world, number, chief, accused=None)
    before = await stored(world)
    assert [await piece(world), await piece(world)] == [0, -1]
    assert await stored(world) == before


# -- strangers --------------------------------------------------------------------------------------


async def make_customer_of(world: World, number: str, appeals: list[int]) -> int:
    """A customer with a hidden number, as older rules made one."""

    async def work(session: AsyncSession) -> int:
        row = Customer(name=None, created_at=world.now)
        session.add(row)
        await session.flush()
        session.add(CustomerPhone(number=number, customer_id=row.id))
        for each in await session.scalars(select(Appeal).where(Appeal.number.in_(appeals))):
            each.customer_id = row.id
        return row.id

    return await world.writer.run(work)


async def link_wrongly(world: World, number: int, call: str, **values: Any) -> None:
    async def work(session: AsyncSession) -> None:
        session.add(AppealCall(appeal_number=number, call_id=call, link="auto"))
        appeal = await session.get_one(Appeal, number)
        for name, value in values.items():
            setattr(appeal, name, value)

    await world.writer.run(work)


async def mend(world: World) -> int:
    """Do the job as the service does; return how many transactions it took."""
    async with world.sessions() as session:
        phones = await parties.phones_after(session, "")
    works = 0
    for phone in phones:
        more = is_hidden(phone.number)
        while more:
            more = await world.writer.run(
                lambda s, p=phone: parties.detach(s, p, is_hidden, now=world.now)  # type: ignore[misc]
            )
            works += 1
    return works


async def test_a_caller_without_a_number_is_no_customer_and_brings_no_link(world: World) -> None:
    await world.pressed("anonymous")
    world.pass_s(60)
    await world.call("anonymous").answer("101").end().stored()
    (appeal,) = await world.appeals()
    assert appeal.customer_id is None
    assert len((await world.appeal(appeal.number))["calls"]) == 1
    async with world.sessions() as session:
        assert (await session.scalars(select(CustomerPhone))).all() == []


async def test_strangers_linked_before_are_unlinked_and_the_histories_say_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parties, "_AT_ONCE", 2)
    await world.hire("Анна", extension="101")
    for _ in range(3):
        await world.pressed("anonymous")
    known = (await world.pressed("+79160000001"), (await world.appeals())[-1].customer_id)
    world.pass_s(600)
    stranger = await world.call("anonymous").answer("101").end().stored()
    numbers = [appeal.number for appeal in await world.appeals()]
    customer = await make_customer_of(world, "anonymous", numbers[:3])
    await link_wrongly(world, numbers[0], stranger.id, first_contact_at=world.now)

    assert await mend(world) == 2
    assert [a.customer_id for a in await world.appeals()] == [None, None, None, known[1]]
    told = await world.appeal(numbers[0])
    assert [call["id"] for call in told["calls"]] != [stranger.id]
    assert len(told["calls"]) == 1
    assert told["times"]["first_contact_s"] is None
    assert await world.actions(numbers[0]) == [
        "opened",
        "customer_detached",
        "call_unlinked",
        "first_contact_corrected",
    ]
    async with world.sessions() as session:
        assert await session.get(Customer, customer) is not None  # histories name it
        numbers_left = (await session.scalars(select(CustomerPhone.number))).all()
        assert numbers_left == ["+79160000001"]
    assert await mend(world) == 0


async def test_a_colleague_who_calls_by_a_name_is_left_alone(world: World) -> None:
    await world.call("anonymous", direction="internal").press().stored()
    customer = await make_customer_of(world, "anonymous", [1])
    assert await mend(world) == 1
    assert [appeal.customer_id for appeal in await world.appeals()] == [customer]
    assert await world.actions(1) == ["opened"]
    async with world.sessions() as session:
        assert (await session.scalars(select(CustomerPhone.number))).all() == ["anonymous"]
