"""Fixtures for every test that needs a real Asterisk."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import pytest

from press3.demo.tree import AsteriskTree, NoAsterisk, get_tree
from tests.lab.harness import Lab, LabMenu, start_lab

__all__ = ["StartAsterisk", "asterisk", "asterisk_version", "labs"]

StartAsterisk = Callable[..., Awaitable[Lab]]


@dataclass
class Labs:
    """The running Asterisks of a test module, one per version and configuration."""

    folders: pytest.TempPathFactory
    running: dict[str, Lab] = field(default_factory=dict)
    trees: dict[str, AsteriskTree] = field(default_factory=dict)

    async def start(self, version: str, config: LabMenu, *, fresh: bool) -> Lab:
        key = f"{version} {config!r}"
        lab = None if fresh else self.running.get(key)
        if lab is None or not lab.pbx.running:
            folder = self.folders.mktemp(f"pbx{version}-")
            lab = await start_lab(self.tree(version), folder, config)
            self.running[f"{key} {folder}" if fresh else key] = lab
        return lab

    def tree(self, version: str) -> AsteriskTree:
        if version not in self.trees:
            self.trees[version] = tree_or_skip(version)
        return self.trees[version]

    def close(self) -> None:
        for lab in self.running.values():
            lab.close()


def tree_or_skip(version: str) -> AsteriskTree:
    """Return the tree; skip the test loudly when there is none, or fail it where CI must have one."""
    try:
        return get_tree(version)
    except NoAsterisk as why:
        required = os.environ.get("CI"), os.environ.get("PRESS3_REQUIRE_ASTERISK")
        if any((value or "").lower() in {"1", "true"} for value in required):
            pytest.fail(f"{why}, and here these tests must run", pytrace=False)
        pytest.skip(f"skipped: {why}")


@pytest.fixture(scope="module")
def labs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Labs]:
    labs = Labs(tmp_path_factory)
    yield labs
    labs.close()


@pytest.fixture(params=["22", "16"])
def asterisk_version(request: pytest.FixtureRequest) -> str:
    """Run the test on both versions."""
    return str(request.param)


@pytest.fixture
async def asterisk(labs: Labs) -> AsyncIterator[StartAsterisk]:
    """Start (or share) a private Asterisk: `lab = await asterisk("22", LabMenu(…))`.

    One with an equal configuration is shared by the tests of the module; `fresh=True` gives this
    test its own, which it may kill. After the test all its calls are hung up, and its own is gone.
    """
    shared: list[Lab] = []
    own: list[Lab] = []

    async def start(version: str, config: LabMenu | None = None, *, fresh: bool = False) -> Lab:
        lab = await labs.start(version, config or LabMenu(), fresh=fresh)
        (own if fresh else shared).append(lab)
        return lab

    yield start
    for lab in own:
        lab.close()
    for lab in shared:
        await lab.hang_up_all()
