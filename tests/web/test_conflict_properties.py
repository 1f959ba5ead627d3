"""The two properties of the conflict rule.

No byte of gist, category, caller, responsible or file name of a case reaches its accused by any route or
frame. And over random sequences of all verbs and fields by all roles the conflicts never shrink but by
a supervisor outside.
"""

import json
import random
from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from appeals.case import conflicts, subjects
from appeals.case.errors import AppealError
from appeals.case.model import Appeal, Category
from appeals.case.performing import perform
from appeals.case.rights import Subject
from appeals.reconciliation import read as reconciliation
from appeals.reconciliation.read import Press, PressReading, PressSource
from appeals.registration import verbs
from people.access.audience import Audience, Viewer
from people.model import Role
from push import snapshot
from push.messages import encode
from store.outbox import Message
from tests.appeals.world import NOON, World
from tests.web.site import BASE, Site
from web.routes.all import OPERATIONS

# The case's own bytes: none of them is anything else's.
CALLER, CALLER_NAME = "+79167770001", "Тайный Звонящий"
GIST, CATEGORY, RESPONSIBLE = "Нагрубил у подъезда", "secret-category", "Ведущая Тайна"
FILE = "/monitor/tayna-79167770001.wav"
SECRETS = (CALLER[1:], CALLER_NAME, GIST, CATEGORY, RESPONSIBLE, "tayna")
# They list all categories and all people, whoever asks, and say nothing of a case.
OF_NO_CASE = {"/dictionaries"}
TIES = ("answered", "rang", "called back", "of the department", "took it", "wrote it down")


class _Pbx:
    """A PBX on which the case's press is stored."""

    def __init__(self, press: Press) -> None:
        self._press = press

    async def read(self, start: Any, end: Any) -> PressReading:
        return PressReading(
            pressed=(self._press,),
            sources=(PressSource(name="main", complete=True),),
            read_until={},
        )


@pytest.fixture
async def boss(world: World) -> Viewer:
    return await world.hire("boss", Role.SUPERVISOR)


async def the_case(world: World, site: Site, boss: Viewer, accused: Viewer, tie: str) -> None:
    """A case with all its parts; `accused` is tied to it before the accusation."""

    async def category(session: AsyncSession) -> None:
        session.add(Category(code=CATEGORY, name=CATEGORY))

    await world.writer.run(category)
    han = await world.hire(RESPONSIBLE, Role.HANDLER)
    call = world.call(CALLER, name=CALLER_NAME).press().enter()
    if tie in ("answered", "rang"):
        call.ring("101")
        await call.stored()
    if tie == "answered":
        call.answer("101")
    world.pass_s(60)
    await call.end().stored()
    await site.add_recording(call.id, audio=b"x", remote_path=FILE)
    world.pass_s(60)
    if tie == "called back":
        await world.call("101", direction="out", to=CALLER).answer("101").end().stored()
    if tie == "took it":
        await site.patch("/appeals/1", by=boss, json={"responsible": accused.id})
        key = {"Idempotency-Key": "k"}
        await site.post("/appeals/1/take", by=accused, headers=key)
    if tie == "wrote it down":
        await site.patch("/appeals/1", by=accused, json={"gist": GIST})
    fields = {"gist": GIST, "category": CATEGORY, "accused": accused.id}
    done = await site.patch("/appeals/1", by=boss, json={**fields, "responsible": han.id})
    assert done.status == 200


def addresses() -> list[str]:
    """Every GET of the interface, with the numbers of the case, and the lists with filters that name it."""
    values = {"{number}": "1", "{recording}": "1"}
    found = []
    for operation in OPERATIONS:
        if operation.method == "GET" and operation.path not in OF_NO_CASE:
            path = operation.path
            for name, value in values.items():
                path = path.replace(name, value)
            found.append(path)
    assert not [path for path in found if "{" in path], "a parameter that this test does not know"
    searches = [f"{path}?q={q}" for path in ("/appeals", "/calls") for q in (CALLER[1:], "Тайн")]
    filters = [
        "/appeals?customer=1",
        "/appeals?type=ЖК",
        "/calls?customer=1",
        "/calls?pressed=true",
    ]
    return [*found, *searches, *filters, "/reconciliation?day=2026-11-21"]


async def frames(world: World, viewer: Viewer, since: int) -> str:
    """All that a screen of `viewer` gets: live after `since`, replayed from the beginning, as a snapshot."""
    live = [m for m in await world.messages() if m.seq > since and _includes(m, viewer)]
    async with world.sessions() as session:
        replayed, _ = await snapshot.missed(session, viewer, 0)
        shown = await snapshot.read_snapshot(session, viewer)
    texts = [encode(message).decode() for message in (*live, *replayed)]
    return "\n".join([*texts, json.dumps(shown, ensure_ascii=False)])


def _includes(message: Message, viewer: Viewer) -> bool:
    return Audience.from_json(message.audience).includes(viewer)


