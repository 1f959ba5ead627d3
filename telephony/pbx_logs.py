"""Log files that Asterisk itself writes, as sources of presses: queue_log and the CDR.

Of observed menus they show a press only where key 3 alone leads to a queue (`leads_to`): then every
outside call in that queue is one.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import structlog

from ami import cdr, queue_log
from ami.log_tail import TimeOf
from ami.spool import SpoolPress
from calls.numbers import NumberRules

__all__ = ["ObservedKey", "PbxLog", "PbxLogs", "logs_of"]

log = structlog.get_logger(__name__)

T = TypeVar("T")


class ObservedKey(NamedTuple):
    """Key 3 of a menu that press3 did not render.

    `exten` None: known by the key alone; `leads_to`: its queue.
    """

    context: str
    exten: str | None
    leads_to: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PbxLog:
    """One file. `calls_of` makes presses of its lines and logs what it can't read.

    `rows` joins lines that are one entry; `channel_of` returns the channel of an entry, empty
    without one. `unreadable` returns why entries can't be read. `has_keys`: the rendered dialplan
    writes each press into the file. `is_start`: the PBX writes this line when it starts.
    """

    pbx: str
    name: str
    path: Path
    time_of: TimeOf
    calls_of: Callable[[Iterable[bytes]], list[SpoolPress]]
    rows: Callable[[Iterable[bytes]], Iterable[bytes]]
    channel_of: Callable[[bytes], str]
    unreadable: Callable[[Iterable[bytes]], list[str]]
    is_start: Callable[[bytes], bool]
    has_keys: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PbxLogs:
    """The configured logs of one PBX, the better timed first, and its observed menus.

    `observed`: there are observed menus. `queues` are those that they lead to; `is_shown`: each
    menu leads to one.
    """

    pbx: str
    logs: tuple[PbxLog, ...]
    observed: bool
    is_shown: bool
    queues: frozenset[str]
    numbers: NumberRules

    def is_observed_press(self, call: SpoolPress) -> bool:
        """Return True if a queue that `call` was in makes it a press.

        `calls_of` chooses that queue.
        """
        if call.key is not None or call.queue not in self.queues:
            return False
        if call.timed_by == "queue_entry" and call.entered_at is None:
            return False  # the call of these lines began before them
        if self.numbers.party(call.number).kind != "internal":
            return True
        # An outside caller may show three digits; only a source that names the channel knows.
        return bool(call.channel) and self.numbers.extension(call.channel) is None


def logs_of(
    pbx: str,
    *,
    queue_log_file: Path | None,
    cdr_file: Path | None,
    menus: Sequence[ObservedKey],
    numbers: NumberRules,
) -> PbxLogs:
    """Return the logs of `pbx`; None is one not configured. `menus` are observed."""
    queues = frozenset(menu.leads_to for menu in menus if menu.leads_to)
    logs = []
    if queue_log_file is not None:
        logs.append(_queue_log(pbx, queue_log_file, queues))
    if cdr_file is not None:
        logs.append(_cdr(pbx, cdr_file, queues, menus))
    return PbxLogs(
        pbx=pbx,
        logs=tuple(logs),
        observed=bool(menus),
        is_shown=bool(menus) and all(menu.leads_to for menu in menus),
        queues=queues,
        numbers=numbers,
    )


def _queue_log(pbx: str, path: Path, queues: frozenset[str]) -> PbxLog:
    def calls_of(lines: Iterable[bytes]) -> list[SpoolPress]:
        read = _readable(lines, queue_log.parse_line, queue_log.BadLine, pbx, path)
        return list(queue_log.calls_in(read, queues))

    return PbxLog(
        pbx=pbx,
        name="queue_log",
        path=path,
        time_of=queue_log.time_of,
        calls_of=calls_of,
        rows=lambda lines: lines,
        channel_of=queue_log.channel_of,
        unreadable=lambda lines: _refused(lines, queue_log.parse_line, queue_log.BadLine),
        is_start=queue_log.is_start,
        has_keys=True,
    )


def _cdr(pbx: str, path: Path, queues: frozenset[str], menus: Iterable[ObservedKey]) -> PbxLog:
    places = [(m.context, m.exten, m.leads_to) for m in menus if m.exten and m.leads_to]

    def calls_of(lines: Iterable[bytes]) -> list[SpoolPress]:
        read = _readable(cdr.rows_of(lines), cdr.parse_row, cdr.BadRow, pbx, path)
        return list(cdr.calls_in(read, queues, places))

    return PbxLog(
        pbx=pbx,
        name="CDR",
        path=path,
        time_of=cdr.time_of,
        calls_of=calls_of,
        rows=cdr.rows_of,
        channel_of=cdr.channel_of,
        unreadable=lambda lines: _refused(cdr.rows_of(lines), cdr.parse_row, cdr.BadRow),
        is_start=lambda line: False,
        has_keys=False,
    )


def _refused(
    lines: Iterable[bytes], parse: Callable[[bytes], object], bad: type[ValueError]
) -> list[str]:
    """Return why each line that `parse` refuses can't be read."""
    refused = []
    for line in lines:
        try:
            parse(line)
        except bad as error:
            refused.append(str(error))
    return refused


def _readable(
    lines: Iterable[bytes],
    parse: Callable[[bytes], T],
    bad: type[ValueError],
    pbx: str,
    path: Path,
) -> Iterator[T]:
    """Yield what `parse` makes of each line; log the count of those it refuses."""
    refused: list[ValueError] = []
    for line in lines:
        try:
            yield parse(line)
        except bad as error:
            refused.append(error)
    if refused:
        log.warning(
            "lines of a log of the PBX can't be read",
            pbx=pbx,
            file=str(path),
            lines=len(refused),
            personal_first=str(refused[0]),
        )
