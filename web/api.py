"""How a route is declared: once, with all that routing, rights, checks and OpenAPI need to know.

    @get("/appeals/{number}", answers=schemas.Appeal)
    async def read_appeal(ask: Ask[Nothing, Nothing]) -> Reply: ...

    @post("/appeals/{number}/take", answers=schemas.Appeal, answer=read_again)
    async def take_appeal(ask: Ask[Nothing, Nothing]) -> Written: ...

The decorator makes an `Operation` of the function; `web.routes.OPERATIONS` lists them all, `web.serve`
runs them, `web.openapi` describes them. What changes something is a `Change`: its handler runs in the
writer's transaction and returns a `Written`, which has no place for an answer; `answer` reads that after
the commit. Presses wait while a transaction lasts.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
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
from web.streamed import Stream, Streamed
from web.years import with_sound_year

__all__ = [
    "PATH_PARAMETERS",
    "Answer",
    "Ask",
    "Change",
    "Day",
    "Given",
    "Id",
    "Method",
    "Moment",
    "Nothing",
    "Operation",
    "Outside",
    "Page",
    "Reply",
    "Written",
    "delete",
    "get",
    "outside",
    "patch",
    "post",
    "put",
]

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
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
    """One request, checked: `session` reads, or is the transaction of a `Change`.

    `if_version` is what If-Match says, None without it. `stream` is the body of a route that takes a
    `Streamed` one, else None. `ready` is what `Change.prepare` has given, None without it.
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
    stream: Stream | None = None
    ready: Any = None

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
    for the browser, empty to forget it, None to leave it. `device`: the device cookie to keep."""

    body: Mapping[str, Any] | None = None
    status: int = 200
    version: int | None = None
    next_cursor: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    cookie: str | None = None
    device: str | None = None


@dataclass(frozen=True, kw_only=True)
class Written:
    """What a transaction has changed or made; what that looks like is read after the commit.

    `reference` names it for `Change.answer`, also when the request is repeated; None: the address names it.
    `version` becomes the ETag, None: it has none. `cookie` as in `Reply`. `secret` is shown this once and
    stored nowhere, so a `Change` that gives one isn't `replayable`.
    """

    reference: str | None = None
    version: int | None = None
    cookie: str | None = None
    secret: str | None = field(default=None, repr=False)


Handler = Callable[[Ask[Any, Any]], Awaitable[Reply | web.StreamResponse]]
Writing = Callable[[Ask[Any, Any]], Awaitable[Written]]
Answer = Callable[[Ask[Any, Any], Written], Awaitable[Reply]]
Prepare = Callable[[Ask[Any, Any]], AbstractAsyncContextManager[object]]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """`roles` None: everybody signed in. `public`: nobody needs to be. `answers` describes the body of the
    answer; `media_type` what it is. `streamed`: its body is no JSON and read by `Change.prepare`.
    `versioned`: If-Match counts. `before_duty`: it may be done by somebody who must change the password or
    enrol a second factor first."""

    method: Method
    path: str
    handler: Callable[[Ask[Any, Any]], Awaitable[object]]
    query: type[Given] = Nothing
    body: type[Given] | None = None
    streamed: Streamed | None = None
    answers: type[BaseModel] | None = None
    status: int = 200
    roles: frozenset[Role] | None = None
    public: bool = False
    versioned: bool = False
    before_duty: bool = False
    media_type: str = "application/json"
    problems: tuple[str, ...] = ()

    @property
    def is_once(self) -> bool:
        """Whether an Idempotency-Key counts."""
        return False

    @property
    def may_lose_sight(self) -> bool:
        """Whether the person may have no right left to read what they have changed: 204."""
        return False

    @property
    def name(self) -> str:
        return getattr(self.handler, "__name__", "")

    @property
    def doc(self) -> str:
        return " ".join((self.handler.__doc__ or "").split())


@dataclass(frozen=True, kw_only=True)
class Outside(Operation):
    """Runs outside the writer: it reads, or takes its time and opens transactions of its own."""

    handler: Handler


@dataclass(frozen=True, kw_only=True)
class Change(Operation):
    """Runs in the writer's transaction; its refusals are recorded.

    `answer(ask, written)` reads the answer after the commit, and again for a repeated request, always with
    the rights that the person has then. It is needed where there is a body. `replayable`: an
    Idempotency-Key makes a POST happen once; false where the answer holds a secret.

    `prepare(ask)` does before the transaction what takes long: hashes a password, reads `ask.stream` to its
    end. What it gives is `ask.ready`; it is left when the change is written, repeated, refused or failed,
    and then removes what nobody took. It checks by itself who may, opens `ask.session` for that, and closes
    it before it takes its time.

    Raises:
        ValueError: A body is described and nothing reads it, or the other way round.
    """

    handler: Writing
    answer: Answer | None = None
    prepare: Prepare | None = None
    replayable: bool = True

    def __post_init__(self) -> None:
        if (self.answer is None) != (self.answers is None):
            raise ValueError(f"{self.name}: `answers` and `answer` belong together")
        if self.streamed is not None and (self.prepare is None or self.body is not None):
            raise ValueError(f"{self.name}: `prepare` reads a streamed body, and there is no other")

    @property
    def is_once(self) -> bool:
        return self.method == "POST" and self.replayable

    @property
    def may_lose_sight(self) -> bool:
        return self.answer is not None and self.replayable


def get(path: str, **flags: Any) -> Callable[[Handler], Outside]:
    """Declare a reading route; `flags` are fields of `Outside`."""
    return outside("GET", path, **flags)


def outside(method: Method, path: str, **flags: Any) -> Callable[[Handler], Outside]:
    """Declare a route that changes something and takes its time, as checking a password does."""
    return lambda handler: Outside(method=method, path=path, handler=handler, **flags)


def post(path: str, **flags: Any) -> Callable[[Writing], Change]:
    """Declare a route that makes or does something; `flags` are fields of `Change`."""
    return _change("POST", path, flags)


def put(path: str, **flags: Any) -> Callable[[Writing], Change]:
    """Declare a route that sets the whole of something: repeated, it changes nothing more."""
    return _change("PUT", path, flags)


def patch(path: str, **flags: Any) -> Callable[[Writing], Change]:
    """Declare a route that changes the fields that are given."""
    return _change("PATCH", path, flags)


def delete(path: str, **flags: Any) -> Callable[[Writing], Change]:
    """Declare a route that ends or removes something."""
    return _change("DELETE", path, flags)


def _change(method: Method, path: str, flags: Mapping[str, Any]) -> Callable[[Writing], Change]:
    return lambda handler: Change(method=method, path=path, handler=handler, **flags)
