"""How long the walks are: short by default, longer by `--examples N` and `--walk N`."""

import pytest


@pytest.fixture
def examples(request: pytest.FixtureRequest) -> int:
    """How many days hypothesis makes up."""
    return int(request.config.getoption("--examples"))
