"""Everything that a version of press3 records in a history, told to that version: it runs with the code of then.

`make.py` runs it in a checkout of an old version, `python story.py DATABASE`; nothing of today is
imported. What a version lacks is left out. The people and numbers are made up.
"""

import asyncio
import importlib
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from calls.facts import ComplaintRequested
from people.model import Role
from press3 import schema
from store.engine import create_engine
from store.writer import Writer
from tests.appeals.world import World


def module(*names: str) -> Any:
    """Import the first of `names` that there is."""
    for name in names:
        with suppress(ImportError):
            return importlib.import_module(name)
    return None


verbs = module("appeals.registration.verbs", "appeals.desk")
performing = module("appeals.case.performing", "appeals.desk")
deadlines = module("appeals.deadlines.verbs", "appeals.deadlines")
history = module("appeals.case.history", "appeals.history")
model = module("appeals.case.model", "appeals.model")
Refused = module("appeals.case.errors", "appeals.errors").Refused
own_case = module("appeals.card.own_case", "appeals.own_case")
old_conflicts = module("appeals.case.old_conflicts", "appeals.old_conflicts")
strangers = module("appeals.parties.verbs", "appeals.parties.strangers", "appeals.strangers")
COMPLAINTS = "complaints"


async def do(world: World, verb: Callable[[AsyncSession], Any]) -> None:
    """Do what a person does; refusals are recorded and passed over."""
    world.pass_s(5)
    with suppress(Refused):
        await performing.perform(world.writer, verb, now=lambda: world.now)


async def take(world: World, number: int, actor: Any) -> None:
    await do(world, lambda s: verbs.take(s, number, actor, now=world.now))


async def patch(world: World, number: int, actor: Any, **changes: Any) -> None:
    await do(world, lambda s: verbs.patch(s, number, actor, changes, now=world.now))


async def resolve(world: World, number: int, actor: Any) -> None:
    given = {"gist": "Не привезли воду", "category": "delivery", "result": "Извинились"}
    await do(world, lambda s: verbs.resolve(s, number, actor, now=world.now, **given))


async def newest(world: World) -> int:
    return (await world.appeals())[-1].number


async def tell(world: World) -> None:
    olga, vera = [await world.hire(name, Role.HANDLER) for name in ("Ольга", "Вера")]
    chief = await world.hire("Глава", Role.SUPERVISOR)
    boss = await world.hire("Директор", Role.ADMIN)
    anna = await world.hire("Анна", extension="101")
    world.settings = replace(
        world.settings, departments={COMPLAINTS: await world.department("Жалобы")}
    )
    await calls_and_presses(world)
    await odd_callers(world)
    await verbs_of_people(world, olga, vera, chief, boss)
    await conflicts(world, olga, vera, chief, anna)
    await due(world)
    await erased(world)
    if old_conflicts is not None:
        await upkeep(world, anna, boss)


async def calls_and_presses(world: World) -> None:
    call = await world.call().press("unverified").stored()
    await call.press("verified").stored()
    await call.enter(COMPLAINTS).stored()
    world.pass_s(7)
    await call.press_again().stored()
    await call.ring("101").stored()
    world.pass_s(8)
    await call.answer("101").stored()
    world.pass_s(60)
    await call.end("answered").stored()
    # Her only open appeal: the call is hers.
    back = world.call("88001234567", direction="out", to="+79161234567").ring("101")
    world.pass_s(9)
    await back.answer("101").stored()
    await back.end("answered").stored()
    world.pass_s(10)
    await (await world.call().press().stored()).end("abandoned").stored()


async def odd_callers(world: World) -> None:
    await world.call("anonymous", name=None).press("verified_live").learned_late().stored()
    await world.call("+79160000002", name="Ольга \udcff «Ы»").press(queue=COMPLAINTS).stored()
    if "timed_by" in {field.name for field in fields(ComplaintRequested)}:
        for timed_by in ("queue_entry", "call_start"):
            call = world.call("+79160000003").press()
            call._facts = [
                replace(fact, timed_by=timed_by) if isinstance(fact, ComplaintRequested) else fact
                for fact in call._facts
            ]
            await call.stored()
    if "number" in {field.name for field in fields(module("calls.facts").OperatorRang)}:
        call = await world.call("+79160000004").press().stored()
        world.pass_s(6)
        await call.ring("+79110000009").answer("+79110000009").stored()


