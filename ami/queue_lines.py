"""Lines of Asterisk's queue_log. Pure. A member's name may hold the bar that parts the fields."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from ami.wire import text_of

__all__ = ["BadLine", "QueueRecord", "channel_of", "is_start", "parse_line", "time_of"]

_SHOWN_BYTES = 200
_N = r"-?[0-9]+"
_WORD = re.compile(r"[A-Za-z0-9_.:-]+")
# Events that name a member and belong to a call, with their data: all that versions 1.4 to 22 write.
_OF_CALLS = {
    "ATTENDEDTRANSFER": rf"[A-Z]+\|.*(\|{_N})*",
    "BLINDTRANSFER": rf"[^|]+\|[^|]*(\|{_N})*",
    "COMPLETEAGENT": rf"{_N}\|{_N}(\|{_N})*",
    "COMPLETECALLER": rf"{_N}\|{_N}(\|{_N})*",
    "CONNECT": rf"{_N}(\|([^|]*[0-9][^|]*)?(\|{_N})*)?",
    "RINGCANCELED": _N,
    "RINGNOANSWER": _N,
    "TRANSFER": rf"[^|]+\|[^|]*(\|{_N})*",
}
_DATA = {event: re.compile(data, re.DOTALL) for event, data in _OF_CALLS.items()}
# Events that name a member and say nothing that is used here.
_OF_MEMBERS = frozenset(
    {
        "ADDMEMBER",
        "AGENTCALLBACKLOGIN",
        "AGENTCALLBACKLOGOFF",
        "AGENTDUMP",
        "AGENTLOGIN",
        "AGENTLOGOFF",
        "PAUSE",
        "PAUSEALL",
        "PAUSEREASON",
        "PENALTY",
        "REMOVEMEMBER",
        "RINGINUSE",
        "SYSCOMPAT",
        "UNPAUSE",
        "UNPAUSEALL",
    }
)
_NO_MEMBER = "NONE"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRecord:
    """`at` is PBX time in whole seconds. `agent` is the member's name, by default their interface."""

    at: datetime
    uniqueid: str
    queue: str
    agent: str
    event: str
    data: tuple[str, ...] = ()

    def value(self, n: int) -> str:
        """Return data field `n`, empty when the line has none."""
        return self.data[n] if n < len(self.data) else ""


class BadLine(ValueError):
    """Not what Asterisk writes: half a line of a full disk, or somebody else's."""


def parse_line(line: bytes) -> QueueRecord:
    """Return the record of one line; raises BadLine."""
    parts = text_of(line.strip(b"\0\r\n")).split("|")
    at = time_of(line)
    n = _event_at(parts) if at is not None else None
    if at is None or n is None:
        raise BadLine(f"no line of queue_log: {line[:_SHOWN_BYTES]!r}")
    return QueueRecord(
        at=at,
        uniqueid=parts[1],
        queue=parts[2],
        agent="|".join(parts[3:n]),
        event=parts[n],
        data=tuple(parts[n + 1 :]),
    )


def time_of(line: bytes) -> datetime | None:
    """Return when `line` was written; None when it does not begin with an epoch."""
    epoch, bar, _ = line.lstrip(b"\0").partition(b"|")
    if not bar or not epoch.isdigit() or len(epoch) > 11:
        return None
    return datetime.fromtimestamp(int(epoch), UTC)


def channel_of(line: bytes) -> str:
    """Return the uniqueid of the line, `NONE` for a line of no call, empty for what is no line."""
    parts = line.split(b"|", 2)
    return text_of(parts[1]) if len(parts) > 2 else ""


def is_start(line: bytes) -> bool:
    """Return whether the PBX wrote the line because it started."""
    return b"|NONE|NONE|NONE|QUEUESTART|" in line


def _event_at(parts: list[str]) -> int | None:
    """Return which field is the event: the fifth, or a later one behind a member's name with bars.

    None when no field can be it: the line is unreadable, and is not taken for something else.
    """
    if len(parts) < 5:
        return None
    # What follows an event without a member may be a stranger's caller id: it is not looked at.
    if parts[3] != _NO_MEMBER:
        behind_name = range(4, len(parts))
        fits = [n for n in behind_name if _is_of_call(parts, n)]
        fits += [n for n in behind_name if parts[n] in _OF_MEMBERS]
        if fits:
            return fits[0]
        if any(part in _DATA for part in parts[4:]):
            return None
    return 4 if _WORD.fullmatch(parts[4]) else None


def _is_of_call(parts: list[str], n: int) -> bool:
    data = _DATA.get(parts[n])
    return data is not None and data.fullmatch("|".join(parts[n + 1 :])) is not None
