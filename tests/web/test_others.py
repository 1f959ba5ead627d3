"""Calls, blind windows, reconciliation, links, dictionaries: what is told, and to whom."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from appeals.case.errors import PbxUnread
from calls import storage
from calls.model import BlindWindow
from people.model import Role
from tests.appeals.world import NOON, World
from tests.web.site import Site
from web.deps import LinkView


async def test_calls_with_and_without_an_appeal(site: Site, world: World) -> None:
    boss = await world.hire("boss", Role.SUPERVISOR)
    await world.hire("ann", extension="101")
    await world.pressed()
    world.pass_s(60)
    plain = await world.call("+79990000001").answer("101").stored()
    world.pass_s(60)
    await plain.end().stored()
    listed = (await site.get("/calls", by=boss)).body["items"]
    assert [(c["appeal"], c["outcome"]) for c in listed] == [(None, "answered"), (1, "in_progress")]
    for query, found in (
        ({"pressed": "true"}, [1]),
        ({"outcome": "answered"}, [None]),
        ({"direction": "out"}, []),
        ({"missed": "true"}, []),
        ({"recovered": "false"}, [None, 1]),
        ({"recorded": "true"}, []),
        ({"pbx": "main", "missed": "false"}, [None, 1]),
        ({"q": "9990000001"}, [None]),
        ({"started_from": (NOON + timedelta(seconds=30)).isoformat()}, [None]),
    ):
        listed = (await site.get("/calls", by=boss, params=query)).body["items"]
        assert [call["appeal"] for call in listed] == found, query
    page = (await site.get("/calls?limit=1", by=boss)).body
    rest = (await site.get(f"/calls?limit=1&cursor={page['next']}", by=boss)).body
    assert [rest["items"][0]["appeal"], rest["next"]] == [1, None]
    for cursor in ("x", "WyJhIiwgImIiXQ"):
        assert (await site.get(f"/calls?cursor={cursor}", by=boss)).problem == "invalid"


async def test_the_legs_and_the_end_of_a_call_in_the_words_of_the_contract(
    site: Site, world: World
) -> None:
    boss = await world.hire("boss", Role.SUPERVISOR)
    ann = await world.hire("ann", extension="+79110000009")
    forwarded = world.call().ring("101").stop("101", "forwarded").answer("+79110000009")
    await forwarded.end(by="operator").stored()
    world.pass_s(60)
    await world.call("+79990000001").end("closed", by="pbx").stored()
    closed, answered = (await site.get("/calls", by=boss)).body["items"]
    assert (answered["outcome"], answered["ended_by"]) == ("answered", "operator")
    legs = [(leg["extension"], leg["number"], leg["outcome"]) for leg in answered["legs"]]
    assert legs == [("101", None, "forwarded"), (None, "+79110000009", "answered")]
    assert [leg["employee"] for leg in answered["legs"]] == [None, {"id": ann.id, "name": "ann"}]
    assert (closed["outcome"], closed["ended_by"], closed["answered_at"]) == ("closed", "pbx", None)
    for query in ({"missed": "true"}, {"outcome": "closed"}):
        listed = (await site.get("/calls", by=boss, params=query)).body["items"]
        assert [call["id"] for call in listed] == [closed["id"]], query
    assert len((await site.get("/calls", by=ann)).body["items"]) == 1


async def test_an_operator_sees_the_calls_of_his_telephone(site: Site, world: World) -> None:
    ann = await world.hire("ann", extension="101")
    eve = await world.hire("eve", extension="109")
    await world.call().answer("101").stored()
    assert len((await site.get("/calls", by=ann)).body["items"]) == 1
    assert (await site.get("/calls", by=eve)).body["items"] == []


async def test_blind_windows_are_for_who_oversees(site: Site, world: World) -> None:
    boss = await world.hire("boss", Role.SUPERVISOR)
    ann = await world.hire("ann")

    async def add(session: AsyncSession) -> None:
        for n in range(3):
            began = NOON + timedelta(minutes=n)
            row = BlindWindow(pbx="main", started_at=began, reason="cut")
            row.ended_at = began + timedelta(seconds=9) if n < 2 else None
            session.add(row)
            await session.flush()

    await world.writer.run(add)
    page = (await site.get("/blind-windows?limit=2", by=boss)).body
    assert [(w["id"], w["to"]) for w in page["items"]] == [
        (3, None),
        (2, "2026-11-21T12:01:09+00:00"),
    ]
    rest = (await site.get(f"/blind-windows?limit=2&cursor={page['next']}", by=boss)).body
    assert [w["id"] for w in rest["items"]] == [1]
    assert (await site.get("/blind-windows?cursor=WzBd", by=boss)).problem == "invalid"
    refused = await site.get("/blind-windows", by=ann)
    assert (refused.status, refused.problem) == (403, "forbidden")


async def test_the_numbers_of_a_blind_window_lead_to_the_very_calls_they_count(
    site: Site, world: World
) -> None:
    """Whenever a call began: the window's numbers are of what was learned after it."""
    boss = await world.hire("boss", Role.SUPERVISOR)
    day = await world.pressed()  # heard; its end falls into the second window
    before = await world.call("+79990000001").stored()  # pressed in the second window
    await _window(world, NOON + timedelta(hours=1))
    await world.call("+79990000002").learned_late().press().stored()
    await _window_ends(world, NOON + timedelta(hours=2))
    await _window(world, NOON + timedelta(hours=3))
    await day.learned_late().end().stored()
    await before.learned_late().press().stored()
    await before.end().stored()  # the same call once more
    await world.call("+79990000003").learned_late().end("abandoned").stored()
    await _window_ends(world, NOON + timedelta(hours=4))
    await world.call("+79990000004").press().stored()

    windows = (await site.get("/blind-windows", by=boss)).body["items"]
    told = [(w["calls_recovered"], w["appeals_recovered"]) for w in windows]
    assert told == [(3, 1), (1, 1)]
    for window in windows:
        query = {"blind_window": window["id"]}
        calls = (await site.get("/calls", by=boss, params=query)).body["items"]
        assert len(calls) == window["calls_recovered"]
        query["press_recovered"] = "true"
        pressed = (await site.get("/calls", by=boss, params=query)).body["items"]
        assert len([c for c in pressed if c["appeal"]]) == window["appeals_recovered"]
        assert len(pressed) == window["appeals_recovered"]
        query["press_recovered"] = "false"
        others = (await site.get("/calls", by=boss, params=query)).body["items"]
        assert len(others) == len(calls) - len(pressed)


