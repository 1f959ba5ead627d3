"""A running push server, and screens as browsers are: real WebSocket clients that fold what they hear."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from websockets.asyncio.client import ClientConnection, unix_connect
from websockets.exceptions import ConnectionClosed

from people.model import Employee
from push.bus import MemoryBus
from push.hub import Hub
from push.relay import Relay
from push.server import PushServer, PushSettings
from tests.push.desk import Desk
from tests.waiting import patience

__all__ = ["PushStack", "Screen", "pushing"]


class PushStack:
    """Server, hub and relay, wired as `press3.service` does."""

    def __init__(self, desk: Desk, server: PushServer, hub: Hub, bus: MemoryBus, socket: Path):
        self.desk, self.server, self.hub, self.bus, self.socket = desk, server, hub, bus, socket

    def dial(self, **options: Any) -> Any:
        return unix_connect(
            str(self.socket), uri="ws://press3.test/ws", compression=None, **options
        )

    @asynccontextmanager
    async def screen(
        self, person: Employee, last_seq: int | None = None
    ) -> AsyncIterator["Screen"]:
        async with self.dial() as connection:
            screen = Screen(connection)
            await screen.hello(await self.desk.ticket(person), last_seq)
            yield screen


class Screen:
    """`seen` are the events in order; `pops` and `calls` what a browser would show."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.welcome: dict[str, Any] = {}
        self.seen: list[dict[str, Any]] = []

    async def hello(self, ticket: str, last_seq: int | None = None) -> None:
        await self.say({"type": "hello", "ticket": ticket, "last_seq": last_seq})
        self.welcome = await self.hear()

    async def say(self, message: Any) -> None:
        await self.connection.send(json.dumps(message))

    async def hear(self) -> dict[str, Any]:
        async with patience(10):
            said = json.loads(await self.connection.recv())
        assert isinstance(said, dict)
        return said

    async def events(self, count: int) -> list[dict[str, Any]]:
        """Return the next `count` events."""
        heard = [await self.hear() for _ in range(count)]
        self.seen += heard
        return heard

    async def closed(self) -> tuple[int, str]:
        """Return code and reason of the close, whatever comes before it."""
        with suppress(ConnectionClosed):
            async with patience(10):
                while True:
                    await self.connection.recv()
        return self.connection.close_code or 0, self.connection.close_reason or ""


@asynccontextmanager
async def pushing(
    desk: Desk, bus: MemoryBus, *, hub: Hub | None = None, relayed: bool = True, **settings: Any
) -> AsyncIterator[PushStack]:
    """Run a push server over `desk`'s database; `bus` must be rung by its writer."""
    hub = hub or Hub()
    with TemporaryDirectory(prefix="p3-") as folder:
        socket = Path(folder) / "s"
        server = PushServer(
            PushSettings(socket=socket, **settings),
            hub,
            sessions=desk.sessions,
            writer=desk.writer,
            now=lambda: desk.now,
        )
        async with server:
            relay = Relay(desk.sessions, hub, bus, poll_s=5)
            tasks = [asyncio.create_task(server.run())]
            tasks += [asyncio.create_task(relay.run())] if relayed else []
            try:
                yield PushStack(desk, server, hub, bus, socket)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
