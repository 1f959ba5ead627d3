"""Orphans: files in the roots that no event told us of, and the calls they belong to.

A sweep looks only at files changed since the last one and left alone for a minute; it goes back
eight days at the first start, but not beyond what press3 has seen itself: a PBX has years of
recordings that are none of ours.
"""

import heapq
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from calls.model import Call, Leg
from recordings import files, formats
from recordings.access import audio_root
from recordings.model import Recording, RecordingState
from recordings.names import CallSpan, guess_call, parse_name
from recordings.settings import RecordingSettings

__all__ = [
    "Match",
    "SweptFile",
    "add_found",
    "adopt",
    "as_orphan",
    "find_call",
    "first_interest",
    "scan",
    "unknown",
]

_UNSETTLED = (RecordingState.EXPECTED, RecordingState.MISSING, RecordingState.UNREACHABLE)
_DIR_SLACK_S = 24 * 3600  # a folder's time is when a file was added, not when its call ended
_MOST_CALLS = 2_000
_ALL_SUFFIXES = sorted({f".{s}" for s in formats.SUFFIXES} | {".WAV"})


@dataclass(frozen=True, slots=True, order=True)
class SweptFile:
    """`place` is spelt as the roots are configured, `path` is the real one."""

    changed_at: datetime
    place: Path
    path: Path
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The call of a file; `guessed` when number and time say so and the name has no uniqueid."""

    call_id: str
    pbx: str
    guessed: bool
    ended: bool


def scan(
    settings: RecordingSettings, since: datetime, until: datetime, *, most: int
) -> list[SweptFile]:
    """Return the oldest `most` recordings changed in (since, until], in order. Blocks: use a thread."""
    ours = os.path.realpath(audio_root(settings.data_dir))
    found = (
        swept
        for root in set(settings.places)
        for swept in _walk(root, since, ours)
        if since < swept.changed_at <= until
    )
    return _distinct(heapq.nsmallest(most, found))


def _distinct(swept: list[SweptFile]) -> list[SweptFile]:
    """Two roots may lie in each other."""
    return list({each.path: each for each in swept}.values())


def _walk(root: Path, since: datetime, ours: str) -> Iterator[SweptFile]:
    real_root = os.path.realpath(root)
    folders = [real_root]
    while folders:
        folder = folders.pop()
        try:
            fresh = os.stat(folder).st_mtime >= since.timestamp() - _DIR_SLACK_S
            entries = list(os.scandir(folder))
        except OSError:
            continue  # gone or not ours to read; `unreachable` says so where a recording is expected
        for entry in entries:
            if entry.is_dir(follow_symlinks=False) and entry.path != ours:
                folders.append(entry.path)
            elif fresh and (status := _recording(entry)) is not None:
                path = Path(entry.path)
                changed_at = datetime.fromtimestamp(status.st_mtime, UTC)
                place = root / path.relative_to(real_root)
                yield SweptFile(changed_at, place, path, status.st_size)


def _recording(entry: "os.DirEntry[str]") -> os.stat_result | None:
    suffix = os.path.splitext(entry.name)[1].lstrip(".").lower()
    try:
        if suffix in formats.SUFFIXES and entry.is_file(follow_symlinks=False):
            return entry.stat(follow_symlinks=False)
    except OSError:
        pass  # removed meanwhile
    return None


async def first_interest(session: AsyncSession, now: datetime, back_s: float) -> datetime:
    """Return since when files concern us: ten minutes before our first call, at most `back_s` ago."""
    first = await session.scalar(select(func.min(Call.started_at)))
    begun = min(first or now, now) - timedelta(minutes=10)
    return max(begun, now - timedelta(seconds=back_s))


async def unknown(
    session: AsyncSession, swept: Sequence[SweptFile], settings: RecordingSettings
) -> list[SweptFile]:
    """Return those files that no row stands for, nor another form of the same recording."""
    stems = await _expected_stems(session, settings)
    fresh = [each for each in swept if str(each.place.with_suffix("")) not in stems]
    taken: set[str] = set()
    for at in range(0, len(fresh), 100):
        names = [str(e.path.with_suffix(s)) for e in fresh[at : at + 100] for s in _ALL_SUFFIXES]
        known = await session.scalars(select(Recording.path).where(Recording.path.in_(names)))
        taken.update(str(Path(path).with_suffix("")) for path in known if path)
    return [each for each in fresh if str(each.path.with_suffix("")) not in taken]


async def _expected_stems(session: AsyncSession, settings: RecordingSettings) -> set[str]:
    """Where recordings lie that we wait for and have not found yet: they are no orphans."""
    waiting = await session.execute(
        select(Recording.pbx, Recording.remote_path).where(
            Recording.path.is_(None), Recording.state.in_(_UNSETTLED)
        )
    )
    return {
        str(place.with_suffix(""))
        for pbx, remote_path in waiting
        for place in files.possible(pbx, remote_path, settings)
    }


async def find_call(
    session: AsyncSession,
    name: str,
    written_at: datetime,
    pbx: str,
    *,
    not_of: Collection[str] = (),
) -> Match | None:
    """Return the call of a file by the uniqueid in its name, or if it has none by number and time; None if unsure.

    `pbx` narrows the search when it is known; "" when it is not, and then it is none of `not_of`.
    """
    parts = parse_name(name)
    whose = Call.pbx == pbx if pbx else Call.pbx.not_in(not_of)
    if parts.uniqueids:  # of no call of ours: it is another's, however well number and time fit
        by_id = await _by_uniqueid(session, parts.uniqueids, whose)
        return _match(by_id[0], guessed=False) if len(by_id) == 1 else None
    if not parts.numbers:
        return None
    calls = await _around(session, written_at, whose)
    guess = guess_call(parts, written_at, await _spans(session, calls))
    found = next((call for call in calls if call.id == guess), None)
    return _match(found, guessed=True) if found else None


def _match(call: Call, *, guessed: bool) -> Match:
    return Match(call_id=call.id, pbx=call.pbx, guessed=guessed, ended=call.ended_at is not None)


async def _by_uniqueid(
    session: AsyncSession, uniqueids: Sequence[str], whose: ColumnElement[bool]
) -> Sequence[Call]:
    if not uniqueids:
        return []
    legs = select(Leg.call_id).where(Leg.uniqueid.in_(uniqueids))
    query = select(Call).where(or_(Call.uniqueid.in_(uniqueids), Call.id.in_(legs)), whose)
    return (await session.scalars(query)).all()


async def _around(
    session: AsyncSession, at: datetime, whose: ColumnElement[bool]
) -> Sequence[Call]:
    query = (
        select(Call)
        .where(
            Call.started_at.between(at - timedelta(hours=12), at + timedelta(minutes=1)),
            or_(Call.ended_at.is_(None), Call.ended_at >= at - timedelta(minutes=1)),
            whose,
        )
        .order_by(Call.started_at.desc())
        .limit(_MOST_CALLS)
    )
    return (await session.scalars(query)).all()


async def _spans(session: AsyncSession, calls: Sequence[Call]) -> list[CallSpan]:
    numbers = {c.id: {c.from_raw, c.from_e164 or "", c.to_raw, c.to_e164 or ""} for c in calls}
    legs = select(Leg.call_id, Leg.extension, Leg.number).where(Leg.call_id.in_(numbers))
    for call_id, extension, number in await session.execute(legs):
        numbers[call_id].add(extension or number or "")
    return [
        CallSpan(
            call_id=call.id,
            started_at=call.started_at,
            ended_at=call.ended_at,
            numbers=frozenset(numbers[call.id]),
        )
        for call in calls
    ]


async def add_found(
    session: AsyncSession, swept: SweptFile, settings: RecordingSettings, now: datetime
) -> Recording | None:
    """Add a row for a file of unknown origin, linked if possible; None if it is known by now."""
    if not await unknown(session, [swept], settings):
        return None
    pbx, remote_path = files.remote_name(swept.place, settings)
    name, mapped = swept.path.name, settings.mapped
    match = await find_call(session, name, swept.changed_at, pbx, not_of=mapped)
    pbx = pbx or settings.default_pbx
    if match is not None and (waiting := await _renamed(session, match)) is not None:
        waiting.remote_path, waiting.path = remote_path, None
        waiting.seen_size_bytes = waiting.seen_at = None
        adopt(waiting, match, now)
        return waiting
    recording = Recording(pbx=pbx, remote_path=remote_path, attempts=0, guessed=False)
    recording.size_bytes, recording.stopped_at = swept.size_bytes, swept.changed_at
    if match is None:
        as_orphan(recording, swept.path, now)
    else:
        adopt(recording, match, now)
    session.add(recording)
    await session.flush()
    return recording


async def _renamed(session: AsyncSession, match: Match) -> Recording | None:
    """Return the recording that a file of its call must be, under another name.

    A command of the PBX may rename or move a file when the recorder closes it (MIXMON_POST). When the
    call misses exactly one file, and another turns up that bears its uniqueid, that is it.
    """
    if match.guessed or not match.ended:
        return None
    waiting = await session.scalars(
        select(Recording).where(
            Recording.call_id == match.call_id,
            Recording.started_at.is_not(None),  # the PBX told of it
            Recording.state == RecordingState.MISSING,
        )
    )
    found = waiting.all()
    return found[0] if len(found) == 1 else None


def as_orphan(recording: Recording, path: Path, now: datetime) -> None:
    internal = parse_name(path.name).kind == "internal"
    recording.state = RecordingState.ORPHAN
    recording.path = str(path)
    recording.error = "no_call: no call fits the file's name and time" + (
        "; FreePBX calls it internal, and internal calls are not kept" if internal else ""
    )
    recording.next_try_at = now + timedelta(minutes=1)


def adopt(recording: Recording, match: Match, now: datetime) -> None:
    """Give the file to the call; from here it goes the way of every recording."""
    recording.state = RecordingState.EXPECTED
    recording.pbx, recording.call_id, recording.guessed = match.pbx, match.call_id, match.guessed
    recording.stop_seen_at = now if match.ended else None
    if not match.ended:
        recording.stopped_at = None  # the end of the call will stop it
    recording.error = None
    recording.attempts, recording.next_try_at = 0, now
