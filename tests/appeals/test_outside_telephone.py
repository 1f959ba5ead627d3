"""A complaint answered at an outside telephone: it has its first contact, and whose number it is has a conflict."""

from appeals.case import subjects
from appeals.case.model import Appeal
from people.model import Role
from tests.appeals.world import World

MOBILE, STRANGERS = "+79110000009", "+79110000008"


async def _answered_by(world: World, number: int) -> frozenset[int]:
    async with world.sessions() as session:
        appeal = await session.get_one(Appeal, number)
        return (await subjects.of_appeal(session, appeal)).answered_by


async def test_who_answers_at_a_mobile_is_in_the_conflict_rule(world: World) -> None:
    ann = await world.hire("ann", Role.HANDLER, extension=MOBILE)
    call = await world.pressed()
    await call.ring("101", MOBILE).stored()
    world.pass_s(10)
    await call.stop("101").answer(MOBILE).stored()
    appeal = await world.appeal(1)
    assert appeal["times"]["first_contact_s"] == 10
    assert await _answered_by(world, 1) == {ann.id}
    contact = next(e for e in await world.history(1) if e["action"] == "first_contact")
    assert contact["data"]["extension"] == MOBILE


async def test_a_number_of_nobodys_answers_all_the_same(world: World) -> None:
    await world.hire("ann", Role.HANDLER, extension=MOBILE)
    call = await world.pressed()
    await call.answer(STRANGERS).stored()
    assert (await world.appeal(1))["times"]["first_contact_s"] == 0
    assert await _answered_by(world, 1) == frozenset()