async def verbs_of_people(world: World, olga: Any, vera: Any, chief: Any, boss: Any) -> None:
    await world.pressed("+79160000005")
    number = await newest(world)
    await take(world, number, olga)
    await patch(world, number, olga, gist="Звоните +79160000005", category="delivery")
    await patch(world, number, chief, gist="Иначе", type="ЖС", category=None, result="Ждём")
    await patch(world, number, chief, responsible=vera.id)
    await patch(world, number, chief, responsible=None)
    # An admin acts where no supervisor may.
    await patch(world, number, olga, accused=chief.id)
    await patch(world, number, boss, responsible=olga.id)
    await take(world, number, boss)
    await resolve(world, number, boss)
    await world.pressed("+79160000006")
    number = await newest(world)
    await take(world, number, olga)
    await resolve(world, number, chief)


async def conflicts(world: World, olga: Any, vera: Any, chief: Any, anna: Any) -> None:
    await world.pressed("+79160000007")
    number = await newest(world)
    await take(world, number, olga)
    await patch(world, number, chief, accused=olga.id)
    await patch(world, number, chief, accused=vera.id)
    await patch(world, number, chief, accused=None)
    # A person responsible without a step back.
    await world.change(number, responsible_id=vera.id)
    await patch(world, number, chief, accused=vera.id)
    call = await world.pressed("+79160000008")
    number = await newest(world)
    await world.change(number, responsible_id=anna.id, phase="investigating", stage="in_work")
    world.pass_s(6)
    await call.answer("101").stored()
    await take(world, number, anna)
    await patch(world, number, anna, result="Всё хорошо")


async def due(world: World) -> None:
    settings = deadlines.DeadlineSettings()
    for hours in (21, 4):
        world.now += timedelta(hours=hours)
        await world.writer.run(lambda s: deadlines.tick(s, world.now, settings))


async def erased(world: World) -> None:
    async def work(session: AsyncSession) -> None:
        entry = await session.get_one(model.HistoryEntry, (1, 1))
        entry.personal = None

    await world.writer.run(work)


async def upkeep(world: World, anna: Any, boss: Any) -> None:
    """Conflicts stored late, strangers unlinked, an accused who reads; and one kind of entry from nowhere."""
    accused = await newest(world)

    async def forget(session: AsyncSession) -> None:
        await session.execute(text("DELETE FROM appeal_conflicts WHERE lifts IS NOT NULL"))
        await session.execute(text("DELETE FROM appeal_conflicts"))

    await world.change(accused, accused_id=anna.id)
    await world.writer.run(forget)
    async with world.sessions() as session:
        numbers = await old_conflicts.next_numbers(session)
    await world.writer.run(lambda s: old_conflicts.write_conflicts(s, numbers, now=world.now))
    await strangers_unlinked(world)
    await world.writer.run(lambda s: own_case.note_reading(s, accused, boss, now=world.now))
    if hasattr(history, "noted"):  # later versions can't record what no feature declares
        entry = history.noted(world.now, "from_the_future", what={"a": [1, None]})
        await world.writer.run(lambda s: history.append(s, accused, entry))


async def strangers_unlinked(world: World) -> None:
    customers = module("customers.model", "appeals.model")
    number = next(a.number for a in await world.appeals() if a.caller_raw == "anonymous")
    stranger = await world.call("anonymous").answer("101").end().stored()

    async def link_wrongly(session: AsyncSession) -> None:
        row = customers.Customer(name=None, created_at=world.now)
        session.add(row)
        await session.flush()
        session.add(customers.CustomerPhone(number="anonymous", customer_id=row.id))
        session.add(model.AppealCall(appeal_number=number, call_id=stranger.id, link="auto"))
        appeal = await session.get_one(model.Appeal, number)
        appeal.customer_id, appeal.first_contact_at = row.id, world.now

    await world.writer.run(link_wrongly)
    async with world.sessions() as session:
        phones = await strangers.phones_after(session, "")
    for phone in phones:
        if phone.number == "anonymous":
            await world.writer.run(
                lambda s, p=phone: strangers.detach(
                    s, p, lambda raw: raw == "anonymous", now=world.now
                )
            )


async def main(path: str) -> None:
    url = f"sqlite+aiosqlite:///{path}"
    await schema.upgrade(url)
    engine = create_engine(url)
    async with Writer(engine) as writer:
        await tell(World(async_sessionmaker(engine, expire_on_commit=False), writer))
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
