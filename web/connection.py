"""A client's connection with limits: how long a head, a body and the reading of an answer may take.

aiohttp limits how long a connection may be idle between requests, and nothing else: a head that never
ends holds it for an hour. `Connection` is its request handler with a deadline for each step that is the
client's, and it tells the door (`people.door`) whose turn it is. Also its own refusals (no HTTP, a head
too large) are problem documents with our headers here.
"""

import asyncio
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from aiohttp import web

from people.door import Guest
from web.guard import BARE_HEADERS
from web.problems import ApiError, problem_of

__all__ = ["Connection", "Limits", "make_heavier", "make_known", "take_over"]


_READING_S = (
    10  # an answer may be read so long before its reader makes room for others of its address
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds that a client may take for a head, for reading an answer as a stranger and as a signed-in
    person (a paused player reads nothing), and between requests: of its own and, longer than they keep
    theirs, for proxies. `head_bytes` is the limit of a whole head."""

    head_s: float = 10
    answer_s: float = 60
    signed_in_answer_s: float = 900
    idle_s: float = 75
    proxy_idle_s: float = 3_600
    head_bytes: int = 32_768


class Connection(web.RequestHandler):
    """Serves one connection for `guest`, and keeps the door informed whether it waits or works."""

    def __init__(
        self,
        manager: web.Server,
        guest: Guest,
        limits: Limits = Limits(),
        *,
        from_proxy: bool = False,
    ) -> None:
        super().__init__(
            manager,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # aiohttp's word for "no log"
            keepalive_timeout=limits.proxy_idle_s if from_proxy else limits.idle_s,
            lingering_time=5,
            max_headers=64,
        )
        self.guest: Guest | None = guest
        self._limits = limits
        self._asking: Guest | None = None  # whose request a proxy passes on
        self._line: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._in_head = True
        self._head_bytes = 0
        self._body: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._line = self.transport
        self._until(self._limits.head_s, self._no_head)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._until(None)
        self._answered()
        if self.guest is not None:
            self.guest.leave()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        before = self._request_count
        super().data_received(data)
        # Another request before the answer to the last: no browser or proxy does that. Answers that
        # nobody reads would be made for it, so the connection ends after the one in hand.
        if len(self._messages) + (self._current_request is not None) > 1:
            self.close()
        if self._request_count > before:
            self._head_came()
        elif self._waiter is not None and not self._waiter.done():
            self._head_grows(len(data))
        elif self._body is not None and self._body.is_eof():
            self._works()

    def _head_came(self) -> None:
        self._until(None)
        self._in_head, self._head_bytes = False, 0
        if self._messages:
            self._body = self._messages[-1][1]
        if self._body is None or self._body.is_eof():
            self._works()
        else:
            self._waits()

    def _head_grows(self, more: int) -> None:
        if not self._in_head:
            self._in_head = True
            self._until(self._limits.head_s, self._no_head)
        self._head_bytes += more
        if self._head_bytes > self._limits.head_bytes:
            self._refuse(ApiError("too-large", "The head of the request is too large.", status=431))

    def _works(self) -> None:
        self._body = None
        for guest in (self.guest, self._asking):
            if guest is not None:
                guest.busy()

    def _waits(self, patience_s: float = 0) -> None:
        for guest in (self.guest, self._asking):
            if guest is not None:
                guest.waits(self._loop.time() + patience_s)

    def passes_on(self, address: str) -> None:
        """The connection is a trusted proxy's, the request in hand that of a client at `address`."""
        if self.guest is None or self._line is None:
            return
        self.guest.is_proxy()
        if self._asking is not None:
            self._asking.leave()
        now_s = self._loop.time()
        self._asking = self.guest.beside(address, self._line.abort, now_s=now_s)
        if self._body is None:
            self._asking.busy()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        if isinstance(
            resp, web.HTTPException
        ):  # raised before our handlers: an Expect that is none
            resp = _OwnAnswer(problem_of(resp) or ApiError("internal"))
        if self.guest is None:  # handed over: the answer goes nowhere
            return await super().finish_response(request, resp, start_time)
        self._waits(_READING_S)
        limits, person = self._limits, (self._asking or self.guest).person
        self._until(limits.answer_s if person is None else limits.signed_in_answer_s, self._cut)
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self._until(None)
            self._answered()
            if self.guest is not None:
                self.guest.waits(self._loop.time())

    def hand_over(self, since_s: float) -> Guest | None:
        """Return the guest, as a stranger who waits from `since_s` on; the taker sees it to its end."""
        guest, self.guest = self.guest, None
        if guest is not None:
            address = guest.address if self._asking is None else self._asking.address
            guest.moves(address, since_s=since_s)
        return guest

    def weighs(self, weight: int) -> bool:
        return self.guest is None or self.guest.weighs(weight)

    def known(self, person: int | None) -> bool:
        """Return whether the one who asks may hold one more connection; None: no valid session."""
        guest = self._asking or self.guest
        return guest is None or guest.known(person)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what aiohttp itself refuses, or a fault outside our handlers, as everything is answered."""
        super().handle_error(request, status, exc, message)  # logs; raises when an answer has begun
        is_theirs = status < 500
        problem = ApiError("malformed", "The request is no HTTP.", status=status)
        answer = _OwnAnswer(problem if is_theirs else ApiError("internal"))
        answer.force_close()
        return answer

    def _no_head(self) -> None:
        if self._head_bytes == 0:
            self._cut()
        else:
            self._refuse(ApiError("too-slow", "The head of the request did not come in time."))

    def _refuse(self, problem: ApiError) -> None:
        """Write the answer past aiohttp, which has no request yet, and close."""
        if self.transport is not None:
            self.transport.write(_raw(problem))
            self._until(self._limits.head_s, self._cut)  # for one who does not even read that
            self.force_close()

    def _cut(self) -> None:
        if self._line is not None:
            self._line.abort()

    def _answered(self) -> None:
        if self._asking is not None:
            self._asking.leave()
            self._asking = None

    def _until(self, limit_s: float | None, late: Callable[[], None] | None = None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if limit_s is not None and late is not None:
            self._deadline = self._loop.call_later(limit_s, late)


def make_known(request: web.Request, person: int | None) -> None:
    """Say whose request it is; raises ApiError when the person holds too many connections."""
    line = request.protocol
    if isinstance(line, Connection) and not line.known(person):
        raise ApiError("too-many-connections", headers={"Retry-After": "1"})


def make_heavier(request: web.Request, *, sockets: int) -> None:
    """Say that the connection takes `sockets` in all; raises ApiError when there is no room for that."""
    line = request.protocol
    if isinstance(line, Connection) and not line.weighs(sockets):
        raise ApiError("unavailable", "Too many screens at once; try again soon.")


def take_over(request: web.Request, *, patience_s: float) -> Guest | None:
    """Take the guest of a connection that is no longer HTTP's; it waits only `patience_s` from now."""
    line = request.protocol
    if not isinstance(line, Connection):
        return None
    return line.hand_over(asyncio.get_running_loop().time() + patience_s)


class _OwnAnswer(web.Response):
    """The answer to a request that never came to our application, where the headers are set."""

    def __init__(self, problem: ApiError) -> None:
        super().__init__(
            body=_document(problem), status=problem.http_status, headers=_headers(problem)
        )

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self.headers.popall("Server", None)


def _document(problem: ApiError) -> bytes:
    return json.dumps(problem.to_json(f"urn:uuid:{uuid.uuid4()}")).encode()


def _headers(problem: ApiError) -> dict[str, str]:
    return {
        "Content-Type": "application/problem+json",
        "Cache-Control": "no-store",
        **BARE_HEADERS,
        **problem.headers,
    }


def _raw(problem: ApiError) -> bytes:
    status, body = HTTPStatus(problem.http_status), _document(problem)
    headers = {**_headers(problem), "Content-Length": str(len(body)), "Connection": "close"}
    lines = [f"HTTP/1.1 {status.value} {status.phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
