"""What the name of a recording tells about its call. Pure.

FreePBX: `<type>-<dst>-<from>-<YYYYMMDD>-<HHMMSS>-<UNIQUEID>.<fmt>`; ours: `press3-<UNIQUEID>.wav`;
anything else that holds a uniqueid (`[<systemname>-]<epoch>.<n>`) or a number helps as well.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePath

__all__ = ["CallSpan", "NameParts", "guess_call", "parse_name", "same_number"]

_UNIQUEID = re.compile(r"\d{9,11}\.\d+(?!\d)")
_FREEPBX = re.compile(r"(?P<kind>[a-z]+)-(?P<dst>[^-]*)-(?P<src>[^-]*)-\d{8}-\d{6}-")
_NUMBER = re.compile(r"\+?\d{7,15}")
_PUBLIC_DIGITS = 7
_EARLY, _LATE = timedelta(seconds=5), timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class NameParts:
    """`uniqueids` are the readings of the one in the name: bare, and with ever more of what stands before it.

    How much of that is the system name nobody can tell: it may hold `-` itself.
    """

    kind: str | None
    uniqueids: tuple[str, ...]
    numbers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSpan:
    """A call that might own a file: when it was, and every number and extension in it."""

    call_id: str
    started_at: datetime
    ended_at: datetime | None
    numbers: frozenset[str]


def parse_name(name: str) -> NameParts:
    """Return what `name` (a file name, path allowed) tells; empty parts when it tells nothing."""
    base = PurePath(name).name
    known = _FREEPBX.match(base)
    rest = base[known.end() :] if known else base
    if known:
        numbers = [digits for each in known.group("dst", "src") if (digits := _digits(each))]
    else:
        numbers = _NUMBER.findall(_UNIQUEID.sub(" ", base))
    return NameParts(
        kind=known["kind"] if known else None,
        uniqueids=_readings(rest),
        numbers=tuple(numbers),
    )


def _readings(text: str) -> tuple[str, ...]:
    found = _UNIQUEID.search(text)
    if found is None:
        return ()
    bare, before = found[0], text[: found.start()].split("-")
    if before.pop():  # what touches the digits is no system name
        return (bare,)
    return (bare, *("-".join((*before[n:], bare)) for n in reversed(range(len(before)))))


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def same_number(one: str, other: str) -> bool:
    """Return whether two spellings may be one number: `+7916…`, `8916…` and `916…` are."""
    one, other = _digits(one), _digits(other)
    if len(one) < 10 or len(other) < 10:
        return bool(one) and one == other
    return one[-10:] == other[-10:]


def guess_call(parts: NameParts, written_at: datetime, calls: Sequence[CallSpan]) -> str | None:
    """Return the one call that a file last written at `written_at` fits by number and time.

    Two fitting calls are no answer: a wrong link is worse than an orphan.
    """
    public = [each for each in parts.numbers if len(_digits(each)) >= _PUBLIC_DIGITS]
    wanted = public or parts.numbers
    fitting = [
        call.call_id
        for call in calls
        if _in_time(call, written_at) and _shares(wanted, call.numbers)
    ]
    return fitting[0] if len(fitting) == 1 else None


def _in_time(call: CallSpan, written_at: datetime) -> bool:
    if written_at < call.started_at - _EARLY:
        return False
    return call.ended_at is None or written_at <= call.ended_at + _LATE


def _shares(wanted: Collection[str], numbers: Collection[str]) -> bool:
    return any(same_number(one, other) for one in wanted for other in numbers)
