"""The daily reconciliation: presses on the PBX against appeals here against recordings.

What was pressed is read from the PBX each time, never from press3's own tables: a complaint that
press3 lost must show up. Every difference comes with `mend`, the way to put it right:

- `read_spool`: the PBX knows the press; reading its spool again opens the appeal.
- `look_at_call`: a log of the PBX shows a call in the queue of an observed menu that nobody saw
  press;
  look at the call, and register it by hand when it was a complaint.
- `complete_source`: the PBX's source is incomplete for that day, so absence there proves nothing.
- `check_evidence`: the PBX was read completely and does not know the press; look at its evidence.
- `find_recording`: look for the sound on the PBX and in the folders; the sweep links it when found.
- `link_recording`: sound that belongs to no call: link it by hand.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from typing import Any, Final, Protocol

from sqlalchemy import exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from appeals.case.model import Appeal
from calls import days
from calls.model import Call
from recordings.model import HAS_SOUND, Recording, RecordingState

__all__ = ["Press", "PressReader", "PressReading", "PressSource", "run"]

# The PBX and the event may put one press a moment apart, on both sides of midnight.
_MARGIN: Final = timedelta(minutes=5)
_SAME_PRESS: Final = timedelta(hours=6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """A press as the PBX keeps it; `key` is its AstDB key, if it is known.

    `observed`: a call in the queue that key 3 of an observed menu leads to.
    """

    pbx: str
    uniqueid: str
    pressed_at: datetime
    key: str | None = None
    observed: bool = False


@dataclass(frozen=True, slots=True)
class PressSource:
    """Where presses were read from, and whether every press of the time must be in it."""

    name: str
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PressReading:
    """What was read: one press may be in several sources, the best timed first.

    `unread` are PBXs that can't be read now: absence there proves nothing. `read_until`: up to
    when a PBX was read, in its time, where that lies before the end of what was asked for.
    """

    pressed: Sequence[Press]
    sources: Sequence[PressSource]
    unread: Sequence[str] = ()
    read_until: Mapping[str, datetime] = field(default_factory=dict)


class PressReader(Protocol):
    """Reads presses from the PBXs themselves."""

    async def read(self, start: datetime, end: datetime) -> PressReading:
        """Read the presses from `start` to before `end` afresh from every PBX.

        Raises PbxUnread when none can be read.
        """
        ...


async def run(
    session: AsyncSession,
    day: date,
    tz: tzinfo,
    reader: PressReader,
    *,
    hidden: AbstractSet[int] = frozenset(),
) -> dict[str, Any]:
    """Return CONTRACT's reconciliation of the local `day`.

    `hidden`: numbers of appeals about the reader. They are in no row and no figure, and neither are
    their presses.

    Raises:
        PbxUnread: no PBX can be read.
    """
    start, end = days.bounds(day, tz)
    reading = await reader.read(start - _MARGIN, end + _MARGIN)
    appeals = await _appeals(session, start - _MARGIN, end + _MARGIN)
    unseen = _Presses(_press_of(appeal) for appeal in appeals if appeal.number in hidden)
    appeals = [appeal for appeal in appeals if appeal.number not in hidden]
    presses = [press for press in _distinct(reading.pressed) if press not in unseen]
    pressed = [(appeal, _press_of(appeal)) for appeal in appeals]
    registered = [
        appeal
        for appeal, press in pressed
        # Younger than the reading: it may have been opened since.
        if start <= press.pressed_at < min(end, reading.read_until.get(press.pbx, end))
    ]
    complete = bool(reading.sources) and all(source.complete for source in reading.sources)
    silent = await _without_sound(session, registered)
    return {
        "pressed": sum(start <= press.pressed_at < end for press in presses),
        "registered": len(registered),
        "recorded": len(registered) - len(silent),
        "sources": [{"name": s.name, "complete": s.complete} for s in reading.sources],
        "differences": [
            *_not_registered([p for p in presses if start <= p.pressed_at < end], appeals),
            *_not_on_pbx(
                [a for a in registered if _press_of(a).pbx not in reading.unread], presses, complete
            ),
            *(_difference("no_recording", "find_recording", appeal=a) for a in silent),
            *await _orphans(session, start, end),
        ],
    }


class _Presses:
    """A set in which presses of one channel within six hours are one, from any source."""

    def __init__(self, presses: Iterable[Press] = ()) -> None:
        self._by_channel: dict[tuple[str, str], list[datetime]] = {}
        for press in presses:
            self.add(press)

    def __contains__(self, press: Press) -> bool:
        known = self._by_channel.get((press.pbx, press.uniqueid), ())
        return any(abs(press.pressed_at - at) <= _SAME_PRESS for at in known)

    def add(self, press: Press) -> bool:
        """Add it; return whether it is a new one."""
        if press in self:
            return False
        self._by_channel.setdefault((press.pbx, press.uniqueid), []).append(press.pressed_at)
        return True


def _distinct(presses: Sequence[Press]) -> list[Press]:
    seen = _Presses()
    return sorted(
        (press for press in presses if seen.add(press)), key=lambda press: press.pressed_at
    )


async def _appeals(session: AsyncSession, start: datetime, end: datetime) -> list[Appeal]:
    found = await session.scalars(
        select(Appeal)
        # An appeal of a press is opened at the press, and that time has an index.
        .where(Appeal.press_key.is_not(None), Appeal.opened_at >= start, Appeal.opened_at < end)
        .order_by(Appeal.pressed_at, Appeal.number)
    )
    return list(found)


def _not_registered(presses: Sequence[Press], appeals: Sequence[Appeal]) -> list[dict[str, Any]]:
    known = _Presses(_press_of(appeal) for appeal in appeals)
    return [
        _difference(
            "not_registered",
            "look_at_call" if press.observed else "read_spool",
            call=f"{press.pbx}-{press.uniqueid}",
        )
        for press in presses
        if press not in known
    ]


def _not_on_pbx(
    appeals: Sequence[Appeal], presses: Sequence[Press], complete: bool
) -> list[dict[str, Any]]:
    there = _Presses(presses)
    mend = "check_evidence" if complete else "complete_source"
    return [
        _difference("not_on_pbx", mend, appeal=appeal)
        for appeal in appeals
        if _press_of(appeal) not in there
    ]


def _press_of(appeal: Appeal) -> Press:
    """Return the press that `press_key` names: `pbx/uniqueid`.

    Behind it stands `/2` … when the PBX gave the uniqueid again.
    """
    pbx, uniqueid, *_ = str(appeal.press_key).split("/")
    assert appeal.pressed_at is not None  # the query asked for it
    return Press(pbx=pbx, uniqueid=uniqueid, pressed_at=appeal.pressed_at)


async def _without_sound(session: AsyncSession, appeals: Sequence[Appeal]) -> list[Appeal]:
    """Return the appeals whose call is over and left no recording."""
    over = await session.scalars(
        select(Call.id).where(
            Call.id.in_([appeal.call_id for appeal in appeals]),
            Call.ended_at.is_not(None),
            ~exists().where(Recording.call_id == Call.id, Recording.state.in_(HAS_SOUND)),
        )
    )
    calls = set(over)
    return [appeal for appeal in appeals if appeal.call_id in calls]


async def _orphans(session: AsyncSession, start: datetime, end: datetime) -> list[dict[str, Any]]:
    # Of a file without an event only its end is known.
    at = func.coalesce(Recording.started_at, Recording.stopped_at)
    rows = await session.scalars(
        select(Recording.id)
        .where(Recording.state == RecordingState.ORPHAN, at >= start, at < end)
        .order_by(at, Recording.id)
    )
    return [_difference("orphan_recording", "link_recording", recording=row) for row in rows]


def _difference(
    kind: str,
    mend: str,
    *,
    appeal: Appeal | None = None,
    call: str | None = None,
    recording: int | None = None,
) -> dict[str, Any]:
    return {
        "kind": kind,
        "call": appeal.call_id if appeal else call,
        "appeal": appeal.number if appeal else None,
        "recording": recording,
        "mend": mend,
    }
