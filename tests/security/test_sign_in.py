"""Attacks on the entrance, from outside: locking somebody out, spraying, a flood of sign-ins."""

import asyncio
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path

import pytest
from aiohttp import ClientSession, DummyCookieJar, TCPConnector
from aiohttp.test_utils import TestServer
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from people import passwords
from people.lockout import LockRules
from people.model import Employee, Role
from people.signin import SignInRules
from people.waiting_room import RoomRules
from store.writer import Writer
from tests.appeals.world import World
from tests.waiting import until
from tests.web.site import Site
from web.app import build

PASSWORD = "три зелёных слона"
SESSION = "/api/v1/session"
PROXY = (ip_network("127.0.0.1"),)
# A tenth of what is allowed by default: checking a password costs a test what it costs an attacker.
RULES = SignInRules(lock=LockRules(per_network=10), room=RoomRules(places=20, per_network=10))


@pytest.fixture
async def world(sessions: async_sessionmaker[AsyncSession], writer: Writer) -> World:
    return World(sessions, writer)


class Outside:
    """The world outside: `browser(address)` is one browser there. press3 stands behind a trusted proxy."""

    def __init__(self, server: TestServer, http: ClientSession) -> None:
        self.server = server
        self.http = http

    def browser(self, address: str) -> "Browser":
        return Browser(self, address)

    async def health(self) -> int:
        async with self.http.get(self.server.make_url("/healthz")) as answer:
            return answer.status


class Browser:
    """It keeps its cookies, as browsers do."""

    def __init__(self, outside: Outside, address: str) -> None:
        self.outside = outside
        self.headers = {"X-Forwarded-For": address}
        self.cookies: dict[str, str] = {}

    async def sign_in(self, login: str, password: str = PASSWORD) -> int:
        """Return the status; a refusal for now says when to come again."""
        url, given = self.outside.server.make_url(SESSION), {"login": login, "password": password}
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent = (
            self.headers | {"X-Press3-Client": "screen"} | ({"Cookie": cookies} if cookies else {})
        )
        async with self.outside.http.post(url, json=given, headers=sent) as answer:
            if answer.status in (429, 503):
                assert int(answer.headers["Retry-After"]) > 0
            self.cookies |= {name: morsel.value for name, morsel in answer.cookies.items()}
            return answer.status


@pytest.fixture
async def outside(world: World, tmp_path: Path) -> AsyncIterator[Outside]:
    site = Site(world, tmp_path, {"trusted_proxies": PROXY, "sign_in": RULES})
    async with (
        TestServer(build(site.deps())) as server,
        ClientSession(cookie_jar=DummyCookieJar(), connector=TCPConnector(limit=0)) as http,
    ):
        yield Outside(server, http)


async def hire(world: World, *logins: str) -> None:
    hashed = await passwords.hash_password(PASSWORD)
    for login in logins:
        person = await world.hire(login, Role.OPERATOR)

        async def work(session: AsyncSession, number: int = person.id) -> None:
            change = update(Employee).where(Employee.id == number)
            await session.execute(change.values(password_hash=hashed))

        await world.writer.run(work)


async def test_a_stranger_who_fails_on_purpose_locks_nobody_out(
    world: World, outside: Outside
) -> None:
    await hire(world, "ann")
    own, stranger = outside.browser("198.51.100.1"), outside.browser("203.0.113.9")
    assert await own.sign_in("ann") == 201
    answers = [await stranger.sign_in("ann", f"guess {n}") for n in range(8)]
    assert answers == [401] * 5 + [429] * 3
    assert await own.sign_in("ann") == 201, "a known device is not what strangers lock"
    assert await stranger.sign_in("ann") == 429, "but strangers stay locked out"


async def test_the_own_device_is_locked_by_its_own_failures(world: World, outside: Outside) -> None:
    """Whoever sits down at a desk that was left alone gets no more guesses than anybody."""
    await hire(world, "ann")
    own = outside.browser("198.51.100.1")
    assert await own.sign_in("ann") == 201
    answers = [await own.sign_in("ann", f"guess {n}") for n in range(6)]
    assert answers == [401] * 5 + [429]


async def test_a_desk_of_several_people_is_known_for_each(world: World, outside: Outside) -> None:
    await hire(world, "ann", "boris")
    shared, stranger = outside.browser("198.51.100.1"), outside.browser("203.0.113.9")
    for login in ("ann", "boris"):
        assert await shared.sign_in(login) == 201
        for n in range(5):
            await stranger.sign_in(login, f"guess {n}")
    for login in ("ann", "boris"):
        assert await shared.sign_in(login) == 201


@pytest.mark.parametrize(
    "cookie", ["", "x", "press3", "..", "a.1.b", "%ff" * 10, "A" * 22 + ".1." + "B" * 22]
)
async def test_an_invented_device_cookie_is_a_strangers(
    world: World, outside: Outside, cookie: str
) -> None:
    await hire(world, "ann")
    stranger = outside.browser("203.0.113.9")
    stranger.cookies["press3_device"] = cookie
    for n in range(5):
        await stranger.sign_in("ann", f"guess {n}")
    assert await stranger.sign_in("ann") == 429


async def test_one_address_that_tries_many_logins_is_stopped_and_colleagues_there_are_not(
    world: World, outside: Outside
) -> None:
    """Spraying: one common password at each of many logins never fails five times at one."""
    await hire(world, "ann")
    colleague, sprayer = outside.browser("198.51.100.1"), outside.browser("198.51.100.1")
    assert await colleague.sign_in("ann") == 201
    answers = [await sprayer.sign_in(f"user{n}", "Autumn2026!") for n in range(13)]
    assert answers == [401] * 10 + [429] * 3
    assert await outside.browser("198.51.100.1").sign_in("ann") == 429
    assert await outside.browser("198.51.100.2").sign_in("ann") == 201
    assert await colleague.sign_in("ann") == 201


async def test_an_ipv6_client_has_one_budget_for_all_its_addresses(
    world: World, outside: Outside
) -> None:
    answers = [
        await outside.browser(f"2001:db8::{n:x}").sign_in(f"user{n}", "Autumn2026!")
        for n in range(12)
    ]
    assert answers == [401] * 10 + [429] * 2


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_in_a_flood_of_sign_ins_known_devices_go_first_and_health_is_answered(
    world: World, outside: Outside
) -> None:
    await hire(world, "ann")
    own = outside.browser("198.51.100.1")
    assert await own.sign_in("ann") == 201
    statuses: list[int] = []

    async def flood(n: int) -> None:
        browser = outside.browser(f"203.0.{n // 250}.{n % 250 + 1}")
        statuses.append(await browser.sign_in(f"user{n}", "Autumn2026!"))

    tasks = [asyncio.create_task(flood(n)) for n in range(200)]
    await until(lambda: len(statuses) > 0)
    assert await outside.health() == 200
    assert await own.sign_in("ann") == 201
    checked_before = statuses.count(401)
    await asyncio.gather(*tasks)
    assert set(statuses) == {401, 503}
    assert statuses.count(503) >= 100, "who can't be served is turned away, not kept waiting"
    assert checked_before < statuses.count(401) / 2, "and not after the flood"