@pytest.mark.parametrize("tie", TIES)
async def test_no_byte_of_a_case_reaches_its_accused(
    site: Site, world: World, boss: Viewer, tie: str
) -> None:
    press = Press(pbx="main", uniqueid="1795003200.1", pressed_at=NOON)

    async def reconciled(session: AsyncSession, day: date, hidden: Any) -> Mapping[str, Any]:
        return await reconciliation.run(session, day, NOON.tzinfo, _Pbx(press), hidden=hidden)  # type: ignore[arg-type]

    site.extra = {"reconcile": reconciled}
    role = Role.OPERATOR if tie in ("answered", "rang", "called back") else Role.SUPERVISOR
    accused = await world.hire("Обвиняемый", role, extension="101")
    await the_case(world, site, boss, accused, tie)
    since = (await world.messages())[-1].seq

    # The case goes on: everything that makes a message is done once more.
    again = world.call(CALLER, name=CALLER_NAME)
    await again.end("abandoned").stored()
    await site.patch("/appeals/1", by=boss, json={"result": GIST})

    for path in addresses():
        answer = await site.get(path, by=accused)
        _is_clean(answer.raw.decode(), f"GET {path} ({tie})")
    for verb, form in (("take", {}), ("resolve", {"gist": "x", "category": "other"})):
        key = {"Idempotency-Key": "k" if verb == "take" else "l"}
        answer = await site.post(f"/appeals/1/{verb}", by=accused, json=form, headers=key)
        _is_clean(answer.raw.decode(), f"POST {verb} ({tie})")
    _is_clean(await frames(world, accused, since), f"a frame ({tie})")
    if role is Role.SUPERVISOR:
        day = (await site.get("/reconciliation?day=2026-11-21", by=accused)).body
        assert (day["pressed"], day["registered"], day["differences"]) == (0, 0, [])
        whole = (await site.get("/reconciliation?day=2026-11-21", by=boss)).body
        assert (whole["pressed"], whole["registered"]) == (1, 1)
    assert GIST in (await site.get("/appeals/1", by=boss)).raw.decode()


def _is_clean(text: str, where: str) -> None:
    found = [secret for secret in SECRETS if secret in text]
    assert not found, f"{where}: {found}"


# -- the conflicts never shrink ---------------------------------------------------------------------


def _conflicts(subject: Subject) -> set[tuple[int, int]]:
    return {(e, conflicts.ACCUSED) for e in subject.accused} | {
        (e, conflicts.ANSWERED) for e in subject.answered_by
    }


async def _subject(world: World, number: int) -> Subject:
    async with world.sessions() as session:
        return await subjects.of_appeal(session, await session.get_one(Appeal, number))


def _verb(chance: random.Random, number: int, actor: Viewer, people: list[Viewer], now: Any) -> Any:
    someone = [None, *(person.id for person in people)]
    fields: dict[str, list[Any]] = {
        "gist": [None, "", "Суть", "Другое"],
        "category": [None, "staff", "other", "no such"],
        "type": ["ЖК", "ЖС", "БЛ", "ОБР", "XX"],
        "result": [None, "Итог"],
        "responsible": someone,
        "accused": someone,
    }
    match chance.randrange(4):
        case 0:
            return lambda s: verbs.take(s, number, actor, now=now)
        case 1:
            return lambda s: verbs.resolve(s, number, actor, gist="Суть", category="staff", now=now)
        case _:
            names = chance.sample(sorted(fields), chance.randint(1, 2))
            changes = {name: chance.choice(fields[name]) for name in names}
            return lambda s: verbs.patch(s, number, actor, changes, now=now)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", [0, 2, 3])
async def test_conflicts_never_shrink_but_by_a_supervisor_outside(world: World, seed: int) -> None:
    chance = random.Random(seed)
    north = await world.department("Север")
    people = [
        await world.hire(f"{role}{n}", role, extension=f"{n}{i:02}", department=place)
        for i, role in enumerate(Role)
        for n, place in enumerate((None, north), start=1)
    ]
    call = world.call().press().enter().ring("100", "103")
    await call.stored()
    number = (await world.appeals())[-1].number
    before, changes = _conflicts(await _subject(world, number)), 0
    chiefs = [person for person in people if person.role is Role.SUPERVISOR]
    for step in range(90):
        world.pass_s(1)
        actor = chance.choice(chance.choice((people, chiefs)))
        outside = await _subject(world, number)
        if step in (10, 20):  # facts of the telephone come in between
            await call.answer(("100", "103")[step // 20]).stored()
        else:
            verb = _verb(chance, number, actor, people, world.now)
            try:
                await perform(world.writer, verb, now=lambda: world.now)
            except AppealError:
                assert _conflicts(await _subject(world, number)) == before, (seed, step)
                continue
        after = _conflicts(await _subject(world, number))
        if lost := before - after:
            changes += 1
            assert {degree for _, degree in lost} == {conflicts.ACCUSED}, (seed, step)
            assert actor.id not in outside.accused | outside.answered_by, (seed, step)
            assert actor.role in (Role.SUPERVISOR, Role.ADMIN), (seed, step)
            if actor.role is Role.ADMIN:
                assert all(
                    person.id in outside.accused | outside.answered_by
                    for person in people
                    if person.role is Role.SUPERVISOR and person.department_id is None
                ), (seed, step)
        before = after
    assert changes > 0, "no sequence of this seed has lifted anything: it proves nothing"
    assert {degree for _, degree in before} >= {conflicts.ANSWERED}
    await world.history(number)  # the chain holds


async def test_what_was_lifted_counts_no_more_and_may_come_back(world: World, boss: Viewer) -> None:
    ann = await world.hire("ann")
    await world.pressed()

    async def accuse(who: int | None) -> None:
        await perform(
            world.writer,
            lambda s: verbs.patch(s, 1, boss, {"accused": who}, now=world.now),
            now=lambda: world.now,
        )

    for who, conflicted in ((ann.id, {ann.id}), (None, set()), (ann.id, {ann.id})):
        await accuse(who)
        assert (await _subject(world, 1)).accused == conflicted
    async with world.sessions() as session:
        rows = await conflicts.rows_of(session, 1)
    assert [(row.degree, row.lifts is not None) for row in rows] == [
        (1, False),
        (1, True),
        (1, False),
    ]


def test_the_addresses_are_those_of_the_interface() -> None:
    assert BASE == "/api/v1"
    assert {"/appeals/1", "/appeals/1/history", "/recordings/1/audio", "/calls"} <= set(addresses())
