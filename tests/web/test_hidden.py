"""What a person may not see is in no answer: a repeated request, a history, the case about oneself."""

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from appeals.case import conflicts
from people.access.audience import Viewer
from people.model import Employee, Role
from store import setting_log
from tests.appeals.world import World
from tests.web.site import Site
from web.api import Change
from web.routes.all import OPERATIONS

GIST = "Грубил и бросил трубку"
KEY = {"Idempotency-Key": "k-1"}


@pytest.fixture
async def boss(world: World) -> Viewer:
    return await world.hire("boss", Role.SUPERVISOR)


async def taken_by_handler(site: Site, world: World) -> Viewer:
    """A case with a gist, taken by a handler with a key."""
    han = await world.hire("han", Role.HANDLER)
    await world.pressed()
    await site.patch("/appeals/1", by=han, json={"gist": GIST, "category": "staff"})
    first = await site.post("/appeals/1/take", by=han, headers=KEY)
    assert first.body["gist"] == GIST
    return han


async def test_a_replay_gives_no_content_to_who_was_accused_since(
    site: Site, world: World, boss: Viewer
) -> None:
    han = await taken_by_handler(site, world)
    await site.patch("/appeals/1", by=boss, json={"accused": han.id})
    again = await site.post("/appeals/1/take", by=han, headers=KEY)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert GIST not in again.raw.decode()
    assert again.body["hidden"] is True


async def test_a_replay_gives_no_content_to_who_lost_the_department(
    site: Site, world: World, boss: Viewer
) -> None:
    han = await taken_by_handler(site, world)
    await site.patch("/appeals/1", by=boss, json={"responsible": None})
    elsewhere = await world.department("Юг")

    async def move(session: AsyncSession) -> None:
        values = {"department_id": elsewhere}
        await session.execute(update(Employee).where(Employee.id == han.id).values(values))

    await world.writer.run(move)
    again = await site.post("/appeals/1/take", by=han, headers=KEY)
    assert (again.status, again.problem) == (404, "not-found")
    assert GIST not in again.raw.decode()


async def test_who_gives_an_appeal_away_need_not_read_it_any_more(
    site: Site, world: World, boss: Viewer
) -> None:
    """The answer was once read in the transaction: it could not be found, and the change was undone."""
    ann = await world.hire("ann")  # an operator at whose telephone nothing rang
    await world.pressed()
    await site.patch("/appeals/1", by=boss, json={"responsible": ann.id})
    given = await site.patch("/appeals/1", by=ann, json={"responsible": None})
    assert (given.status, given.raw) == (204, b"")
    assert (await world.appeal(1))["responsible"] is None


def test_what_has_a_body_says_how_it_is_read_after_the_commit() -> None:
    changes = [o for o in OPERATIONS if isinstance(o, Change)]
    assert [o.name for o in changes if o.answers is not None and o.answer is None] == []
    assert {o.name for o in changes if o.is_once} == {"take_appeal", "resolve_appeal"}


async def test_refused_attempts_are_hidden_from_who_does_not_oversee(
    site: Site, world: World, boss: Viewer
) -> None:
    ann, han = await world.hire("ann", extension="101"), await world.hire("han", Role.HANDLER)
    await world.call().press().enter().answer("101").stored()
    assert (await site.post("/appeals/1/take", by=ann)).status == 403
    whole = (await site.get("/appeals/1/history", by=boss)).body["items"]
    assert whole[-1]["action"] == "refused"
    for reader in (ann, han):
        told = (await site.get("/appeals/1/history", by=reader)).body["items"]
        assert [entry["n"] for entry in told] == [entry["n"] for entry in whole]
        assert told[:-1] == whole[:-1]
        assert told[-1] == {"n": whole[-1]["n"], "hash": whole[-1]["hash"], "hidden": True}


async def test_the_accused_gets_their_own_case_and_nothing_else(
    site: Site, world: World, boss: Viewer
) -> None:
    ann = await world.hire("ann", extension="101")
    call = world.call().press().enter()
    await call.answer("101").end().stored()
    sound = await site.add_recording(call.id, audio=b"x")
    await site.patch("/appeals/1", by=boss, json={"gist": GIST, "accused": ann.id})
    appeal = await world.appeal(1)

    own = (await site.get("/appeals/1", by=ann)).body
    assert own == {
        "number": 1,
        "opened_at": appeal["opened_at"],
        "phase": "received",
        "handled_by": {"id": 1, "name": own["handled_by"]["name"]},
        "explanation": None,
        "hidden": True,
    }
    assert (await site.get("/appeals", by=ann)).body["items"] == []
    assert (await site.get("/appeals/1/history", by=ann)).problem == "not-found"
    assert (await site.get(f"/recordings/{sound}/audio", by=ann)).status == 403
    (told,) = (await site.get("/calls", by=ann)).body["items"]
    assert (told["appeal"], told["recordings"]) == (None, [])
    assert "79161234567" not in json.dumps(told)
    assert (await site.get("/calls?q=79161234567", by=ann)).body["items"] == []
    for verb, form in (("take", {}), ("resolve", {"gist": "x", "category": "other"})):
        refused = await site.post(f"/appeals/1/{verb}", by=ann, json=form)
        assert (refused.status, refused.body["reason"]) == (403, "accused")
    refusals = (await site.get("/appeals/1", by=boss)).body["refused"]
    assert [r["action"] for r in refusals] == ["listen", "take", "resolve"]


