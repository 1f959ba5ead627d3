"""Who asks: passwords, tokens, cookies, and pages of other sites."""

import re

import pytest
from aiohttp.test_utils import TestClient
from multidict import CIMultiDict

from people import passwords, roster
from people.model import Role
from tests.appeals.world import World
from tests.web.site import Site

PASSWORD = "три зелёных слона"


async def hire_with_password(world: World, login: str = "ann") -> None:
    chosen = await passwords.chosen(PASSWORD, login=login, name="Анна Петрова")
    await world.writer.run(
        lambda session: roster.add_employee(
            session,
            login=login,
            name="Анна Петрова",
            role=Role.OPERATOR,
            extension="101",
            password=chosen,
            now=world.now,
        )
    )


async def test_sign_in_use_the_token_sign_out(site: Site, world: World) -> None:
    await hire_with_password(world)
    signed_in = await site.post("/session", json={"login": "ann", "password": PASSWORD})
    assert signed_in.status == 201
    employee = signed_in.body["employee"]
    assert (employee["login"], employee["role"], employee["extension"]) == (
        "ann",
        "operator",
        "101",
    )
    cookies = signed_in.headers.getall("Set-Cookie")
    assert [cookie.partition("=")[0] for cookie in cookies] == ["press3_session", "press3_device"]
    for cookie in cookies:
        assert re.search("HttpOnly", cookie)
        assert re.search("SameSite=Strict", cookie)
        assert "Secure" not in cookie
    token = {"Authorization": f"Bearer {signed_in.body['token']}"}
    fresh = Site(world, site.data_dir)  # without the cookie
    assert (await fresh.get("/session", headers=token)).body == {
        "employee": employee,
        "duty": None,
        "second_factor": "off",
    }
    gone = await fresh.ask("DELETE", "/session", headers=token)
    assert gone.status == 204
    assert 'press3_session=""' in gone.headers["Set-Cookie"]
    assert (await fresh.get("/session", headers=token)).problem == "not-signed-in"
    await fresh.close()


async def test_behind_https_the_cookie_is_secure(site: Site, world: World) -> None:
    await hire_with_password(world)
    site.extra = {"secure_cookie": True}
    signed_in = await site.post("/session", json={"login": "ann", "password": PASSWORD})
    cookies = signed_in.headers.getall("Set-Cookie")
    assert ["Secure" in cookie for cookie in cookies] == [True, True]


async def test_wrong_passwords_are_refused_and_then_lock_the_login(
    site: Site, world: World
) -> None:
    await hire_with_password(world)
    for login in ("ann", "nobody", "ann", "ann", "ann", "ann"):
        refused = await site.post("/session", json={"login": login, "password": "wrong"})
        assert (refused.status, refused.problem) == (401, "sign-in-refused")
    locked = await site.post("/session", json={"login": "ann", "password": PASSWORD})
    assert (locked.status, locked.problem) == (429, "locked-out")
    assert int(locked.headers["Retry-After"]) == locked.body["retry_after_s"] > 0


async def test_nobody_gets_in_with_nothing_or_with_nonsense(site: Site) -> None:
    for headers in (
        {},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer x"},
        {"Authorization": "Basic eDp5"},
        {"Authorization": "Bearer " + "x" * 5000},
        {"Cookie": "press3_session=x"},
    ):
        answer = await site.get("/appeals", headers=headers)
        assert (answer.status, answer.problem) == (401, "not-signed-in"), headers
        assert answer.headers["WWW-Authenticate"] == "Bearer"


async def by_cookie(site: Site, world: World) -> tuple[TestClient, str]:
    await hire_with_password(world)
    await site.post("/session", json={"login": "ann", "password": PASSWORD})
    client = await site.client()
    return client, f"http://{client.host}:{client.port}"


async def test_a_page_of_another_site_can_change_nothing(site: Site, world: World) -> None:
    _, own = await by_cookie(site, world)
    for headers in ({}, {"Origin": "http://evil.test"}, {"Origin": "null"}, {"Origin": own + "1"}):
        refused = await site.post("/push-ticket", headers=headers)
        assert (refused.status, refused.problem) == (403, "cross-site"), headers
    assert (await site.get("/session")).status == 200
    for origins in (["http://["], [own, own], [own, "http://evil.test"], [""], ["http://]"]):
        twice = CIMultiDict([("Origin", origin) for origin in origins])
        refused = await site.post("/push-ticket", headers=twice)
        assert (refused.status, refused.problem) == (403, "cross-site"), origins
    for headers in ({"Origin": own}, {"X-Press3-Client": "screen"}):
        assert (await site.post("/push-ticket", headers=headers)).status == 201


async def test_a_bearer_token_needs_no_origin(site: Site, world: World) -> None:
    boss = await world.hire("boss", Role.SUPERVISOR)
    assert (await site.post("/push-ticket", by=boss)).status == 201


async def test_the_ticket_says_where_to_go(site: Site, world: World) -> None:
    boss = await world.hire("boss", Role.SUPERVISOR)
    client = await site.client()
    told = (await site.post("/push-ticket", by=boss)).body
    assert told["url"] == f"ws://{client.host}:{client.port}/ws"
    again = (await site.post("/push-ticket", by=boss, headers={"Idempotency-Key": "k"})).body
    assert again["ticket"] != told["ticket"]
    hidden = Site(world, site.data_dir, {"public_url": "https://desk.test/"})
    assert (await hidden.post("/push-ticket", by=boss)).body["url"] == "wss://desk.test/ws"
    await hidden.close()


PUSH_PLACES = [
    ({"push_port": 8301}, "ws://127.0.0.1:8301/ws", "ws://127.0.0.1:8301 wss://127.0.0.1:8301"),
    (
        {"push_port": 8301, "public_url": "https://desk.test"},
        "wss://desk.test:8301/ws",
        "wss://desk.test:8301",
    ),
    (
        {"push_port": 8301, "push_public_url": "wss://push.test"},
        "wss://push.test/ws",
        "wss://push.test",
    ),
]


@pytest.mark.parametrize(("deps", "url", "allowed"), PUSH_PLACES)
async def test_with_a_port_of_its_own_push_is_named_and_the_page_may_go_there(
    site: Site, world: World, deps: dict[str, object], url: str, allowed: str
) -> None:
    boss = await world.hire("boss", Role.SUPERVISOR)
    apart = Site(world, site.data_dir, deps)
    told = await apart.post("/push-ticket", by=boss)
    assert told.body["url"] == url
    client = await apart.client()
    page = await client.get("/")
    assert f"connect-src 'self' {allowed};" in page.headers["Content-Security-Policy"]
    evil = await client.get("/", headers={"Host": "x;script-src *"})
    assert "script-src *" not in evil.headers["Content-Security-Policy"]
    assert (await client.get("/ws", headers={"Upgrade": "websocket"})).status == 503
    await apart.close()
