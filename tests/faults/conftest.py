"""Fixtures of the fault experiments."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.faults.as_root import pytest_pyfunc_call
from tests.faults.options import FaultOptions
from tests.faults.site import FAULTS, Site, open_site
from tests.faults.without import DIALPLAN, SERVICE
from tests.lab.fixtures import Labs
from tests.lab.harness import LabMenu

__all__ = ["OpenSite", "fault_options", "open_a_site", "pytest_pyfunc_call"]

OpenSite = Callable[..., Awaitable[Site]]


@pytest.fixture(scope="session")
def fault_options(request: pytest.FixtureRequest) -> FaultOptions:
    return FaultOptions.of(request.config)


@pytest.fixture
async def open_a_site(
    labs: Labs, fault_options: FaultOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[OpenSite]:
    """Make a site with an Asterisk of its own: `site = await open_a_site("22", through_proxy=True)`."""
    without = fault_options.without
    if without in DIALPLAN:
        DIALPLAN[without](monkeypatch)
    async with AsyncExitStack() as stack:

        async def make(version: str = "22", config: LabMenu = FAULTS, **options: object) -> Site:
            lab = await labs.start(version, config, fresh=True)
            stack.callback(lab.close)
            site = open_site(
                lab,
                tmp_path,
                seed=fault_options.seed,
                report=fault_options.report,
                without=without if without in SERVICE else None,
                **options,  # type: ignore[arg-type]
            )
            return await stack.enter_async_context(site)

        yield make
