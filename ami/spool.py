"""What the PBX kept of its presses: the spool in AstDB, written by the rendered dialplan.

One press is the entry `press3/<UTC minute>/<press id>` and its marks one level below (DESIGN §5).
`parse_tree` is pure; the readers ask a link.
"""

import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote_to_bytes

import structlog

from ami.actions import db_get_tree, getvar
from ami.asking import Asking
from ami.errors import ActionFailed, IncompleteList, ReplyTooLong, SpoolUnread
from ami.spool_shapes import (
    Hand,
    SpoolAnswer,
    SpoolDamage,
    SpoolPress,
    SpoolRecording,
    SpoolStay,
    SpoolTransfer,
    TimedBy,
)
from ami.wire import text_of

__all__ = [
    "KEPT",
    "Hand",
    "SpoolAnswer",
    "SpoolDamage",
    "SpoolPress",
    "SpoolRecording",
    "SpoolStay",
    "SpoolTransfer",
    "TimedBy",
    "parse_tree",
    "read_families",
    "read_press",
]

log = structlog.get_logger(__name__)

ROOT = "press3"
VERSION = "2"
KEPT = timedelta(days=8)  # the rendered dialplan prunes what is older
# AstDB was unharmed by lists of 2,000 rows read by a stalled client (MEASURES); a press has up to 8.
PRESSES_AT_ONCE = 200
# A span of up to so many minutes is read minute by minute without looking first.
DIRECT_MINUTES = 60
# Digits of a family → digits of its parts: day, hour, ten minutes, minute.
_NARROWER = {0: 8, 8: 10, 10: 11, 11: 12}
_TRIES = 2  # a list that something foreign fell into is whole the next time
_KEY = re.compile(r"/?(press3/\d{12}/[^/%\x00-\x1f]{1,150})(?:/([a-z]+)(?:/([^/]*))?)?")
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_LATER_MARKS = frozenset({"message", "survey"})  # written for parts that read them themselves


class _Unreadable(Exception):
    """A row's value is not what the dialplan writes."""


@dataclass(slots=True)
class _Draft:
    """A press while its rows are being read."""

    press: dict[str, Any] | None = None
    again: list[datetime] = field(default_factory=list)
    answered: list[SpoolAnswer] = field(default_factory=list)
    recordings: list[SpoolRecording] = field(default_factory=list)
    marks: dict[str, Any] = field(default_factory=dict)
    rows: list[tuple[str, str]] = field(default_factory=list)


def parse_tree(
    rows: Iterable[tuple[str, str]],
) -> tuple[list[SpoolPress], list[SpoolDamage]]:
    """Make presses of (key, value) rows in any order; what can't be read comes back as damage.

    A damaged mark is left out of its press; marks whose press is missing are damage, each of them.
    """
    drafts: dict[str, _Draft] = {}
    damage = []
    for key, value in rows:
        try:
            _read_row(drafts, key, value)
        except _Unreadable as problem:
            damage.append(SpoolDamage(key=key, value=value, problem=str(problem)))
    presses = []
    for key, draft in drafts.items():
        if draft.press is not None:
            presses.append(_finish(key, draft))
            continue
        damage += [
            SpoolDamage(key=row, value=value, problem="a mark without its press")
            for row, value in draft.rows
        ]
    return sorted(presses, key=lambda press: (press.pressed_at, press.key or "")), damage


def _read_row(drafts: dict[str, _Draft], key: str, value: str) -> None:
    found = _KEY.fullmatch(key)
    if found is None:
        raise _Unreadable("no key of a press")
    press_key, mark, argument = found.groups()
    if mark is None:
        drafts.setdefault(press_key, _Draft()).press = _main_row(value)
    elif mark in _MARKS:
        draft = drafts.setdefault(press_key, _Draft())
        draft.rows.append((key, value))
        _MARKS[mark](draft, argument or "", value)
    elif mark not in _LATER_MARKS:
        raise _Unreadable("an unknown mark")


