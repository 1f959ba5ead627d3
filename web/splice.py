"""`/ws`: hand a browser's connection to the push socket, byte for byte, so that one port serves both.

The push server is websockets on a private unix socket; it does the handshake itself. Here only the
request line and headers are written again, then both directions are coupled with back-pressure: a
browser that does not read makes the push server's buffer grow, and the push server decides. Once they
are coupled aiohttp forgets the connection: what it keeps of a request would cost more than the splice.
"""

import asyncio
from contextlib import suppress
from pathlib import Path

from aiohttp import web

from people.door import Guest
from web.connection import make_heavier, take_over
from web.problems import ApiError

__all__ = ["Splices"]

# Hop-by-hop headers but those of the upgrade itself stay here; a body has no business in a handshake.
_DROPPED = {b"transfer-encoding", b"content-length", b"te", b"trailer", b"proxy-authorization"}
_GUEST = b"X-Press3-Guest"  # by which the push server finds who is behind the splice
_DROPPED |= {_GUEST.lower()}

_DRAIN_S = 2  # less than the stage of the stop in which it happens
_SOCKETS = 3  # of a screen: the browser's, and both ends of the push socket
_HELLO_S = 4  # a screen's hello comes with its ticket, so it is waited for longer than a head
_LAST_WORDS_S = 5  # what was written last (a close frame) has so long to reach a browser that reads


class _Half(asyncio.Protocol):
    """One side: what comes in goes out at `peer`, as fast as the peer takes it."""

    __slots__ = ("_guest", "_splices", "_stalled", "peer")

    def __init__(self, splices: "Splices", guest: Guest | None = None) -> None:
        self._guest = guest
        self._splices = splices
        self._stalled: asyncio.TimerHandle | None = None
        self.peer: asyncio.Transport | None = None

    def data_received(self, data: bytes) -> None:
        if self.peer is not None:
            self.peer.write(data)

    # No eof_received: a side that says no more is closed, and the other after it, with what was written.
    # WebSocket's own close frames come before; half-open sockets would only be left lying about.

    def connection_lost(self, exc: Exception | None) -> None:
        self._splices.ended(self)
        self._moves()
        was_cut = self._guest is not None and self._guest.is_gone
        if self._guest is not None:
            self._guest.leave()
        if self.peer is None:
            return
        if exc is not None or was_cut:
            self.peer.abort()
        elif not self.peer.is_closing():
            self.peer.close()
            asyncio.get_running_loop().call_later(_LAST_WORDS_S, self.peer.abort)

    def pause_writing(self) -> None:
        """Who takes nothing is not read for; so the other side's end would not be seen: a limit sees it."""
        if self.peer is not None and not self.peer.is_closing():
            self.peer.pause_reading()
            loop = asyncio.get_running_loop()
            self._stalled = loop.call_later(self._splices.stalled_s, self.peer.abort)

    def resume_writing(self) -> None:
        self._moves()
        if self.peer is not None and not self.peer.is_closing():
            self.peer.resume_reading()

    def _moves(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None


class Splices:
    """The connections handed to the push socket at `socket` (None: push is not served here).

    One that takes nothing for `stalled_s` seconds is cut.
    """

    def __init__(self, socket: Path | None, *, stalled_s: float = 30) -> None:
        self.stalled_s = stalled_s
        self._socket = socket
        self._open: set[_Half] = set()
        self._none_open = asyncio.Event()

    async def couple(self, request: web.Request) -> web.StreamResponse:
        """Couple the request's connection with the push socket, until either side ends it."""
        browser = request.transport
        if request.headers.get("Upgrade", "").lower() != "websocket":
            raise ApiError("malformed", "This address speaks WebSocket only.", status=426)
        if self._socket is None or browser is None:
            raise ApiError(
                "unavailable", "Push is not served here; POST /api/v1/push-ticket says where."
            )
        make_heavier(request, sockets=_SOCKETS)
        upstream, inner = await self._dial(self._socket)
        if browser.is_closing():  # gone while the push socket was dialled
            upstream.abort()
            return web.Response()
        outer = _Half(self)
        guest = take_over(request, patience_s=_HELLO_S)
        outer = _Half(self, guest)
        inner.peer, outer.peer = browser, upstream
        self._open |= {inner, outer}
        browser.set_protocol(outer)
        upstream.write(_head(request, guest))
        _forget(request)
        return web.Response()

    async def _dial(self, socket: Path) -> tuple[asyncio.Transport, _Half]:
        try:
            return await asyncio.get_running_loop().create_unix_connection(
                lambda: _Half(self), str(socket)
            )
        except OSError:
            raise ApiError("unavailable", "Push is not running now; try again soon.") from None

    def ended(self, half: _Half) -> None:
        """One side is gone, everything that was written to it with it."""
        self._open.discard(half)
        if not self._open:
            self._none_open.set()

    async def drain(self, app: web.Application) -> None:
        """Let what the push server wrote last reach the browsers, but no longer than that may take."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_S):
                while self._open:
                    self._none_open.clear()
                    await self._none_open.wait()
        for half in self._open:
            if half.peer is not None:
                half.peer.abort()


def _forget(request: web.Request) -> None:
    """Let aiohttp take the connection for lost, without closing it: its answer then goes nowhere."""
    request.protocol.transport = None
    request.protocol.connection_lost(None)


def _head(request: web.Request, guest: Guest | None) -> bytes:
    lines = [f"{request.method} {request.raw_path} HTTP/1.1".encode()]
    lines += [name + b": " + v for name, v in request.raw_headers if name.lower() not in _DROPPED]
    if guest is not None:
        lines.append(_GUEST + b": " + guest.named().encode())
    return b"\r\n".join([*lines, b"", b""])
