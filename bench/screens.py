"""A thousand operators at their screens, cheap enough to share a process with the PBX that is played.

They are hired and signed in by rows, as signing a thousand people in would take minutes, and speak just
enough WebSocket to say hello, answer pings and note when which event came.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import insert

from people.model import Employee, Extension, Role, Session, Ticket
from people.sessions import token_hash
from press3.clock import now
from store.base import Base, table
from store.engine import create_engine

__all__ = ["LightScreen", "hire", "light_screens"]

_FIRST_ID = 100_000
_TEXT, _PING, _PONG = 0x1, 0x9, 0xA
_AT_ONCE = 50


class LightScreen(asyncio.Protocol):
    """`events` and `arrived` (perf_counter) as of `tests.e2e.desk.Screen`; read when all is over."""

    def __init__(self, ticket: str) -> None:
        self.frames: list[tuple[float, bytes]] = []
        self.welcomed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ticket = ticket
        self._unread = b""
        self._upgraded = False

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(frame) for _, frame in self.frames]

    @property
    def arrived(self) -> list[float]:
        return [at for at, _ in self.frames]

    def forget(self) -> None:
        """Let go of what was told so far."""
        self.frames.clear()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(
            b"GET /ws HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )

    def data_received(self, data: bytes) -> None:
        at = time.perf_counter()
        self._unread += data
        if not self._upgraded:
            head, end, self._unread = self._unread.partition(b"\r\n\r\n")
            if not end:
                self._unread = head
                return
            self._upgraded = True
            hello = {"type": "hello", "ticket": self._ticket, "last_seq": None}
            self._send(_TEXT, json.dumps(hello).encode())
        while (frame := self._next_frame()) is not None:
            self._take(at, *frame)

    def _next_frame(self) -> tuple[int, bytes] | None:
        data = self._unread
        if len(data) < 2:
            return None
        more = {126: 2, 127: 8}.get(data[1], 0)
        length = int.from_bytes(data[2 : 2 + more], "big") if more else data[1]
        end = 2 + more + length
        if len(data) < end:
            return None
        self._unread = data[end:]
        return data[0] & 0x0F, data[2 + more : end]

    def _take(self, at: float, kind: int, payload: bytes) -> None:
        if kind == _PING:
            self._send(_PONG, payload)
        elif kind == _TEXT and not self.welcomed.done():
            self.welcomed.set_result(None)
        elif kind == _TEXT:
            self.frames.append((at, payload))

    def _send(self, kind: int, payload: bytes) -> None:
        """A client's frame with the mask of zeros, shorter than 64 KiB."""
        length = len(payload)
        size = bytes([0x80 | length]) if length < 126 else b"\xfe" + length.to_bytes(2, "big")
        self._transport.write(bytes([0x80 | kind]) + size + b"\0\0\0\0" + payload)

    def close(self) -> None:
        self._transport.close()


async def hire(url: str, extensions: Sequence[str], *, since: datetime | None = None) -> None:
    """Make an operator for each of `extensions` in the database of `url`, signed in, with a ticket.

    `since` is when they began, a day ago when left out; what they hold lasts for hours from now.
    """
    at, later = since or now() - timedelta(days=1), now() + timedelta(hours=1)
    people: dict[type[Base], list[dict[str, Any]]] = {
        model: [] for model in (Employee, Extension, Session, Ticket)
    }
    for number, extension in enumerate(extensions, _FIRST_ID):
        session = token_hash(f"session-{extension}")
        told = {"employee_id": number}
        people[Employee].append(
            {
                "id": number,
                "login": f"many{extension}",
                "name": f"Operator {extension}",
                "role": Role.OPERATOR,
                "password_hash": "-",
                "created_at": at,
            }
        )
        people[Extension].append({"number": extension, "since": at, **told})
        people[Session].append(
            {"token_hash": session, "created_at": at, "expires_at": later, **told}
        )
        ticket = token_hash(_ticket(extension))
        people[Ticket].append(
            {"ticket_hash": ticket, "session_hash": session, "expires_at": later, **told}
        )
    engine = create_engine(url).execution_options(press3_write=True)
    async with engine.begin() as connection:
        for model, rows in people.items():
            await connection.execute(insert(table(model)), rows)
    await engine.dispose()


def _ticket(extension: str) -> str:
    return f"ticket-{extension}"


@asynccontextmanager
async def light_screens(url: str, extensions: Sequence[str]) -> AsyncIterator[list[LightScreen]]:
    """Connect a screen for each of those hired to the push address `url` (ws://HOST:PORT/ws)."""
    where = urlsplit(url)
    screens = [LightScreen(_ticket(extension)) for extension in extensions]
    loop = asyncio.get_running_loop()
    try:
        for first in range(0, len(screens), _AT_ONCE):
            some = screens[first : first + _AT_ONCE]
            for screen in some:
                await loop.create_connection(
                    lambda screen=screen: screen, where.hostname, where.port
                )  # type: ignore[misc]
            await asyncio.wait_for(asyncio.gather(*(screen.welcomed for screen in some)), 30)
        yield screens
    finally:
        for screen in screens:
            if screen.welcomed.done():
                screen.close()