def _main_row(value: str) -> dict[str, Any]:
    version, *parts = value.split("|")
    if version != VERSION or len(parts) != 8:
        raise _Unreadable(f"not {VERSION}| and eight fields")
    uniqueid, linkedid, at, number, name, did, menu, queue = parts
    if not uniqueid:
        raise _Unreadable("no uniqueid")
    return {
        "uniqueid": uniqueid,
        "linkedid": linkedid or uniqueid,
        "pressed_at": _time(at),
        "number": number,
        "name": text_of(unquote_to_bytes(name.encode(errors="surrogateescape"))),
        "did": did,
        "menu": menu,
        "queue": queue,
    }


def _finish(key: str, draft: _Draft) -> SpoolPress:
    assert draft.press is not None
    pressed_at = draft.press["pressed_at"]
    return SpoolPress(
        key=key,
        **draft.press,
        **draft.marks,
        again=tuple(sorted(draft.again)),
        answered=tuple(sorted(draft.answered, key=lambda answer: answer.at)),
        recordings=tuple(
            SpoolRecording(at=max(each.at, pressed_at), path=each.path) for each in draft.recordings
        ),
    )


def _time(text: str) -> datetime:
    try:
        return datetime.fromtimestamp(float(text), UTC)
    except (ValueError, OverflowError, OSError):
        raise _Unreadable(f"no time: {text[:40]!r}") from None


def _timed(value: str) -> tuple[datetime, str]:
    at, bar, rest = value.partition("|")
    if not bar:
        raise _Unreadable("no time before the value")
    return _time(at), rest


def _again(draft: _Draft, argument: str, value: str) -> None:
    draft.again.append(_time(argument))


def _enter(draft: _Draft, argument: str, value: str) -> None:
    draft.marks["entered_at"] = _time(value.partition("|")[0])


def _answered(draft: _Draft, argument: str, value: str) -> None:
    at, channel = _timed(value)
    draft.answered.append(SpoolAnswer(at=at, channel=channel))


def _queue(draft: _Draft, argument: str, value: str) -> None:
    draft.marks["queue_left"] = _timed(value)


def _recording(draft: _Draft, argument: str, value: str) -> None:
    # Hand-written dialplans (our own first example) keep the path alone: then it began at the press.
    at, path = _timed(value) if "|" in value else (_LONG_AGO, value)
    if not path:
        raise _Unreadable("no path")
    draft.recordings.append(SpoolRecording(at=at, path=path))


def _ended(draft: _Draft, argument: str, value: str) -> None:
    draft.marks["ended_at"] = _time(value)


_MARKS: dict[str, Callable[[_Draft, str, str], None]] = {
    "again": _again,
    "enter": _enter,
    "answered": _answered,
    "queue": _queue,
    "recording": _recording,
    "ended": _ended,
}


def _log_damage(link: Asking) -> Callable[[SpoolDamage], None]:
    def tell(damage: SpoolDamage) -> None:
        log.error(
            "a row of the spool can't be read",
            pbx=link.pbx,
            key=damage.key,
            problem=damage.problem,
            personal_value=damage.value,
        )

    return tell


async def read_press(
    link: Asking, key: str, *, on_damage: Callable[[SpoolDamage], None] | None = None
) -> SpoolPress | None:
    """The press under an AstDB key, with its marks; None when it is not there.

    `key` may come from an event, which is a hint: a key that is none of ours is simply not there.
    """
    found = _KEY.fullmatch(key)
    if found is None or found[2] is not None:
        return None
    wanted = found[1]
    rows = await db_get_tree(link, wanted)
    # `_` in a key is a wildcard to AstDB: what else it found is not the press asked for.
    own = [row for row in rows if row[0] == f"/{wanted}" or row[0].startswith(f"/{wanted}/")]
    presses, damage = parse_tree(own)
    for each in damage:
        (on_damage or _log_damage(link))(each)
    return presses[0] if presses else None


