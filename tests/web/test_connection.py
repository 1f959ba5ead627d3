"""A connection with its deadlines and its own refusals, over real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import pytest
from aiohttp import web

from people.door import Door, DoorLimits
from press3 import listening
from press3.acceptor import Acceptor, keep_thin
from press3.listening import Port
from tests.waiting import until
from web import requests
from web.api import Nothing
from web.app import _answer_errors
from web.connection import Connection, Limits
from web.schemas import ProblemDocument

SHORT = Limits(head_s=0.4, answer_s=0.6, signed_in_answer_s=0.6, idle_s=0.5, head_bytes=4_096)
HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n"
MUCH = b"x" * 30_000_000


@dataclass
class Served:
    door: Door
    port: int

    async def dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def answer(self, sent: bytes) -> bytes:
        """Send and return all that comes until press3 closes."""
        reader, writer = await self.dial()
        writer.write(sent)
        async with asyncio.timeout(10):
            answer = await reader.read()
        writer.close()
        return answer


def problem(answer: bytes) -> tuple[int, str]:
    """Return status and slug of an answer, which has our headers and no other software's name."""
    head, _, body = answer.partition(b"\r\n\r\n")
    headers = head.decode().lower()
    assert "content-type: application/problem+json" in headers
    assert "x-content-type-options: nosniff" in headers
    assert "content-security-policy: default-src 'none'" in headers
    assert "server:" not in headers
    document = ProblemDocument.model_validate(json.loads(body))
    assert document.status == int(head.split()[1])
    return document.status, document.type.rsplit(":", 1)[1]


@pytest.fixture
async def served(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    monkeypatch.setattr(listening, "Limits", lambda: SHORT)
    monkeypatch.setattr(requests, "_BODY_S", 0.4)
    async with serving(DoorLimits(patience_s=0.3)) as served:
        yield served


@asynccontextmanager
async def serving(limits: DoorLimits) -> AsyncIterator[Served]:
    async def answer(request: web.Request) -> web.Response:
        await requests.read_body(request, Nothing)
        return web.Response(body=MUCH if "much" in request.query else b"well")

    app = web.Application(middlewares=[_answer_errors])
    app.router.add_route("*", "/", answer)
    door = Door(limits)
    port = await Port.listen(app, "", "127.0.0.1", 0, door=door)
    tasks = [asyncio.create_task(work) for work in (port.run(), keep_thin(door))]
    yield Served(door, port.number)
    await port.stop_accepting()
    await port.finish()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_head_that_does_not_end_is_refused(served: Served) -> None:
    assert problem(await served.answer(HEAD + b"X: ")) == (408, "too-slow")


async def test_who_says_nothing_is_cut_without_a_word(served: Served) -> None:
    assert await served.answer(b"") == b""


async def test_bytes_that_trickle_in_do_not_move_the_deadline(served: Served) -> None:
    reader, writer = await served.dial()
    writer.write(HEAD)
    coming = asyncio.create_task(reader.read())

    async def trickle() -> bool:
        writer.write(b"x")
        return coming.done()

    await until(trickle, deadline_s=5, what="cut in the middle of a trickle")
    with suppress(ConnectionResetError):  # bytes that come after the answer take it away
        assert problem(coming.result()) == (408, "too-slow")
    writer.close()


async def test_a_second_head_on_the_same_connection_has_its_deadline_too(served: Served) -> None:
    reader, writer = await served.dial()
    writer.write(HEAD + b"\r\n")
    assert b"well" in await reader.readuntil(b"well")
    writer.write(HEAD)
    assert problem(await reader.read()) == (408, "too-slow")


async def test_a_body_that_does_not_end_is_refused(served: Served) -> None:
    sent = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
    answer = await served.answer(sent)
    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_a_head_too_large_is_refused_before_it_ends(served: Served) -> None:
    lines = b"".join(b"X-%d: %s\r\n" % (n, b"x" * 100) for n in range(60))
    assert problem(await served.answer(HEAD + lines)) == (431, "too-large")


@pytest.mark.parametrize(
    "sent",
    [
        b"GARBAGE\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 500 + b"\r\n",
        b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
async def test_what_is_no_http_gets_our_answer_with_our_headers(
    served: Served, sent: bytes
) -> None:
    status, slug = problem(await served.answer(sent))
    assert (status, slug) in {(400, "malformed"), (431, "too-large")}


async def test_who_does_not_read_is_cut(served: Served) -> None:
    reader, writer = await served.dial()
    reader._transport.pause_reading()  # type: ignore[attr-defined]
    writer.write(b"GET /?much HTTP/1.1\r\nHost: x\r\n\r\n")
    await until(lambda: served.door.descriptors == 1, what="connected")
    await until(lambda: served.door.descriptors == 0, what="cut")
    writer.transport.abort()


@pytest.mark.parametrize("ahead", [False, True], ids=["at once", "while the first is answered"])
async def test_requests_before_the_answer_get_one_answer(served: Served, ahead: bool) -> None:
    ask = HEAD + b"\r\n"
    if ahead:
        reader, writer = await served.dial()
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n")
        await until(lambda: served.door.descriptors == 1, what="connected")
        writer.write(b"x" + ask * 3)
        answer = await reader.read()
    else:
        answer = await served.answer(ask * 4)
    assert answer.count(b"HTTP/1.1 ") == 1
    await until(lambda: served.door.descriptors == 0, what="closed")


async def test_an_idle_connection_ends(served: Served) -> None:
    answer = await served.answer(HEAD + b"\r\n")
    assert answer.endswith(b"well")


async def test_a_half_closed_one_is_forgotten(served: Served) -> None:
    reader, writer = await served.dial()
    writer.write(HEAD)
    writer.write_eof()
    assert await reader.read() == b""
    await until(lambda: served.door.descriptors == 0, what="forgotten")


async def test_no_more_strangers_of_an_address_than_the_limit_are_kept() -> None:
    async with serving(DoorLimits(strangers=8, patience_s=0.2)) as served:
        held = [await served.dial() for _ in range(30)]
        await until(lambda: served.door.strangers("127.0.0.1/32") == 8, what="8 are kept")
        assert b"well" in await served.answer(HEAD + b"Connection: close\r\n\r\n")
        for _, writer in held:
            writer.transport.abort()
        await until(lambda: served.door.descriptors == 0, what="all are forgotten")


async def test_accepting_pauses_while_nobody_could_go() -> None:
    """The next in line waits in the kernel's queue, and comes in when there is room."""
    door = Door(DoorLimits(descriptors=2))
    first = [door.enter(f"s{n}", lambda: None, now_s=0) for n in range(2)]
    for guest in first:
        guest.busy()
    app = web.Application()
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    assert runner.server is not None
    server = runner.server
    acceptor = Acceptor(door, lambda guest, peer: Connection(server, guest))
    await acceptor.listen("127.0.0.1", 0)
    running = asyncio.create_task(acceptor.run())
    reader, writer = await asyncio.open_connection("127.0.0.1", acceptor.port)
    writer.write(HEAD + b"Connection: close\r\n\r\n")
    coming = asyncio.create_task(reader.read())
    done, _ = await asyncio.wait([coming], timeout=0.4)
    assert not done, "nobody is accepted without room"
    first[0].leave()
    assert (await asyncio.wait_for(coming, 5)).startswith(b"HTTP/1.1 404 ")
    await acceptor.close()
    await runner.cleanup()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    writer.close()
