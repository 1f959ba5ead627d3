"""Clients that hold connections without using them: people go on working, `/healthz` answers at once."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e.desk import Desk, PbxSide, open_desk
from tests.faults.attacks import ATTACKS, Attackers, attacked, probe
from tests.faults.service import Service
from tests.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timing]

DESCRIPTORS = 1_024  # as most systems give a service that asks for none
CONNECTIONS = 1_020
ANSWERS_S = 1.0
LOG_BYTES = 100_000
_NOWHERE = 1


class Narrow(Service):
    """press3 with few descriptors, and without a PBX."""

    async def start(self) -> None:
        self.prefix = ("prlimit", f"--nofile=256:{DESCRIPTORS}")
        await self.come_up()


@asynccontextmanager
async def narrow(folder: Path, more: str = "") -> AsyncIterator[Desk]:
    side = PbxSide(port=_NOWHERE, username="u", secret="s", monitor=folder)
    async with open_desk(side, folder, start=False, more=more, make=Narrow) as desk:
        await desk.start()
        yield desk


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    async with narrow(tmp_path_factory.mktemp("narrow")) as desk:
        yield desk


async def watch(desk: Desk, them: Attackers, seconds: float) -> list[float]:
    """Ask for `/healthz` again and again under the attack, and for a page of work; return the times."""
    chief = await desk.person("chief")
    token = chief.headers["Authorization"]
    took: list[float] = []
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        for path in ("/healthz", "/api/v1/appeals"):
            status, took_s = await probe(desk.url, path, Authorization=token)
            assert status == 200, (path, status, desk.log_tail())
            took.append(took_s)
        await asyncio.sleep(0.2)
    return took


@pytest.mark.parametrize("name", [*ATTACKS])
async def test_people_are_served_under(desk: Desk, name: str) -> None:
    chief, logged = await desk.person("chief"), desk.log.stat().st_size
    async with chief.screen() as screen, attacked(desk.url, name, CONNECTIONS) as them:
        took = await watch(desk, them, seconds=2.5)
        assert max(took) < ANSWERS_S, (name, took)
        assert await (await screen.socket.ping()) is not None, (
            "the screen was not cut for strangers"
        )
    assert desk.log.stat().st_size - logged < LOG_BYTES
    assert "Traceback" not in desk.log.read_text()


async def test_the_port_of_push_alone(tmp_path: Path) -> None:
    async with narrow(tmp_path, "[push]\nport = 0\n") as desk:
        chief = await desk.person("chief")
        push_url = (await chief.post("/push-ticket"))[1]["url"]
        for name in ("silent", "no_hello"):
            async with attacked(push_url, name, CONNECTIONS) as them:
                took = await watch(desk, them, seconds=2)
                assert max(took) < ANSWERS_S, (name, took)
                async with chief.screen() as screen:
                    assert screen.welcome["snapshot"] is not None
        assert desk.log.stat().st_size < LOG_BYTES


async def test_of_many_strangers_of_an_address_few_are_kept(desk: Desk) -> None:
    async with attacked(desk.url, "silent", 300) as them:
        await until(lambda: len(them.open) == 300, what="all connected")
        await until(lambda: them.still_open() <= 64, what="no more than 64 kept")
        assert them.still_open() > 0, "those within the limit have their 10 s"


@pytest.mark.faults_only
@pytest.mark.parametrize("name", [*ATTACKS])
async def test_a_minute_of(desk: Desk, name: str) -> None:
    logged = desk.log.stat().st_size
    async with attacked(desk.url, name, CONNECTIONS) as them:
        took = await watch(desk, them, seconds=60)
        assert max(took) < ANSWERS_S, (name, took)
        if name not in ("idle", "slow_reader"):  # they have longer than a minute
            await until(lambda: them.still_open() == 0, deadline_s=30, what="all of them cut")
    assert desk.log.stat().st_size - logged < LOG_BYTES
