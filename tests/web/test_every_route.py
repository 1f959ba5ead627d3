"""Each declared route, with sessions that open nothing: of nobody, ended, idle, disabled, of who must change first."""

from datetime import timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from people.access.audience import Viewer
from people.model import Employee, Role, Session
from people.signin import SignInRules
from tests.appeals.world import World
from tests.web.site import BASE, Site
from web.api import Operation
from web.routes.all import OPERATIONS

PLACES = {"{number}": "1", "{recording}": "1", "{session}": "0123456789abcdef"}
CLOSED = [operation for operation in OPERATIONS if not operation.public]


def address_of(operation: Operation) -> str:
    path = operation.path
    for name, value in PLACES.items():
        path = path.replace(name, value)
    assert "{" not in path, "a parameter that this test does not know"
    return path


async def answers(
    site: Site, token: str | None, operations: list[Operation] = CLOSED
) -> dict[str, tuple[int, str]]:
    """Ask each of `operations` with an empty body; return status and problem by method and path."""
    client, found = await site.client(), {}
    headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
    for operation in operations:
        path = address_of(operation)
        async with client.request(operation.method, BASE + path, headers=headers) as answer:
            problem = (await answer.json())["type"] if answer.status >= 400 else ""
        found[f"{operation.method} {path}"] = answer.status, problem.rpartition(":")[2]
    return found


async def change(world: World, table: type[Employee] | type[Session], **values: object) -> None:
    async def work(session: AsyncSession) -> None:
        await session.execute(update(table).values(values))

    await world.writer.run(work)


@pytest.fixture
async def ann(world: World) -> Viewer:
    return await world.hire("ann", Role.ADMIN)


async def test_nobody_gets_in_anywhere(site: Site, world: World, ann: Viewer) -> None:
    token = await site.token(ann)
    refused = {(401, "not-signed-in")}
    for nonsense in (None, "", "null", token[:-1], token.upper(), token + "'--"):
        assert set((await answers(site, nonsense)).values()) == refused, nonsense
    await change(world, Session, revoked_at=world.now)
    assert set((await answers(site, token)).values()) == refused, "signed out"
    await change(world, Session, revoked_at=None, idle_at=world.now)
    assert set((await answers(site, token)).values()) == refused, "idle"
    await change(world, Session, idle_at=None, expires_at=world.now)
    assert set((await answers(site, token)).values()) == refused, "over"
    await change(world, Session, expires_at=world.now + timedelta(hours=1))
    reads = [operation for operation in CLOSED if operation.path == "/appeals"]
    assert set((await answers(site, token, reads)).values()) == {(200, "")}, "it was good"
    await change(world, Employee, disabled_at=world.now)
    assert set((await answers(site, token)).values()) == refused, "disabled"


@pytest.mark.parametrize("duty", ["change-password", "enrol-second-factor"])
async def test_a_duty_stands_before_every_route(
    site: Site, world: World, ann: Viewer, duty: str
) -> None:
    if duty == "change-password":
        await change(world, Employee, must_change=True)
    else:
        site.extra = {"sign_in": SignInRules(totp=True)}
    closed = [operation for operation in CLOSED if not operation.before_duty]
    found = await answers(site, await site.token(ann), closed)
    assert set(found.values()) == {(403, "duty")}, found
    assert {f"{o.method} {o.path}" for o in CLOSED if o.before_duty} == {
        "GET /session",
        "DELETE /session",
        "PATCH /session/password",
        "POST /session/second-factor",
        "POST /session/second-factor/confirm",
    }
