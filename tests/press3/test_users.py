"""`press3 user …`: keys from the command line, each with its entry in the audit."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from click.testing import CliRunner, Result
from sqlalchemy import select

from people import roster
from people.errors import LockedOut, SignInRefused
from people.model import AuditEntry, Employee
from people.signin import Duty, SignIn, duty_of
from press3.cli import main
from press3.config.settings import load
from press3.database import Database, open_database

PASSWORD = "три зелёных слона"
Look = Callable[[Database], Awaitable[Any]]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "config.toml"
    file.write_text(f'[service]\ndata_dir = "{tmp_path}/data"\n')
    return file


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """The commands set up the log for their process."""
    root, chosen = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.configure(**chosen)


def user(config: Path, *arguments: str, password: str = PASSWORD) -> Result:
    return CliRunner().invoke(main, ["user", *arguments, "-c", str(config)], input=f"{password}\n")


def look(config: Path, what: Look) -> Any:
    async def opened() -> Any:
        async with open_database(load(config)) as database:
            return await what(database)

    return asyncio.run(opened())


async def anna(database: Database) -> Employee:
    async with database.sessions() as session:
        return await roster.find(session, "anna")


def test_must_change_is_set_only_when_it_is_asked_for(config: Path) -> None:
    added = user(config, "add", "anna", "--role", "operator", "--password-stdin")
    assert (added.exit_code, "employee anna added" in added.stdout) == (0, True)
    assert duty_of(look(config, anna), totp=False) is None
    for options, duty in ((["--must-change"], Duty.CHANGE_PASSWORD), ([], None)):
        given = user(config, "password", "anna", "--password-stdin", *options)
        assert given.exit_code == 0
        assert duty_of(look(config, anna), totp=False) is duty


@pytest.mark.parametrize("weak", ["password2026", "anna-2026", "short"])
def test_a_password_that_is_guessed_first_is_refused_with_the_reason(
    config: Path, weak: str
) -> None:
    refused = user(config, "add", "anna", "--role", "operator", "--password-stdin", password=weak)
    assert (refused.exit_code, "this password can't be used" in refused.stderr) == (1, True)


def test_unlock_sign_out_and_totp_reset(config: Path) -> None:
    user(config, "add", "anna", "--role", "operator", "--password-stdin")

    async def lock(database: Database) -> None:
        entrance = SignIn(database.sessions, database.writer, now=database.now)
        await entrance.sign_in("anna", PASSWORD)
        for error in (*[SignInRefused] * 5, LockedOut):
            with pytest.raises(error):
                await entrance.sign_in("anna", "wrong password")

    async def enter(database: Database) -> None:
        await SignIn(database.sessions, database.writer, now=database.now).sign_in("anna", PASSWORD)

    async def kinds(database: Database) -> list[str]:
        async with database.sessions() as session:
            return list(await session.scalars(select(AuditEntry.kind).order_by(AuditEntry.id)))

    look(config, lock)
    assert "failed sign-ins forgiven: 5" in user(config, "unlock", "anna").stdout
    look(config, enter)
    assert "sessions ended: 2" in user(config, "sign-out", "anna").stdout
    assert user(config, "totp-reset", "anna").exit_code == 0
    assert look(config, kinds)[-4:] == [
        "user-unlocked",
        "signed-in",
        "sessions-ended",
        "second-factor-reset",
    ]
    for command in ("unlock", "sign-out", "totp-reset"):
        unknown = user(config, command, "nobody")
        assert (unknown.exit_code, "nobody has the login" in unknown.stderr) == (1, True)
