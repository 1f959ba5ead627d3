"""A test that can't run here is skipped loudly, and fails where CI must not skip it."""

import os
from typing import NoReturn

import pytest

__all__ = ["skip"]


def skip(why: str) -> NoReturn:
    """Skip the test, saying `why`; with CI=true (or 1) in the environment it fails."""
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(f"CI must not skip this: {why}", pytrace=False)
    pytest.skip(f"skipped: {why}")
