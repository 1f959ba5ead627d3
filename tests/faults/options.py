"""Options of the fault experiments. Without any: the short form that runs in `make test`."""

import random
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.without import DIALPLAN, SERVICE

__all__ = ["FaultOptions", "pytest_addoption", "pytest_configure"]


@dataclass(frozen=True, kw_only=True)
class FaultOptions:
    """`kills` of press3, of Asterisk, of both; `without` names a protection that is switched off."""

    kills: int
    pbx_kills: int
    both_kills: int
    histories: int
    seed: int
    without: str | None
    report: Path | None

    def walks(self, screens: int) -> int:
        """Return how many random walks of so many screens make up `histories`."""
        return -(-self.histories // screens)

    @classmethod
    def of(cls, config: pytest.Config) -> "FaultOptions":
        given = {name: config.getoption(f"--{name.replace('_', '-')}") for name in _NAMES}
        if given["seed"] is None:
            given["seed"] = random.SystemRandom().randrange(1_000_000)
        return cls(**given)


_NAMES = ("kills", "pbx_kills", "both_kills", "histories", "seed", "without", "report")


def pytest_configure(config: pytest.Config) -> None:
    """Switch the protection off here too, where no service is started, and in those that tests/e2e start."""
    from tests.e2e import desk  # not before: its imports are many

    without = config.getoption("--without")
    if without in SERVICE:
        SERVICE[without]()
        desk.run_without(without)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("faults", "fault experiments (tests/faults)")
    group.addoption("--kills", type=int, default=20, help="kills of press3 in one experiment")
    group.addoption("--pbx-kills", type=int, default=3, help="kills of Asterisk in one experiment")
    group.addoption("--both-kills", type=int, default=3, help="kills of both in one experiment")
    group.addoption("--histories", type=int, default=300, help="random histories of screens")
    group.addoption("--seed", type=int, help="repeat the experiments of this seed")
    group.addoption(
        "--without",
        choices=sorted({*SERVICE, *DIALPLAN}),
        help="switch a protection off: tests/faults/without.py",
    )
    group.addoption("--report", type=Path, metavar="FILE", help="add a line of JSON an experiment")
