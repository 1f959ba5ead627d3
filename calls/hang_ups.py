"""Which side ended a call: the first to hang up, unless the call went on. Pure."""

from datetime import datetime, timedelta
from typing import Final

from calls.facts import EndedBy
from calls.graph import Chan

__all__ = ["HangUps"]

# Both sides hang up: the one that came first counts.
_AT_ONCE: Final = timedelta(seconds=2)
# Without HangupRequest the side that hung up is unknown: a DAHDI line on hook raises none.
_SILENT_DRIVERS: Final = ("DAHDI/",)


class HangUps:
    """The hang-ups of the two sides of one call (HangupRequest), as they come."""

    def __init__(self) -> None:
        self._last: tuple[EndedBy, datetime] | None = None

    def note(self, by: EndedBy, at: datetime) -> None:
        """A side hangs up. The other side's hang-up just before is the one that counts."""
        if self._last is None or at - self._last[1] > _AT_ONCE:
            self._last = (by, at)

    def call_goes_on(self) -> None:
        """Another telephone rings or a queue takes the caller: the operator's hang-up ended nothing."""
        if self._last is not None and self._last[0] == "operator":
            self._last = None

    def ended_by(self, customer: Chan | None, *, lost: bool) -> EndedBy | None:
        """Return which side ended the call: the PBX when neither hung up. None when nobody can know.

        `lost`: the end was not seen.
        """
        if self._last is not None:
            return self._last[0]
        silent = customer is not None and customer.name.startswith(_SILENT_DRIVERS)
        return None if lost or silent else "pbx"
