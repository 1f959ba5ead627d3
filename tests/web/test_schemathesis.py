"""Requests that nobody thought of: made from the document, answered without a fault and as documented."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from aiohttp import web
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sqlalchemy.ext.asyncio import async_sessionmaker

from people.model import Role
from store.engine import create_engine
from store.writer import Writer
from tests.appeals.world import World
from tests.web.site import Site, nothing_pressed
from tests.web.toys import TOYS
from web import openapi
from web.app import build
from web.routes.all import OPERATIONS

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)
ROUTES = (*OPERATIONS, *TOYS)
schema = schemathesis.openapi.from_dict(openapi.document(ROUTES))


class _Service(threading.Thread):
    """The web application on a loop of its own: schemathesis asks without asyncio."""

    def __init__(self, database_url: str, folder: Path) -> None:
        super().__init__(name="web-under-test", daemon=True)
        self._url, self._folder = database_url, folder
        self.ready = threading.Event()
        self.base = self.token = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: asyncio.Event | None = None

    def run(self) -> None:
        asyncio.run(self._serve())

    def stop(self) -> None:
        assert self._loop is not None
        assert self._over is not None
        self._loop.call_soon_threadsafe(self._over.set)
        self.join(20)

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        engine = create_engine(self._url)
        async with Writer(engine) as writer:
            site = Site(
                World(async_sessionmaker(engine, expire_on_commit=False), writer), self._folder
            )
            site.extra = {"reconcile": nothing_pressed}
            await _some_work(site)
            self.token = await site.token(await site.world.hire("root", Role.ADMIN))
            runner = web.AppRunner(build(site.deps(), ROUTES), access_log=None, shutdown_timeout=1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.base = f"http://127.0.0.1:{runner.addresses[0][1]}/api/v1"
            self.ready.set()
            await self._over.wait()
            await runner.cleanup()
        await engine.dispose()


async def _some_work(site: Site) -> None:
    """Appeals 1 to 3 with their calls, and recording 1, so that there is something to be found."""
    world = site.world
    for n in range(3):
        call = await world.pressed(f"+7916000000{n}")
    await site.add_recording(call.id, audio=b"sound" * 100)


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[_Service]:
    service = _Service(database_url, tmp_path)
    service.start()
    assert service.ready.wait(30)
    yield service
    service.stop()


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_nothing_made_from_the_document_finds_a_fault(
    service: _Service, mode: GenerationMode
) -> None:
    for result in schema.get_all_operations():
        operation = result.ok()

        @settings(
            max_examples=12,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            # Signing out is asked with a token of nobody, or everything after it would be refused.
            token = "nobodys" if case.method == "DELETE" else service.token
            headers = {"Authorization": f"Bearer {token}", "X-Press3-Client": "test"}
            response = case.call(base_url=service.base, headers=headers)
            case.validate_response(response, checks=CHECKS)

        try:
            ask()
        except Unsatisfiable:
            continue  # an operation without any input can't be asked wrongly
