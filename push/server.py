"""The push socket: the only file that knows websockets.

It listens on a private unix socket, and the web server hands connections through (`/ws`), so that one
port serves both; or on a port of its own. A screen says hello with a one-time ticket, is welcomed, catches up, and joins.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from websockets.asyncio.server import Server, ServerConnection, serve, unix_serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.http11 import Request, Response
from websockets.protocol import State

from people import tickets
from people.access.audience import Viewer
from people.door import Door, DoorLimits, Guest
from people.tickets import Admitted
from push import pops
from push.errors import (
    BadMessage,
    HelloTimeout,
    PushError,
    SessionEnded,
    SlowReader,
    TicketRefused,
    close_code,
    close_reason,
)
from push.hub import Hub, Screen
from push.messages import Ack, Hello, encode, encode_welcome, parse
from push.snapshot import missed, start
from push.viewers import viewers_of
from store.errors import StoreError
from store.writer import Writer

__all__ = ["SOCKET_PATH_LIMIT", "PushServer", "PushSettings"]

log = structlog.get_logger(__name__)

_GUEST = "X-Press3-Guest"
_ALL = 1_000_000  # where nobody counts descriptors
SOCKET_PATH_LIMIT = 100  # bytes; sun_path holds 108 with its zero


@dataclass(frozen=True, kw_only=True)
class PushSettings:
    """Listens at `address` (host, port; 0: any free one), or where that is None at the private `socket`.

    A browser must come from a page of the very host and port that it asks, or from one in `origins`.
    With an address of our own the page's port is another: `page_port` is it. `door` counts the
    connections; `client_of` returns from the peer's address and the headers where a client is counted.
    """

    socket: Path | None = None
    address: tuple[str, int] | None = None
    origins: tuple[str, ...] = ()
    page_port: Callable[[], int | None] = lambda: None
    hello_timeout_s: float = 5
    send_timeout_s: float = 10
    close_timeout_s: float = 2
    ping_every_s: float = 20
    ping_timeout_s: float = 20
    session_check_every_s: float = 3
    message_limit_bytes: int = 4_096
    strangers_limit: int = 2_000
    door: Door = field(default_factory=lambda: Door(DoorLimits(descriptors=_ALL)))
    client_of: Callable[[str, Iterable[tuple[str, str]]], str] = lambda peer, headers: peer


class _Connection(ServerConnection):
    """A connection and its guest.

    The guest is known from the first byte on a port of our own, else the splice names it.
    """

    guest: Guest | None = None
    own_port: PushSettings | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        if self.own_port is not None and isinstance(peer, tuple):
            door, address = self.own_port.door, self.own_port.client_of(str(peer[0]), ())
            now_s = asyncio.get_running_loop().time()
            self.guest = door.enter(address, self.transport.abort, now_s=now_s)
            if door.is_crowded:
                self.guest.cut()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.own_port is not None and self.guest is not None:
            self.guest.leave()


class _Wire:
    """A websockets connection as the hub's `Wire`. Whole frames are written between the library's own."""

    def __init__(
        self, connection: ServerConnection, cut: Callable[[ServerConnection, PushError], None]
    ) -> None:
        self._connection = connection
        self._cut = cut

    def write(self, frame: bytes) -> None:
        if self._connection.state is State.OPEN:
            self._connection.transport.write(frame)

    def backlog_bytes(self) -> int:
        return self._connection.transport.get_write_buffer_size()

    def cut(self, error: PushError) -> None:
        self._cut(self._connection, error)


class PushServer:
    """`async with PushServer(...) as server: await server.run()`; leaving it closes every screen (1001).

    Needs a relay running on the same `hub`; screens wait for it.
    """

    def __init__(
        self,
        settings: PushSettings,
        hub: Hub,
        *,
        sessions: async_sessionmaker[AsyncSession],
        writer: Writer,
        now: Callable[[], datetime],
    ) -> None:
        if settings.address is None and settings.socket is None:
            raise ValueError("push needs an address or a socket to listen at")
        if len(str(settings.socket or "").encode()) > SOCKET_PATH_LIMIT:
            raise ValueError(f"path of the push socket is too long for a socket: {settings.socket}")
        self._settings = settings
        self._hub = hub
        self._sessions = sessions
        self._writer = writer
        self._now = now
        self._strangers = 0
        self._closing: set[asyncio.Task[None]] = set()
        self._server: Server | None = None

    async def __aenter__(self) -> "PushServer":
        """Listen. Raises OSError when the address can't be had."""
        settings = self._settings
        options: dict[str, Any] = {
            "process_request": self._check_request,
            "compression": None,
            "open_timeout": settings.hello_timeout_s,
            "close_timeout": settings.close_timeout_s,
            "ping_interval": settings.ping_every_s,
            "ping_timeout": settings.ping_timeout_s,
            "max_size": settings.message_limit_bytes,
            "server_header": None,
            "create_connection": self._new_connection,
        }
        if settings.address is not None:
            self._server = await serve(self._attend, *settings.address, **options)
        elif settings.socket is not None:
            settings.socket.unlink(missing_ok=True)  # left by a service that was killed
            self._server = await unix_serve(self._attend, str(settings.socket), **options)
            settings.socket.chmod(0o600)
        return self

    def _new_connection(self, *given: Any, **options: Any) -> ServerConnection:
        connection = _Connection(*given, **options)
        connection.own_port = self._settings if self._settings.address is not None else None
        return connection

    @property
    def port(self) -> int | None:
        """The port of our own, once we listen; None where there is none."""
        if self._settings.address is None or self._server is None:
            return None
        return int(next(iter(self._server.sockets)).getsockname()[1])

    async def __aexit__(self, *exc_info: object) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        await asyncio.gather(*self._closing, return_exceptions=True)
        if self._settings.socket is not None:
            self._settings.socket.unlink(missing_ok=True)

    async def run(self) -> None:
        """Cut off screens whose session has ended, for ever."""
        while True:
            await asyncio.sleep(self._settings.session_check_every_s)
            try:
                await self.check_sessions()
            except SQLAlchemyError as error:
                # Asked again: a database that is away must not sign everybody out.
                log.error("sessions of connected screens can't be checked", error=str(error))

    async def check_sessions(self) -> None:
        """Cut off every screen whose session was revoked, has expired, or whose person was disabled."""
        screens = self._hub.screens()
        async with self._sessions() as session:
            alive = await viewers_of(session, {s.session_hash for s in screens}, self._now())
        for screen in screens:
            viewer = alive.get(screen.session_hash)
            if viewer is None:
                screen.cut(SessionEnded())
            else:
                self._hub.see_as(screen, viewer)

    async def _check_request(
        self, connection: ServerConnection, request: Request
    ) -> Response | None:
        """Refuse browsers on other people's pages, and more strangers than we can greet."""
        self._find_guest(connection, request)
        if not _is_own_origin(request, self._settings):
            return connection.respond(
                HTTPStatus.FORBIDDEN, "This page may not connect: its Origin is another site.\n"
            )
        if self._strangers >= self._settings.strangers_limit:
            return connection.respond(
                HTTPStatus.SERVICE_UNAVAILABLE, "Too many connections at once; try again soon.\n"
            )
        return None

    def _find_guest(self, connection: ServerConnection, request: Request) -> None:
        """Learn whose the connection is: the splice names the guest, a proxy its client."""
        if not isinstance(connection, _Connection):
            return
        settings, guest = self._settings, connection.guest
        if connection.own_port is None or guest is None:
            connection.guest = settings.door.claim(request.headers.get(_GUEST, ""))
            return
        peer = str(connection.transport.get_extra_info("peername")[0])
        client = settings.client_of(peer, request.headers.raw_items())
        since_s = asyncio.get_running_loop().time() + settings.hello_timeout_s
        guest.moves(client, since_s=since_s)

    async def _attend(self, connection: ServerConnection) -> None:
        """Serve one screen from its hello to its end, whatever that is."""
        try:
            await self._serve(connection)
        except PushError as error:
            await self._close(connection, close_code(error), close_reason(error))
        except ConnectionClosed:
            pass  # the usual end of a screen
        except (SQLAlchemyError, StoreError) as error:
            log.error("screen can't be served, the database failed", error=str(error))
            reason = "database not available; reconnect"
            await self._close(connection, CloseCode.TRY_AGAIN_LATER, reason)

    async def _serve(self, connection: ServerConnection) -> None:
        _forget_headers(connection)
        hello, admitted = await self._greet(connection)
        viewer = Viewer.of(admitted.employee)
        with self._hub.seat(viewer.id):
            if isinstance(connection, _Connection) and connection.guest is not None:
                connection.guest.is_screen()
            wire = _Wire(connection, self._cut)
            screen = Screen(viewer, wire, session_hash=admitted.session_hash)
            await self._catch_up(connection, screen, hello.last_seq)
            with self._hub.joined(screen):  # no await since it was level: it misses nothing
                await self._listen(connection, screen)

    async def _greet(self, connection: ServerConnection) -> tuple[Hello, Admitted]:
        self._strangers += 1
        try:
            hello = await self._hello(connection)
            return hello, await self._admit(hello.ticket)
        finally:
            self._strangers -= 1

    async def _hello(self, connection: ServerConnection) -> Hello:
        limit_s = self._settings.hello_timeout_s
        try:
            async with asyncio.timeout(limit_s):
                said = parse(await connection.recv())
        except TimeoutError:
            raise HelloTimeout(limit_s) from None
        if not isinstance(said, Hello):
            raise BadMessage("the first message must be a hello")
        return said

    async def _admit(self, ticket: str) -> Admitted:
        now = self._now()
        admitted = await self._writer.run(lambda session: tickets.redeem(session, ticket, now))
        if admitted is None:
            raise TicketRefused
        return admitted

    async def _catch_up(
        self, connection: ServerConnection, screen: Screen, last_seq: int | None
    ) -> None:
        """Welcome `screen` and send what it missed, until it is level with the hub."""
        begin = await start(self._sessions, screen.viewer, last_seq)
        screen.seq = begin.seq
        await self._send(connection, encode_welcome(begin.seq, begin.snapshot))
        await self._hub.begun.wait()
        while not self._hub.is_level(screen):
            async with self._sessions() as session:
                messages, upto = await missed(session, screen.viewer, screen.seq)
            for message in messages:
                await self._send(connection, encode(message))
            screen.seq = upto

    async def _send(self, connection: ServerConnection, text: bytes) -> None:
        try:
            async with asyncio.timeout(self._settings.send_timeout_s):
                await connection.send(text, text=True)
        except TimeoutError:
            raise SlowReader from None

    async def _listen(self, connection: ServerConnection, screen: Screen) -> None:
        async for text in connection:
            said = parse(text)
            if not isinstance(said, Ack):
                raise BadMessage("hello was said already")
            await self._ack(said.pop_id, screen.viewer.id)

    async def _ack(self, pop_id: str, employee_id: int) -> None:
        now = self._now()
        await self._writer.run(lambda session: pops.ack(session, pop_id, employee_id, now=now))

    def _cut(self, connection: ServerConnection, error: PushError) -> None:
        """Close without waiting."""
        log.info("screen is cut off", code=close_code(error), why=str(error))
        closing = self._close(connection, close_code(error), close_reason(error))
        task = asyncio.create_task(closing, name="push-cut")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _close(self, connection: ServerConnection, code: int, reason: str) -> None:
        """Say why, and drop who does not take even that: the library waits for a full socket for ever."""
        try:
            async with asyncio.timeout(self._settings.close_timeout_s):
                await connection.close(code, reason)
        except TimeoutError:
            connection.transport.abort()


def _forget_headers(connection: ServerConnection) -> None:
    """The handshake is over; its headers would be a tenth of what a screen costs while it is there."""
    for said in (connection.request, connection.response):
        if said is not None:
            said.headers.clear()


def _is_own_origin(request: Request, settings: PushSettings) -> bool:
    """Programs send no Origin; a browser must be on a page of the host it asks, or on an allowed one."""
    origins, hosts = request.headers.get_all("Origin"), request.headers.get_all("Host")
    if not origins:
        return True
    if len(origins) > 1 or len(hosts) != 1:
        return False
    origin, asked = origins[0], hosts[0]
    if origin in settings.origins:
        return True
    if settings.address is None:
        return _netloc(origin) == asked
    page_port = settings.page_port()
    return page_port is not None and _host_and_port(origin) == (_host(asked), page_port)


def _netloc(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:  # no such address
        return None


def _host_and_port(origin: str) -> tuple[str | None, int | None]:
    try:
        page = urlsplit(origin)
        return page.hostname, page.port or {"http": 80, "https": 443}.get(page.scheme)
    except ValueError:  # no such address
        return None, None


def _host(netloc: str) -> str | None:
    try:
        return urlsplit(f"//{netloc}").hostname
    except ValueError:
        return None
