"""Appeals by REST: what is shown, who may, what is refused, and that nothing happens twice."""

import asyncio
from typing import Any

from people.access.audience import Viewer
from people.model import Role
from tests.appeals.world import CUSTOMER, World
from tests.web.site import Site


async def boss_of(world: World) -> Viewer:
    return await world.hire("boss", Role.SUPERVISOR)


async def test_a_pressed_call_is_read_as_an_appeal(site: Site, world: World) -> None:
    boss = await boss_of(world)
    ann = await world.hire("ann", extension="101")
    call = world.call().press()
    world.pass_s(1)
    call.enter().ring("101", "102")
    world.pass_s(4)
    call.answer("101").stop("102").leave()
    world.pass_s(60)
    await call.end().stored()
    listed = await site.get("/appeals", by=boss)
    assert [item["number"] for item in listed.body["items"]] == [1]
    assert listed.body["next"] is None
    assert "calls" not in listed.body["items"][0]
    one = await site.get("/appeals/1", by=boss)
    assert one.headers["ETag"] == f'"{one.body["version"]}"'
    appeal = one.body
    assert (appeal["type"], appeal["source"], appeal["phase"]) == ("ЖК", "phone_key", "received")
    assert appeal["missing"] == ["gist", "category"]
    assert appeal["times"]["wait_s"] == 5
    assert appeal["times"]["queue_wait_s"] == 4
    (told,) = appeal["calls"]
    assert told["from"]["e164"] == CUSTOMER
    assert [(leg["extension"], leg["outcome"]) for leg in told["legs"]] == [
        ("101", "answered"),
        ("102", "elsewhere"),
    ]
    assert told["legs"][0]["employee"] == {"id": ann.id, "name": "ann"}


async def test_lists_are_pages_with_a_link_to_the_next(site: Site, world: World) -> None:
    boss = await boss_of(world)
    for n in range(5):
        await world.pressed(f"+7916000000{n}")
    first = await site.get("/appeals?limit=2", by=boss)
    assert first.headers["Link"] == (
        f'</api/v1/appeals?limit=2&cursor={first.body["next"]}>; rel="next"'
    )
    numbers, path = [], "/appeals?limit=2"
    while path:
        page = (await site.get(path, by=boss)).body
        numbers += [item["number"] for item in page["items"]]
        path = f"/appeals?limit=2&cursor={page['next']}" if page["next"] else ""
    assert numbers == [5, 4, 3, 2, 1]


FILTERS: list[tuple[dict[str, str], list[int]]] = [
    ({}, [2, 1]),
    ({"phase": "investigating"}, [1]),
    ({"phase": "received"}, [2]),
    ({"kind": "complaint"}, [2, 1]),
    ({"kind": "praise"}, []),
    ({"type": "ЖК"}, [2, 1]),
    ({"q": "9990000001"}, [2]),
    ({"q": "№2"}, [2]),
    ({"opened_from": "2026-11-21T12:00:30Z"}, [2]),
    ({"opened_to": "2026-11-21T15:00:30+03:00"}, [1]),
]


async def test_lists_are_filtered(site: Site, world: World) -> None:
    boss = await boss_of(world)
    await world.pressed("+79160000000")
    await site.post("/appeals/1/take", by=boss)
    world.pass_s(60)
    await world.pressed("+79990000001")
    for query, numbers in FILTERS:
        listed = await site.get("/appeals", by=boss, params=query)
        assert [item["number"] for item in listed.body["items"]] == numbers, query


async def test_take_and_resolve(site: Site, world: World) -> None:
    boss = await boss_of(world)
    await world.pressed()
    taken = await site.post("/appeals/1/take", by=boss)
    assert taken.body["phase"] == "investigating"
    assert taken.body["responsible"] == {"id": boss.id, "name": "boss"}
    assert taken.headers["ETag"] == f'"{taken.body["version"]}"'
    form = {"gist": "Привезли не то", "category": "delivery", "result": "Заменили"}
    done = await site.post("/appeals/1/resolve", by=boss, json=form)
    assert (done.body["phase"], done.body["gist"]) == ("responded", "Привезли не то")
    history = await site.get("/appeals/1/history", by=boss)
    assert history.body["items"][0]["action"] == "opened"
    assert history.body["items"][-1]["author"] == {"id": boss.id, "name": "boss"}


async def test_resolving_names_what_is_missing(site: Site, world: World) -> None:
    boss = await boss_of(world)
    await world.pressed()
    await site.post("/appeals/1/take", by=boss)
    refused = await site.post("/appeals/1/resolve", by=boss, json={})
    assert (refused.status, refused.problem) == (422, "missing")
    assert refused.body["missing"] == ["gist", "category"]
    refused = await site.post("/appeals/1/resolve", by=boss, json={"gist": "x", "category": "no"})
    assert (refused.status, refused.problem) == (422, "invalid")
    assert (await world.appeal(1))["phase"] == "investigating"


