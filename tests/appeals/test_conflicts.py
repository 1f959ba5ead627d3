"""The conflict rule: stored, only added to, in two degrees, whatever happens to the type of the case."""

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from appeals.case import conflicts
from appeals.case.errors import NotFound, Refused
from appeals.case.model import AppealConflict
from people.access.audience import Viewer
from people.model import Role
from store import setting_log
from tests.appeals.test_desk import a_recording, answered_by, listen, patch, resolve, take
from tests.appeals.world import CUSTOMER, World


@pytest.fixture
async def chief(world: World) -> Viewer:
    return await world.hire("Глава", Role.SUPERVISOR)


# -- the two holes of before ------------------------------------------------------------------------


async def test_no_colleague_retypes_a_pressed_complaint_so_that_the_answerer_may_have_it(
    world: World, chief: Viewer
) -> None:
    """PATCH {"type": "БЛ"} by a colleague once let the answerer take, listen and resolve."""
    anna = await world.hire("Анна", extension="101")
    boris = await world.hire("Борис", extension="102")
    number = await answered_by(world, "101", "102")
    (appeal,) = await world.appeals()
    recording = await a_recording(world, appeal.call_id)

    with pytest.raises(Refused):
        await patch(world, number, boris, type="БЛ")
    await patch(world, number, chief, type="БЛ")  # a supervisor may, and the conflict stays
    for attempt in (
        take(world, number, anna),
        resolve(world, number, anna),
        listen(world, recording, anna),
        patch(world, number, chief, responsible=anna.id),
    ):
        with pytest.raises(Refused) as refused:
            await attempt
        assert refused.value.reason == "answered_the_call"


async def test_an_outgoing_call_to_a_customer_opens_no_complaint_to_its_operator(
    world: World,
) -> None:
    """One call from 103 to the customer's number once gave read, listen, take and resolve."""
    await world.hire("Анна", extension="101")
    clara = await world.hire("Клара", extension="103")
    number = await answered_by(world, "101")
    (appeal,) = await world.appeals()
    recording = await a_recording(world, appeal.call_id)
    world.pass_s(600)
    await world.call("103", direction="out", to=CUSTOMER).answer("103").end().stored()

    assert await world.reads(clara) == []
    for attempt in (take(world, number, clara), listen(world, recording, clara)):
        with pytest.raises(NotFound):
            await attempt


# -- written by facts, in the same transaction ------------------------------------------------------


async def stored(world: World) -> list[tuple[int, int, int]]:
    async with world.sessions() as session:
        rows = await session.scalars(select(AppealConflict).order_by(AppealConflict.id))
        return [(row.appeal_number, row.employee_id, row.degree) for row in rows]


async def test_a_press_writes_no_conflict_and_each_answer_writes_one(world: World) -> None:
    anna = await world.hire("Анна", extension="101")
    boris = await world.hire("Борис", extension="102")
    call = await world.pressed()
    assert await stored(world) == []
    await call.enter().ring("101", "102").answer("101").stored()
    world.pass_s(30)
    await call.answer("102").end().stored()  # handed over
    assert await stored(world) == [(1, anna.id, 2), (1, boris.id, 2)]
    entries = [e["data"] for e in await world.history(1) if e["action"] == "conflict"]
    assert [(e["employee"], e["reason"], e["call"]) for e in entries] == [
        (anna.id, "answered_the_call", call.id),
        (boris.id, "answered_the_call", call.id),
    ]


async def test_who_talked_before_the_press_is_in_conflict_from_its_beginning(
    world: World,
) -> None:
    """Back in the menu the caller presses 3: about the employee they have just talked to."""
    anna = await world.hire("Анна", extension="101")
    call = await world.call().answer("101").stored()
    world.pass_s(30)
    await call.press().stored()
    assert await stored(world) == [(1, anna.id, 2)]
    assert await world.actions(1) == ["opened", "conflict"]


async def set_rule(world: World, value: str) -> None:
    async def work(session: AsyncSession) -> None:
        await setting_log.note(session, conflicts.SETTING, value, world.now)

    await world.writer.run(work)


async def test_what_is_left_to_the_answerer_is_a_setting(world: World, chief: Viewer) -> None:
    anna = await world.hire("Анна", extension="101")
    boris = await world.hire("Борис")
    number = await answered_by(world, "101")
    await patch(world, number, anna, gist="Сказал, что опоздали", accused=boris.id)
    for attempt in (
        patch(world, number, anna, gist="Ничего не сказал"),  # not empty any more
        patch(world, number, anna, accused=None),
        patch(world, number, anna, result="Извинились"),
    ):
        with pytest.raises(Refused) as refused:
            await attempt
        assert refused.value.reason == "answered_the_call"

    await set_rule(world, "barred")
    with pytest.raises(Refused):
        await patch(world, number, anna, category="staff")
    await set_rule(world, "none")
    assert (await take(world, number, anna)).responsible_id == anna.id
    assert (number, anna.id, 2) in await stored(world)  # and it counts again with the setting
    await set_rule(world, "notes")
    with pytest.raises(Refused):
        await resolve(world, number, anna)