async def test_a_blind_window_counts_for_each_the_calls_that_he_may_read(
    site: Site, world: World
) -> None:
    auditor = await world.hire("aud", Role.AUDITOR)
    other = await world.department("other")
    chief = await world.hire("chief", Role.SUPERVISOR, department=other)
    await _window(world, NOON)
    await world.call("+79990000002").learned_late().press().stored()
    for viewer, found in ((auditor, 1), (chief, 0)):
        (window,) = (await site.get("/blind-windows", by=viewer)).body["items"]
        query = {"blind_window": window["id"]}
        calls = (await site.get("/calls", by=viewer, params=query)).body["items"]
        assert (window["calls_recovered"], len(calls)) == (found, found)


async def _window(world: World, began: datetime) -> None:
    async def work(session: AsyncSession) -> None:
        storage.begin_window(session, "main", began, "cut")

    await world.writer.run(work)


async def _window_ends(world: World, ended: datetime) -> None:
    async def work(session: AsyncSession) -> None:
        window = await storage.open_window(session, "main")
        assert window is not None
        window.ended_at = ended

    await world.writer.run(work)


async def test_reconciliation_while_no_pbx_can_be_read(site: Site, world: World) -> None:
    boss = await world.hire("boss", Role.SUPERVISOR)

    async def reconcile(
        session: AsyncSession, day: date, hidden: AbstractSet[int]
    ) -> Mapping[str, Any]:
        raise PbxUnread(["main", "branch"])

    away = Site(world, site.data_dir, {"reconcile": reconcile})
    told = await away.get("/reconciliation?day=2026-11-21", by=boss)
    assert (told.status, told.problem) == (503, "telephony-unavailable")
    assert told.body["pbx"] == ["main", "branch"]
    assert told.body["detail"] == "What was pressed can't be read from PBX main, branch now."
    await away.close()


async def test_reconciliation_is_asked_for_a_day(site: Site, world: World) -> None:
    boss, ann = await world.hire("boss", Role.SUPERVISOR), await world.hire("ann")
    asked: list[date] = []

    async def reconcile(
        session: AsyncSession, day: date, hidden: AbstractSet[int]
    ) -> Mapping[str, Any]:
        asked.append(day)
        difference = {
            "kind": "not_registered",
            "call": "main-1.1",
            "appeal": None,
            "recording": None,
            "mend": "read_spool",
        }
        source = {"name": "astdb", "complete": True}
        counts = {"pressed": 2, "registered": 1, "recorded": 1}
        return {**counts, "sources": [source], "differences": [difference]}

    assert (await site.get("/reconciliation?day=2026-11-21", by=boss)).problem == (
        "telephony-unavailable"
    )
    with_pbx = Site(world, site.data_dir, {"reconcile": reconcile})
    told = await with_pbx.get("/reconciliation?day=2026-11-21", by=boss)
    assert (told.body["day"], told.body["pressed"]) == ("2026-11-21", 2)
    assert asked == [date(2026, 11, 21)]
    for bad in (
        "",
        "?day=",
        "?day=21.11.2026",
        "?day=2026-13-01",
        "?day=0001-01-01",
        "?day=9999-12-31",
    ):
        assert (await with_pbx.get(f"/reconciliation{bad}", by=boss)).problem == "invalid", bad
    assert (await with_pbx.get("/reconciliation?day=2026-11-21", by=ann)).problem == "forbidden"
    await with_pbx.close()


async def test_links_tell_the_banner(site: Site, world: World) -> None:
    ann = await world.hire("ann")
    site.extra = {"links": lambda: [LinkView(pbx="main", state="refused", since=NOON, reason="no")]}
    assert (await site.get("/links", by=ann)).body["items"] == [
        {"pbx": "main", "state": "refused", "since": NOON.isoformat(), "reason": "no"}
    ]


async def test_dictionaries(site: Site, world: World) -> None:
    ann = await world.hire("ann")
    site.extra = {"timezone": "Asia/Omsk"}
    told = (await site.get("/dictionaries", by=ann)).body
    assert told["timezone"] == "Asia/Omsk"
    assert {"code": "ЖК", "name": "Жалоба клиента", "kind": "complaint"} in told["types"]
    assert told["stages"][0]["phase"] == "received"
    assert told["employees"] == [{"id": ann.id, "name": "ann"}]
