from datetime import timedelta

import pytest

from appeals.deadlines import verbs as deadlines
from appeals.deadlines.verbs import DeadlineSettings, Level
from appeals.registration import verbs
from people.model import Role
from tests.appeals.world import NOON, World

SETTINGS = DeadlineSettings(resolve_h=24, due_soon_h=4)
HOUR = 3600.0


async def tick(world: World) -> list[str]:
    """Return what a tick tells; whoever asks before knows whether there is anything."""
    before = len(await world.messages())
    is_time = await world.writer.run(lambda s: deadlines.is_time(s, world.now, SETTINGS))
    await world.writer.run(lambda s: deadlines.tick(s, world.now, SETTINGS))
    told = [message.type for message in (await world.messages())[before:]]
    assert is_time == bool(told)
    return told


@pytest.mark.parametrize(
    ("seconds", "level"),
    [
        (-4 * HOUR - 1, None),
        (-4 * HOUR, Level.DUE_SOON),
        (-1, Level.DUE_SOON),
        (0, Level.OVERDUE),
        (HOUR, Level.OVERDUE),
    ],
)
async def test_how_near_a_deadline_is(world: World, seconds: float, level: Level | None) -> None:
    await world.pressed()
    world.pass_s(24 * HOUR + seconds)
    assert await tick(world) == ([f"deadline.{level}"] if level else [])


def test_a_short_limit_is_not_due_soon_from_its_beginning() -> None:
    assert DeadlineSettings(resolve_h=1, due_soon_h=4).lead == timedelta(minutes=30)


async def test_the_warning_and_the_missed_deadline_are_told_once_each(world: World) -> None:
    await world.pressed()
    told = {}
    for hours in range(30):
        if news := await tick(world):
            told[hours] = news
        assert await tick(world) == []  # a second process, or a restart
        world.pass_s(HOUR)

    assert told == {20: ["deadline.due_soon"], 24: ["deadline.overdue"]}
    (appeal,) = await world.appeals()
    (soon,) = await world.messages("deadline.due_soon")
    due_at = (NOON + timedelta(hours=24)).isoformat()
    assert soon.data == {"number": appeal.number, "name": "resolve", "due_at": due_at}
    entries = [e for e in await world.history(appeal.number) if e["action"] == "deadline"]
    assert [(e["author"], e["data"]["level"]) for e in entries] == [
        (None, "due_soon"),
        (None, "overdue"),
    ]


async def test_what_became_overdue_while_press3_was_down_is_told_and_not_as_due_soon(
    world: World,
) -> None:
    await world.pressed()
    world.pass_s(100 * HOUR)
    assert await tick(world) == ["deadline.overdue"]
    assert await tick(world) == []


async def test_a_resolved_appeal_has_met_its_deadline(world: World) -> None:
    handler = await world.hire("Ольга", Role.HANDLER)
    await world.pressed()
    (appeal,) = await world.appeals()
    await world.writer.run(lambda s: verbs.take(s, appeal.number, handler, now=world.now))
    await world.writer.run(
        lambda s: verbs.resolve(
            s, appeal.number, handler, gist="Не привезли", category="delivery", now=world.now
        )
    )
    world.pass_s(100 * HOUR)
    assert await tick(world) == []


async def test_only_who_may_read_the_appeal_is_told(world: World) -> None:
    north, south = await world.department("Север"), await world.department("Юг")
    chief = await world.hire("Глава", Role.SUPERVISOR)
    north_chief = await world.hire("Северный", Role.SUPERVISOR, department=north)
    await world.pressed()
    (appeal,) = await world.appeals()
    await world.change(appeal.number, department_id=south)
    world.pass_s(25 * HOUR)
    await tick(world)
    assert "deadline.overdue" in await world.told_to(chief)
    assert "deadline.overdue" not in await world.told_to(north_chief)
