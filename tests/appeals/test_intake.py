"""Key 3 opens one appeal, whatever else happens to the call."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from appeals.case.model import AppealCall
from appeals.intake.presses import IntakeSettings
from appeals.registration import verbs
from customers.model import Customer
from people.model import Role
from store.writer import Writer
from tests.appeals.world import CUSTOMER, NOON, World


async def test_a_pressed_3_opens_a_complaint_with_all_that_is_known(world: World) -> None:
    await world.pressed()

    (appeal,) = await world.appeals()
    assert appeal.press_key == "main/1795003200.1"
    assert appeal.registered_at == NOON
    told = await world.appeal(appeal.number)
    assert told["kind"] == "complaint"
    assert told["type"] == "ЖК"
    assert told["source"] == "phone_key"
    assert told["verified"] == "verified"
    assert (told["phase"], told["stage"]) == ("received", "Зафиксирована")
    assert told["missing"] == ["gist", "category"]
    assert told["caller"] == {
        "raw": CUSTOMER,
        "e164": CUSTOMER,
        "name": "Иван",
        "kind": "public",
    }
    assert told["customer"]["name"] == "Иван"
    assert told["opened_at"] == NOON.isoformat()
    assert told["deadline_at"] == (NOON + timedelta(hours=24)).isoformat()
    assert [call["id"] for call in told["calls"]] == ["main-1795003200.1"]
    assert told["calls"][0]["appeal"] == appeal.number
    (opened,) = await world.messages("appeal.opened")
    assert opened.data == {
        "number": appeal.number,
        "version": 1,
        "phase": "received",
        "call": "main-1795003200.1",
    }
    assert await world.actions(appeal.number) == ["opened"]


async def test_the_same_press_told_again_opens_nothing(world: World) -> None:
    call = await world.call().stored()
    change = call.press().change()
    assert change is not None

    for _ in range(3):
        await world.writer.run(call.taken_in(change))

    assert len(await world.appeals()) == 1
    assert len(await world.messages("appeal.opened")) == 1


async def test_two_processes_that_see_the_same_press_open_one_appeal(
    world: World, engine: AsyncEngine
) -> None:
    call = await world.call().stored()
    change = call.press().change()
    assert change is not None

    async with Writer(engine) as other:
        work = call.taken_in(change)
        await asyncio.gather(*(w.run(work) for w in (world.writer, other) * 5))

    (appeal,) = await world.appeals()
    assert await world.actions(appeal.number) == ["opened"]
    assert len(await world.messages("appeal.opened")) == 1


async def test_an_equal_uniqueid_a_day_later_is_another_call(world: World) -> None:
    first = await world.pressed()
    world.pass_s(7 * 3600)

    later = await world.call().stored()
    change = later.press(uniqueid=first.uniqueid).change()
    assert change is not None
    await world.writer.run(later.taken_in(change))

    keys = [appeal.press_key for appeal in await world.appeals()]
    assert keys == [f"main/{first.uniqueid}", f"main/{first.uniqueid}/2"]


async def test_evidence_found_later_is_kept_and_never_lost_again(world: World) -> None:
    call = await world.call().press("unverified").stored()
    await call.press("verified").stored()
    await call.press("verified_live").stored()

    (appeal,) = await world.appeals()
    assert appeal.verified == "verified"
    assert await world.actions(appeal.number) == ["opened", "evidence"]


async def test_3_pressed_again_in_the_call_is_written_down(world: World) -> None:
    call = await world.pressed()
    world.pass_s(8)
    await call.press_again().stored()

    (appeal,) = await world.appeals()
    assert await world.actions(appeal.number) == ["opened", "pressed_again"]


async def test_a_press_told_of_another_channel_of_the_call_belongs_to_its_appeal(
    world: World,
) -> None:
    call = await world.pressed()
    world.pass_s(8)
    await call.press("unverified", uniqueid="1795003200.77").stored()

    (appeal,) = await world.appeals()
    assert await world.actions(appeal.number) == ["opened", "pressed_again"]
    assert appeal.verified == "verified"


async def test_the_queue_that_follows_the_press_says_whose_appeal_it_is(world: World) -> None:
    north = await world.department("Север")
    world.settings = IntakeSettings(departments={"complaints": north})
    chief = await world.hire("Глава", Role.SUPERVISOR, department=north)
    stranger = await world.hire("Чужой", Role.SUPERVISOR, department=await world.department("Юг"))

    call = await world.pressed()
    assert await world.told_to(chief) == []
    world.pass_s(2)
    await call.enter("complaints").stored()

    (appeal,) = await world.appeals()
    assert appeal.department_id == north
    assert await world.told_to(chief) == ["appeal.changed"]
    assert await world.told_to(stranger) == []


async def test_a_press_that_names_its_queue_is_told_to_its_department_at_once(world: World) -> None:
    north = await world.department("Север")
    world.settings = IntakeSettings(departments={"complaints": north})
    chief = await world.hire("Глава", Role.SUPERVISOR, department=north)

    await world.call().press(queue="complaints").stored()

    assert await world.told_to(chief) == ["appeal.opened"]


async def test_an_answered_call_is_the_first_contact(world: World) -> None:
    await world.hire("Анна", extension="101")
    call = await world.pressed()
    world.pass_s(3)
    call.enter()
    world.pass_s(4)
    call.ring("101")
    world.pass_s(5)
    call.answer("101").leave()
    await call.stored()
    world.pass_s(60)
    await call.end().stored()

    (appeal,) = await world.appeals()
    assert await world.actions(appeal.number) == [
        "opened",
        "first_contact",
        "conflict",
        "call_ended",
    ]
    told = (await world.appeal(appeal.number))["times"]
    assert told["wait_s"] == told["first_contact_s"] == 12
    assert told["queue_wait_s"] == 9
    assert told["ring_s"] == 5
    assert told["abandoned_after_s"] is None


async def test_a_caller_who_gave_up_is_reached_by_a_later_call(world: World) -> None:
    await world.hire("Анна", extension="101")
    call = await world.pressed()
    world.pass_s(30)
    await call.end("abandoned").stored()
    world.pass_s(600)

    back = world.call("101", name=None, direction="out", to=CUSTOMER)
    world.pass_s(10)
    await back.answer("101").stored()
    await back.end().stored()

    (appeal,) = await world.appeals()
    told = await world.appeal(appeal.number)
    assert [c["direction"] for c in told["calls"]] == ["in", "out"]
    assert told["times"]["abandoned_after_s"] == 30
    assert told["times"]["wait_s"] is None
    assert told["times"]["first_contact_s"] == 640
    ended = [message.data for message in await world.messages("call.ended")]
    assert ended == [
        {"call": call.id, "outcome": "abandoned", "appeal": appeal.number},
        {"call": back.id, "outcome": "answered", "appeal": appeal.number},
    ]


async def test_a_call_without_a_press_is_linked_only_to_the_one_open_appeal(world: World) -> None:
    await world.pressed()
    world.pass_s(60)
    again = await world.call().ring("101").stored()
    await world.pressed()
    world.pass_s(60)
    third = await world.call().ring("101").stored()

    async with world.sessions() as session:
        rows = await session.execute(select(AppealCall.call_id, AppealCall.link))
        links = {row.call_id: row.link for row in rows}
    assert links[again.id] == "auto"
    assert third.id not in links


async def test_a_call_from_before_the_appeal_is_not_taken_for_its_own(world: World) -> None:
    early = world.call().ring("101").end("no_answer")
    world.pass_s(3600)
    await world.pressed()

    await early.learned_late().stored()

    (appeal,) = await world.appeals()
    assert await world.actions(appeal.number) == ["opened"]


async def test_a_new_press_of_a_customer_with_an_open_appeal_opens_a_related_one(
    world: World,
) -> None:
    await world.pressed()
    world.pass_s(3600)
    await world.pressed()

    first, second = await world.appeals()
    assert first.customer_id == second.customer_id
    related = (await world.history(second.number))[1]
    assert (related["action"], related["data"]) == ("related", {"appeals": [first.number]})


async def test_an_anonymous_caller_has_an_appeal_and_no_customer(world: World) -> None:
    await world.pressed("anonymous")
    await world.pressed("")

    appeals = await world.appeals()
    assert [appeal.customer_id for appeal in appeals] == [None, None]
    assert [appeal.caller_raw for appeal in appeals] == ["anonymous", ""]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("Ив\udce9н", "Ив\ufffdн"),  # bytes that were no text
        ("Ив\x00н", "Ив\ufffdн"),
        ("<b>'; DROP TABLE appeals; --", "<b>'; DROP TABLE appeals; --"),
        ("👵🏽 Мария", "👵🏽 Мария"),
    ],
)
async def test_no_name_keeps_a_press_from_being_stored(world: World, name: str, kept: str) -> None:
    await world.call(name=name).press().stored()
    (appeal,) = await world.appeals()
    assert appeal.caller_name == kept
    assert await world.actions(appeal.number) == ["opened"]


async def test_one_number_in_all_its_spellings_is_one_customer(world: World) -> None:
    for spelling in ("+79161234567", "89161234567", "8 (916) 123-45-67"):
        await world.pressed(spelling)

    assert len({appeal.customer_id for appeal in await world.appeals()}) == 1


async def test_two_processes_that_meet_a_new_caller_make_one_customer(
    world: World, engine: AsyncEngine
) -> None:
    async with Writer(engine) as other:
        presses = [world.call().press() for _ in range(6)]
        writers = (world.writer, other) * 3
        await asyncio.gather(
            *(press.stored(writer) for press, writer in zip(presses, writers, strict=True))
        )

    appeals = await world.appeals()
    assert len(appeals) == 6
    assert len({appeal.customer_id for appeal in appeals}) == 1
    async with world.sessions() as session:
        assert await session.scalar(select(func.count()).select_from(Customer)) == 1


async def test_a_whole_call_learned_from_the_spool_counts_from_the_press(world: World) -> None:
    call = world.call().learned_late().press()
    world.pass_s(40)
    call.end("abandoned")
    world.pass_s(5 * 3600)
    await call.stored()

    (appeal,) = await world.appeals()
    assert appeal.opened_at == NOON
    assert appeal.registered_at == world.now
    told = await world.appeal(appeal.number)
    assert told["calls"][0]["recovered"] is True
    assert told["times"]["abandoned_after_s"] == 40
    assert (await world.history(appeal.number))[0]["data"]["recovered"] is True


async def test_whoever_took_the_appeal_and_then_answers_its_caller_loses_it(world: World) -> None:
    anna = await world.hire("Анна", extension="101")
    call = await world.call().press().ring("101").stored()
    (appeal,) = await world.appeals()

    await world.writer.run(lambda s: verbs.take(s, appeal.number, anna, now=world.now))
    world.pass_s(2)
    await call.answer("101").stored()

    (appeal,) = await world.appeals()
    assert (appeal.responsible_id, appeal.phase) == (None, "received")
    assert "responsible_withdrawn" in await world.actions(appeal.number)


@pytest.mark.parametrize("outcome", ["no_answer", "busy", "failed"])
async def test_the_end_of_a_call_is_no_new_version_of_its_appeal(
    world: World, outcome: str
) -> None:
    call = await world.pressed()
    await call.end(outcome).stored()  # type: ignore[arg-type]

    (appeal,) = await world.appeals()
    assert appeal.version == 1
    assert await world.actions(appeal.number) == ["opened", "call_ended"]
