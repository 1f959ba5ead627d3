"""The database away, locked, killed; two press3 on one PostgreSQL: who serves, who waits, who is refused."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from tests.ci import skip
from tests.faults.conftest import OpenSite
from tests.faults.moments import is_in_state, more_presses
from tests.faults.service import Service
from tests.faults.site import Site
from tests.postgres import NoPostgres, Postgres, private_postgres
from tests.waiting import until

pytestmark = pytest.mark.asterisk

TAKEOVER_S = 15  # the promise, whatever became of the one that served
_AT_ONCE_S = 5  # a holder that is dead on this host is not waited for
_LOCKED_S = 10


# -- two press3 -----------------------------------------------------------------------------------


@asynccontextmanager
async def second(site: Site) -> AsyncIterator[Service]:
    """Run another press3 with the same configuration beside the site's."""
    config = Path(shutil.copy(site.service.config, site.service.config.with_name("second.toml")))
    other = Service(config, site.service._http, without=site.service._without)
    await other.come_up()
    try:
        yield other
    finally:
        if other.process is not None and other.process.returncode is None:
            other.process.send_signal(signal.SIGCONT)
            await other.stop()


async def stands_by(service: Service) -> None:
    """It says so, and people can work with it all the same."""
    await is_in_state(service, "standby")
    status, body = await service.readyz()
    assert (status, "takes over when it goes" in body) == (200, True), body
    chief = await service.person("chief")
    assert "items" in await chief.get("/appeals")
    async with chief.screen() as screen:
        assert screen.welcome["snapshot"] is not None


async def freeze_in_mid_transaction(service: Service, url: str) -> None:
    """Stop the process at the worst moment: while it holds the lease's row and others wait for it."""
    assert service.process is not None
    pid = service.process.pid
    query = """SELECT count(*) FROM pg_stat_activity AS who
        JOIN pg_locks AS held ON held.pid = who.pid AND held.relation = 'leases'::regclass
        WHERE who.state = 'idle in transaction'"""
    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as connection:

        async def caught() -> bool:
            signal_to(pid, signal.SIGSTOP)
            await asyncio.sleep(0.05)  # what was on its way to the server has come to rest
            (held,) = connection.execute(query).fetchone() or (0,)
            if not held:
                signal_to(pid, signal.SIGCONT)
            return bool(held)

        await until(caught, deadline_s=60, what="frozen with the lease's row in hand")


def signal_to(pid: int, sign: signal.Signals) -> None:

    os.kill(pid, sign)


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_of_two_on_one_postgresql_one_serves_and_the_other_takes_over(
    open_a_site: OpenSite, database_url: str
) -> None:
    site = await open_a_site("22", database_url=database_url)
    first = site.service
    async with second(site) as other:
        await stands_by(other)
        async with site.calling() as callers:
            await more_presses(callers, 4)
            first.process.kill()  # type: ignore[union-attr]
            site.blind()  # now: the other may serve before this process hears of the death
            await first.kill9()
            site.service = other
            assert await is_in_state(other, "up") <= _AT_ONCE_S

            await first.come_up()
            await stands_by(first)
            await more_presses(callers, 4)
            await freeze_in_mid_transaction(other, database_url)
            site.blind()
            site.service = first
            assert await is_in_state(first, "up") <= TAKEOVER_S
            await more_presses(callers, 2)
            signal_to(other.process.pid, signal.SIGCONT)  # type: ignore[union-attr]
            await says_that_it_was_replaced(other)
            await more_presses(callers, 2)
        await site.conclude("two on one PostgreSQL: one killed, one frozen", times=2)


async def says_that_it_was_replaced(service: Service) -> None:
    """It stores nothing more, and ends with a line that says why: its supervisor starts it anew."""
    assert service.process is not None
    assert await asyncio.wait_for(service.process.wait(), 30) == 1, service.last_words()
    said = service.log.read_text()
    assert "another process has taken over PBX 'main'" in said, service.last_words()
    assert not service.tracebacks(), service.tracebacks()[0]


# -- the database away ----------------------------------------------------------------------------


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A PostgreSQL that the test may stop and kill."""
    try:
        with private_postgres() as server:
            yield server
    except NoPostgres as why:
        skip(f"no PostgreSQL: {why}")


@pytest.mark.postgres
async def test_postgresql_stopped_and_killed_costs_nothing_but_time(
    own_postgres: Postgres, open_a_site: OpenSite
) -> None:
    url = own_postgres.url(own_postgres.create())
    site = await open_a_site("22", database_url=url)
    async with site.calling() as callers:
        for end in (own_postgres.stop, own_postgres.kill9):
            await more_presses(callers, 3)
            await asyncio.to_thread(end)
            await is_in_state(site.service, "stuck")
            status, body = await site.service.readyz()
            assert (status, "the database does not answer" in body) == (503, True), body
            await more_presses(callers, 4)
            await asyncio.to_thread(own_postgres.start)
            await is_in_state(site.service, "up")
        await more_presses(callers, 2)
    await site.conclude("PostgreSQL stopped, and killed -9", times=2)


_HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA busy_timeout = 10000")
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


@asynccontextmanager
async def locked(file: Path) -> AsyncIterator[None]:
    """Let another process hold SQLite's write lock in the block."""
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _HOLD, str(file), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"held\n"
    try:
        yield
    finally:
        await holder.communicate(b"")


@pytest.mark.faults_only
async def test_a_database_locked_for_ten_seconds_costs_nothing_but_time(
    open_a_site: OpenSite,
) -> None:
    site = await open_a_site("22")
    async with site.calling() as callers:
        await more_presses(callers, 3)
        async with locked(site.service.config.with_suffix(".data") / "press3.db"):
            began = time.perf_counter()
            await more_presses(callers, 6)
            chief = await site.service.person("chief")  # signed in before: reading goes on
            assert "items" in await chief.get("/appeals")
            # and longer than SQLite itself waits for a lock (busy_timeout), so that it is refused
            await is_in_state(site.service, "stuck")
            assert time.perf_counter() - began >= _LOCKED_S
        await is_in_state(site.service, "up")
        await more_presses(callers, 2)
    await site.conclude("SQLite locked by another process", times=1)
