"""Options of the random walks. Without any: the short form that runs in `make test`."""

import pytest

__all__ = ["pytest_addoption"]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("walk", "random walks (tests/walk)")
    group.addoption("--examples", type=int, default=40, help="days that hypothesis makes up")
    group.addoption("--walk", type=int, default=200, help="calls of the walk on Asterisk 22")
