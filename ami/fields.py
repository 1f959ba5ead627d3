"""Reads the headers of one event: which header fills which field of a frozen dataclass.

What an event costs is measured (`bench/ami_read.py`), hence two ways to the same result. Line by line,
without regard to case, everything is understood or refused. But an Asterisk writes the events of a class
with the same headers in the same order again and again: an order that was read line by line once is
kept as a regular expression, which takes all values of the next such event at once.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, TypeVar

from ami.errors import AmbiguousField, BadField, MissingField
from ami.wire import decode, event_type, text_of

__all__ = ["Headers", "Reader", "epoch", "event_of", "factory", "number", "text"]

T = TypeVar("T")
_UNKNOWN = "<unknown>"
_VALUE = f"(?:{_UNKNOWN}(?=\r\n|\\Z)|([^\r]*))"  # no group for unknown
# Asterisk repeats these on purpose, one for each channel variable.
_REPEATED = "ChanVariable"
# A caller's name with line breaks makes orders of its own: no more than so many are kept of a class,
# and none with more text in its names (a whole attended transfer has 2,000 letters).
_ORDERS_LIMIT = 8
_NAMES_LIMIT_LETTERS = 4_000

_Order = tuple[
    Callable[[str], "re.Match[str] | None"], Callable[[tuple[str, ...]], tuple[str, ...]]
]


class Headers:
    """Takes the values of `names` out of the events of one class, in this order.

    A header that is not there, and `<unknown>`, is an empty string. The orders that were met are
    remembered; they change what an event costs, never what is read.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._orders: list[_Order] = []

    def values(self, frame: bytes) -> tuple[str, ...]:
        """The values, and an empty string behind them.

        Raises AmbiguousField when a header came twice with different values: a caller's name with a
        line break in it looks like more headers, and rather no event than a false channel identity
        (events are hints, the spool is the evidence).
        """
        content = text_of(frame)
        for fullmatch, pick in self._orders:
            if found := fullmatch(content):
                return pick(found.groups(""))
        return self._line_by_line(frame, content)

    def _line_by_line(self, frame: bytes, content: str) -> tuple[str, ...]:
        pairs = [(name, "" if value == _UNKNOWN else value) for name, value in decode(frame)]
        exact = dict(pairs)
        folded = {name.lower(): value for name, value in reversed(pairs)}
        for name, value in pairs:
            if name and exact[name] != value and not name.endswith(_REPEATED):
                raise AmbiguousField(event_of(frame), name, frame)
        if len(folded) == len(pairs) and len(self._orders) < _ORDERS_LIMIT:
            self._remember([name for name, _ in pairs], content)
        return (*[exact.get(n, folded.get(n.lower(), "")) for n in self._names], "")

    def _remember(self, order: list[str], content: str) -> None:
        """Keep an order of headers in which none comes twice, in whatever case."""
        if sum(map(len, order)) > _NAMES_LIMIT_LETTERS:
            return
        wanted = {name.lower() for name in self._names}
        taken = [name.lower() for name in order if name.lower() in wanted]
        lines = (
            re.escape(name) + ": " + (_VALUE if name.lower() in wanted else "[^\r]*")
            for name in order
        )
        # The empty group at the end stands for every header that is not there.
        fullmatch = re.compile("\r\n".join(lines) + "()").fullmatch
        if fullmatch(content) is None:  # a line without a blank, a lone CR: not Asterisk's way
            return
        places = {name: place for place, name in enumerate(taken)}
        absent = len(taken)
        # `absent` at the end too: with one index alone itemgetter would give no tuple.
        pick = itemgetter(*(places.get(name.lower(), absent) for name in self._names), absent)
        self._orders.append((fullmatch, pick))


def event_of(frame: bytes) -> str:
    """The name of the event, for errors."""
    return event_type(frame).decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Reader:
    """How a field is read: `read(value, frame)` gets the header's value, and the event for its errors."""

    header: str
    read: Callable[[str, bytes], Any]


def text(name: str, *, required: bool = True) -> Reader:
    """A header's text as it is."""

    def read(value: str, frame: bytes) -> str:
        if required and not value:
            raise MissingField(event_of(frame), name, frame)
        return value

    return Reader(name, read)


def number(name: str) -> Reader:
    """A whole number, required."""

    def read(value: str, frame: bytes) -> int:
        if not value:
            raise MissingField(event_of(frame), name, frame)
        try:
            return int(value)
        except ValueError:
            raise BadField(event_of(frame), name, value, frame) from None

    return Reader(name, read)


def epoch(name: str) -> Reader:
    """A time as `<epoch seconds>.<fraction>`, required; aware UTC."""

    def read(value: str, frame: bytes) -> datetime:
        if not value:
            raise MissingField(event_of(frame), name, frame)
        try:
            return datetime.fromtimestamp(float(value), UTC)
        except (ValueError, OverflowError, OSError):
            raise BadField(event_of(frame), name, value, frame) from None

    return Reader(name, read)


def factory(cls: type[T], names: tuple[str, ...]) -> Callable[[tuple[Any, ...]], T]:
    """Make instances of a frozen, slotted dataclass from the values of all its fields.

    The function is generated, as `dataclasses` generates `__init__`, but writes the slots themselves:
    0.5 µs for ten fields against 1.8 µs, because a frozen `__init__` goes through
    `object.__setattr__` by name.
    """
    scope: dict[str, Any] = {"new": object.__new__, "cls": cls}
    scope |= {f"set_{name}": getattr(cls, name).__set__ for name in names}
    unpacked = "".join(f"{name}, " for name in names)
    stores = "".join(f"  set_{name}(made, {name})\n" for name in names)
    source = f"def make(values):\n  {unpacked}= values\n  made = new(cls)\n{stores}  return made\n"
    exec(source, scope)
    make: Callable[[tuple[Any, ...]], T] = scope["make"]
    return make
