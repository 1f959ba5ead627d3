"""The one place that reads the wall clock; everybody else is given `now`."""

from datetime import UTC, datetime

__all__ = ["now"]


def now() -> datetime:
    """Return the present as an aware UTC datetime."""
    return datetime.now(UTC)
