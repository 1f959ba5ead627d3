"""Why the database can't be used, in a line, and what to do about it."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from press3.errors import Press3Error

__all__ = ["DatabaseRefuses", "in_use", "plainly", "why"]

_OWNER = "make it press3's user's own (chown), or run this command as that user"
_URL = "[database] url"
_NOT_MIGRATED = ("the database lacks a table", "run: press3 migrate")
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
_REFUSES = "PostgreSQL refuses"
# SQLSTATE → what it means, what to do.
_POSTGRES_STATES = {
    "42501": (
        "PostgreSQL forbids it",
        "make the user of the URL the owner of press3's tables (ALTER TABLE … OWNER TO), and GRANT him USAGE and "
        "CREATE on their schema",
    ),
    "25006": ("PostgreSQL serves it for reading only", f"name the primary server in {_URL}"),
    "53100": ("PostgreSQL's disk is full", "free some space there"),
    "42P01": _NOT_MIGRATED,
}
# What is said before there is an SQLSTATE, the first that fits → the same. libpq speaks English here; a server
# speaks its own language, and then the general advice must do.
_POSTGRES_SAYS = {
    "system is starting up|system is in recovery|system is not yet accepting": (
        "PostgreSQL is starting",
        "wait a moment",
    ),
    "system is shutting down": ("PostgreSQL is being stopped", "start it again"),
    "too many connections for (role|database)": (
        "PostgreSQL allows no more connections",
        "raise the CONNECTION LIMIT that it names, or end others",
    ),
    "too many clients|too many connections|remaining connection slots": (
        "PostgreSQL has no connection free",
        "raise its max_connections, or end others",
    ),
    "is not currently accepting connections": (
        "PostgreSQL keeps this database closed",
        f"open it (ALTER DATABASE … ALLOW_CONNECTIONS true), or correct {_URL}",
    ),
    "permission denied for database": (
        "PostgreSQL does not let this user into the database",
        f"GRANT him CONNECT on it, or correct {_URL}",
    ),
    'role ".*" is not permitted to log in': (
        "PostgreSQL lets this user not log in",
        f"ALTER ROLE … LOGIN, or correct the user in {_URL}",
    ),
    'role ".*" does not exist': (
        "PostgreSQL does not know the user",
        f"make him (createuser), or correct {_URL}",
    ),
    'database ".*" does not exist': (
        "PostgreSQL has no such database",
        f"make it (createdb), or correct {_URL}",
    ),
    "password authentication failed": (
        "PostgreSQL refuses user or password",
        f"correct them in {_URL}",
    ),
    "no password supplied": ("PostgreSQL wants a password", f"put it into {_URL}"),
    "authentication failed": (
        "PostgreSQL refuses this user",
        f"correct the user in {_URL}, or let him in by pg_hba.conf",
    ),
    r"pg_hba\.conf": ("PostgreSQL lets nobody in from here", "add a line to its pg_hba.conf"),
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
    driver, said = _told(error)
    if make_url(url).get_backend_name() == "sqlite":
        what, advice = _of_sqlite(driver, said, make_url(url).database or "")
    else:
        what, advice = _of_postgres(driver, said)
    return DatabaseRefuses(f"{what}: {said}", advice)


def in_use(error: DBAPIError) -> DatabaseRefuses:
    """Return what `error` means at a database that could be opened; which one is not known here."""
    driver, said = _told(error)
    if error.connection_invalidated:
        what, advice = "the database was lost", "try again"
    elif isinstance(driver, sqlite3.Error):
        what, advice = _of_sqlite(driver, said)
    else:
        what, advice = _of_postgres(driver, said)
    return DatabaseRefuses(f"{what}: {said}", advice)


def _told(error: Exception) -> tuple[Any, str]:
    """Return the driver's error, and what it says in one line."""
    driver: Any = getattr(error, "orig", None) or error
    return driver, (str(driver).strip().splitlines() or [type(driver).__name__])[0]


def _of_sqlite(driver: Any, said: str, file: str = "") -> tuple[str, str]:
    if "no such table" in said:
        return _NOT_MIGRATED
    database = f"the database {file}".strip()
    name = getattr(driver, "sqlite_errorname", None) or ""
    for begins, (what, advice) in _SQLITE.items():
        if name.startswith(begins):  # SQLITE_IOERR_WRITE and the like
            return f"{database} {what}", advice.replace("FILE", file or "FILE")
    return f"{database} can't be used", f"check {_URL}"


def _of_postgres(driver: Any, said: str) -> tuple[str, str]:
    state = getattr(driver, "sqlstate", None)
    if state is not None:  # it was connected: user, password and database are right
        return _POSTGRES_STATES.get(state, (_REFUSES, "PostgreSQL's log says more"))
    if any(words in said for words in _NOBODY_THERE):
        return _UNREACHABLE
    known = (meaning for words, meaning in _POSTGRES_SAYS.items() if re.search(words, said))
    general = f"check user, password and database in {_URL}; PostgreSQL's log says more"
    return next(known, (_REFUSES, general))
