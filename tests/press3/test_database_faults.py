"""A database that can't be used: one line that says why, and the advice that fits."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from press3.config.settings import Settings
from press3.database import open_database
from press3.database_faults import DatabaseRefuses, in_use, why
from press3.doctor.database import opened
from tests.postgres import Postgres
from tests.waiting import until


def settings_for(folder: Path, url: str) -> Settings:
    return Settings.model_validate(
        {"service": {"data_dir": folder / "data"}, "database": {"url": url}}
    )


async def refused(folder: Path, url: str) -> str:
    """Return what a command says of the database at `url`, having made sure that the doctor says the same."""
    settings = settings_for(folder, url)
    with pytest.raises(DatabaseRefuses) as error:
        async with open_database(settings):
            pass
    async with opened(settings) as (finding, sessions):
        assert (finding.level, sessions) == ("fail", None)
        assert str(finding) == f"[fail] {error.value}"
    assert "\n" not in str(error.value)
    assert "sqlalche.me" not in str(error.value)
    return str(error.value)


async def test_nobody_at_the_port(tmp_path: Path) -> None:
    said = await refused(tmp_path, "postgresql+psycopg://press3:hidden@127.0.0.1:1/press3")
    assert said.startswith("PostgreSQL can't be reached: ")
    assert '"127.0.0.1", port 1' in said
    assert said.endswith("— start it, or correct host and port in [database] url")
    assert "hidden" not in said


async def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    said = await refused(tmp_path, f"sqlite+aiosqlite:///{tmp_path}/absent/press3.db")
    assert f"the database {tmp_path}/absent/press3.db can't be opened" in said
    assert "its folder must be there" in said


async def test_a_file_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no database at all\n" * 100)
    said = await refused(tmp_path, f"sqlite+aiosqlite:///{tmp_path}/notes.txt")
    assert "notes.txt is another kind of file: file is not a database" in said
    assert "restore a backup" in said


async def test_a_file_that_may_only_be_read(tmp_path: Path) -> None:
    path = tmp_path / "press3.db"
    async with open_database(settings_for(tmp_path, f"sqlite+aiosqlite:///{path}")):
        pass
    said = await refused(tmp_path, f"sqlite+aiosqlite:///file:{path}?mode=ro&uri=true")
    assert "can't be written by this user: attempt to write a readonly database" in said
    assert "chown" in said


@pytest.fixture
def guarded(postgres: Postgres) -> Iterator[str]:
    """The end of the URL of a server that wants a password of `guarded`, and lets `barred` not in."""
    folder = postgres.url("postgres").partition("host=")[2]
    with psycopg.connect(host=folder, user="postgres", dbname="postgres", autocommit=True) as admin:
        (name,) = admin.execute("SHOW hba_file").fetchone()  # type: ignore[misc]
        hba = Path(name)
        before = hba.read_text()
        hba.write_text(f"local all guarded scram-sha-256\nlocal all barred reject\n{before}")
        admin.execute("CREATE ROLE guarded LOGIN PASSWORD 'right'")
        admin.execute("SELECT pg_reload_conf()")
        yield f"@/postgres?host={folder}"
        admin.execute("DROP ROLE guarded")
        hba.write_text(before)
        admin.execute("SELECT pg_reload_conf()")


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("who", "what", "advice"),
    [
        ("guarded:wrong", "PostgreSQL refuses user or password", "correct them in [database] url"),
        ("guarded", "PostgreSQL wants a password", "put it into [database] url"),
        ("barred", "PostgreSQL lets nobody in from here", "pg_hba.conf"),
        ("stranger", "PostgreSQL does not know the user", "createuser"),
        ("guarded:right", "PostgreSQL forbids it", "GRANT"),
    ],
)
async def test_a_user_whom_the_server_does_not_let_in(
    guarded: str, tmp_path: Path, who: str, what: str, advice: str
) -> None:
    url = f"postgresql+psycopg://{who}{guarded}"

    async def reloaded() -> bool:  # the server reads its file a moment later
        try:
            async with open_database(settings_for(tmp_path, url)):
                return False
        except DatabaseRefuses as error:
            return what in error.what

    await until(reloaded, deadline_s=10, what=what)
    with pytest.raises(DatabaseRefuses) as error:
        async with open_database(settings_for(tmp_path, url)):
            pass
    assert error.value.what.startswith(f"{what}: ")
    assert advice in error.value.advice
    assert "\n" not in str(error.value)


@pytest.mark.postgres
async def test_a_database_that_the_server_does_not_have(postgres: Postgres, tmp_path: Path) -> None:
    said = await refused(tmp_path, postgres.url("absent"))
    assert said.startswith("PostgreSQL has no such database: ")
    assert "createdb" in said


def sqlite_error(name: str, text: str) -> Any:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorname = name
    return error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (sqlite_error("SQLITE_BUSY", "database is locked"), "/a.db is held by another process: database is locked — find out which: fuser -v /a.db"),
        (sqlite_error("SQLITE_FULL", "database or disk is full"), "has no room: the disk is full"),
        (sqlite_error("SQLITE_IOERR_WRITE", "disk I/O error"), "the disk fails, or is full"),
        (sqlite_error("SQLITE_CORRUPT", "malformed"), "is damaged: malformed — stop press3"),
        (sqlite_error("SQLITE_ERROR", "no such table: calls"), "lacks a table: no such table: calls — run: press3 migrate"),
        (sqlite_error("SQLITE_ERROR", "first\nsecond"), "can't be used: first — check [database] url"),
        (OSError(), "can't be used: OSError — check"),
    ],
)  # fmt: skip
def test_what_sqlite_may_say(error: Any, said: str) -> None:
    assert said in str(why(error, "sqlite+aiosqlite:////a.db"))


@pytest.mark.parametrize(
    ("words", "what", "advice"),
    [
        ("the database system is starting up", "PostgreSQL is starting", "wait"),
        ("the database system is not yet accepting connections", "PostgreSQL is starting", "wait"),
        ("the database system is shutting down", "PostgreSQL is being stopped", "start it again"),
        ("sorry, too many clients already", "PostgreSQL has no connection free", "max_connections"),
        ("remaining connection slots are reserved for roles with the SUPERUSER attribute", "PostgreSQL has no connection free", "max_connections"),
        ('too many connections for role "press3"', "PostgreSQL allows no more connections", "CONNECTION LIMIT"),
        ('too many connections for database "press3"', "PostgreSQL allows no more connections", "CONNECTION LIMIT"),
        ('permission denied for database "press3"', "PostgreSQL does not let this user into the database", "GRANT him CONNECT"),
        ('database "press3" is not currently accepting connections', "PostgreSQL keeps this database closed", "ALLOW_CONNECTIONS"),
        ('role "press3" is not permitted to log in', "PostgreSQL lets this user not log in", "ALTER ROLE"),
        ('role "press3" does not exist', "PostgreSQL does not know the user", "createuser"),
        ('database "press3" does not exist', "PostgreSQL has no such database", "createdb"),
        ('no pg_hba.conf entry for host "192.0.2.1", user "press3", database "press3", no encryption', "PostgreSQL lets nobody in from here", "pg_hba.conf"),
        ('Peer authentication failed for user "press3"', "PostgreSQL refuses this user", "correct the user"),
    ],
)  # fmt: skip
def test_what_postgresql_may_say_to_who_comes(words: str, what: str, advice: str) -> None:
    said = (
        f'connection failed: connection to server at "127.0.0.1", port 5432 failed: FATAL:  {words}'
    )
    found = why(psycopg.OperationalError(said), "postgresql+psycopg://a@127.0.0.1/b")
    assert found.what == f"{what}: {said}"
    assert advice in found.advice


def told_in_use(error: Exception, *, lost: bool = False) -> str:
    return str(in_use(DBAPIError("SELECT", {}, error, connection_invalidated=lost)))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (psycopg.errors.InsufficientPrivilege("permission denied for table calls"), "PostgreSQL forbids it: permission denied for table calls — make the user of the URL the owner"),
        (psycopg.errors.UndefinedTable('relation "calls" does not exist\nLINE 1'), 'lacks a table: relation "calls" does not exist — run: press3 migrate'),
        (psycopg.errors.QueryCanceled("canceling statement due to statement timeout"), "PostgreSQL refuses: canceling statement due to statement timeout — PostgreSQL's log says more"),
        (sqlite_error("SQLITE_BUSY", "database is locked"), "the database is held by another process: database is locked — find out which: fuser -v FILE"),
    ],
)  # fmt: skip
def test_a_database_in_use_that_refuses_was_not_lost(error: Exception, said: str) -> None:
    assert said in told_in_use(error)


def test_a_database_that_was_lost_in_use() -> None:
    error = psycopg.errors.AdminShutdown("terminating connection\nserver closed the connection")
    assert told_in_use(error, lost=True) == (
        "the database was lost: terminating connection — try again"
    )


def test_a_server_that_speaks_another_language_gets_the_general_advice() -> None:
    error = psycopg.OperationalError("connection failed: ВАЖНО: пользователь не прошёл проверку")
    said = str(why(error, "postgresql+psycopg://a@127.0.0.1/b"))
    assert said.startswith("PostgreSQL refuses: connection failed: ВАЖНО")
    assert "check user, password and database in [database] url" in said
