"""Who asks: a bearer token or the screen's cookie; and that a cookie was not used by another site."""

from urllib.parse import urlsplit

from aiohttp import web

from people import signin
from people.model import Employee
from web.deps import WebDeps
from web.problems import ApiError

__all__ = ["COOKIE", "refuse_cross_site", "set_cookie", "signed_in", "token_of"]

COOKIE = "press3_session"
_SAFE = {"GET", "HEAD", "OPTIONS"}
_CLIENT_HEADER = (
    "X-Press3-Client"  # a page of another site can't set it without asking first (CORS)
)
_TOKEN_LIMIT = 256


def token_of(request: web.Request) -> str | None:
    """Return the session token of the request: of Authorization when there is one, else of the cookie."""
    given = request.headers.get("Authorization")
    if given is None:
        return request.cookies.get(COOKIE)
    scheme, _, token = given.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


async def signed_in(deps: WebDeps, token: str | None) -> Employee | None:
    """Return whose token it is; None for no token and for one that is not (or no longer) good."""
    if not token or len(token) > _TOKEN_LIMIT:
        return None
    async with deps.sessions() as session:
        return await signin.authenticate(session, token, deps.now())


def refuse_cross_site(request: web.Request) -> None:
    """Raise ApiError when a page of another site may have sent this change with the visitor's cookie.

    Browsers send the cookie by themselves, so a change by cookie needs proof of our own page: an
    Origin of the same host, or a header that other sites can't set. SameSite=Strict is the first wall.
    """
    if request.method in _SAFE or "Authorization" in request.headers:
        return
    if COOKIE not in request.cookies or _CLIENT_HEADER in request.headers:
        return
    origin = request.headers.get("Origin")
    if origin is None or urlsplit(origin).netloc != request.host:
        raise ApiError("cross-site")


def set_cookie(response: web.Response, token: str, deps: WebDeps) -> None:
    """Give the browser its session; an empty `token` takes it away."""
    response.set_cookie(
        COOKIE,
        token,
        path="/",
        httponly=True,
        samesite="Strict",
        secure=deps.secure_cookie,
        max_age=None if token else 0,
    )
