"""press3 beside a real Asterisk, for the tests of the whole path."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.e2e.desk import Desk, open_desk
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
