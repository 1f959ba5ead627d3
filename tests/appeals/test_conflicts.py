"""The conflict rule: stored, only added to, in two degrees, whatever happens to the type of the case."""

import pytest

from appeals.errors import NotFound, Refused
from people.audience import Viewer
from people.model import Role
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