async def test_an_admin_above_whom_nobody_stands_reads_and_it_is_recorded(
    site: Site, world: World
) -> None:
    root = await world.hire("root", Role.ADMIN)
    han = await world.hire("han", Role.HANDLER)
    await world.pressed()
    await site.patch("/appeals/1", by=han, json={"gist": GIST, "accused": root.id})

    assert (await site.get("/appeals/1", by=root)).body["gist"] == GIST
    await asyncio.gather(*(site.get("/appeals/1/history", by=root) for _ in range(3)))
    assert (await world.actions(1)).count("read_in_conflict") == 1
    assert (await site.post("/appeals/1/take", by=root)).status == 403
    assert (await site.get("/appeals", by=root)).body["items"] == []

    await world.hire("boss", Role.SUPERVISOR)  # now somebody stands above
    assert (await site.get("/appeals/1", by=root)).body["hidden"] is True
    assert (await site.get("/appeals/1/history", by=root)).problem == "not-found"


async def test_the_supervisor_of_the_next_department_up_handles_it(
    site: Site, world: World
) -> None:
    north = await world.department("Север")
    port = await world.department("Порт", north)
    local = await world.hire("local", Role.SUPERVISOR, department=port)
    above = await world.hire("above", Role.SUPERVISOR, department=north)
    await world.pressed()
    await world.change(1, department_id=port)
    await site.patch("/appeals/1", by=above, json={"accused": local.id})
    own: dict[str, Any] = (await site.get("/appeals/1", by=local)).body
    assert own["handled_by"] == {"id": north, "name": "Север"}
    assert (await site.patch("/appeals/1", by=local, json={"accused": None})).status == 403
    cleared = await site.patch("/appeals/1", by=above, json={"accused": None})
    assert (cleared.status, cleared.body["accused"]) == (200, None)
    assert (await site.get("/appeals/1", by=local)).body["accused"] is None


async def test_the_conflict_rule_and_its_changes_are_shown(site: Site, world: World) -> None:
    ann = await world.hire("ann")
    assert (await site.get("/conflict-rule", by=ann)).body == {
        "answered_by": "notes",
        "changes": [],
    }
    for value in ("notes", "barred", "barred"):
        world.pass_s(60)
        await world.writer.run(
            lambda s, v=value: setting_log.note(s, conflicts.SETTING, v, world.now)  # type: ignore[misc]
        )
    told = (await site.get("/conflict-rule", by=ann)).body
    assert told["answered_by"] == "barred"
    assert [(each["old"], each["new"]) for each in told["changes"]] == [
        ("notes", "barred"),
        (None, "notes"),
    ]


async def test_what_is_hidden_in_a_call_is_not_found_out_by_filters(
    site: Site, world: World, boss: Viewer
) -> None:
    """The accused once learned by `employee` at whose telephones else it rang, by `recorded` of the sound."""
    ann = await world.hire("ann", extension="101")
    bob = await world.hire("bob", extension="103")
    call = world.call().press().enter().ring("103").answer("101").stop("103")
    await call.end().stored()
    await site.add_recording(call.id)
    await site.patch("/appeals/1", by=boss, json={"accused": ann.id})

    async def found(asked: str) -> int:
        return len((await site.get(f"/calls?{asked}", by=ann)).body["items"])

    assert await found(f"employee={ann.id}") == 1
    for asked in (f"employee={bob.id}", "recorded=true", "recorded=false", "q=7916", "customer=1"):
        assert await found(asked) == 0, asked


async def test_a_call_shown_with_another_appeal_hides_what_is_about_its_reader(
    site: Site, world: World, boss: Viewer
) -> None:
    """It was linked to the customer's open appeal when it rang, and then pressed: it belongs to two."""
    han = await world.hire("han", Role.HANDLER)
    await world.pressed()
    world.pass_s(600)
    call = await world.call(name="Пётр").ring("101").stored()
    await call.press().end().stored()
    await site.add_recording(call.id)
    await site.patch("/appeals/2", by=boss, json={"accused": han.id})
    calls = (await site.get("/appeals/1", by=han)).body["calls"]
    told = next(each for each in calls if each["id"] == call.id)
    assert (told["appeal"], told["recordings"], told["from"]["name"]) == (1, [], None)
    calls = (await site.get("/appeals/1", by=boss)).body["calls"]
    told = next(each for each in calls if each["id"] == call.id)
    assert (told["appeal"], len(told["recordings"]), told["from"]["name"]) == (2, 1, "Пётр")


async def test_an_accused_does_not_bury_the_history_under_attempts(
    site: Site, world: World, boss: Viewer
) -> None:
    ann = await world.hire("ann", extension="101")
    await world.call().press().enter().answer("101").end().stored()
    await site.patch("/appeals/1", by=boss, json={"accused": ann.id})
    for _ in range(25):
        assert (await site.post("/appeals/1/take", by=ann)).status == 403
    assert len((await site.get("/appeals/1", by=boss)).body["refused"]) == 20
    assert (await world.actions(1)).count("refused") == 20
    world.pass_s(3601)
    assert (await site.post("/appeals/1/take", by=ann)).status == 403
    assert len((await site.get("/appeals/1", by=boss)).body["refused"]) == 21
