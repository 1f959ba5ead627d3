"""`/ws`: hand a browser's connection to the push socket, byte for byte, so that one port serves both.

The push server is websockets on a private unix socket; it does the handshake itself. Here only the
request line and headers are written again, then both directions are coupled with back-pressure: a
browser that does not read makes the push server's buffer grow, and the push server decides.
"""

import asyncio
from pathlib import Path

from aiohttp import web

from web.problems import ApiError

__all__ = ["splice"]

# Hop-by-hop headers but those of the upgrade itself stay here; a body has no business in a handshake.
_DROPPED = {b"transfer-encoding", b"content-length", b"te", b"trailer", b"proxy-authorization"}

_LAST_WORDS_S = 5  # what was written last (a close frame) has so long to reach a browser that reads


class _Half(asyncio.Protocol):
    """One side: what comes in goes out at `peer`, as fast as the peer takes it.

    `before` is the protocol that this one replaced; it must hear of the end too, or aiohttp would keep
    a dead connection in its books for ever.
    """

    def __init__(self, before: asyncio.BaseProtocol | None = None) -> None:
        self._before = before
        self.peer: asyncio.Transport | None = None
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        if self.peer is not None:
            self.peer.write(data)

    # No eof_received: a side that says no more is closed, and the other after it, with what was written.
    # WebSocket's own close frames come before; half-open sockets would only be left lying about.

    def connection_lost(self, exc: Exception | None) -> None:
        if self.peer is not None:
            self.peer.close() if exc is None else self.peer.abort()
        if not self.closed.done():
            self.closed.set_result(None)
        if self._before is not None:
            self._before.connection_lost(exc)

    def pause_writing(self) -> None:
        if self.peer is not None and not self.peer.is_closing():
            self.peer.pause_reading()

    def resume_writing(self) -> None:
        if self.peer is not None and not self.peer.is_closing():
            self.peer.resume_reading()


async def splice(request: web.Request, socket: Path | None) -> web.StreamResponse:
    """Couple the request's connection with the push socket until either side ends it."""
    browser = request.transport
    if request.headers.get("Upgrade", "").lower() != "websocket":
        raise ApiError("malformed", "This address speaks WebSocket only.", status=426)
    if socket is None or browser is None:
        raise ApiError(
            "unavailable", "Push is not served here; POST /api/v1/push-ticket says where."
        )
    try:
        upstream, inner = await asyncio.get_running_loop().create_unix_connection(
            _Half, str(socket)
        )
    except OSError:
        raise ApiError("unavailable", "Push is not running now; try again soon.") from None
    outer = _Half(request.protocol)
    inner.peer, outer.peer = browser, upstream
    browser.set_protocol(outer)
    upstream.write(_head(request))
    await _until_closed(inner, outer, browser, upstream)
    return web.Response()


async def _until_closed(
    inner: _Half, outer: _Half, browser: asyncio.Transport, upstream: asyncio.Transport
) -> None:
    """Wait for the end of both sides: nothing may be written to the browser after the push server's last."""
    try:
        if browser.is_closing():  # gone while the push socket was dialled
            upstream.abort()
        await asyncio.wait({inner.closed, outer.closed}, return_when=asyncio.FIRST_COMPLETED)
        browser.close()
        upstream.close()
        await asyncio.wait({inner.closed, outer.closed}, timeout=_LAST_WORDS_S)
    finally:
        browser.abort()
        upstream.abort()


def _head(request: web.Request) -> bytes:
    lines = [f"{request.method} {request.raw_path} HTTP/1.1".encode()]
    lines += [name + b": " + v for name, v in request.raw_headers if name.lower() not in _DROPPED]
    return b"\r\n".join([*lines, b"", b""])
