"""The worker's writes: each is one small job that does nothing if the row changed since it was read."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CursorResult, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from recordings.lifecycle import Step, check
from recordings.model import Recording, RecordingState
from recordings.settings import RecordingSettings
from recordings.sweep import adopt, find_call

__all__ = ["link_orphan", "retry_unreachable", "write_step"]

_ORPHAN_AGAIN_S = (60.0, 600.0, 3600.0, 6 * 3600.0)


async def write_step(
    session: AsyncSession, recording: Recording, step: Step, now: datetime
) -> bool:
    """Store `step` of a recording as it was read; return False if a fact changed it meanwhile."""
    check(RecordingState(recording.state), step.to)
    again = None if step.again_s is None else now + timedelta(seconds=step.again_s)
    values: dict[str, Any] = {
        "state": step.to,
        "next_try_at": again,
        "error": step.error,
        "attempts": step.attempts,
        **step.changes,
    }
    if await _absorb(session, recording, step.changes.get("path")):
        return True
    result = await session.execute(
        update(Recording)
        .where(
            Recording.id == recording.id,
            Recording.state == recording.state,
            Recording.remote_path == recording.remote_path,
            Recording.call_id.is_not_distinct_from(recording.call_id),
            Recording.stopped_at.is_not_distinct_from(recording.stopped_at),
            Recording.stop_seen_at.is_not_distinct_from(recording.stop_seen_at),
        )
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    assert isinstance(result, CursorResult)
    return result.rowcount == 1


async def retry_unreachable(session: AsyncSession, now: datetime) -> None:
    """Make every recording due whose folder could not be read."""
    await session.execute(
        update(Recording)
        .where(
            Recording.state == RecordingState.UNREACHABLE,
            Recording.error.startswith("root:"),
            Recording.next_try_at > now,
        )
        .values(next_try_at=now)
        .execution_options(synchronize_session=False)
    )


async def _absorb(session: AsyncSession, recording: Recording, path: str | None) -> bool:
    """One file, one row per call: the PBX may spell a path in two ways, the sweep may have been first.

    Return True when `recording` itself was the superfluous one and is gone.
    """
    if path is None or recording.path == path or recording.call_id is None:
        return False
    twins = select(Recording).where(
        Recording.path == path,
        Recording.id != recording.id,
        or_(Recording.call_id.is_(None), Recording.call_id == recording.call_id),
    )
    for twin in await session.scalars(twins):
        if twin.audio_path is None:
            await session.delete(twin)
        else:
            await session.delete(await session.get_one(Recording, recording.id))
            return True
    await session.flush()
    return False


async def link_orphan(
    session: AsyncSession,
    recording: Recording,
    name: str,
    now: datetime,
    settings: RecordingSettings,
) -> bool:
    """Look for an orphan's call once more; return whether it was found. After a day it stays an orphan."""
    row = await session.get(Recording, recording.id)
    if row is None or row.state != RecordingState.ORPHAN:
        return False
    written_at = row.stopped_at or now
    match = await find_call(session, name, written_at, row.pbx, not_of=settings.mapped)
    if match is not None:
        adopt(row, match, now)
        return True
    delay_s = _ORPHAN_AGAIN_S[min(row.attempts, len(_ORPHAN_AGAIN_S) - 1)]
    late = (now - written_at).total_seconds() > settings.timing.late_until_s
    row.next_try_at = None if late else now + timedelta(seconds=delay_s)
    row.attempts += 1
    return False
