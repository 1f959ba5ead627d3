"""Behind the example proxies, with TLS: sign-in, REST and the screens' socket work, and clients keep their address."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.e2e.desk import PASSWORD, Desk, open_desk
from tests.e2e.test_wrong_use import nowhere
from tests.security.proxies import Proxy, proxy
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Behind:
    """press3 behind a running proxy."""

    desk: Desk
    proxy: Proxy
    tls: ssl.SSLContext
    name: str

    @property
    def url(self) -> str:
        return f"https://localhost:{self.proxy.port}"

    @asynccontextmanager
    async def browser(self) -> AsyncIterator[aiohttp.ClientSession]:
        connector = aiohttp.TCPConnector(ssl=self.tls)
        async with aiohttp.ClientSession(connector=connector) as http:
            yield http

    async def sign_in(self, http: aiohttp.ClientSession) -> Any:
        body = {"login": "chief", "password": PASSWORD}
        async with http.post(f"{self.url}/api/v1/session", json=body) as answer:
            assert answer.status == 201, await answer.text()
            return answer.headers.getall("Set-Cookie")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["caddy", "nginx"])
async def behind(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Behind]:
    folder = tmp_path_factory.mktemp(request.param)
    async with open_desk(nowhere(folder), folder, start=False) as desk:
        text = desk.config.read_text()
        extra = 'port = 0\npublic_url = "https://localhost"\ntrusted_proxies = ["127.0.0.1"]'
        desk.config.write_text(text.replace("[http]\nport = 0", f"[http]\n{extra}"))
        await desk.start()
        upstream = int(desk.url.rpartition(":")[2])
        async with proxy(request.param, folder, upstream) as (running, certificate):
            tls = ssl.create_default_context(cafile=str(certificate.chain))
            yield Behind(desk, running, tls, request.param)


async def test_a_browser_signs_in_and_works(behind: Behind) -> None:
    async with behind.browser() as http:
        cookies = await behind.sign_in(http)
        session = next(each for each in cookies if "press3_session" in each)
        assert session.startswith("__Host-press3_session=")
        assert "Secure" in session
        assert "HttpOnly" in session
        async with http.get(f"{behind.url}/api/v1/appeals") as answer:
            assert answer.status == 200
            assert answer.headers["Strict-Transport-Security"].startswith("max-age=")
            assert "press3" not in answer.headers.get("Server", "").lower()
        own = {"Origin": behind.url}
        async with http.post(f"{behind.url}/api/v1/push-ticket", headers=own) as answer:
            assert answer.status == 201, await answer.text()


async def test_the_socket_opens_over_wss_from_the_proxys_own_page(behind: Behind) -> None:
    async with behind.browser() as http:
        await behind.sign_in(http)
        own = {"Origin": behind.url}
        async with http.post(f"{behind.url}/api/v1/push-ticket", headers=own) as answer:
            ticket = (await answer.json())["ticket"]
        address = behind.url.replace("https", "wss", 1) + "/ws"
        async with connect(address, ssl=behind.tls, origin=behind.url) as socket:  # type: ignore[arg-type]
            hello = {"type": "hello", "ticket": ticket, "last_seq": None}
            await socket.send(json.dumps(hello))
            async with asyncio.timeout(20):
                assert json.loads(await socket.recv())["type"] == "welcome"
        with pytest.raises(InvalidStatus) as refused:
            await connect(address, ssl=behind.tls, origin="https://evil.test")  # type: ignore[arg-type]
        assert refused.value.response.status_code == 403


async def test_another_sites_page_changes_nothing(behind: Behind) -> None:
    async with behind.browser() as http:
        await behind.sign_in(http)
        foreign = {"Origin": "https://evil.test"}
        async with http.post(f"{behind.url}/api/v1/push-ticket", headers=foreign) as answer:
            assert answer.status == 403


async def test_the_clients_own_address_arrives(behind: Behind) -> None:
    """A client says it is somebody else: what counts is where the proxy saw it come from."""
    async with behind.browser() as http:
        body = {"login": "nobody", "password": "wrong"}
        lie = {"X-Forwarded-For": "203.0.113.9"}
        async with http.post(f"{behind.url}/api/v1/session", json=body, headers=lie) as answer:
            assert answer.status == 401

    def addresses() -> list[str]:
        lines = (json.loads(line) for line in behind.desk.log.read_text().splitlines() if line)
        return [
            str(line["address"]) for line in lines if "address" in line and "sign" in line["event"]
        ]

    seen = await until(addresses, what="a line of the log that tells of the failed sign-in")
    assert set(seen) == {"127.0.0.1"}


async def test_many_idle_clients_of_the_proxy_shut_nobody_out(behind: Behind) -> None:
    held = []
    for _ in range(100):
        reader, writer = await asyncio.open_connection(
            "localhost", behind.proxy.port, ssl=behind.tls, family=2
        )
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        held.append((reader, writer))
    for reader, _ in held:
        assert b"200" in await asyncio.wait_for(reader.readline(), 20)
    async with behind.browser() as http:
        await behind.sign_in(http)
    for _, writer in held:
        writer.transport.abort()
