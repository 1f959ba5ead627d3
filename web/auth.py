"""Who asks: a bearer token or the screen's cookie; and that a cookie was not used by another site."""

from urllib.parse import urlsplit

import structlog
from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from people import devices, sessions
from people.client import Client, short_agent
from people.sessions import Present
from store.errors import StoreError
from web.client import client_address, neighbourhood
from web.deps import DEPS, WebDeps
from web.problems import ApiError

__all__ = [
    "client_of",
    "cookie_name",
    "is_unattended",
    "refuse_cross_site",
    "set_cookie",
    "set_device_cookie",
    "signed_in",
    "token_of",
]

log = structlog.get_logger(__name__)

_COOKIE = "press3_session"
_DEVICE_COOKIE = "press3_device"
_SAFE = {"GET", "HEAD", "OPTIONS"}
_CLIENT_HEADER = (
    "X-Press3-Client"  # a page of another site can't set it without asking first (CORS)
)
_UNATTENDED = "X-Press3-Unattended"
_TOKEN_LIMIT = 256


def cookie_name(name: str, deps: WebDeps) -> str:
    """Return `name` as browsers guard it: behind https only this very host may set a `__Host-` cookie."""
    return f"__Host-{name}" if deps.secure_cookie else name


def token_of(request: web.Request) -> str | None:
    """Return the session token of the request: of Authorization when there is one, else of the cookie."""
    given = request.headers.get("Authorization")
    if given is None:
        return request.cookies.get(cookie_name(_COOKIE, request.app[DEPS]))
    scheme, _, token = given.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def client_of(request: web.Request) -> Client:
    """Return where the request comes from, as sign-in and audit need to know."""
    address = client_address(request)
    return Client(
        address=str(address) if address is not None else "",
        network=str(neighbourhood(address)) if address is not None else "",
        agent=short_agent(request.headers.get("User-Agent", "")),
        device=request.cookies.get(cookie_name(_DEVICE_COOKIE, request.app[DEPS]), ""),
    )


def is_unattended(request: web.Request) -> bool:
    """Return whether the screen asks by itself, with nobody at it: that is no use of the session."""
    return _UNATTENDED in request.headers


async def signed_in(deps: WebDeps, token: str | None, *, counts: bool = True) -> Present | None:
    """Return whose token it is; None for no token and for one that is not (or no longer) good.

    A use of the session is written when the last one was long ago, unless this one does not count.
    """
    if not token or len(token) > _TOKEN_LIMIT:
        return None
    now, idle = deps.now(), deps.sign_in.idle
    async with deps.sessions() as session:
        present = await sessions.authenticate(session, token, now)
    if present is not None and counts and sessions.is_stale(present, now, idle):
        hashed = present.session_hash
        try:
            await deps.writer.run(lambda session: sessions.touch(session, hashed, now, idle))
        except (SQLAlchemyError, StoreError) as error:
            # What only reads must be answered by a database that can't be written: the next use tries again.
            log.warning("a session's use can't be written", error=type(error).__name__)
    return present


def refuse_cross_site(request: web.Request) -> None:
    """Raise ApiError when a page of another site may have sent this change with the visitor's cookie.

    Browsers send the cookie by themselves, so a change by cookie needs proof of our own page: an
    Origin of the same host, or a header that other sites can't set. SameSite=Strict is the first wall.
    """
    if request.method in _SAFE or "Authorization" in request.headers:
        return
    cookie = cookie_name(_COOKIE, request.app[DEPS])
    if cookie not in request.cookies or _CLIENT_HEADER in request.headers:
        return
    if not _is_own_page(request.headers.getall("Origin", []), request.host):
        raise ApiError("cross-site")


def _is_own_page(origins: list[str], host: str) -> bool:
    """Whether the one Origin is a page of `host`; two prove nothing, and it may be no address at all."""
    try:
        return [urlsplit(origin).netloc for origin in origins] == [host]
    except ValueError:
        return False


def set_cookie(response: web.Response, token: str, deps: WebDeps) -> None:
    """Give the browser its session; an empty `token` takes it away."""
    response.set_cookie(
        cookie_name(_COOKIE, deps),
        token,
        path="/",
        httponly=True,
        samesite="Strict",
        secure=deps.secure_cookie,
        max_age=None if token else 0,
    )


def set_device_cookie(response: web.Response, cookie: str, deps: WebDeps) -> None:
    """Let the browser be known at the next sign-in: strangers' failures don't count against it."""
    response.set_cookie(
        cookie_name(_DEVICE_COOKIE, deps),
        cookie,
        path="/",
        httponly=True,
        samesite="Strict",
        secure=deps.secure_cookie,
        max_age=int(devices.LASTS.total_seconds()),
    )
