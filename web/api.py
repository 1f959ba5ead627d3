"""How a route is declared: once, with all that routing, rights, checks and OpenAPI need to know.

    @get("/appeals/{number}", answers=schemas.Appeal)
    async def read_appeal(ask: Ask[Nothing, None]) -> Reply: ...

The decorator makes an `Operation` of the function; `web.routes.OPERATIONS` lists them all, `web.serve`
runs them, `web.openapi` describes them.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from aiohttp import web
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    model_validator,
)
from sqlalchemy.ext.asyncio import AsyncSession

from people.audit import By
from people.model import Employee, Role
from web import auth
from web.deps import WebDeps
from web.problems import ApiError
from web.years import with_sound_year

__all__ = [
    "PATH_PARAMETERS",
    "Ask",
    "Day",
    "Given",
    "Id",
    "Method",
    "Moment",
    "Nothing",
    "Operation",
    "Page",
    "Reply",
    "delete",
    "get",
    "patch",
    "post",
]

Method = Literal["GET", "POST", "PATCH", "DELETE"]
Q = TypeVar("Q")
B = TypeVar("B")

# Nine digits: what fits the database's integer. Anything else is an address that does not exist.
_NUMBER = r"[1-9][0-9]{0,8}"
PATH_PARAMETERS: Mapping[str, str] = {
    "number": _NUMBER,
    "recording": _NUMBER,
    "session": r"[0-9a-f]{16}",
}


class Given(BaseModel):
    """What a client gives, in a body or a query: unknown names are refused, and text no database takes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, values: Any) -> Any:
        for value in values.values() if isinstance(values, dict) else ():
            if isinstance(value, str) and "\0" in value:
                raise ValueError("text may not hold the character U+0000")
        return values


Moment = Annotated[AwareDatetime, AfterValidator(with_sound_year)]
Day = Annotated[date, AfterValidator(with_sound_year)]
Id = Annotated[int, Field(ge=1, le=999_999_999)]


class Nothing(Given):
    """No field at all."""


class Page(Given):
    """A page of a list: `cursor` is `next` of the page before."""

    limit: int = Field(50, ge=1, le=200)
    cursor: str | None = Field(None, max_length=200)


@dataclass(frozen=True, kw_only=True)
class Ask(Generic[Q, B]):
    """One request, checked: `session` reads, or is the transaction of a write that commits with the answer.

    `if_version` is what If-Match says, None without it.
    """

    request: web.Request
    deps: WebDeps
    session: AsyncSession
    now: datetime
    signed_in: Employee | None
    token: str | None
    query: Q
    body: B
    if_version: int | None

    @property
    def by(self) -> By:
        """Whose doing this is, for the audit."""
        actor = self.signed_in.id if self.signed_in is not None else None
        return By(actor_id=actor, client=auth.client_of(self.request))

    @property
    def person(self) -> Employee:
        if self.signed_in is None:
            raise ApiError("not-signed-in")
        return self.signed_in

    def number(self, name: str) -> int:
        """Return a path parameter."""
        return int(self.request.match_info[name])


@dataclass(frozen=True, kw_only=True)
class Reply:
    """`version` becomes the ETag, `next_cursor` a Link to the next page. `cookie` is the session token
    for the browser, empty to forget it, None to leave it. `device`: the device cookie to keep.
    `reference`: what an operation with `reread` has changed or made, as that takes it."""

    body: Mapping[str, Any] | None = None
    status: int = 200
    version: int | None = None
    next_cursor: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    cookie: str | None = None
    device: str | None = None
    reference: str | None = None


Reread = Callable[["Ask[Any, Any]", str | None], Awaitable[Reply]]
Handler = Callable[[Ask[Any, Any]], Awaitable[Reply | web.StreamResponse]]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """`roles` None: everybody signed in. `public`: nobody needs to be. `writes`: the handler runs in
    the writer's transaction, its refusals are recorded, and an Idempotency-Key makes it happen once
    when it is `replayable` (its answer holds no secret). `reread(ask, reference)`: reads the answer after
    the commit, and again for a repeated request, always with the rights that the person has then.
    `answers` describes the body of the answer; `media_type` what it is.
    `before_duty`: it may be done by somebody who must change the password or enrol a second factor first."""

    method: Method
    path: str
    handler: Handler
    query: type[Given] = Nothing
    body: type[Given] | None = None
    answers: type[BaseModel] | None = None
    status: int = 200
    roles: frozenset[Role] | None = None
    public: bool = False
    writes: bool = False
    replayable: bool = True
    reread: Reread | None = None
    versioned: bool = False
    before_duty: bool = False
    media_type: str = "application/json"
    problems: tuple[str, ...] = ()

    @property
    def is_once(self) -> bool:
        """Whether an Idempotency-Key counts."""
        return self.method == "POST" and self.writes and self.replayable

    @property
    def name(self) -> str:
        return getattr(self.handler, "__name__", "")

    @property
    def doc(self) -> str:
        return " ".join((self.handler.__doc__ or "").split())


def _declare(method: Method, path: str, flags: Mapping[str, Any]) -> Callable[[Any], Operation]:
    def declared(handler: Handler) -> Operation:
        return Operation(method=method, path=path, handler=handler, **flags)

    return declared


def get(path: str, **flags: Any) -> Callable[[Any], Operation]:
    """Declare a reading route; `flags` are fields of `Operation`."""
    return _declare("GET", path, flags)


def post(path: str, **flags: Any) -> Callable[[Any], Operation]:
    return _declare("POST", path, flags)


def patch(path: str, **flags: Any) -> Callable[[Any], Operation]:
    return _declare("PATCH", path, flags)


def delete(path: str, **flags: Any) -> Callable[[Any], Operation]:
    return _declare("DELETE", path, flags)
