"""Sign in, who am I, sign out."""

from typing import Any

from aiohttp import web
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from people import directory, signin
from people.model import Department, Employee
from web import schemas
from web.api import Ask, Given, Nothing, Operation, Reply, delete, get, post

__all__ = ["OPERATIONS", "SIGN_IN"]

SIGN_IN: web.AppKey[signin.SignIn] = web.AppKey("sign_in", signin.SignIn)


class Credentials(Given):
    login: str = Field(min_length=1, max_length=256)
    password: str = Field(min_length=1, max_length=1024)


@post(
    "/session",
    body=Credentials,
    answers=schemas.SignedIn,
    status=201,
    public=True,
    problems=("sign-in-refused", "locked-out"),
)
async def sign_in(ask: Ask[Nothing, Credentials]) -> Reply:
    """Sign in. The token is for programs; browsers get it as an HttpOnly cookie besides."""
    entrance = ask.request.app[SIGN_IN]
    done = await entrance.sign_in(ask.body.login, ask.body.password)
    employee = await _person(ask.session, done.employee)
    body = {"token": done.token, "employee": employee}
    return Reply(body=body, status=201, cookie=done.token)


@get("/session", answers=schemas.WhoAmI)
async def who_am_i(ask: Ask[Nothing, Nothing]) -> Reply:
    """Tell who is signed in."""
    return Reply(body={"employee": await _person(ask.session, ask.person)})


@delete("/session", status=204, writes=True)
async def sign_out(ask: Ask[Nothing, Nothing]) -> Reply:
    """Sign out. The token is worth nothing from then on, and screens that came by it are cut off."""
    await signin.sign_out(ask.session, ask.token or "", ask.now)
    return Reply(status=204, cookie="")


async def _person(session: AsyncSession, person: Employee) -> dict[str, Any]:
    name = await session.scalar(
        select(Department.name).where(Department.id == person.department_id)
    )
    return {
        "id": person.id,
        "login": person.login,
        "name": person.name,
        "role": person.role,
        "extension": await directory.extension_of(session, person.id),
        "department": {"id": person.department_id, "name": name} if name is not None else None,
    }


OPERATIONS: tuple[Operation, ...] = (sign_in, who_am_i, sign_out)
