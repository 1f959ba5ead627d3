"""A TCP line that can be made bad, without firewall rules.

async with TcpProxy(pbx_port) as line:
    …connect to line.port…
    line.mode = Mode.HALF_OPEN     # nothing passes, nobody is told
    line.cut()                     # both ends see the connection reset, in mid-event if data flowed
    line.refuse = True             # new connections are closed at once
    line.reset_after(17)           # the next 17 bytes to the client pass, then reset
    line.bytes_per_s = 2_000       # so slow is each direction; what does not fit waits at its sender
    line.tamper = lambda data: data.replace(b"Press3", b"Prexx3")   # what clients get, segment by segment
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from enum import Enum, auto
from types import TracebackType

__all__ = ["Mode", "TcpProxy"]


class Mode(Enum):
    PASS = auto()
    TRICKLE = auto()  # one byte a segment
    HALF_OPEN = auto()  # bytes vanish in both directions, the connections stay


class TcpProxy:
    """Forwards loopback connections to `target_port`; its faults hold for old and new connections."""

    def __init__(self, target_port: int) -> None:
        self.mode = Mode.PASS
        self.refuse = False
        self.bytes_per_s: int | None = None
        self.tamper: Callable[[bytes], bytes] = lambda data: data
        self.port = 0
        self.target_port = target_port
        self._left_bytes: int | None = None
        self._server: asyncio.Server | None = None
        self._lines: dict[asyncio.Task[None], tuple[asyncio.StreamWriter, ...]] = {}

    async def __aenter__(self) -> "TcpProxy":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        tasks = list(self._lines)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def cut(self) -> None:
        """Reset every connection at both ends."""
        for writers in self._lines.values():
            for writer in writers:
                _reset(writer)

    def reset_after(self, size_bytes: int) -> None:
        """Let so many more bytes reach the clients, then reset everything, once."""
        self._left_bytes = size_bytes

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._lines[task] = (writer,)
        try:
            if not self.refuse:
                await self._carry(task, reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # a line of a test that breaks lines; Python 3.11 logs a cancelled handler as a fault
        finally:
            for each in self._lines.pop(task):
                each.close()

    async def _carry(
        self, task: asyncio.Task[None], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
        self._lines[task] = (writer, far_writer)
        async with asyncio.TaskGroup() as both:
            both.create_task(self._pump(reader, far_writer, to_client=False))
            both.create_task(self._pump(far_reader, writer, to_client=True))

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, to_client: bool
    ) -> None:
        try:
            while data := await reader.read(65536):
                if self.mode is not Mode.HALF_OPEN:
                    await self._forward(data, writer, to_client=to_client)
        except OSError:
            pass
        if self.mode is not Mode.HALF_OPEN:
            writer.close()

    async def _forward(self, data: bytes, writer: asyncio.StreamWriter, *, to_client: bool) -> None:
        if to_client:
            data = self.tamper(data)
        left = self._left_bytes if to_client else None
        if left is not None:
            data, self._left_bytes = data[:left], left - len(data[:left])
        while data:
            data = await self._step(data, writer)
        if left is not None and self._left_bytes == 0:
            self._left_bytes = None
            self.cut()

    async def _step(self, data: bytes, writer: asyncio.StreamWriter) -> bytes:
        """Send the next segment as slowly as the line is now; return what is left."""
        size = 1 if self.mode is Mode.TRICKLE else len(data)
        rate, pause_s = self.bytes_per_s, 0.0
        if rate is not None:
            size = min(size, max(rate // 20, 1))
            pause_s = size / rate
        writer.write(data[:size])
        await writer.drain()
        await asyncio.sleep(pause_s)
        return data[size:]


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
