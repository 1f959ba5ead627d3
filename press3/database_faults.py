"""Why the database can't be used, in a line, and what to do about it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from press3.errors import Press3Error

__all__ = ["DatabaseRefuses", "plainly", "why"]

_OWNER = "make it press3's user's own (chown), or run this command as that user"
_URL = "[database] url"
# SQLite's own name of the error → what it means, what to do.
_SQLITE = {
    "SQLITE_CANTOPEN": (
        "can't be opened",
        "its folder must be there, and this user must be allowed to write in it",
    ),
    "SQLITE_READONLY": ("can't be written by this user", _OWNER),
    "SQLITE_NOTADB": ("is another kind of file", f"correct {_URL}, or restore a backup"),
    "SQLITE_CORRUPT": ("is damaged", "stop press3, keep a copy, restore a backup"),
    "SQLITE_BUSY": ("is held by another process", "find out which: fuser -v FILE"),
    "SQLITE_FULL": ("has no room: the disk is full", "free some space"),
    "SQLITE_IOERR": ("can't be read or written: the disk fails, or is full", "look at the disk"),
}
# SQLSTATE, or words of what is said before there is one → what it means, what to do. libpq speaks English
# here; a server speaks its own language, and then the general advice must do.
_POSTGRES = {
    "42501": ("PostgreSQL forbids it", "GRANT the user of the URL USAGE and CREATE on the schema"),
    "25006": ("PostgreSQL serves it for reading only", f"name the primary server in {_URL}"),
    "53100": ("PostgreSQL's disk is full", "free some space there"),
    "password authentication failed": (
        "PostgreSQL refuses user or password",
        f"correct them in {_URL}",
    ),
    "no password supplied": ("PostgreSQL wants a password", f"put it into {_URL}"),
    "authentication failed": (
        "PostgreSQL refuses this user",
        f"correct the user in {_URL}, or let him in by pg_hba.conf",
    ),
    "pg_hba.conf": ("PostgreSQL lets nobody in from here", "add a line to its pg_hba.conf"),
    "role ": ("PostgreSQL does not know the user", f"make him (createuser), or correct {_URL}"),
    "database ": ("PostgreSQL has no such database", f"make it (createdb), or correct {_URL}"),
    "too many connections": (
        "PostgreSQL has no connection free",
        "raise its max_connections, or end others",
    ),
    "starting up": ("PostgreSQL is starting", "wait a moment"),
}
_UNREACHABLE = (
    "PostgreSQL can't be reached",
    f"start it, or correct host and port in {_URL}",
)
_NOBODY_THERE = (
    "refused",
    "No such file",
    "resolve host",
    "timeout",
    "timed out",
    "unreachable",
    "No route",
)
_NOT_MIGRATED = ("the database lacks a table", "run: press3 migrate")


class DatabaseRefuses(Press3Error):
    """The configured database can't be used. `what` is one line, `advice` what to do."""

    def __init__(self, what: str, advice: str) -> None:
        self.what = what
        self.advice = advice
        super().__init__(f"{what} — {advice}")


@contextmanager
def plainly(url: str) -> Iterator[None]:
    """Turn what SQLAlchemy raises at the database of `url` into DatabaseRefuses."""
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        raise why(error, url) from error


def why(error: Exception, url: str) -> DatabaseRefuses:
    """Return what `error` at the database of `url` means. What the database said stands in it, on one line."""
    driver: Any = getattr(error, "orig", None) or error
    said = (str(driver).strip().splitlines() or [type(driver).__name__])[0]
    if "no such table" in said or getattr(driver, "sqlstate", None) == "42P01":
        what, advice = _NOT_MIGRATED
    elif make_url(url).get_backend_name() == "sqlite":
        what, advice = _of_sqlite(driver, make_url(url).database)
    else:
        what, advice = _of_postgres(driver, said)
    return DatabaseRefuses(f"{what}: {said}", advice)


def _of_sqlite(driver: Any, file: str | None) -> tuple[str, str]:
    name = getattr(driver, "sqlite_errorname", None) or ""
    for begins, (what, advice) in _SQLITE.items():
        if name.startswith(begins):  # SQLITE_IOERR_WRITE and the like
            return f"the database {file} {what}", advice.replace("FILE", file or "")
    return f"the database {file} can't be used", f"check {_URL}"


def _of_postgres(driver: Any, said: str) -> tuple[str, str]:
    state = getattr(driver, "sqlstate", None)
    if state in _POSTGRES:
        return _POSTGRES[state]
    if any(words in said for words in _NOBODY_THERE):
        return _UNREACHABLE
    known = (meaning for words, meaning in _POSTGRES.items() if words in said)
    general = f"check user, password and database in {_URL}; PostgreSQL's log says more"
    return next(known, ("PostgreSQL refuses", general))
