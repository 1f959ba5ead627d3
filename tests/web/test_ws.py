"""One port: a browser's WebSocket through the web server to the push socket and back."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from people.access.audience import Audience
from people.model import Role
from push.bus import MemoryBus
from push.hub import Hub
from push.relay import Relay
from push.server import PushServer, PushSettings
from store import outbox
from store.writer import Writer
from tests.appeals.world import World
from tests.waiting import until
from tests.web.site import Site

pytestmark = [
    pytest.mark.timing,
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]


class Stack:
    def __init__(self, site: Site, hub: Hub, url: str) -> None:
        self.site, self.hub, self.url = site, hub, url

    async def tell(self, employee: int, data: dict[str, Any]) -> None:
        audience = Audience(employees=(employee,)).to_json()
        message = outbox.Message(
            type="test.n", at=self.site.world.now, audience=audience, data=data
        )

        async def work(session: AsyncSession) -> None:
            outbox.emit(session, message)

        await self.site.world.writer.run(work)


@asynccontextmanager
async def running(
    engine: AsyncEngine, sessions: async_sessionmaker[AsyncSession], tmp_path: Path, hub: Hub
) -> AsyncIterator[Stack]:
    """Web server, push server and relay over one database, as `press3 serve` runs them."""
    bus = MemoryBus()
    async with Writer(engine, on_commit=bus.ring) as writer:
        world = World(sessions, writer)
        socket = tmp_path / "s"
        settings = PushSettings(socket=socket, close_timeout_s=0.3)
        push = PushServer(settings, hub, sessions=sessions, writer=writer, now=lambda: world.now)
        site = Site(world, tmp_path, {"push_socket": socket})
        async with push:
            relay = asyncio.create_task(Relay(sessions, hub, bus).run())
            client = await site.client()
            yield Stack(site, hub, f"ws://{client.host}:{client.port}/ws")
            await site.close()
            relay.cancel()
            await asyncio.gather(relay, return_exceptions=True)


async def test_a_browser_reaches_push_on_the_one_port(
    engine: AsyncEngine, sessions: async_sessionmaker[AsyncSession], tmp_path: Path
) -> None:
    async with running(engine, sessions, tmp_path, Hub()) as stack:
        boss = await stack.site.world.hire("boss", Role.SUPERVISOR)
        ticket = (await stack.site.post("/push-ticket", by=boss)).body
        assert ticket["url"] == stack.url
        origin = stack.url.replace("ws", "http").removesuffix("/ws")
        async with connect(stack.url, origin=origin) as browser:  # type: ignore[arg-type]
            hello = {"type": "hello", "ticket": ticket["ticket"], "last_seq": None}
            await browser.send(json.dumps(hello))
            assert json.loads(await browser.recv())["type"] == "welcome"
            for n in range(50):
                await stack.tell(boss.id, {"n": n, "x": "ж" * 5000})
            heard = [json.loads(await browser.recv())["data"]["n"] for _ in range(50)]
            assert heard == list(range(50))
            assert await (await browser.ping()) < 5
            assert (await stack.site.get("/session", by=boss)).status == 200
            await browser.send("nonsense")
            with pytest.raises(ConnectionClosed):
                await browser.recv()
            assert browser.close_code == 4400
        await until(lambda: not stack.hub.screens(), what="the hub to forget it")


async def test_ends_reach_the_other_side_and_leave_nothing(
    engine: AsyncEngine, sessions: async_sessionmaker[AsyncSession], tmp_path: Path
) -> None:
    async with running(engine, sessions, tmp_path, Hub()) as stack:
        boss = await stack.site.world.hire("boss", Role.SUPERVISOR)
        server = (await stack.site.client()).server
        assert server.handler is not None
        idle = len(server.handler.connections)
        for how in ("abort", "close"):
            ticket = (await stack.site.post("/push-ticket", by=boss)).body["ticket"]
            browser = await connect(stack.url)
            await browser.send(json.dumps({"type": "hello", "ticket": ticket}))
            await browser.recv()
            assert len(stack.hub.screens()) == 1
            if how == "abort":
                browser.transport.abort()
            else:
                await browser.close()
            await until(lambda: not stack.hub.screens(), what=f"the hub to see the {how}")
        handler = server.handler
        await until(lambda: len(handler.connections) <= idle + 1, what="aiohttp to forget them")


async def test_a_browser_that_does_not_read_is_cut_through_the_splice(
    engine: AsyncEngine, sessions: async_sessionmaker[AsyncSession], tmp_path: Path
) -> None:
    hub = Hub(backlog_limit_bytes=200_000)
    async with running(engine, sessions, tmp_path, hub) as stack:
        boss = await stack.site.world.hire("boss", Role.SUPERVISOR)
        ticket = (await stack.site.post("/push-ticket", by=boss)).body["ticket"]
        async with connect(stack.url, close_timeout=0.1) as browser:
            await browser.send(json.dumps({"type": "hello", "ticket": ticket}))
            await browser.recv()
            browser.transport.pause_reading()
            for n in range(400):
                await stack.tell(boss.id, {"n": n, "x": "x" * 100_000})
                if hub.cut:
                    break
            assert hub.cut == 1
            await until(lambda: not hub.screens(), what="the hub to forget it")


async def test_what_is_no_websocket_is_told_so(
    engine: AsyncEngine, sessions: async_sessionmaker[AsyncSession], tmp_path: Path
) -> None:
    async with running(engine, sessions, tmp_path, Hub()) as stack:
        client = await stack.site.client()
        async with client.get("/ws") as response:
            assert response.status == 426
            assert (await response.json())["type"] == "urn:press3:problem:malformed"
        with pytest.raises(InvalidStatus) as refused:
            await connect(stack.url, origin="http://evil.test")  # type: ignore[arg-type]
        assert refused.value.response.status_code == 403


async def test_without_push_the_door_says_so(
    engine: AsyncEngine, sessions: async_sessionmaker[AsyncSession], tmp_path: Path
) -> None:
    async with Writer(engine) as writer:
        for socket in (None, tmp_path / "nobody-listens"):
            site = Site(World(sessions, writer), tmp_path, {"push_socket": socket})
            client = await site.client()
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"ws://{client.host}:{client.port}/ws")
            assert refused.value.response.status_code == 503
            await site.close()
