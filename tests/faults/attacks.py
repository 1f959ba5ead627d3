"""Clients that hold connections and do as little as they can: what an attacker with one machine has."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress

from tests.timing import Stopwatch

__all__ = ["ATTACKS", "Attackers", "attacked", "probe"]

_HEAD = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
_SIGN_IN = b"POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n{"
_AT_ONCE = 64
_SOON_S = 0.5

Attack = Callable[["Attackers"], Awaitable[None]]


class Attackers:
    """`count` connections to `host`:`port`, all of one address; `each` may be sent on all that are open."""

    def __init__(self, host: str, port: int, count: int) -> None:
        self.host, self.port, self.count = host, port, count
        self.open: list[socket.socket] = []

    async def connect(self, *, first: bytes = b"", small_buffer: bool = False) -> None:
        loop = asyncio.get_running_loop()
        for n in range(self.count):
            each = socket.socket()
            if small_buffer:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
            each.setblocking(False)
            self.open.append(each)
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(3):
                    await loop.sock_connect(each, (self.host, self.port))
                each.send(first)
            if n % _AT_ONCE == 0:
                await asyncio.sleep(0)

    async def each(self, data: bytes) -> None:
        """Send `data` on every connection that still takes it."""
        for n, each in enumerate(self.open):
            with suppress(OSError):
                each.send(data)
            if n % _AT_ONCE == 0:
                await asyncio.sleep(0)

    def still_open(self) -> int:
        """Return how many press3 has not closed. Reads what they were sent."""
        return sum(_is_open(each) for each in self.open)

    def close(self) -> None:
        for each in self.open:
            each.close()


def _is_open(each: socket.socket) -> bool:
    try:
        while each.recv(65_536):
            pass
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


async def silent(them: Attackers) -> None:
    await them.connect()


async def slow_head(them: Attackers) -> None:
    """A byte of the head a second."""
    await them.connect(first=_HEAD)
    for letter in b"X-Slow: " + b"x" * 600:
        await asyncio.sleep(1)
        await them.each(bytes([letter]))


async def slow_body(them: Attackers) -> None:
    await them.connect(first=_SIGN_IN)
    for _ in range(600):
        await asyncio.sleep(1)
        await them.each(b'"')


async def huge_headers(them: Attackers) -> None:
    await them.connect(first=_HEAD)
    for n in range(600):
        await them.each(f"X-Huge-{n}: {'x' * 4_000}\r\n".encode())
        await asyncio.sleep(0.1)


async def idle(them: Attackers) -> None:
    """Each was answered once, and keeps its connection."""
    await them.connect(first=_HEAD + b"\r\n")


async def slow_reader(them: Attackers) -> None:
    """Many long answers are asked for on each, and none is read."""
    ask = b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
    await them.connect(first=ask * 16, small_buffer=True)


async def half_closed(them: Attackers) -> None:
    await them.connect(first=_HEAD)
    for each in them.open:
        with suppress(OSError):
            each.shutdown(socket.SHUT_WR)


async def no_hello(them: Attackers) -> None:
    """Sockets of screens that were opened and say nothing."""
    await them.connect(
        first=b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
    )


ATTACKS: Mapping[str, Attack] = {
    "silent": silent,
    "slow_head": slow_head,
    "slow_body": slow_body,
    "huge_headers": huge_headers,
    "idle": idle,
    "slow_reader": slow_reader,
    "half_closed": half_closed,
    "no_hello": no_hello,
}


@asynccontextmanager
async def attacked(url: str, name: str, count: int) -> AsyncIterator[Attackers]:
    """Run the attack `name` on `url` with `count` connections."""
    host, _, port = url.removeprefix("http://").removeprefix("ws://").partition(":")
    them = Attackers(host, int(port.partition("/")[0]), count)
    running = asyncio.create_task(ATTACKS[name](them))
    try:
        yield them
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        them.close()


async def probe(url: str, path: str, **headers: str) -> tuple[int, float]:
    """Ask over a new connection; return the status and the seconds it took, less those the machine withheld."""
    host, _, port = url.removeprefix("http://").partition(":")
    watch = Stopwatch()
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection(host, int(port))
        lines = [f"GET {path} HTTP/1.1", "Host: x", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        answer = await reader.read()
    took_s = watch.passed_s
    writer.close()
    status = int(answer.split()[1]) if answer else 0
    # What a moment's wait was withheld is known only when the thread that waited runs again.
    return status, took_s if took_s < _SOON_S else watch.own_s
