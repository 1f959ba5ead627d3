"""What other packages ask: the sound and peaks of a recording, who listened, how many are where."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from people.client import ELSEWHERE, Client
from recordings.model import Listening, Recording, RecordingState

__all__ = [
    "AudioFile",
    "audio_file",
    "audio_root",
    "log_listening",
    "of_calls",
    "peaks_file",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioFile:
    """A file to send, and the call whose reading right decides (null: an orphan's)."""

    path: Path
    media_type: str
    call_id: str | None


def audio_root(data_dir: Path) -> Path:
    """Return the folder of our copies: `YYYY/MM/DD/<id>-<hash>.<format>` and `.peaks.json` beside it."""
    return data_dir / "recordings"


async def audio_file(
    session: AsyncSession, recording_id: int, *, data_dir: Path
) -> AudioFile | None:
    """Return the browser's copy of a recording, None unless it is `converted`."""
    recording = await _playable(session, recording_id)
    if recording is None or recording.audio_path is None or recording.media_type is None:
        return None
    path = audio_root(data_dir) / recording.audio_path
    return AudioFile(path=path, media_type=recording.media_type, call_id=recording.call_id)


async def peaks_file(
    session: AsyncSession, recording_id: int, *, data_dir: Path
) -> AudioFile | None:
    """Return the waveform, None unless it is `converted`: JSON `{"rate","scale","peaks":[0…scale]}`.

    `rate` is peaks a second: 10, and half as often each time a call is twice as long as an hour.
    """
    recording = await _playable(session, recording_id)
    if recording is None or recording.peaks_path is None:
        return None
    path = audio_root(data_dir) / recording.peaks_path
    return AudioFile(path=path, media_type="application/json", call_id=recording.call_id)


async def _playable(session: AsyncSession, recording_id: int) -> Recording | None:
    recording = await session.get(Recording, recording_id)
    if recording is None or recording.state != RecordingState.CONVERTED:
        return None
    return recording


async def log_listening(
    session: AsyncSession,
    recording_id: int,
    employee_id: int,
    at: datetime,
    client: Client = ELSEWHERE,
) -> None:
    """Record that an employee listens; once per playing, not per Range request, is the caller's care."""
    session.add(
        Listening(
            recording_id=recording_id,
            employee_id=employee_id,
            at=at,
            address=client.address or None,
            agent=client.agent or None,
        )
    )
    await session.flush()


async def of_calls(session: AsyncSession, call_ids: Sequence[str]) -> dict[str, list[Recording]]:
    """Return the recordings of each of `call_ids` in the order they began; calls without any are left out."""
    rows = await session.scalars(
        select(Recording)
        .where(Recording.call_id.in_(call_ids))
        .order_by(Recording.call_id, Recording.started_at, Recording.id)
    )
    found: dict[str, list[Recording]] = {}
    for row in rows:
        found.setdefault(str(row.call_id), []).append(row)
    return found
