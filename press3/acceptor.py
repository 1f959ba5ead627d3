"""Listen at host and port, and let clients in as the door allows: accepting pauses, it never fails in a loop."""

import asyncio
import errno
import resource
import socket
from collections.abc import Callable

import structlog

from people.door import Door, Guest
from web.client import place

__all__ = ["Acceptor", "keep_thin", "raise_descriptors"]

log = structlog.get_logger(__name__)

_BACKLOG = 1_024
_AT_ONCE = 16  # accepted before those that are connected get their turn
_CLOSING = 64  # descriptors of clients that were cut; more must be free again before others come in
_PAUSE_S = 0.02
_SWEEP_EVERY_S = 0.25
_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_RESERVE = 256  # descriptors for the database, the PBXs, recordings and their workers


def raise_descriptors() -> int:
    """Raise the soft limit of open files to the hard one; return how many of them clients may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return max(hard - min(_RESERVE, hard // 4), 64)


async def keep_thin(door: Door) -> None:
    """Cut strangers that wait at addresses that hold too many of them, for ever."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(_SWEEP_EVERY_S)
        door.sweep(loop.time())


class Acceptor:
    """Accepts for `protocol`, made for each guest and its peer's address.

    `await listen(…)`, then `await run()` for ever.
    """

    def __init__(self, door: Door, protocol: Callable[[Guest, str], asyncio.Protocol]) -> None:
        self._door = door
        self._protocol = protocol
        self._sockets: list[socket.socket] = []
        self._coming: set[asyncio.Task[None]] = set()
        self._stopped = asyncio.Event()

    async def listen(self, host: str, port: int) -> None:
        """Listen at every address of `host`; raises OSError when one can't be had."""
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, _, _, _, address in dict.fromkeys(found):
            listener = socket.create_server(
                (str(address[0]), int(address[1])), family=family, backlog=_BACKLOG
            )
            listener.setblocking(False)
            self._sockets.append(listener)

    @property
    def port(self) -> int:
        return int(self._sockets[0].getsockname()[1])

    async def run(self) -> None:
        """Accept until `close`, then wait to be cancelled."""
        async with asyncio.TaskGroup() as tasks:
            accepting = [tasks.create_task(self._accept(each)) for each in self._sockets]
            await self._stopped.wait()
            for task in accepting:
                task.cancel()
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Accept nothing more; connected clients stay."""
        self._stopped.set()
        for listener in self._sockets:
            asyncio.get_running_loop().remove_reader(listener)
            listener.close()

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            for _ in range(_AT_ONCE):
                if self._door.is_full or self._door.closing > _CLOSING:
                    await asyncio.sleep(_PAUSE_S)
                    break
                try:
                    connection, peer = await loop.sock_accept(listener)
                except OSError as error:
                    await self._refused(error)
                    break
                self._let_in(connection, str(peer[0]))
            await asyncio.sleep(0)

    async def _refused(self, error: OSError) -> None:
        if error.errno in _NO_ROOM:
            log.warning("no descriptor for a client; accepting pauses", error=str(error))
            await asyncio.sleep(1)

    def _let_in(self, connection: socket.socket, peer: str) -> None:
        task = asyncio.create_task(self._connect(connection, peer), name="accepted")
        self._coming.add(task)
        task.add_done_callback(self._coming.discard)

    async def _connect(self, connection: socket.socket, peer: str) -> None:
        loop = asyncio.get_running_loop()
        transport: asyncio.Transport | None = None

        def cut() -> None:
            if transport is not None:
                transport.abort()

        guest = self._door.enter(place(peer), cut, now_s=loop.time())
        try:
            transport, _ = await loop.connect_accepted_socket(
                lambda: self._protocol(guest, peer), connection
            )
        except OSError:  # gone before it was in
            guest.leave()
            connection.close()
            return
        if guest.is_gone and transport is not None:
            transport.abort()
