"""What time it is on the PBX: its last Ping reply and our monotonic clock since. Pure."""

from datetime import UTC, datetime, timedelta

__all__ = ["PbxClock", "epoch_time"]

_JITTER = timedelta(seconds=2)  # further back than this is a clock that was set


class PbxClock:
    """`mono_s` everywhere is a monotonic clock of ours (`loop.time()`)."""

    def __init__(self) -> None:
        self._told: tuple[datetime, float] | None = None
        self._last_event_at: datetime | None = None

    def set(self, told: datetime, mono_s: float) -> None:
        """The PBX said that it is `told`."""
        self._told = (told, mono_s)

    def now(self, mono_s: float) -> datetime | None:
        """The PBX's time; None before it was ever told."""
        if self._told is None:
            return None
        told, at = self._told
        return told + timedelta(seconds=mono_s - at)

    def of_event(self, mono_s: float) -> datetime | None:
        """The time of an event that arrives now without one of its own.

        Never a little before the last one: a Ping reply that was long on its way must not turn two
        events round.
        """
        at, last = self.now(mono_s), self._last_event_at
        if at is not None and last is not None and last - _JITTER < at < last:
            at = last
        self._last_event_at = at
        return at


def epoch_time(text: str) -> datetime | None:
    """Read `<epoch seconds>.<fraction>`; None when it is no time."""
    try:
        return datetime.fromtimestamp(float(text), UTC)
    except (ValueError, OverflowError, OSError):
        return None
