"""The screens of `bench.push`, in a process of their own: they read raw bytes and note when these came."""

import asyncio
import json
import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

__all__ = ["Address", "Listeners"]

Address = str | tuple[str, int]
LIMIT_S = 30
AT_ONCE = 100  # screens that connect together


class Screen(asyncio.Protocol):
    """Says its hello after the handshake, then notes when each message came. Nothing is parsed but `n`."""

    def __init__(self, number: int, ticket: str | None, heard: Callable[[int, int, int], None]):
        self._number, self._ticket, self._heard = number, ticket, heard
        self._upgraded = False
        self.welcomed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(
            b"GET /ws HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )

    def data_received(self, data: bytes) -> None:
        at = time.monotonic_ns()
        if not self._upgraded:
            self._upgraded = True
            if self._ticket is None:
                self.welcomed.set_result(None)
            else:
                hello = {"type": "hello", "ticket": self._ticket, "last_seq": None}
                self._transport.write(_masked(json.dumps(hello).encode()))
        elif not self.welcomed.done():
            self.welcomed.set_result(None)
        else:
            for part in data.split(b'"n":')[1:]:
                self._heard(int(part.split(b",", 1)[0]), self._number, at)


def _masked(text: bytes) -> bytes:
    """A client's text frame with the mask of zeros; longer than 125 bytes and shorter than 64 KiB."""
    length = len(text)
    head = bytes([0x81, 0x80 | length]) if length < 126 else b"\x81\xfe" + length.to_bytes(2, "big")
    return head + b"\0\0\0\0" + text


def screens(address: Address, tickets: list[str | None], pipe: Connection) -> None:
    """Connect, say `ready`, then send (n, screen, ns) of all that comes, in lots."""
    asyncio.run(_screens(address, tickets, pipe))


async def _screens(address: Address, tickets: list[str | None], pipe: Connection) -> None:
    loop = asyncio.get_running_loop()
    lot: list[tuple[int, int, int]] = []
    made: list[Screen] = []  # kept alive

    async def connect(number: int, ticket: str | None) -> None:
        def protocol() -> Screen:
            made.append(Screen(number, ticket, lambda n, s, at: lot.append((n, s, at))))
            return made[-1]

        if isinstance(address, str):
            _, screen = await loop.create_unix_connection(protocol, address)
        else:
            _, screen = await loop.create_connection(protocol, *address)
        await screen.welcomed

    for begin in range(0, len(tickets), AT_ONCE):
        few = enumerate(tickets[begin : begin + AT_ONCE], begin)
        await asyncio.gather(*(connect(number, ticket) for number, ticket in few))
    pipe.send("ready")
    over = asyncio.Event()
    loop.add_reader(pipe.fileno(), over.set)
    while not over.is_set():
        await asyncio.sleep(0.02)
        if lot:
            pipe.send(lot)
            lot.clear()


class Listeners:
    """The screens' process seen from here: `await arrivals(n, count)`."""

    def __init__(self, address: Address, tickets: list[str | None]) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, far = context.Pipe()
        self._process = context.Process(target=screens, args=(address, tickets, far), daemon=True)
        self._process.start()
        self._heard: dict[int, list[int]] = {}

    async def ready(self) -> None:
        await self._receive()

    async def arrivals(self, n: int, count: int) -> list[int]:
        """Return when message `n` came at each of `count` screens."""
        while len(self._heard.get(n, ())) < count:
            for number, _, at in await self._receive():
                self._heard.setdefault(number, []).append(at)
        return self._heard.pop(n)

    async def _receive(self) -> Any:
        loop = asyncio.get_running_loop()
        readable = loop.create_future()
        loop.add_reader(self._pipe.fileno(), lambda: readable.done() or readable.set_result(None))
        try:
            async with asyncio.timeout(LIMIT_S * 4):
                await readable
        finally:
            loop.remove_reader(self._pipe.fileno())
        return self._pipe.recv()

    def stop(self) -> None:
        self._pipe.send("over")
        self._process.join(10)
