"""Sign in, who am I, sign out; change what one signs in with."""

from typing import Any

from aiohttp import web
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from people import audit, directory, sessions, signin, totp
from people.audit import AuditKind
from people.model import Department, Employee
from web import auth, schemas
from web.api import Ask, Given, Nothing, Operation, Reply, Written, delete, get, outside

__all__ = ["OPERATIONS", "SIGN_IN"]

SIGN_IN: web.AppKey[signin.SignIn] = web.AppKey("sign_in", signin.SignIn)

_Password = Field(min_length=1, max_length=1024)
_Code = Field(None, min_length=1, max_length=16)
_REFUSED = ("locked-out", "too-many-attempts", "crowded")


class Credentials(Given):
    """`code`: the six digits of the second factor, when a 401 `second-factor` asked for them."""

    login: str = Field(min_length=1, max_length=256)
    password: str = _Password
    code: str | None = _Code


class PasswordChange(Given):
    old: str = _Password
    new: str = _Password


class Enrolment(Given):
    """`code`: of the second factor that there is already; needed to replace it."""

    password: str = _Password
    code: str | None = _Code


class Confirmation(Given):
    code: str = Field(min_length=1, max_length=16)


@outside(
    "POST",
    "/session",
    body=Credentials,
    answers=schemas.SignedIn,
    status=201,
    public=True,
    problems=("sign-in-refused", "second-factor", *_REFUSED),
)
async def sign_in(ask: Ask[Nothing, Credentials]) -> Reply:
    """Sign in. The token is for programs; browsers get it as an HttpOnly cookie besides. While `duty` is
    not null, all else is refused with 403 `duty`."""
    entrance = ask.request.app[SIGN_IN]
    given, client = ask.body, auth.client_of(ask.request)
    done = await entrance.sign_in(given.login, given.password, client=client, code=given.code)
    body = {"token": done.token, **await _who(ask, done.employee)}
    return Reply(body=body, status=201, cookie=done.token, device=done.device)


@get("/session", answers=schemas.WhoAmI, before_duty=True)
async def who_am_i(ask: Ask[Nothing, Nothing]) -> Reply:
    """Tell who is signed in."""
    return Reply(body=await _who(ask, ask.person))


@delete("/session", status=204, before_duty=True)
async def sign_out(ask: Ask[Nothing, Nothing]) -> Written:
    """Sign out. The token is worth nothing from then on, and screens that came by it are cut off."""
    await sessions.sign_out(ask.session, ask.token or "", ask.now)
    audit.record(ask.session, AuditKind.SIGNED_OUT, at=ask.now, by=ask.by, subject_id=ask.person.id)
    return Written(cookie="")


@outside(
    "PATCH",
    "/session/password",
    body=PasswordChange,
    status=204,
    before_duty=True,
    problems=("wrong-password", *_REFUSED),
)
async def change_password(ask: Ask[Nothing, PasswordChange]) -> Reply:
    """Change your own password. All your other sessions end."""
    await ask.request.app[SIGN_IN].change_password(
        ask.person,
        ask.body.old,
        ask.body.new,
        client=auth.client_of(ask.request),
        session_hash=sessions.token_hash(ask.token or ""),
    )
    return Reply(status=204)


@outside(
    "POST",
    "/session/second-factor",
    body=Enrolment,
    answers=schemas.SecondFactor,
    status=201,
    before_duty=True,
    problems=("wrong-password", "second-factor", "no-second-factor", *_REFUSED),
)
async def begin_second_factor(ask: Ask[Nothing, Enrolment]) -> Reply:
    """Get the secret for your app. It counts once a first code was confirmed, and is shown this once."""
    secret = await ask.request.app[SIGN_IN].begin_second_factor(
        ask.person, ask.body.password, ask.body.code, client=auth.client_of(ask.request)
    )
    body = {"secret": totp.written(secret), "uri": totp.uri(secret, ask.person.login)}
    return Reply(body=body, status=201)


@outside(
    "POST",
    "/session/second-factor/confirm",
    body=Confirmation,
    status=204,
    before_duty=True,
    problems=("second-factor", "no-second-factor", *_REFUSED),
)
async def confirm_second_factor(ask: Ask[Nothing, Confirmation]) -> Reply:
    """Confirm the secret with a first code: from now on signing in needs one."""
    await ask.request.app[SIGN_IN].confirm_second_factor(
        ask.person, ask.body.code, client=auth.client_of(ask.request)
    )
    return Reply(status=204)


async def _who(ask: Ask[Any, Any], person: Employee) -> dict[str, Any]:
    asks = ask.deps.sign_in.totp
    return {
        "employee": await _person(ask.session, person),
        "duty": signin.duty_of(person, totp=asks),
        "second_factor": ("on" if person.totp_since is not None else "none") if asks else "off",
    }


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


OPERATIONS: tuple[Operation, ...] = (
    sign_in,
    who_am_i,
    sign_out,
    change_password,
    begin_second_factor,
    confirm_second_factor,
)
