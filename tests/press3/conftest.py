"""Fixtures of the tests of gaps."""

from tests.press3.gaps import served

__all__ = ["served"]
