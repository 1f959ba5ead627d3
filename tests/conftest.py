"""Database fixtures for every test: each test gets a fresh, migrated, seeded database of both kinds.

Ask for `writer` and `sessions` and the test runs on SQLite and on a real PostgreSQL. A test that is
about one of them says `@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)`.
"""

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from press3 import schema
from store.engine import create_engine
from store.writer import Writer
from tests.ci import skip
from tests.faults import options as fault_options
from tests.lab.fixtures import asterisk, asterisk_version, labs  # noqa: F401 - fixtures
from tests.postgres import NoPostgres, Postgres, private_postgres
from tests.timing import pytest_runtest_protocol, pytest_sessionfinish, pytest_terminal_summary
from tests.walk import options as walk_options

__all__ = ["pytest_runtest_protocol", "pytest_sessionfinish", "pytest_terminal_summary"]


def pytest_addoption(parser: pytest.Parser) -> None:
    fault_options.pytest_addoption(parser)
    walk_options.pytest_addoption(parser)


def pytest_configure(config: pytest.Config) -> None:
    fault_options.pytest_configure(config)
    _plain_tracebacks()


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Callers of a real Asterisk follow a script in time, and Playwright waits only so long."""
    for item in items:
        names = {mark.name for mark in item.iter_markers()}
        if names & {"asterisk", "browser"} and "timing" not in names:
            item.add_marker(pytest.mark.timing)


def _plain_tracebacks() -> None:
    """A pretty traceback with all its variables takes seconds, in which nothing else happens in the test."""
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], plain])


@pytest.fixture(autouse=True)
def _own_logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A command that a test runs sets up logs; what a logger caches then would outlive the test."""
    configured, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure = structlog.configure

    def without_cache(**how: Any) -> None:
        configure(**{**how, "cache_logger_on_first_use": False})

    monkeypatch.setattr(structlog, "configure", without_cache)
    yield
    configure(**configured)
    root.handlers[:] = handlers
    root.setLevel(level)


def _migrate(url: str) -> None:
    with ThreadPoolExecutor(1) as apart:  # away from the event loop of the test that asked first
        apart.submit(asyncio.run, schema.upgrade(url)).result()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One real PostgreSQL for the test run."""
    try:
        with private_postgres() as server:
            yield server
    except NoPostgres as why:
        skip(f"no PostgreSQL: {why}")


@pytest.fixture(scope="session")
def _postgres_template(postgres: Postgres) -> str:
    name = postgres.create(name="press3_template")
    _migrate(postgres.url(name))
    return name


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "press3.db"
    _migrate(f"sqlite+aiosqlite:///{path}")
    return path


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh database with the schema of the migrations and its seed rows."""
    if request.param == "sqlite":
        path = tmp_path / "press3.db"
        shutil.copyfile(request.getfixturevalue("_sqlite_template"), path)
        yield f"sqlite+aiosqlite:///{path}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = server.create(template=request.getfixturevalue("_postgres_template"))
    yield server.url(name)
    server.drop(name)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without any table."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path}/empty.db"
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = server.create()
    yield server.url(name)
    server.drop(name)


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(database_url)
    yield engine
    await engine.dispose()


@pytest.fixture
def sessions(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    """Sessions for reading (and for a test's own set-up)."""
    return async_sessionmaker(engine, expire_on_commit=False)


@pytest.fixture
async def writer(engine: AsyncEngine) -> AsyncIterator[Writer]:
    """A running writer, as in the service."""
    async with Writer(engine) as writer:
        yield writer
