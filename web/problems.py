"""Every way a request can fail, once: type, status, what happened, what to do (RFC 9457).

Packages raise their own errors; `problem_of` is the one table from those errors to these types. The
`type` is stable and is what programs decide by; texts are for people.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from appeals.case import errors as appeals
from people import errors as people
from store.errors import StoreError

__all__ = ["PROBLEMS", "ApiError", "Problem", "problem_of", "type_uri"]


@dataclass(frozen=True, slots=True)
class Problem:
    """`title`: what happened. `todo`: what to do about it."""

    status: int
    title: str
    todo: str


PROBLEMS: Mapping[str, Problem] = {
    "malformed": Problem(400, "The request can't be read.", "Correct the request."),
    "not-signed-in": Problem(
        401, "Nobody is signed in.", "Sign in with POST /api/v1/session and send the token."
    ),
    "sign-in-refused": Problem(
        401,
        "Login or password is wrong.",
        "Check both; after several failures the login is locked.",
    ),
    "second-factor": Problem(
        401,
        "The password is right; a code of the second factor is needed besides.",
        "Send the request again with `code`, the six digits that your app shows now.",
    ),
    "duty": Problem(
        403,
        "Something must be done first.",
        "`duty` says what: change the password (PATCH /api/v1/session/password) or enrol a second "
        "factor (POST /api/v1/session/second-factor).",
    ),
    "wrong-password": Problem(
        403, "That is not your password.", "Type the one that you sign in with."
    ),
    "cross-site": Problem(
        403,
        "A page of another site tried to change something.",
        "Send the request from press3's own page, with a bearer token, or with X-Press3-Client.",
    ),
    "forbidden": Problem(403, "Your role may not do this.", "Ask a supervisor."),
    "conflict-of-interest": Problem(
        403,
        "You are involved in this complaint and may not do this. The attempt was recorded.",
        "Leave it to a colleague or a supervisor outside the conflict.",
    ),
    "not-found": Problem(
        404, "There is no such thing, or you may not see it.", "Check the address."
    ),
    "method-not-allowed": Problem(
        405, "This address does not know that method.", "See Allow for the methods it knows."
    ),
    "wrong-stage": Problem(
        409, "The appeal is in a stage that does not allow this.", "Read the appeal again."
    ),
    "not-playable": Problem(
        409, "The recording can't be played now.", "Its state says why; converted ones play."
    ),
    "no-second-factor": Problem(
        409,
        "There is no second factor to set up.",
        "Begin with POST /api/v1/session/second-factor, where [auth] totp is on.",
    ),
    "stale-version": Problem(
        412, "Somebody changed it since you read it.", "Read it again, then repeat your change."
    ),
    "too-slow": Problem(
        408, "The request did not come in time.", "Send it again, over a better line."
    ),
    "too-large": Problem(413, "The body is too large.", "Send less."),
    "unsupported-media-type": Problem(
        415, "The body is not JSON.", "Send Content-Type: application/json."
    ),
    "range-not-satisfiable": Problem(
        416, "The file has no such part.", "Ask for a part within its length."
    ),
    "invalid": Problem(
        422, "A value can't be accepted; nothing was changed.", "Correct the errors."
    ),
    "missing": Problem(
        422, "Fields are missing for this step; nothing was changed.", "Fill in what is missing."
    ),
    "idempotency-key-reused": Problem(
        422, "This Idempotency-Key was used for another request.", "Use a new key."
    ),
    "locked-out": Problem(
        429,
        "Too many failed sign-ins for this login.",
        "Wait as long as Retry-After says, or use a device that you signed in with before; "
        "an administrator can lift it: press3 user unlock LOGIN.",
    ),
    "too-many-attempts": Problem(
        429,
        "Too many failed sign-ins from this address.",
        "Wait as long as Retry-After says, or use a device that you signed in with before.",
    ),
    "too-many-connections": Problem(
        429, "One person holds too many connections.", "Close some, or use them again."
    ),
    "internal": Problem(
        500,
        "press3 failed to answer. The log has the cause under this id.",
        "Tell your administrator.",
    ),
    "http": Problem(400, "The request was refused.", "Correct the request."),
    "unavailable": Problem(503, "The database is not available now.", "Try again in a moment."),
    "crowded": Problem(
        503, "Too many sign-ins at once.", "Wait as long as Retry-After says, then try again."
    ),
    "telephony-unavailable": Problem(
        503, "The telephone system can't be read now.", "Try again when the connection is back."
    ),
}


def type_uri(slug: str) -> str:
    """Return the stable `type` of a problem."""
    return f"urn:press3:problem:{slug}"


@dataclass(eq=False)
class ApiError(Exception):
    """A request that ends in the problem `slug`. `extra` are members of the problem's own."""

    slug: str
    detail: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int | None = None

    def __post_init__(self) -> None:
        super().__init__(self.detail or PROBLEMS[self.slug].title)

    def to_json(self, instance: str) -> dict[str, Any]:
        """Return the problem document; `instance` finds this very case in the log."""
        problem = PROBLEMS[self.slug]
        return {
            "type": type_uri(self.slug),
            "title": problem.title,
            "status": self.http_status,
            "detail": self.detail or problem.title,
            "todo": problem.todo,
            "instance": instance,
            **self.extra,
        }

    @property
    def http_status(self) -> int:
        return self.status or PROBLEMS[self.slug].status


