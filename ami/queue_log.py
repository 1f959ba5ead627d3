"""What Asterisk's queue_log tells of presses and calls in queues. Pure.

A line is `epoch|uniqueid|queue|agent|EVENT|data…`, epoch in whole seconds. The rendered dialplan adds
`PRESS3|<AstDB key>|<AstDB row>` before it writes AstDB: on a full disk AstDB forgets in silence, this
line stays. Source: app_queue.c of 16.28 and 22.10.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ami.spool import SpoolAnswer, SpoolPress, parse_tree
from ami.wire import text_of

__all__ = ["BadLine", "QueueRecord", "calls_in", "parse_line", "time_of"]

_LEFT = {
    "ABANDON": "ABANDON",
    "EXITWITHTIMEOUT": "TIMEOUT",
    "EXITEMPTY": "LEAVEEMPTY",
    "EXITWITHKEY": "EXITWITHKEY",
}
_SHOWN_BYTES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRecord:
    """`at` is PBX time in whole seconds. `agent` is the member's name, by default his interface."""

    at: datetime
    uniqueid: str
    queue: str
    agent: str
    event: str
    data: tuple[str, ...] = ()

    def told(self, n: int) -> str:
        """Return data field `n`, empty when the line has none."""
        return self.data[n] if n < len(self.data) else ""


class BadLine(ValueError):
    """Not what Asterisk writes: half a line of a full disk, or somebody else's."""


def parse_line(line: bytes) -> QueueRecord:
    """Return the record of one line; raises BadLine."""
    parts = text_of(line.strip(b"\0\r\n")).split("|")
    at = time_of(line)
    if at is None or len(parts) < 5 or not parts[4]:
        raise BadLine(f"no line of queue_log: {line[:_SHOWN_BYTES]!r}")
    _, uniqueid, queue, agent, event, *data = parts
    return QueueRecord(
        at=at, uniqueid=uniqueid, queue=queue, agent=agent, event=event, data=tuple(data)
    )


def time_of(line: bytes) -> datetime | None:
    """Return when `line` was written; None when it does not begin with an epoch."""
    epoch, bar, _ = line.lstrip(b"\0").partition(b"|")
    if not bar or not epoch.isdigit() or len(epoch) > 11:
        return None
    return datetime.fromtimestamp(int(epoch), UTC)


def calls_in(records: Iterable[QueueRecord]) -> Iterator[SpoolPress]:
    """Yield what `records`, in order, tell of each channel: a press of the rendered dialplan (`key`), or a call in a queue.

    A call without a key has `pressed_at` at its queue entry (`entered_at`; null when it lies before
    these records). Times are whole seconds but that of a press whose line holds its AstDB row.
    """
    by_channel: dict[str, list[QueueRecord]] = {}
    for record in records:
        by_channel.setdefault(record.uniqueid, []).append(record)
    for uniqueid, told in by_channel.items():
        if uniqueid in ("", "NONE"):
            continue
        call = _begin(told)
        for record in told:
            call = _MARKS.get(record.event, _nothing)(call, record)
        yield call


def _begin(told: list[QueueRecord]) -> SpoolPress:
    press = next((record for record in told if record.event == "PRESS3" and record.told(0)), None)
    if press is None:
        entry = next((record for record in told if record.event == "ENTERQUEUE"), told[0])
        return _call_of(entry)
    row = "|".join(press.data[1:])
    found, _ = parse_tree([(press.told(0), row)])
    if found and found[0].uniqueid == press.uniqueid:
        return found[0]
    # a dialplan rendered by an older press3 writes the key alone
    return replace(_call_of(press), key=press.told(0), timed_by="key", queue="")


def _call_of(record: QueueRecord) -> SpoolPress:
    return SpoolPress(
        key=None,
        uniqueid=record.uniqueid,
        linkedid=record.uniqueid,
        pressed_at=record.at,
        number="",
        name="",
        did="",
        menu="",
        queue=record.queue,
        timed_by="queue_entry",
    )


def _nothing(call: SpoolPress, record: QueueRecord) -> SpoolPress:
    return call


def _entered(call: SpoolPress, record: QueueRecord) -> SpoolPress:
    """A caller who comes back waits again: he has not left."""
    return replace(
        call,
        queue=call.queue or record.queue,
        number=call.number or record.told(1),
        entered_at=call.entered_at or _not_before_press(call, record),
        queue_left=None,
        ended_at=None,
    )


def _connected(call: SpoolPress, record: QueueRecord) -> SpoolPress:
    at = _not_before_press(call, record)
    answer = SpoolAnswer(at=at, channel=record.agent, uniqueid=record.told(1))
    return replace(call, answered=(*call.answered, answer))


def _left(call: SpoolPress, record: QueueRecord) -> SpoolPress:
    at = _not_before_press(call, record)
    return replace(
        call,
        queue_left=(at, _LEFT[record.event]),
        ended_at=at if record.event == "ABANDON" else None,
    )


def _completed(call: SpoolPress, record: QueueRecord) -> SpoolPress:
    return replace(call, ended_at=_not_before_press(call, record))


def _did(call: SpoolPress, record: QueueRecord) -> SpoolPress:
    """FreePBX writes the number that was called."""
    return replace(call, did=call.did or record.told(0))


def _not_before_press(call: SpoolPress, record: QueueRecord) -> datetime:
    return max(record.at, call.pressed_at)  # the row has milliseconds, the line has not


_MARKS: dict[str, Callable[[SpoolPress, QueueRecord], SpoolPress]] = {
    "ENTERQUEUE": _entered,
    "CONNECT": _connected,
    "COMPLETEAGENT": _completed,
    "COMPLETECALLER": _completed,
    "DID": _did,
    **dict.fromkeys(_LEFT, _left),
}
