"""Screens that stay open through an experiment, as browsers do, and what must hold of each at its end."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

import aiohttp
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from tests.e2e.desk import PASSWORD
from tests.faults.service import Service
from tests.faults.telephones import Ring, touched
from tests.waiting import until

__all__ = ["Tab", "snapshots", "unlike", "unshown", "watching"]

Json: TypeAlias = dict[str, Any]

WATCHERS = ("op101", "op102", "chief")
_AGAIN_S = 0.2  # a browser that can't connect tries again
_BROKEN = (aiohttp.ClientError, OSError, TimeoutError, WebSocketException)


@dataclass
class Tab:
    """One browser tab: all it was told over all its connections, and the pops that it shows now."""

    login: str
    seqs: list[int] = field(default_factory=list)
    pops: dict[str, Json] = field(default_factory=dict)  # shown and not withdrawn
    shown: set[str] = field(default_factory=set)  # every pop that it ever showed
    callers: set[str] = field(default_factory=set)  # the numbers on them
    links: list[str] = field(default_factory=list)
    last_seq: int | None = None
    welcomed: int = 0

    def welcome(self, message: Json) -> None:
        """A new connection: a snapshot replaces what is shown, or the missed events follow."""
        self.welcomed += 1
        if message["snapshot"] is not None:
            self.pops = {pop["pop_id"]: pop for pop in message["snapshot"]["pops"]}
            self._note(*self.pops.values())
            self.last_seq = message["seq"]

    def hear(self, event: Json) -> None:
        self.last_seq = event["seq"]
        self.seqs.append(event["seq"])
        data = event["data"]
        if event["type"] == "pop.shown":
            self.pops[data["pop_id"]] = data
            self._note(data)
        elif event["type"] == "pop.withdrawn":
            self.pops.pop(data["pop_id"], None)
        elif event["type"].startswith("link."):
            self.links.append(event["type"])

    def _note(self, *pops: Json) -> None:
        self.shown |= {pop["pop_id"] for pop in pops}
        self.callers |= {pop["caller"]["e164"] for pop in pops}


def unlike(tabs: Sequence[Tab], fresh: Mapping[str, Json]) -> list[str]:
    """Say what is wrong at the screens when every call is over. `fresh`: a new snapshot of each person."""
    said = []
    for tab in tabs:
        said += [f"{tab.login}: still shows {pop_id}" for pop_id in tab.pops]
        said += [
            f"{tab.login}: a new screen shows {pop['pop_id']}" for pop in fresh[tab.login]["pops"]
        ]
        steps = zip(tab.seqs, tab.seqs[1:], strict=False)
        said += [
            f"{tab.login}: told {after} after {before}"
            for before, after in steps
            if after <= before
        ]
        if tab.links != ["link.lost", "link.restored"] * (len(tab.links) // 2):
            said.append(f"{tab.login}: the link went {', '.join(tab.links)}")
    return said


def unshown(
    rings: Sequence[Ring], tabs: Sequence[Tab], blind: Sequence[tuple[datetime, datetime]]
) -> list[str]:
    """Say which ringing raised no card at the screen of the telephone's operator, if that stood open.

    A ringing that press3 may not have heard, so near to a `blind` span, is left out. A card without a
    ringing is not asked for: a caller may hang up before his INVITE is sent.
    """
    open_at = {tab.login: tab for tab in tabs}
    return [
        f"{tab.login}: no card of {ring.number}, who rang at {ring.extension} at {ring.at.isoformat()}"
        for ring in rings
        if (tab := open_at.get(f"op{ring.extension}")) is not None
        and ring.number not in tab.callers
        and not touched(ring.at, ring.over_at or ring.at, blind)
    ]


@asynccontextmanager
async def watching(
    service: Callable[[], Service], http: aiohttp.ClientSession
) -> AsyncIterator[list[Tab]]:
    """Keep a tab of each of `WATCHERS` open at whichever press3 `service` returns, through all restarts."""
    tabs = [Tab(login) for login in WATCHERS]
    tokens = [await _sign_in(http, service().url, tab.login) for tab in tabs]
    watchers = [
        asyncio.create_task(_watch(tab, service, http, token), name=f"tab of {tab.login}")
        for tab, token in zip(tabs, tokens, strict=True)
    ]
    try:
        welcomed = lambda: all(tab.welcomed for tab in tabs)  # noqa: E731
        await until(
            welcomed, deadline_s=30, what="every screen is welcomed before anything happens"
        )
        yield tabs
    finally:
        for watcher in watchers:
            watcher.cancel()
        for ended in await asyncio.gather(*watchers, return_exceptions=True):
            if isinstance(ended, Exception):  # not of the net: what a screen must never be told
                raise ended


async def snapshots(service: Service) -> dict[str, Json]:
    """Return what a screen that comes now is shown, of each person who watches."""
    found = {}
    for login in WATCHERS:
        async with (await service.person(login)).screen() as screen:
            found[login] = screen.welcome["snapshot"]
    return found


async def _sign_in(http: aiohttp.ClientSession, url: str, login: str) -> str:
    body = {"login": login, "password": PASSWORD}
    async with http.post(url + "/api/v1/session", json=body) as answer:
        assert answer.status == 201, await answer.text()
        return str((await answer.json())["token"])


async def _watch(
    tab: Tab, service: Callable[[], Service], http: aiohttp.ClientSession, token: str
) -> None:
    """Connect, hear, and connect again when that is over, as the browser's screen does."""
    while True:
        try:
            ticket = await _ticket(http, service().url, token)
            if ticket is not None:
                async with connect(ticket["url"], compression=None) as socket:
                    await _hear(tab, socket, ticket["ticket"])
        except _BROKEN:
            pass  # what the experiment is about: the screen comes again
        await asyncio.sleep(_AGAIN_S)


async def _ticket(http: aiohttp.ClientSession, url: str, token: str) -> Json | None:
    """Return a ticket; None while press3 says that it can't give one."""
    headers = {"Authorization": f"Bearer {token}"}
    async with http.post(url + "/api/v1/push-ticket", headers=headers) as answer:
        if answer.status == 503:
            return None
        assert answer.status in (200, 201), f"{answer.status} {await answer.text()}"
        return dict(await answer.json())


async def _hear(tab: Tab, socket: ClientConnection, ticket: str) -> None:
    await socket.send(json.dumps({"type": "hello", "ticket": ticket, "last_seq": tab.last_seq}))
    welcome = json.loads(await socket.recv())
    assert welcome["type"] == "welcome", welcome
    tab.welcome(welcome)
    async for text in socket:
        tab.hear(json.loads(text))
