"""Reads the headers of one event by table: which header fills which field of a frozen dataclass.

What an event costs is measured (`bench/ami_read.py`), hence two ways to the same result. Asterisk
16–22 writes a channel as 14 headers in one order: such a block is taken by one regular expression,
and only the few other headers become a dict. Whatever looks different in any way (another order or
spelling, a header that comes twice) is read line by line and without regard to case.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, Generic, Protocol, TypeVar

from ami.errors import AmbiguousField, BadField, MissingField
from ami.wire import decode, event_type, text_of

__all__ = [
    "Headers",
    "Reader",
    "Record",
    "build",
    "epoch",
    "factory",
    "number",
    "read_headers",
    "text",
]

T = TypeVar("T")
_UNKNOWN = "<unknown>"
_VALUE = f"(?:{_UNKNOWN}(?=\r\n|$)|([^\r]*))"  # no group for unknown
# Asterisk repeats these on purpose, one for each channel variable.
_REPEATED = "ChanVariable"


class Headers(dict[str, str]):
    """Headers of one event, but for its `blocks`: first header of a block → values of its fields.

    A missing header raises KeyError.
    """

    __slots__ = ("blocks", "frame")
    frame: bytes
    blocks: dict[str, tuple[str, ...]]

    @property
    def event(self) -> str:
        return event_type(self.frame).decode("utf-8", "replace")


class _AnyCase(Headers):
    """Every header, none in a block, looked up in any case; a missing one is an empty string."""

    __slots__ = ("_folded",)

    def __init__(self, frame: bytes) -> None:
        pairs = _pairs(frame)
        super().__init__(pairs)
        self.frame = frame
        self.blocks = {}
        self._folded = {name.lower(): value for name, value in reversed(pairs)}

    def __missing__(self, name: str) -> str:
        return self._folded.get(name.lower(), "")


class Reader(Protocol):
    def __call__(self, headers: Headers, /) -> Any: ...


class Record(Generic[T]):
    """Reads a dataclass from a block of headers, `order`: header → field, None for one not kept.

    Fields in `required` must not be empty. `optional`: None when the block's first header is absent.
    """

    def __init__(
        self,
        cls: type[T],
        order: Mapping[str, str | None],
        *,
        required: Sequence[str],
        optional: bool = False,
    ) -> None:
        kept = {header: field for header, field in order.items() if field is not None}
        self.first = next(iter(order))
        self.headers = frozenset(order)
        self.pattern = re.compile(
            "".join(
                f"\r\n{header}: " + (_VALUE if header in kept else "[^\r]*") for header in order
            )
            + "(?=\r\n|$)"
        )
        self._names = tuple(kept)
        self._pick = itemgetter(*kept)
        self._make = factory(cls, tuple(kept.values()))
        self._needed = itemgetter(*(list(kept.values()).index(field) for field in required))
        self._optional = optional

    def __call__(self, headers: Headers, /) -> T | None:
        values = headers.blocks.get(self.first)
        if values is None:
            if self._optional and not headers[self.first]:
                return None
            values = self._pick(headers)
        if "" in self._needed(values):
            raise MissingField(headers.event, self._first_missing(values), headers.frame)
        return self._make(values)

    def _first_missing(self, values: tuple[str, ...]) -> str:
        needed = set(self._needed(self._names))
        return next(n for n, v in zip(self._names, values, strict=True) if n in needed and not v)


def read_headers(
    frame: bytes, records: Sequence[Record[Any]] = (), in_records: frozenset[str] = frozenset()
) -> Headers:
    """The headers of an event, with a block for each of `records` that looks as usual.

    `in_records` are all headers of the records; one of them outside its block is a second one.

    Raises AmbiguousField when a header came twice with different values: a caller's name with a line
    break in it looks like more headers, and rather no event than a false channel identity (events
    are hints, the spool is the evidence).
    """
    content = text_of(frame)
    blocks = {}
    for record in records:
        if found := record.pattern.search(content):
            blocks[record.first] = found.groups("")
            content = content[: found.start()] + content[found.end() :]
    lines = content.split("\r\n")
    try:
        headers = Headers([line.split(": ", 1) for line in lines])
    except ValueError:  # a line without ": "
        return _line_by_line(frame)
    if len(headers) != len(lines) or not in_records.isdisjoint(headers):
        return _line_by_line(frame)
    if _UNKNOWN in content:
        headers.update({name: "" for name, value in headers.items() if value == _UNKNOWN})
    headers.frame = frame
    headers.blocks = blocks
    return headers


def _line_by_line(frame: bytes) -> Headers:
    headers = _AnyCase(frame)
    for name, value in _pairs(frame):
        if name and headers[name] != value and not name.endswith(_REPEATED):
            raise AmbiguousField(headers.event, name, frame)
    return headers


def _pairs(frame: bytes) -> list[tuple[str, str]]:
    return [(name, "" if value == _UNKNOWN else value) for name, value in decode(frame)]


def text(name: str, *, required: bool = True) -> Reader:
    """A header's text as it is."""

    def read(headers: Headers) -> str:
        value = headers[name]
        if required and not value:
            raise MissingField(headers.event, name, headers.frame)
        return value

    return read


def number(name: str) -> Reader:
    """A whole number, required."""
    read_text = text(name)

    def read(headers: Headers) -> int:
        value = read_text(headers)
        try:
            return int(value)
        except ValueError:
            raise BadField(headers.event, name, value, headers.frame) from None

    return read


def epoch(name: str) -> Reader:
    """A time as `<epoch seconds>.<fraction>`, required; aware UTC."""

    def read(headers: Headers) -> datetime:
        value = headers[name]
        if not value:
            raise MissingField(headers.event, name, headers.frame)
        try:
            return datetime.fromtimestamp(float(value), UTC)
        except (ValueError, OverflowError, OSError):
            raise BadField(headers.event, name, value, headers.frame) from None

    return read


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


def build(
    make: Callable[[tuple[Any, ...]], T],
    readers: tuple[Reader, ...],
    headers: Headers,
    first: tuple[Any, ...],
) -> T:
    """Read all fields; `first` are the values of the fields before them."""
    try:
        return make((*first, *[read(headers) for read in readers]))
    except KeyError:
        any_case = _line_by_line(headers.frame)
        return make((*first, *[read(any_case) for read in readers]))