async def test_whoever_answered_may_not_take_it_and_the_attempt_is_kept(
    site: Site, world: World
) -> None:
    ann, boss = await world.hire("ann", extension="101"), await boss_of(world)
    call = world.call().press().enter()
    await call.answer("101").stored()
    refused = await site.post("/appeals/1/take", by=ann)
    assert (refused.status, refused.problem) == (403, "conflict-of-interest")
    assert refused.body["reason"] == "answered_the_call"
    attempts = (await site.get("/appeals/1", by=boss)).body["refused"]
    assert [(a["employee"]["id"], a["action"]) for a in attempts] == [(ann.id, "take")]


async def test_what_one_may_not_read_is_not_there(site: Site, world: World) -> None:
    eve = await world.hire("eve", extension="109")
    await world.pressed()
    assert (await site.get("/appeals", by=eve)).body["items"] == []
    for path in ("/appeals/1", "/appeals/1/history", "/appeals/77"):
        assert (await site.get(path, by=eve)).problem == "not-found"
    assert (await site.post("/appeals/1/take", by=eve)).problem == "not-found"


async def test_if_match_refuses_a_stale_change(site: Site, world: World) -> None:
    boss = await boss_of(world)
    await world.pressed()
    read = await site.get("/appeals/1", by=boss)
    etag = {"If-Match": read.headers["ETag"]}
    changed = await site.patch("/appeals/1", by=boss, json={"gist": "первое"}, headers=etag)
    assert changed.status == 200
    stale = await site.patch("/appeals/1", by=boss, json={"gist": "второе"}, headers=etag)
    assert (stale.status, stale.problem) == (412, "stale-version")
    assert stale.body["version"] == changed.body["version"]
    for bad in ("7", 'W/"1"', '"x"'):
        answer = await site.patch(
            "/appeals/1", by=boss, json={"gist": "x"}, headers={"If-Match": bad}
        )
        assert answer.status == 412
    assert (await world.appeal(1))["gist"] == "первое"
    any_version = {"If-Match": "*"}
    assert (
        await site.patch("/appeals/1", by=boss, json={"gist": "3"}, headers=any_version)
    ).status == 200


async def test_a_patch_changes_only_what_it_names(site: Site, world: World) -> None:
    boss, han = await boss_of(world), await world.hire("han", Role.HANDLER)
    await world.pressed()
    await site.patch("/appeals/1", by=boss, json={"gist": "суть", "category": "staff"})
    answer = await site.patch("/appeals/1", by=boss, json={"responsible": han.id})
    assert answer.body["gist"] == "суть"
    assert answer.body["responsible"]["id"] == han.id
    assert (await site.patch("/appeals/1", by=boss, json={"category": None})).body[
        "category"
    ] is None
    refused = await site.patch("/appeals/1", by=boss, json={"responsible": 4040})
    assert refused.problem == "invalid"


async def test_a_post_with_a_key_happens_once(site: Site, world: World) -> None:
    boss = await boss_of(world)
    await world.pressed()
    key = {"Idempotency-Key": "k-1"}
    first = await site.post("/appeals/1/take", by=boss, headers=key)
    again = await site.post("/appeals/1/take", by=boss, headers=key)
    assert again.body == first.body
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    without = await site.post("/appeals/1/take", by=boss)
    assert (without.status, without.problem) == (409, "wrong-stage")
    other = await site.post("/appeals/1/resolve", by=boss, json={"gist": "x"}, headers=key)
    assert (other.status, other.problem) == (422, "idempotency-key-reused")


async def test_keys_are_a_persons_own_and_end_after_a_day(site: Site, world: World) -> None:
    boss, han = await boss_of(world), await world.hire("han", Role.HANDLER)
    await world.pressed()
    await world.pressed("+79160000001")
    key = {"Idempotency-Key": "k-1"}
    assert (await site.post("/appeals/1/take", by=boss, headers=key)).status == 200
    assert (await site.post("/appeals/2/take", by=han, headers=key)).status == 200
    world.pass_s(24 * 3600 + 1)
    assert (await site.post("/appeals/1/take", by=boss, headers=key)).problem == "wrong-stage"


async def test_many_repeats_at_once_happen_once(site: Site, world: World) -> None:
    boss = await boss_of(world)
    await world.pressed()
    key = {"Idempotency-Key": "k-1"}
    answers = await asyncio.gather(
        *(site.post("/appeals/1/take", by=boss, headers=key) for _ in range(8))
    )
    assert {answer.status for answer in answers} == {200}
    assert [a for a in await world.actions(1) if a == "stage"] == ["stage"]