async def read_families(
    link: Asking,
    since: datetime,
    until: datetime,
    *,
    on_damage: Callable[[SpoolDamage], None] | None = None,
) -> AsyncIterator[list[SpoolPress]]:
    """The presses whose minute family lies in [since, until], both minutes included, oldest first.

    Each list was read by one DBGetTree, the next only after the previous was complete, so that AstDB
    is never locked for long. A long span is looked through by day, hour and minute, counting before
    reading (`press3/20261121____`: AstDB takes `_` as any character). Damaged rows go to `on_damage`;
    None means the log.

    Raises SpoolUnread, after all that can be read, when there are minutes that can't.
    """
    tell = on_damage or _log_damage(link)
    first, last = _minute(since), _minute(until)
    unread: list[str] = []
    async for pattern in _patterns(link, first, last):
        async for rows in _trees(link, pattern, first, last, unread):
            presses, damage = parse_tree(row for row in rows if first <= _family(row[0]) <= last)
            for each in damage:
                tell(each)
            if presses:
                yield presses
    if unread:
        raise SpoolUnread(unread)


async def _trees(
    link: Asking, pattern: str, first: str, last: str, unread: list[str]
) -> AsyncIterator[list[tuple[str, str]]]:
    """The rows of a pattern; part by part when its list is broken, so that one minute hides no other.

    Minutes that can't be read are added to `unread`.
    """
    prefix = pattern.rstrip("_")
    tries = _TRIES if len(prefix) == 12 else 1
    for _ in range(tries):
        try:
            rows = await db_get_tree(link, f"{ROOT}/{pattern}")
        except (ActionFailed, IncompleteList, ReplyTooLong) as error:
            log.warning(
                "a part of the spool can't be read", pbx=link.pbx, part=pattern, error=str(error)
            )
        else:
            yield rows
            return
    if len(prefix) == 12:
        unread.append(pattern)
        return
    for part in _parts(prefix, _NARROWER[len(prefix)], first, last):
        async for rows in _trees(link, part.ljust(12, "_"), first, last, unread):
            yield rows


def _minute(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y%m%d%H%M")


def _family(key: str) -> str:
    return key.removeprefix(f"/{ROOT}/")[:12]


async def _patterns(link: Asking, first: str, last: str) -> AsyncIterator[str]:
    """Family patterns that together hold all presses of the span, few of them at a time."""
    if len(list(_minutes(first, last, DIRECT_MINUTES + 1))) > DIRECT_MINUTES:
        families = await _count(link, "")
        if families == 0:
            return
        # Families without presses: this AstDB knows no wildcards; then all minutes are read.
        if families and await _count(link, "_" * 12):
            async for pattern in _narrowed(link, "", first, last):
                yield pattern
            return
    for minute in _minutes(first, last):
        yield minute


async def _narrowed(link: Asking, prefix: str, first: str, last: str) -> AsyncIterator[str]:
    """Split `prefix` by day, hour, ten minutes and minute until few enough presses are in a part."""
    pattern = prefix.ljust(12, "_")
    presses = await _count(link, pattern)
    if presses == 0:
        return
    if len(prefix) == 12 or (presses is not None and presses <= PRESSES_AT_ONCE):
        yield pattern
        return
    for part in _parts(prefix, _NARROWER[len(prefix)], first, last):
        async for narrower in _narrowed(link, part, first, last):
            yield narrower


def _parts(prefix: str, length: int, first: str, last: str) -> list[str]:
    """The longer prefixes below `prefix` that the span touches, in order."""
    low = max(first, prefix.ljust(12, "0"))
    high = min(last, prefix.ljust(12, "9"))
    return list(dict.fromkeys(minute[:length] for minute in _minutes(low, high)))


def _minutes(first: str, last: str, at_most: int = 100_000) -> Iterator[str]:
    """Every minute from `first` to `last`, both included; bounds that are no real minute may be given."""
    at = datetime.strptime(first, "%Y%m%d%H%M").replace(tzinfo=UTC)
    for _ in range(at_most):
        minute = at.strftime("%Y%m%d%H%M")
        if minute > last:
            return
        yield minute
        at += timedelta(minutes=1)


async def _count(link: Asking, pattern: str) -> int | None:
    """How many entries stand directly below `press3/<pattern>`; None when the PBX can't count."""
    counted = await getvar(link, f"DB_KEYCOUNT({ROOT}/{pattern})".replace("/)", ")"))
    return int(counted) if counted.isdecimal() else None
