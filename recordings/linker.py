"""From facts to rows: a recording is expected as soon as the PBX says that it records."""

from datetime import datetime

from sqlalchemy import bindparam, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from calls.facts import CallEnded, RecordingStarted, RecordingStopped
from calls.story import CallChange, CallStory
from recordings.lifecycle import check
from recordings.model import Recording, RecordingState
from store.base import table
from store.prepared import prepared

__all__ = ["on_change"]


async def on_change(session: AsyncSession, change: CallChange, *, now: datetime) -> None:
    """Keep the recordings of a changed call: one row per (pbx, path), several per call.

    The worker is to be woken after the commit; every row that became due has `next_try_at` = `now`.
    """
    for fact in change.facts:
        match fact:
            case RecordingStarted():
                await _started(session, change.story, fact, now)
            case RecordingStopped():
                await _stopped(session, change.story, fact, now)
            case CallEnded():
                await _ended(session, change.story.id, fact.at, now)


async def _started(
    session: AsyncSession, story: CallStory, fact: RecordingStarted, now: datetime
) -> None:
    recording = await _by_path(session, story.pbx, fact.path)
    if recording is not None and _is_of_another(recording, story.id):
        await _set_aside(session, recording, story.id)
        recording = None
    if recording is None:
        recording = await _insert(session, story, fact, now)
    elif _begins_anew(recording, story.id, fact):
        _reopen(recording, story.id, fact, now)
    ended_at = _stopped_at(story, fact)
    if ended_at is not None and recording.stopped_at is None:
        _stop(recording, ended_at, now)


async def _by_path(session: AsyncSession, pbx: str, path: str) -> Recording | None:
    """Return the row of this file; the sweep may have found it first without knowing whose it is."""
    rows = await session.scalars(_BY_PATH, {"pbx": pbx, "path": path})
    found = sorted(rows, key=lambda each: each.pbx != pbx)
    return found[0] if found else None


_BY_PATH = select(Recording).where(
    or_(Recording.pbx == bindparam("pbx"), Recording.pbx == ""),
    Recording.remote_path == bindparam("path"),
)


def _is_of_another(recording: Recording, call_id: str) -> bool:
    return recording.call_id not in (None, call_id) and not recording.guessed


async def _set_aside(session: AsyncSession, recording: Recording, by_call: str) -> None:
    """Give the path free: a dialplan that always records to one name overwrites the earlier call.

    What we have converted is kept; what we have not is gone, and says so.
    """
    recording.remote_path = f"{recording.remote_path}#{recording.id}"
    if recording.state not in (RecordingState.CONVERTED, RecordingState.ERASED):
        recording.state = RecordingState.MISSING
        recording.error = f"overwritten: call {by_call} records to the same file"
        recording.next_try_at = None
    await session.flush()


async def _insert(
    session: AsyncSession, story: CallStory, fact: RecordingStarted, now: datetime
) -> Recording:
    recording = Recording(
        pbx=story.pbx,
        call_id=story.id,
        remote_path=fact.path,
        state=RecordingState.EXPECTED,
        guessed=False,
        started_at=fact.at,
        next_try_at=now,
        attempts=0,
    )
    try:
        async with session.begin_nested():
            session.add(recording)
    except IntegrityError:  # a sweep in another process was faster
        there = await _by_path(session, story.pbx, fact.path)
        if there is None:
            raise
        _reopen(there, story.id, fact, now)
        return there
    return recording


def _begins_anew(recording: Recording, call_id: str, fact: RecordingStarted) -> bool:
    if recording.call_id != call_id or recording.guessed:
        return True
    return (
        recording.stopped_at is not None and fact.at > recording.stopped_at
    )  # appends after a pause


def _reopen(recording: Recording, call_id: str, fact: RecordingStarted, now: datetime) -> None:
    check(recording.state, RecordingState.EXPECTED)
    recording.state = RecordingState.EXPECTED
    recording.call_id, recording.guessed = call_id, False
    recording.started_at = recording.started_at or fact.at
    recording.stopped_at = recording.stop_seen_at = None
    recording.seen_size_bytes = recording.seen_at = recording.error = None
    recording.attempts, recording.next_try_at = 0, now


def _stopped_at(story: CallStory, fact: RecordingStarted) -> datetime | None:
    """When the recorder is known to have stopped: this call's story may be told after its end."""
    later = [
        each.stopped_at
        for each in story.recordings
        if each.path == fact.path and each.stopped_at is not None and each.stopped_at >= fact.at
    ]
    return max(later, default=story.ended_at)


async def _stopped(
    session: AsyncSession, story: CallStory, fact: RecordingStopped, now: datetime
) -> None:
    recording = await _by_path(session, story.pbx, fact.path)
    if recording is not None and recording.call_id == story.id and recording.stopped_at is None:
        _stop(recording, fact.at, now)


async def _ended(session: AsyncSession, call_id: str, at: datetime, now: datetime) -> None:
    running = await session.scalars(_RUNNING, {"call": call_id})
    for recording_id in running.all():
        recording = await session.get_one(Recording, recording_id)
        if recording.stopped_at is None:  # else told in this very change, and not flushed yet
            _stop(recording, at, now)


_RECORDINGS = table(Recording)
_RUNNING = prepared(
    select(_RECORDINGS.c.id).where(
        _RECORDINGS.c.call_id == bindparam("call"), _RECORDINGS.c.stopped_at.is_(None)
    )
)


def _stop(recording: Recording, at: datetime, now: datetime) -> None:
    recording.stopped_at, recording.stop_seen_at = at, now
    if recording.state not in (RecordingState.CONVERTED, RecordingState.ERASED):
        recording.next_try_at = now
