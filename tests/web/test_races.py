"""Several people, or one several times, do the same thing to an appeal at once."""

import asyncio

from people.model import Role
from tests.appeals.world import World
from tests.web.site import Site
from web import idempotency

KEY = {"Idempotency-Key": "k-1"}


async def test_of_changes_of_one_version_one_counts(site: Site, world: World) -> None:
    people = [await world.hire("han", Role.HANDLER), await world.hire("boss", Role.SUPERVISOR)]
    await world.pressed()
    version = (await site.get("/appeals/1", by=people[0])).headers["ETag"]
    answers = await asyncio.gather(
        *(
            site.patch(
                "/appeals/1", by=person, json={"gist": f"Суть {n}"}, headers={"If-Match": version}
            )
            for n, person in enumerate(people * 3)
        )
    )
    assert sorted(answer.status for answer in answers) == [200, 412, 412, 412, 412, 412]
    assert (await world.actions(1)).count("changed") == 1


async def test_one_of_many_takes_it_and_a_key_repeated_at_once_takes_once(
    site: Site, world: World
) -> None:
    people = [await world.hire(name, Role.HANDLER) for name in ("han", "eva", "ivo")]
    await world.pressed()
    answers = await asyncio.gather(*(site.post("/appeals/1/take", by=p) for p in people * 2))
    assert sorted(answer.status for answer in answers) == [200, 409, 409, 409, 409, 409]
    await world.pressed("+79160000002")
    answers = await asyncio.gather(
        *(site.post("/appeals/2/take", by=people[0], headers=KEY) for _ in range(5))
    )
    assert [answer.status for answer in answers] == [200] * 5
    assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 4
    assert (await world.actions(2)).count("stage") == 1
    others = await site.post("/appeals/2/take", by=people[1], headers=KEY)
    assert (others.status, "Idempotency-Replayed" in others.headers) == (409, False)
    again = await site.post("/appeals/1/take", by=people[0], headers=KEY)
    assert again.problem == "idempotency-key-reused"


async def test_who_is_in_conflict_gets_nothing_by_mixing_fields(site: Site, world: World) -> None:
    """One refused field refuses the whole change, in every order of naming and assigning."""
    ann = await world.hire("ann", extension="101")
    han, boss = await world.hire("han", Role.HANDLER), await world.hire("boss", Role.SUPERVISOR)
    await world.call().press().enter().answer("101").end().stored()
    before = await world.appeal(1)
    for who, asked in (
        (ann, {"responsible": ann.id}),
        (ann, {"accused": han.id, "responsible": ann.id}),
        (ann, {"accused": ann.id, "responsible": ann.id}),
        (ann, {"gist": "Суть", "type": "БЛ"}),
        (ann, {"gist": "Суть", "result": "Всё хорошо"}),
        (han, {"responsible": ann.id}),
        (boss, {"accused": han.id, "responsible": han.id}),
        (boss, {"accused": boss.id, "responsible": boss.id}),
    ):
        answer = await site.patch("/appeals/1", by=who, json=asked)
        assert (answer.status, answer.problem) == (403, "conflict-of-interest"), asked
    assert await world.appeal(1) == before
    for code in ("БЛ", "ЖК", "ПЖ", "ЖС"):  # a round trip of the type gives nothing either
        assert (await site.patch("/appeals/1", by=boss, json={"type": code})).status == 200
        for verb in ("take", "resolve"):
            form = {"gist": "Суть", "category": "staff"} if verb == "resolve" else {}
            refused = await site.post(f"/appeals/1/{verb}", by=ann, json=form)
            assert (refused.status, refused.body["reason"]) == (403, "answered_the_call"), code


async def test_what_is_kept_of_keys_is_deleted_after_a_day_a_few_at_a_time(
    site: Site, world: World
) -> None:
    han = await world.hire("han", Role.HANDLER)
    for number in range(1, 5):
        await world.pressed(f"+7916000000{number}")
        if number == 4:
            world.pass_s(24 * 3600 + 1)
        headers = {"Idempotency-Key": f"k-{number}"}
        taken = await site.post(f"/appeals/{number}/take", by=han, headers=headers)
        assert taken.status == 200
    gone = [
        await world.writer.run(lambda s: idempotency.prune(s, world.now, limit=2)) for _ in range(3)
    ]
    assert gone == [2, 1, 0]
    again = await site.post("/appeals/4/take", by=han, headers=headers)
    assert "Idempotency-Replayed" in again.headers
