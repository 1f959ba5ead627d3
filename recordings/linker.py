"""From facts to rows: a recording is expected as soon as the PBX says that it records."""

from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from calls.facts import CallEnded, RecordingStarted, RecordingStopped
from calls.story import CallChange, CallStory
from recordings.lifecycle import check
from recordings.model import Recording, RecordingState
from store.base import table
from store.fast.prepared import prepared
from store.upsert import insert_new

__all__ = ["concerns", "on_change"]

_TELLING = (RecordingStarted, RecordingStopped, CallEnded)


def concerns(change: CallChange) -> bool:
    """Return whether `on_change` may make or change a recording for `change`."""
    return any(isinstance(fact, _TELLING) for fact in change.facts)


async def on_change(session: AsyncSession, change: CallChange, *, now: datetime) -> None:
    """Keep the recordings of a changed call: one row per (pbx, path), several per call.

    The worker is to be woken after the commit; every row that became due has `next_try_at` = `now`.
    """
    if not concerns(change):
        return
    shelf = _Shelf(session, change.story, now)
    for fact in change.facts:
        match fact:
            case RecordingStarted():
                await shelf.started(fact)
            case RecordingStopped():
                await shelf.stopped(fact)
            case CallEnded():
                await shelf.ended(fact.at)
    await shelf.save()


class _Shelf:
    """The recordings of one change: rows read once into copies, what differs written at the end."""

    def __init__(self, session: AsyncSession, story: CallStory, now: datetime) -> None:
        self._session = session
        self._story = story
        self._now = now
        self._rows: dict[int, dict[str, Any]] = {}  # as stored
        self._copies: dict[int, Recording] = {}

    async def started(self, fact: RecordingStarted) -> None:
        story, now = self._story, self._now
        recording = await self._by_path(fact.path)
        if recording is not None and _is_of_another(recording, story.id):
            await self._set_aside(recording)
            recording = None
        if recording is None:
            recording = await self._insert(fact)
        elif _begins_anew(recording, story.id, fact):
            _reopen(recording, story.id, fact, now)
        ended_at = _stopped_at(story, fact)
        if ended_at is not None and recording.stopped_at is None:
            _stop(recording, ended_at, now)

    async def stopped(self, fact: RecordingStopped) -> None:
        recording = await self._by_path(fact.path)
        is_ours = recording is not None and recording.call_id == self._story.id
        if recording is not None and is_ours and recording.stopped_at is None:
            _stop(recording, fact.at, self._now)

    async def ended(self, at: datetime) -> None:
        for row in (await self._session.execute(_RUNNING, {"call": self._story.id})).mappings():
            recording = self._take(row)
            if recording.stopped_at is None:  # else told in this very change, and not saved yet
                _stop(recording, at, self._now)

    async def save(self) -> None:
        """Store what became of the copies."""
        for number, copy in self._copies.items():
            row = self._rows[number]
            changed = {name: getattr(copy, name) for name in _COLUMNS}
            changed = {name: value for name, value in changed.items() if value != row[name]}
            if changed:
                await self._session.execute(_UPDATE, {"which": number, **changed})
                row |= changed

    async def _by_path(self, path: str) -> Recording | None:
        """Return the copy of this file's row; the sweep may have found it first without knowing whose it is."""
        for copy in self._copies.values():
            if copy.remote_path == path:
                return copy
        rows = await self._session.execute(_BY_PATH, {"of": self._story.pbx, "path": path})
        found = sorted(rows.mappings(), key=lambda row: row["pbx"] != self._story.pbx)
        return self._take(found[0]) if found else None

    def _take(self, row: Any) -> Recording:
        if row["id"] not in self._copies:
            self._rows[row["id"]] = dict(row)
            self._copies[row["id"]] = Recording(**row)
        return self._copies[row["id"]]

    async def _set_aside(self, recording: Recording) -> None:
        """Give the path free: a dialplan that always records to one name overwrites the earlier call.

        What we have converted is kept; what we have not is gone, and says so.
        """
        recording.remote_path = f"{recording.remote_path}#{recording.id}"
        if recording.state not in (RecordingState.CONVERTED, RecordingState.ERASED):
            recording.state = RecordingState.MISSING
            recording.error = f"overwritten: call {self._story.id} records to the same file"
            recording.next_try_at = None
        await self.save()  # before another row takes the path

    async def _insert(self, fact: RecordingStarted) -> Recording:
        values = _expected(self._story, fact, self._now)
        new = await insert_new(self._session, Recording, values, key=("pbx", "remote_path"))
        if new is not None:
            return self._take(_EMPTY | values | {"id": new.id})
        there = await self._by_path(fact.path)  # a sweep in another process was faster
        assert there is not None  # the row that was in the way: this transaction sees it
        _reopen(there, self._story.id, fact, self._now)
        return there


_RECORDINGS = table(Recording)
_COLUMNS = tuple(_RECORDINGS.columns.keys())
_EMPTY: dict[str, Any] = dict.fromkeys(_COLUMNS)
# Locked: on PostgreSQL the worker of a standby may be at the same row.
_BY_PATH = prepared(
    select(_RECORDINGS)
    .where(
        or_(_RECORDINGS.c.pbx == bindparam("of"), _RECORDINGS.c.pbx == ""),
        _RECORDINGS.c.remote_path == bindparam("path"),
    )
    .with_for_update()
)
_RUNNING = prepared(
    select(_RECORDINGS)
    .where(_RECORDINGS.c.call_id == bindparam("call"), _RECORDINGS.c.stopped_at.is_(None))
    .with_for_update()
)
_UPDATE = prepared(update(_RECORDINGS).where(_RECORDINGS.c.id == bindparam("which")))


def _expected(story: CallStory, fact: RecordingStarted, now: datetime) -> dict[str, Any]:
    return {
        "pbx": story.pbx,
        "call_id": story.id,
        "remote_path": fact.path,
        "state": RecordingState.EXPECTED,
        "guessed": False,
        "started_at": fact.at,
        "next_try_at": now,
        "attempts": 0,
    }


def _is_of_another(recording: Recording, call_id: str) -> bool:
    return recording.call_id not in (None, call_id) and not recording.guessed


def _begins_anew(recording: Recording, call_id: str, fact: RecordingStarted) -> bool:
    if recording.call_id != call_id or recording.guessed:
        return True
    # After a pause it is appended to.
    return recording.stopped_at is not None and fact.at > recording.stopped_at


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


def _stop(recording: Recording, at: datetime, now: datetime) -> None:
    recording.stopped_at, recording.stop_seen_at = at, now
    if recording.state not in (RecordingState.CONVERTED, RecordingState.ERASED):
        recording.next_try_at = now