def _not_found(error: appeals.NotFound) -> ApiError:
    return ApiError("not-found", f"There is no {error.what} {error.key}, or you may not see it.")


def _refused(error: appeals.Refused) -> ApiError:
    slug = "conflict-of-interest" if error.conflict else "forbidden"
    return ApiError(slug, extra={"action": error.action, "reason": error.reason})


def _missing(error: appeals.Missing) -> ApiError:
    names = ", ".join(error.fields)
    return ApiError("missing", f"Still missing: {names}.", {"missing": list(error.fields)})


def _invalid(error: appeals.Invalid) -> ApiError:
    return ApiError("invalid", str(error), {"errors": [_pointer(error.field, error.reason)]})


def _pointer(name: str, detail: str) -> dict[str, str]:
    return {"pointer": f"/{name}", "detail": detail}


def _stale(error: appeals.VersionConflict) -> ApiError:
    detail = f"It is at version {error.actual}; you wanted to change version {error.expected}."
    return ApiError("stale-version", detail, {"version": error.actual})


def _wrong_stage(error: appeals.WrongStage) -> ApiError:
    return ApiError("wrong-stage", f"{str(error).capitalize()}.", {"phase": error.phase})


def _unread(error: appeals.PbxUnread) -> ApiError:
    text = str(error)
    return ApiError(
        "telephony-unavailable", f"{text[0].upper()}{text[1:]}.", {"pbx": [*error.pbxs]}
    )


def _later(slug: str) -> Callable[[Any], ApiError]:
    """Return what makes the problem `slug` of an error that says when to come again."""

    def made(error: people.LockedOut | people.TooManyAttempts | people.Crowded) -> ApiError:
        text, seconds = str(error), error.retry_after_s
        detail = f"{text[0].upper()}{text[1:]}."
        return ApiError(slug, detail, {"retry_after_s": seconds}, {"Retry-After": str(seconds)})

    return made


def _weak(error: people.WeakPassword) -> ApiError:
    extra = {"reason": error.reason, "errors": [_pointer("new", str(error))]}
    return ApiError("invalid", f"{error}.", extra)


def _unavailable(_: Exception) -> ApiError:
    return ApiError("unavailable", headers={"Retry-After": "2"})


def _http(error: web.HTTPException) -> ApiError:
    """aiohttp's own refusals: unknown address, method, body limit."""
    by_status = {
        404: "not-found",
        405: "method-not-allowed",
        413: "too-large",
        415: "unsupported-media-type",
    }
    slug = by_status.get(error.status, "http")
    kept = {name: error.headers[name] for name in ("Allow",) if name in error.headers}
    return ApiError(slug, error.reason if slug == "http" else "", headers=kept, status=error.status)


_TABLE: tuple[tuple[type[Exception], Callable[[Any], ApiError]], ...] = (
    (ApiError, lambda error: error),
    (appeals.NotFound, _not_found),
    (appeals.Refused, _refused),
    (appeals.Missing, _missing),
    (appeals.Invalid, _invalid),
    (appeals.VersionConflict, _stale),
    (appeals.WrongStage, _wrong_stage),
    (appeals.PbxUnread, _unread),
    (web.HTTPException, _http),
    (people.SignInRefused, lambda _: ApiError("sign-in-refused")),
    (people.LockedOut, _later("locked-out")),
    (people.TooManyAttempts, _later("too-many-attempts")),
    (people.Crowded, _later("crowded")),
    (people.SecondFactorNeeded, lambda e: ApiError("second-factor", extra={"wrong": e.wrong})),
    (people.WrongPassword, lambda _: ApiError("wrong-password")),
    (people.NoSecondFactor, lambda _: ApiError("no-second-factor")),
    (people.NoSuchSession, lambda _: ApiError("not-found")),
    (people.WeakPassword, _weak),
    (OperationalError, _unavailable),
    (InterfaceError, _unavailable),
    (NoConnectionFree, _unavailable),
    (StoreError, _unavailable),
)


def problem_of(error: Exception) -> ApiError | None:
    """Return the problem that `error` is to the client; None when it is a fault of ours."""
    for kind, made in _TABLE:
        if isinstance(error, kind):
            return made(error)
    return None
