"""What people do with an appeal, and what the conflict rule keeps them from."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from appeals.card import read
from appeals.case.errors import Invalid, Missing, NotFound, Refused, VersionConflict, WrongStage
from appeals.case.listening import listen_allowed
from appeals.case.model import Appeal, RefusedAttempt
from appeals.case.performing import perform
from appeals.registration import verbs
from people.access.audience import Viewer
from people.model import Role
from recordings.model import Recording, RecordingState
from store.writer import Writer
from tests.appeals.world import CUSTOMER, World


async def do(world: World, verb: Callable[[AsyncSession], Awaitable[Any]]) -> Any:
    return await perform(world.writer, verb, now=lambda: world.now)


async def take(world: World, number: int, actor: Viewer, **options: Any) -> Appeal:
    appeal: Appeal = await do(
        world, lambda s: verbs.take(s, number, actor, now=world.now, **options)
    )
    return appeal


async def patch(world: World, number: int, actor: Viewer, **changes: Any) -> Appeal:
    appeal: Appeal = await do(
        world,
        lambda s: verbs.patch(s, number, actor, changes, now=world.now),  # type: ignore[arg-type]
    )
    return appeal


async def resolve(world: World, number: int, actor: Viewer, **given: Any) -> Appeal:
    values = {"gist": "Не привезли воду", "category": "delivery"} | given
    appeal: Appeal = await do(
        world, lambda s: verbs.resolve(s, number, actor, now=world.now, **values)
    )
    return appeal


async def an_appeal(world: World) -> int:
    await world.pressed()
    return (await world.appeals())[-1].number


@pytest.fixture
async def olga(world: World) -> Viewer:
    return await world.hire("Ольга", Role.HANDLER)


@pytest.fixture
async def chief(world: World) -> Viewer:
    return await world.hire("Глава", Role.SUPERVISOR)


async def test_taken_into_work_and_resolved(world: World, olga: Viewer) -> None:
    number = await an_appeal(world)
    world.pass_s(120)
    taken = await take(world, number, olga, if_version=1)
    world.pass_s(880)
    resolved = await resolve(world, number, olga, result="Извинились", if_version=taken.version)

    told = await world.appeal(number)
    assert (told["phase"], told["stage"]) == ("responded", "Разобрана")
    assert told["responsible"] == {"id": olga.id, "name": "Ольга"}
    assert told["missing"] == []
    assert told["times"]["take_s"] == 120
    assert told["times"]["resolution_s"] == 1000
    assert told["times"]["stages"] == [
        {"stage": "Зафиксирована", "s": 120},
        {"stage": "В работе", "s": 880},
        {"stage": "Разобрана", "s": None},
    ]
    assert (told["version"], resolved.version) == (3, 3)
    changed = [message.data["phase"] for message in await world.messages("appeal.changed")]
    assert changed == ["investigating", "responded"]


async def test_the_history_says_who_did_what_from_what_to_what(world: World, olga: Viewer) -> None:
    number = await an_appeal(world)
    await take(world, number, olga)
    await patch(world, number, olga, gist="Грубил", category="staff")
    await patch(world, number, olga, gist="Грубил оператор")

    entries = (await world.history(number))[1:]
    step = entries[0]["data"]
    assert (step["verb"], step["from"], step["to"]) == ("take", "Зафиксирована", "В работе")
    assert {entry["author"]["name"] for entry in entries} == {"Ольга"}
    assert [(e["action"], e["data"].get("old"), e["data"].get("new")) for e in entries] == [
        ("stage", None, None),
        ("changed", None, "Грубил"),
        ("changed", None, "staff"),
        ("changed", "Грубил", "Грубил оператор"),
    ]


async def test_a_patch_that_changes_nothing_says_nothing(world: World, olga: Viewer) -> None:
    number = await an_appeal(world)
    await patch(world, number, olga, gist=None, type="ЖК")
    assert (await world.appeal(number))["version"] == 1
    assert await world.actions(number) == ["opened"]


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"gist": None, "category": None}, ("gist", "category")),
        ({"gist": "", "category": "staff"}, ("gist",)),
        ({"gist": "Грубил", "category": None}, ("category",)),
    ],
)
async def test_what_is_missing_is_named_and_nothing_changes(
    world: World, olga: Viewer, given: dict[str, Any], missing: tuple[str, ...]
) -> None:
    number = await an_appeal(world)
    await take(world, number, olga)
    with pytest.raises(Missing) as refused:
        await resolve(world, number, olga, **given)
    assert refused.value.fields == missing
    told = await world.appeal(number)
    assert (told["phase"], told["gist"], told["version"]) == ("investigating", None, 2)


async def test_gist_and_category_noted_before_need_not_be_said_again(
    world: World, olga: Viewer
) -> None:
    number = await an_appeal(world)
    await take(world, number, olga)
    await patch(world, number, olga, gist="Грубил", category="staff")
    await resolve(world, number, olga, gist=None, category=None)
    with pytest.raises(Missing):
        await patch(world, number, olga, gist="")


@pytest.mark.parametrize(
    "changes",
    [{"category": "no such"}, {"type": "XX"}, {"responsible": 999}, {"accused": 999}],
)
async def test_values_that_name_nothing_are_refused(
    world: World, chief: Viewer, changes: dict[str, Any]
) -> None:
    number = await an_appeal(world)
    with pytest.raises(Invalid) as refused:
        await patch(world, number, chief, **changes)
    assert refused.value.field == next(iter(changes))


async def test_another_type_is_another_kind(world: World, olga: Viewer, chief: Viewer) -> None:
    """Within complaint and claim it is anybody's who handles; to another kind a supervisor's."""
    number = await an_appeal(world)
    await patch(world, number, olga, type="ЖС")
    with pytest.raises(Refused) as refused:
        await patch(world, number, olga, type="ОБР")
    assert (refused.value.action, refused.value.reason) == ("retype", "role")
    await patch(world, number, chief, type="ОБР")
    told = await world.appeal(number)
    assert (told["type"], told["kind"]) == ("ОБР", "request")


async def test_a_step_that_is_not_in_the_table_changes_nothing(world: World, olga: Viewer) -> None:
    number = await an_appeal(world)
    with pytest.raises(WrongStage):
        await resolve(world, number, olga)
    await take(world, number, olga)
    with pytest.raises(WrongStage):
        await take(world, number, olga)
    assert (await world.appeal(number))["version"] == 2


async def test_who_read_an_old_version_does_not_overwrite_a_newer_one(
    world: World, engine: AsyncEngine
) -> None:
    number = await an_appeal(world)
    people = [await world.hire(f"Разбор {n}", Role.HANDLER) for n in range(4)]

    async with Writer(engine) as other:
        outcomes = await asyncio.gather(
            *(
                writer.run(
                    lambda s, p=person: verbs.take(s, number, p, now=world.now, if_version=1)  # type: ignore[misc]
                )
                for person, writer in zip(people, (world.writer, other) * 2, strict=True)
            ),
            return_exceptions=True,
        )

    refused = [o for o in outcomes if isinstance(o, VersionConflict)]
    assert len(refused) == 3
    assert (refused[0].expected, refused[0].actual) == (1, 2)
    assert await world.actions(number) == ["opened", "stage"]


async def test_choosing_a_person_assigns_and_clearing_gives_back(
    world: World, olga: Viewer, chief: Viewer
) -> None:
    number = await an_appeal(world)
    await patch(world, number, chief, responsible=olga.id)
    assert (await world.appeal(number))["stage"] == "Назначена"
    await take(world, number, olga)
    await patch(world, number, chief, responsible=chief.id)
    assert (await world.appeal(number))["stage"] == "Назначена"
    await patch(world, number, chief, responsible=None)
    told = await world.appeal(number)
    assert (told["stage"], told["responsible"]) == ("Зафиксирована", None)


# -- conflict of interest ---------------------------------------------------------------------------


async def answered_by(world: World, *extensions: str) -> int:
    call = world.call().press().enter()
    call.ring(*extensions)
    world.pass_s(5)
    call.answer(extensions[0])
    await call.stored()
    return (await world.appeals())[-1].number


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.SUPERVISOR, Role.ADMIN])
async def test_who_answered_the_call_may_not_touch_its_complaint(
    world: World, chief: Viewer, role: Role
) -> None:
    anna = await world.hire("Анна", role, extension="101")
    number = await answered_by(world, "101")

    for attempt in (
        take(world, number, anna),
        resolve(world, number, anna),
        patch(world, number, anna, type="ОБР"),
        patch(world, number, chief, responsible=anna.id),
    ):
        with pytest.raises(Refused) as refused:
            await attempt
        assert refused.value.conflict
        assert refused.value.reason == "answered_the_call"

    told = await world.appeal(number)
    assert (told["phase"], told["type"], told["responsible"]) == ("received", "ЖК", None)


async def test_who_only_heard_it_ring_may_take_it(world: World) -> None:
    await world.hire("Анна", extension="101")
    boris = await world.hire("Борис", extension="102")
    number = await answered_by(world, "101", "102")
    assert (await take(world, number, boris)).responsible_id == boris.id


async def test_a_refused_attempt_is_recorded_and_shown_though_its_verb_is_rolled_back(
    world: World, chief: Viewer
) -> None:
    anna = await world.hire("Анна", extension="101")
    number = await answered_by(world, "101")
    world.pass_s(60)
    with pytest.raises(Refused):
        await take(world, number, anna)

    entry = (await world.history(number))[-1]
    assert (entry["action"], entry["author"]["name"]) == ("refused", "Анна")
    assert entry["data"] == {"action": "take", "reason": "answered_the_call"}
    async with world.sessions() as session:
        shown = await read.one_appeal(session, chief, number)
        hidden = await read.one_appeal(session, anna, number)
    assert shown["refused"] == [
        {
            "at": world.now.isoformat(),
            "employee": {"id": anna.id, "name": "Анна"},
            "action": "take",
            "reason": "answered_the_call",
        }
    ]
    assert hidden["refused"] is None
    assert hidden["may"] == ["read", "note", "accuse"]


async def test_who_spoke_with_the_customer_later_is_in_no_conflict(world: World) -> None:
    anna = await world.hire("Анна", Role.HANDLER, extension="101")
    number = await an_appeal(world)
    world.pass_s(600)
    await world.call("101", direction="out", to=CUSTOMER).answer("101").stored()
    assert (await take(world, number, anna)).responsible_id == anna.id


async def test_a_refused_verb_leaves_nothing_but_its_record(world: World, chief: Viewer) -> None:
    number = await an_appeal(world)
    told = len(await world.messages())

    async def half_done(session: AsyncSession) -> None:
        await verbs.patch(session, number, chief, {"gist": "Грубил"}, now=world.now)
        await verbs.patch(session, number, chief, {"accused": chief.id}, now=world.now)
        await verbs.take(session, number, chief, now=world.now)

    with pytest.raises(Refused):
        await do(world, half_done)
    assert len(await world.messages()) == told
    assert (await world.appeal(number))["gist"] is None
    assert await world.actions(number) == ["opened", "refused"]


async def test_once_named_only_a_supervisor_outside_the_conflict_changes_the_accused(
    world: World, olga: Viewer, chief: Viewer
) -> None:
    number = await an_appeal(world)
    boris = await world.hire("Борис")
    await patch(world, number, olga, accused=boris.id)  # the first time: whoever writes the gist
    for accused in (None, olga.id):
        with pytest.raises(Refused) as refused:
            await patch(world, number, olga, accused=accused)
        assert (refused.value.action, refused.value.reason) == ("accuse", "role")

    await patch(world, number, chief, accused=chief.id)
    with pytest.raises(Refused) as refused:
        await patch(world, number, chief, accused=None)
    assert refused.value.reason == "accused"

    admin = await world.hire("Админ", Role.ADMIN)
    await patch(world, number, admin, accused=None)
    entry = (await world.history(number))[-1]
    assert entry["data"] == {"field": "accused", "as": "admin", "old": chief.id, "new": None}


async def test_the_accused_loses_the_appeal_that_he_holds(
    world: World, olga: Viewer, chief: Viewer
) -> None:
    number = await an_appeal(world)
    await take(world, number, olga)
    await patch(world, number, chief, accused=olga.id)
    told = await world.appeal(number)
    assert (told["phase"], told["responsible"]) == ("received", None)


async def test_what_a_person_may_not_read_does_not_exist_for_him(world: World) -> None:
    stranger = await world.hire("Чужой", Role.OPERATOR, extension="105")
    number = await an_appeal(world)
    with pytest.raises(NotFound):
        await take(world, number, stranger)
    with pytest.raises(NotFound):
        await take(world, 4711, stranger)
    async with world.sessions() as session:
        assert await session.scalar(select(func.count()).select_from(RefusedAttempt)) == 0


# -- listening --------------------------------------------------------------------------------------


async def a_recording(world: World, call: str | None) -> int:
    async def work(session: AsyncSession) -> int:
        row = Recording(
            pbx="main",
            call_id=call,
            remote_path=f"/monitor/{call}.wav",
            state=RecordingState.CONVERTED,
            guessed=False,
            started_at=world.now,
            attempts=0,
        )
        session.add(row)
        await session.flush()
        return row.id

    return await world.writer.run(work)


async def listen(world: World, recording: int, actor: Viewer) -> None:
    await do(world, lambda s: listen_allowed(s, recording, actor))


async def test_who_answered_may_not_listen_and_that_he_tried_is_written_down(
    world: World, olga: Viewer
) -> None:
    anna = await world.hire("Анна", extension="101")
    await answered_by(world, "101")
    (appeal,) = await world.appeals()
    recording = await a_recording(world, appeal.call_id)

    with pytest.raises(Refused) as refused:
        await listen(world, recording, anna)
    assert refused.value.reason == "answered_the_call"
    await listen(world, recording, olga)
    assert (await world.actions(appeal.number))[-1] == "refused"


async def test_the_accused_may_not_listen_even_where_he_sees_the_call_for_another_reason(
    world: World, chief: Viewer
) -> None:
    north, south = await world.department("Север"), await world.department("Юг")
    boss = await world.hire("Начальник", Role.SUPERVISOR, department=north)
    call = await world.pressed()
    (appeal,) = await world.appeals()
    await world.change(appeal.number, department_id=south)
    await patch(world, appeal.number, chief, accused=boss.id)
    recording = await a_recording(world, call.id)
    with pytest.raises(NotFound):
        await listen(world, recording, boss)

    await world.change_call(call.id, department_id=north)  # now the call itself is in his reach
    with pytest.raises(Refused) as refused:
        await listen(world, recording, boss)
    assert refused.value.reason == "accused"


async def test_a_call_without_a_complaint_is_heard_by_whom_it_reached(world: World) -> None:
    anna = await world.hire("Анна", extension="101")
    boris = await world.hire("Борис", extension="102")
    call = await world.call("+74951112233").answer("101").stored()
    recording = await a_recording(world, call.id)

    await listen(world, recording, anna)
    with pytest.raises(NotFound):
        await listen(world, recording, boris)


async def test_sound_without_a_call_is_for_the_whole_company(world: World, olga: Viewer) -> None:
    north = await world.department("Север")
    local = await world.hire("Местный", Role.SUPERVISOR, department=north)
    recording = await a_recording(world, None)
    await listen(world, recording, olga)
    with pytest.raises(NotFound):
        await listen(world, recording, local)
    with pytest.raises(NotFound):
        await listen(world, 999, olga)


async def test_a_deadline_far_away_is_still_the_one_of_the_press(
    world: World, olga: Viewer
) -> None:
    number = await an_appeal(world)
    due = (await world.appeals())[0].deadline_at
    world.pass_s(3600)
    await take(world, number, olga)
    (appeal,) = await world.appeals()
    assert appeal.deadline_at == due == appeal.opened_at + timedelta(hours=24)
