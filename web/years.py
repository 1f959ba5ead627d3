"""The years that a day or moment may be given in, by request or command."""

from datetime import date
from typing import TypeVar

__all__ = ["with_sound_year"]

_FIRST, _LAST = 1970, 2999  # the ends of the calendar can't be moved to UTC

D = TypeVar("D", bound=date)


def with_sound_year(at: D) -> D:
    """Return `at`; raises ValueError when its year is none that calls can be of."""
    if not _FIRST <= at.year <= _LAST:
        raise ValueError(f"the year must be from {_FIRST} to {_LAST}")
    return at