async def test_a_refused_post_keeps_no_answer(site: Site, world: World) -> None:
    boss = await boss_of(world)
    await world.pressed()
    key = {"Idempotency-Key": "k-1"}
    await site.post("/appeals/1/take", by=boss)
    form = {"gist": "x", "category": "nonsense"}
    assert (await site.post("/appeals/1/resolve", by=boss, json=form, headers=key)).status == 422
    form = {"gist": "x", "category": "other"}
    assert (await site.post("/appeals/1/resolve", by=boss, json=form, headers=key)).status == 200


BAD: list[tuple[str, str, dict[str, Any], int, str]] = [
    ("POST", "/appeals/1/resolve", {"data": b"{"}, 400, "malformed"),
    ("POST", "/appeals/1/resolve", {"data": b"[" * 30_000}, 400, "malformed"),
    ("POST", "/appeals/1/resolve", {"data": b'{"gist":NaN}'}, 400, "malformed"),
    ("POST", "/appeals/1/resolve", {"data": b"\xff\xfe{}"}, 400, "malformed"),
    ("POST", "/appeals/1/resolve", {"json": []}, 422, "invalid"),
    ("POST", "/appeals/1/resolve", {"json": {"gust": "x"}}, 422, "invalid"),
    ("POST", "/appeals/1/resolve", {"json": {"gist": "x\0y", "category": "other"}}, 422, "invalid"),
    ("POST", "/appeals/1/resolve", {"data": b'{"gist":"\\ud800"}'}, 422, "invalid"),
    ("POST", "/appeals/1/resolve", {"json": {"gist": "   "}}, 422, "invalid"),
    ("POST", "/appeals/1/resolve", {"json": {"gist": 7}}, 422, "invalid"),
    ("POST", "/appeals/1/resolve", {"data": b"x" * 70_000}, 413, "too-large"),
    ("POST", "/appeals/1/take", {"json": {"by": "me"}}, 422, "invalid"),
    ("POST", "/appeals/1/take", {"headers": {"Idempotency-Key": "a b"}}, 400, "malformed"),
    ("POST", "/appeals/9/take", {}, 404, "not-found"),
    ("POST", "/appeals/0/take", {}, 404, "not-found"),
    ("POST", "/appeals/99999999999/take", {}, 404, "not-found"),
    ("POST", "/appeals/x/take", {}, 404, "not-found"),
    ("DELETE", "/appeals/1", {}, 405, "method-not-allowed"),
    ("PATCH", "/appeals/1", {"json": {"version": 9}}, 422, "invalid"),
    ("PATCH", "/appeals/1", {"json": {"type": None}}, 422, "invalid"),
    ("PATCH", "/appeals/1", {"json": {"type": "НЕТ"}}, 422, "invalid"),
    ("PATCH", "/appeals/1", {"json": {"responsible": 2**40}}, 422, "invalid"),
    ("GET", "/appeals?limit=0", {}, 422, "invalid"),
    ("GET", "/appeals?limit=x", {}, 422, "invalid"),
    ("GET", "/appeals?limit=1&limit=2", {}, 422, "invalid"),
    ("GET", "/appeals?page=2", {}, 422, "invalid"),
    ("GET", "/appeals?phase=lost", {}, 422, "invalid"),
    ("GET", "/appeals?opened_from=2026-11-21", {}, 422, "invalid"),
    ("GET", "/appeals?opened_from=2026-11-21T12:00:00", {}, 422, "invalid"),
    ("GET", "/appeals?opened_from=0001-01-01T00:00:00%2B14:00", {}, 422, "invalid"),
    ("GET", "/appeals?customer=-1", {}, 422, "invalid"),
    ("GET", "/appeals?cursor=zzz", {}, 422, "invalid"),
    ("GET", "/appeals?cursor=WzFlOTld", {}, 422, "invalid"),
    ("GET", "/appeals?cursor=Wzk5OTk5OTk5OTk5OTk5OTk5OTk5XQ", {}, 422, "invalid"),
    ("GET", "/appeals?q=%00", {}, 422, "invalid"),
    ("GET", "/nothing", {}, 404, "not-found"),
    ("POST", "/nothing", {}, 404, "not-found"),
]


async def test_bad_input_is_named_and_changes_nothing(site: Site, world: World) -> None:
    boss = await boss_of(world)
    await world.pressed()
    before = await world.appeal(1)
    for method, path, sent, status, problem in BAD:
        typed = {"headers": {"Content-Type": "application/json"}} if "data" in sent else {}
        answer = await site.ask(method, path, by=boss, **sent, **typed)
        assert (answer.status, answer.problem) == (status, problem), (method, path, sent)
        assert answer.body["detail"]
        assert answer.body["todo"]
    assert await world.appeal(1) == before


async def test_a_body_that_is_not_json_is_refused_by_its_type(site: Site, world: World) -> None:
    boss = await boss_of(world)
    await world.pressed()
    answer = await site.post("/appeals/1/resolve", by=boss, data="gist=x")
    assert (answer.status, answer.problem) == (415, "unsupported-media-type")
