"""Calls, blind windows, reconciliation, links, dictionaries: what is told, and to whom."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from appeals.errors import PbxUnread
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
            row = BlindWindow(pbx="main", started_at=began, reason="cut", calls_recovered=n)
            row.ended_at = began + timedelta(seconds=9) if n < 2 else None
            row.appeals_recovered = 0
            session.add(row)
            await session.flush()

    await world.writer.run(add)
    page = (await site.get("/blind-windows?limit=2", by=boss)).body
    assert [(w["calls_recovered"], w["to"]) for w in page["items"]] == [
        (2, None),
        (1, "2026-11-21T12:01:09+00:00"),
    ]
    rest = (await site.get(f"/blind-windows?limit=2&cursor={page['next']}", by=boss)).body
    assert [w["calls_recovered"] for w in rest["items"]] == [0]
    assert (await site.get("/blind-windows?cursor=WzBd", by=boss)).problem == "invalid"
    refused = await site.get("/blind-windows", by=ann)
    assert (refused.status, refused.problem) == (403, "forbidden")


async def test_reconciliation_while_no_pbx_can_be_read(site: Site, world: World) -> None:
    boss = await world.hire("boss", Role.SUPERVISOR)

    async def reconcile(session: AsyncSession, day: date) -> Mapping[str, Any]:
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

    async def reconcile(session: AsyncSession, day: date) -> Mapping[str, Any]:
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
