"""Reads the headers of one event by table: which header fills which field of a frozen dataclass.

Headers are looked up by their exact spelling first, which is right for every event Asterisk 16–22
sends; only when one is not found are they looked up without regard to case (`UniqueID`).
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, Protocol, TypeVar

from ami.errors import AmbiguousField, BadField, MissingField
from ami.wire import decode, event_type, text_of

__all__ = [
    "Headers",
    "Reader",
    "build",
    "epoch",
    "factory",
    "number",
    "optional",
    "read_headers",
    "record",
    "text",
]

T = TypeVar("T")
_UNKNOWN = "<unknown>"
# Asterisk repeats these on purpose, one for each channel variable.
_REPEATED = "ChanVariable"


class Headers(dict[str, str]):
    """Headers of one event and the frame they came in. A missing one raises KeyError."""

    __slots__ = ("frame",)
    frame: bytes

    @property
    def event(self) -> str:
        return event_type(self.frame).decode("utf-8", "replace")


class _AnyCase(Headers):
    """The same without regard to case; a missing header is an empty string."""

    __slots__ = ("_folded",)

    def __init__(self, headers: Headers) -> None:
        super().__init__(headers)
        self.frame = headers.frame
        pairs = reversed(decode(headers.frame))
        self._folded = {name.lower(): "" if value == _UNKNOWN else value for name, value in pairs}

    def __missing__(self, name: str) -> str:
        return self._folded.get(name.lower(), "")


class Reader(Protocol):
    def __call__(self, headers: Headers, /) -> Any: ...


def read_headers(frame: bytes) -> Headers:
    """The headers of an event. Raises AmbiguousField when one came twice with different values.

    A caller's name with a line break in it looks like more headers; rather no event than a false
    channel identity (events are hints, the spool is the evidence).
    """
    content = text_of(frame)
    lines = content.split("\r\n")
    try:
        headers = Headers([line.split(": ", 1) for line in lines])
        headers.frame = frame
    except ValueError:  # a line without ": "
        headers = Headers(decode(frame))
        headers.frame = frame
    if len(headers) != len(lines):
        _check_repeated(frame, headers)
    if _UNKNOWN in content:
        for name, value in headers.items():
            if value == _UNKNOWN:
                headers[name] = ""
    return headers


def _check_repeated(frame: bytes, headers: Headers) -> None:
    for name, value in decode(frame):
        if name and headers[name] != value and not name.endswith(_REPEATED):
            raise AmbiguousField(headers.event, name, frame)


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
    read_text = text(name)

    def read(headers: Headers) -> datetime:
        value = read_text(headers)
        try:
            return datetime.fromtimestamp(float(value), UTC)
        except (ValueError, OverflowError, OSError):
            raise BadField(headers.event, name, value, headers.frame) from None

    return read


def factory(cls: type[T], names: tuple[str, ...]) -> Callable[[tuple[Any, ...]], T]:
    """Make instances of a frozen, slotted dataclass from the values of all its fields.

    Writes the slots themselves: measured 0.8 µs against 1.8 µs through the dataclass's own
    `__init__`, which goes through `object.__setattr__` by name for every field.
    """
    new = object.__new__
    setters = [getattr(cls, name).__set__ for name in names]

    def make(values: tuple[Any, ...]) -> T:
        made = new(cls)
        for setter, value in zip(setters, values, strict=True):
            setter(made, value)
        return made

    return make


def record(cls: type[T], headers_of: Mapping[str, str], required: int) -> Reader:
    """A whole dataclass from one header per field; the first `required` fields must not be empty."""
    names = tuple(headers_of.values())
    make = factory(cls, tuple(headers_of))
    pick = itemgetter(*names)

    def read(headers: Headers) -> T:
        values = pick(headers)
        if not all(values[:required]):
            raise MissingField(headers.event, names[values.index("")], headers.frame)
        return make(values)

    return read


def optional(read: Reader, name: str) -> Reader:
    """None when the header `name` is absent or empty, else what `read` gives."""
    return lambda headers: read(headers) if headers[name] else None


def build(
    make: Callable[[tuple[Any, ...]], T], readers: tuple[Reader, ...], headers: Headers, *first: Any
) -> T:
    """Read all fields; `first` are the values of the fields before them."""
    try:
        return make((*first, *[read(headers) for read in readers]))
    except KeyError:
        folded = _AnyCase(headers)
        return make((*first, *[read(folded) for read in readers]))
