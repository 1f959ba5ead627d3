"""A bare AMI client for tests: keeps every message as bytes with its arrival time, does nothing else.

Not `ami/`: what proves the product must not be the product.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from tests.waiting import patience

__all__ = ["AmiMessage", "AmiTap", "ami_tap"]

END = b"\r\n\r\n"
T = TypeVar("T")


@dataclass(frozen=True)
class AmiMessage:
    at: datetime
    raw: bytes

    @property
    def headers(self) -> dict[str, str]:
        """First value of each header; names as Asterisk wrote them."""
        found: dict[str, str] = {}
        for line in self.raw.decode(errors="surrogateescape").split("\r\n"):
            name, colon, value = line.partition(":")
            if colon:
                found.setdefault(name, value.strip())
        return found

    def get(self, name: str) -> str:
        return self.headers.get(name, "")


@dataclass
class AmiTap:
    """A logged-in AMI session. `events` holds all that came, in order; `replies` the rest."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    events: list[AmiMessage] = field(default_factory=list)
    replies: dict[str, list[AmiMessage]] = field(default_factory=dict)
    _ids: "itertools.count[int]" = field(default_factory=itertools.count)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def action(self, name: str, *, deadline_s: float = 10, **headers: str) -> AmiMessage:
        """Send an action; return its (first) reply."""
        action_id = f"tap{next(self._ids)}"
        lines = [f"Action: {name}", f"ActionID: {action_id}"]
        lines += [f"{key}: {value}" for key, value in headers.items()]
        self.writer.write("\r\n".join(lines).encode() + END)
        return await self._wait(
            lambda: next(iter(self.replies.get(action_id, [])), None), deadline_s
        )

    async def event(
        self, kind: str, *, deadline_s: float = 10, after: int = 0, **wanted: str
    ) -> AmiMessage:
        """Wait for (or find, from index `after` on) an event of this type with these header values."""

        def found() -> AmiMessage | None:
            return next(iter(self.all(kind, after=after, **wanted)), None)

        return await self._wait(found, deadline_s, what=f"{kind} {wanted}")

    def all(self, kind: str, *, after: int = 0, **wanted: str) -> list[AmiMessage]:
        return [
            message
            for message in self.events[after:]
            if message.get("Event") == kind
            and all(message.get(name) == value for name, value in wanted.items())
        ]

    async def _wait(self, found: Callable[[], T | None], deadline_s: float, what: str = "") -> T:
        try:
            async with patience(deadline_s):
                while (value := found()) is None:
                    self._news.clear()
                    await self._news.wait()
                return value
        except TimeoutError as error:
            raise AssertionError(f"not within {deadline_s} s: {what or 'a reply'}") from error

    async def read(self) -> None:
        while True:
            try:
                raw = await self.reader.readuntil(END)
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            self._sort(AmiMessage(datetime.now(UTC), raw))

    def _sort(self, message: AmiMessage) -> None:
        action_id = message.get("ActionID")
        if action_id:
            self.replies.setdefault(action_id, []).append(message)
        else:
            self.events.append(message)
        self._news.set()


@asynccontextmanager
async def ami_tap(port: int, username: str, secret: str) -> AsyncIterator[AmiTap]:
    """Log in; yield the session; log off."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
    await reader.readline()  # the banner
    tap = AmiTap(reader, writer)
    reading = asyncio.create_task(tap.read(), name="ami tap")
    try:
        reply = await tap.action("Login", Username=username, Secret=secret)
        assert reply.get("Response") == "Success", reply.raw
        yield tap
    finally:
        writer.close()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
