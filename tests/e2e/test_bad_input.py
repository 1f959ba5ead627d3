"""What press3 says to requests and messages that can't be right: clearly, and nothing is lost by them."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.e2e.desk import Desk, Person, open_desk
from tests.e2e.office import PRESS, STORIES
from tests.lab.fixtures import Labs
from tests.lab.scenarios import Bye, Wait

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="module")]


@dataclass(frozen=True)
class Case:
    """A press3 with one appeal, opened by a real call."""

    desk: Desk
    number: int
    version: int
    person: Person


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(labs: Labs, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Case]:
    lab = await labs.start("22", STORIES, fresh=False)
    async with open_desk(lab, tmp_path_factory.mktemp("bad")) as desk:
        handler = await desk.person("handler")
        async with handler.screen() as screen:
            caller = await lab.call(number="+79110000401", steps=[*PRESS, Wait(0.5), Bye()])
            told = await screen.told("appeal.opened")
            await screen.told("call.ended")
            await caller.done()
        version = (await handler.get(f"/appeals/{told['number']}"))["version"]
        yield Case(desk, told["number"], version, handler)
        await lab.hang_up_all()


@pytest_asyncio.fixture(loop_scope="module")
async def case(opened: Case) -> AsyncIterator[Case]:
    """The appeal; after the test it is as it was, and press3 has not stumbled."""
    yield opened
    appeal = await opened.person.get(f"/appeals/{opened.number}")
    assert (appeal["version"], appeal["phase"]) == (opened.version, "received")
    log = opened.desk.log.read_text(errors="replace")
    assert "Traceback" not in log, log


async def problem(
    case: Case, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, str]:
    """Send a request; return status and type of the problem that comes."""
    sent = {"Content-Type": "application/json", **case.person.headers}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    url = case.desk.url + "/api/v1" + path.replace("NUMBER", str(case.number))
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, url, data=body, headers=sent) as answer,
    ):
        text = await answer.text()
        assert answer.content_type == "application/problem+json", (answer.status, text)
        assert "Traceback" not in text
        told = json.loads(text)
        assert {"type", "title", "status", "detail", "todo", "instance"} <= set(told), told
        assert told["status"] == answer.status
        return answer.status, told["type"].removeprefix("urn:press3:problem:")


RESOLVE = "/appeals/NUMBER/resolve"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "kind"),
    [
        ("POST", RESOLVE, b'{"gist":', 400, "malformed"),
        ("POST", RESOLVE, b"\xff\xfe{}", 400, "malformed"),
        ("POST", RESOLVE, b"[" * 50_000, 400, "malformed"),
        ("POST", RESOLVE, b'{"gist": NaN}', 400, "malformed"),
        ("POST", RESOLVE, b"[]", 422, "invalid"),
        ("POST", RESOLVE, b'{"gist": 5}', 422, "invalid"),
        ("POST", RESOLVE, b'{"gist": "a\\u0000b"}', 422, "invalid"),
        ("POST", RESOLVE, b'{"gist": "\\ud800", "category": "other"}', 422, "invalid"),
        ("POST", RESOLVE, b'{"jist": "x"}', 422, "invalid"),
        ("POST", RESOLVE, b'{"gist": "x", "category": "no-such"}', 409, "wrong-stage"),
        ("POST", RESOLVE, b'{"gist": "x"}', 409, "wrong-stage"),
        ("POST", RESOLVE, b'{"gist": "' + b"x" * 3_000_000 + b'"}', 413, "too-large"),
        ("PATCH", "/appeals/NUMBER", b'{"responsible": "me"}', 422, "invalid"),
        ("PATCH", "/appeals/NUMBER", b'{"responsible": 4242}', 422, "invalid"),
        ("PATCH", "/appeals/NUMBER", b'{"responsible": 99999999999999999999}', 422, "invalid"),
        ("PATCH", "/appeals/NUMBER", b'{"phase": "closed"}', 422, "invalid"),
        ("DELETE", "/appeals/NUMBER", None, 405, "method-not-allowed"),
        ("POST", "/appeals/424242/take", None, 404, "not-found"),
        ("GET", "/appeals/0", None, 404, "not-found"),
        ("GET", "/appeals/99999999999999999999", None, 404, "not-found"),
        ("GET", "/recordings/424242/audio", None, 404, "not-found"),
        ("GET", "/appeals?limit=0", None, 422, "invalid"),
        ("GET", "/appeals?cursor=nonsense", None, 422, "invalid"),
        ("GET", "/appeals?phase=opened", None, 422, "invalid"),
        ("GET", "/appeals?opened_from=yesterday", None, 422, "invalid"),
        ("GET", "/appeals?q=%00", None, 422, "invalid"),
        ("GET", "/calls?colour=red", None, 422, "invalid"),
    ],
)
async def test_a_request_that_can_not_be_right(
    case: Case, method: str, path: str, body: bytes | None, status: int, kind: str
) -> None:
    assert await problem(case, method, path, body) == (status, kind)


async def test_a_stale_version_changes_nothing(case: Case) -> None:
    path = "/appeals/NUMBER/take"
    for etag in ('"99"', "99", '"nonsense"', 'W/"1"'):
        assert await problem(case, "POST", path, If_Match=etag) == (412, "stale-version")


async def test_who_does_not_say_who_he_is(case: Case) -> None:
    path = "/appeals/NUMBER/take"
    for said in ("", "Bearer nonsense", "Basic aGFuZGxlcjp4", "Bearer " + "x" * 4000):
        found = await problem(case, "POST", path, Authorization=said)
        assert found == (401, "not-signed-in")
    body = json.dumps({"login": "handler", "password": "wrong"}).encode()
    found = await problem(case, "POST", "/session", body)
    assert found == (401, "sign-in-refused")
    found = await problem(case, "POST", RESOLVE, b"gist=x", Content_Type="text/plain")
    assert found == (415, "unsupported-media-type")


@pytest.mark.parametrize(
    "sent", [b"GARBAGE\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000, b"\x16\x03\x01"]
)
async def test_what_is_no_http_at_all(case: Case, sent: bytes) -> None:
    host, port = case.desk.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent + b"\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(100_000), 10)
    writer.close()
    assert answer.startswith(b"HTTP/1."), answer
    assert answer.split()[1] == b"400"
    assert b"Traceback" not in answer


# -- the socket ---------------------------------------------------------------------------------


async def ticket(case: Case) -> dict[str, Any]:
    _, told = await case.person.post("/push-ticket")
    return dict(told)


async def closed(socket: ClientConnection) -> tuple[int, str]:
    """Wait until press3 closes; return its code and reason."""
    with pytest.raises(ConnectionClosed) as end:
        await asyncio.wait_for(_read_on(socket), 10)
    assert end.value.rcvd is not None, "a close code is said"
    return end.value.rcvd.code, end.value.rcvd.reason


async def _read_on(socket: ClientConnection) -> None:
    while True:
        await socket.recv()


def hello(ticket: object, last_seq: object = None) -> str:
    return json.dumps({"type": "hello", "ticket": ticket, "last_seq": last_seq})


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (hello("nonsense"), 4401),
        (hello("x" * 100), 4401),
        (hello(5), 4400),
        (hello("nonsense", "last"), 4400),
        ("{", 4400),
        ("[]", 4400),
        ("null", 4400),
        (b"\x00\xff", 4400),
        ("[" * 4000, 4400),
        ('{"type": "ack", "pop_id": "1"}', 4400),
        ("x" * 100_000, 1009),
    ],
)
async def test_a_bad_first_message(case: Case, sent: str | bytes, code: int) -> None:
    told = await ticket(case)
    async with connect(told["url"]) as socket:
        await socket.send(sent)
        assert (await closed(socket))[0] == code


async def test_a_ticket_is_good_once(case: Case) -> None:
    told = await ticket(case)
    async with connect(told["url"]) as first:
        await first.send(hello(told["ticket"]))
        assert json.loads(await first.recv())["type"] == "welcome"
        async with connect(told["url"]) as second:
            await second.send(hello(told["ticket"]))
            code, reason = await closed(second)
            assert (code, "ticket refused" in reason) == (4401, True)
        await first.ping()


@pytest.mark.parametrize("sent", ["{}", '{"type": "ack"}', '{"type": "take"}', hello("x"), b"\x00"])
async def test_nonsense_after_the_welcome(case: Case, sent: str | bytes) -> None:
    told = await ticket(case)
    async with connect(told["url"]) as socket:
        await socket.send(hello(told["ticket"]))
        seq = json.loads(await socket.recv())["seq"]
        await socket.send(json.dumps({"type": "ack", "pop_id": "of nobody"}))  # harmless
        await socket.send(sent)
        assert (await closed(socket))[0] == 4400
    async with case.person.screen(last_seq=seq) as screen:
        assert screen.welcome["snapshot"] is None, "who comes back goes on where he was"


async def test_the_socket_asked_for_as_a_page(case: Case) -> None:
    async with aiohttp.ClientSession() as http, http.get(case.desk.url + "/ws") as answer:
        assert answer.status == 426
        assert answer.content_type == "application/problem+json"
