"""press3 beside a real Asterisk, for the tests of the whole path."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e.desk import Desk, PbxSide, open_desk
from tests.e2e.office import module_office, office  # noqa: F401 - fixtures
from tests.lab.harness import Lab

StartDesk = Callable[..., Awaitable[Desk]]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[StartDesk]:
    """Start press3 for a lab: `desk = await desk(lab)`; stopped after the test."""
    async with AsyncExitStack() as stack:

        async def start(lab: Lab, **options: object) -> Desk:
            return await stack.enter_async_context(open_desk(lab, tmp_path, **options))  # type: ignore[arg-type]

        yield start


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def people(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Path]:
    """A data folder with the desk's people, and no service running."""
    folder = tmp_path_factory.mktemp("people")
    side = PbxSide(port=1, username="press3", secret="x", monitor=folder)
    async with open_desk(side, folder, start=False) as desk:
        yield desk.config.with_suffix(".data")
