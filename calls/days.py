"""Local days as pairs of moments. Pure; the one place that makes a day into instants on this side.

`dayStart` of the screen's time.ts is its twin; a test compares them, zone by zone.
"""

from datetime import UTC, date, datetime, time, timedelta, tzinfo

__all__ = ["bounds", "day_at", "start"]


def start(day: date, zone: tzinfo) -> datetime:
    """Return the first moment of `day` in `zone`, in UTC.

    Where clocks jump over midnight, it is the moment of the jump; where midnight comes twice, the first.
    """
    # fold=0 means both: the offset of before the change.
    return datetime.combine(day, time(), zone).astimezone(UTC)


def bounds(day: date, zone: tzinfo) -> tuple[datetime, datetime]:
    """Return the first moment of `day` and of the next one: 23 to 25 hours apart where clocks change."""
    return start(day, zone), start(day + timedelta(days=1), zone)


def day_at(moment: datetime, zone: tzinfo) -> date:
    """Return the day that it is in `zone` at `moment`, which has a zone of its own."""
    return moment.astimezone(zone).date()
