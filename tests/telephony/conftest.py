"""Fixtures of the tests of gaps, and retries that don't wait."""

import pytest

from telephony import recorder
from tests.telephony.gaps import served

__all__ = ["at_once", "served"]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trying again does not wait."""
    monkeypatch.setattr(recorder, "_RETRY_S", (0.0,))
