"""Recordings: from the moment the PBX says it records until the retention rule erases the sound."""

import enum
from datetime import datetime
from typing import Final

from sqlalchemy import BigInteger, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from store.base import Base

__all__ = ["HAS_SOUND", "Listening", "Recording", "RecordingState"]


class RecordingState(enum.StrEnum):
    """expected → found → final → linked → converted → erased, or missing, orphan, unreachable."""

    EXPECTED = "expected"
    FOUND = "found"
    FINAL = "final"
    LINKED = "linked"
    CONVERTED = "converted"
    ERASED = "erased"
    MISSING = "missing"
    ORPHAN = "orphan"
    UNREACHABLE = "unreachable"


# The sound is or was there: the call was recorded.
HAS_SOUND: Final = (
    RecordingState.FOUND,
    RecordingState.FINAL,
    RecordingState.LINKED,
    RecordingState.CONVERTED,
    RecordingState.ERASED,
)


class Recording(Base):
    """`remote_path` as the PBX named it, `path` where we read it (never written to: the original stays).

    `audio_path` and `peaks_path` are our own copy, relative to `data_dir/recordings`; `media_type` is
    that copy's. `started_at` and `stopped_at` are PBX time, `stop_seen_at` is our clock when we learned
    that nothing more will be written: waiting is measured from it, so a skewed PBX clock costs nothing.
    `guessed`: the call was found by number and time, the file's name has no uniqueid.
    `error` is `<code>: <explanation>`; see docs in `recordings.lifecycle`.
    """

    __tablename__ = "recordings"
    __table_args__ = (UniqueConstraint("pbx", "remote_path"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    pbx: Mapped[str]
    call_id: Mapped[str | None] = mapped_column(ForeignKey("calls.id"), index=True)
    remote_path: Mapped[str]
    path: Mapped[str | None]
    state: Mapped[RecordingState] = mapped_column(String(16), index=True)
    guessed: Mapped[bool] = mapped_column(default=False)
    started_at: Mapped[datetime | None]
    stopped_at: Mapped[datetime | None]
    stop_seen_at: Mapped[datetime | None]
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    sha256: Mapped[str | None] = mapped_column(String(64))
    duration_s: Mapped[float | None]
    media_type: Mapped[str | None]
    audio_path: Mapped[str | None]
    peaks_path: Mapped[str | None]
    seen_size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    seen_at: Mapped[datetime | None]
    next_try_at: Mapped[datetime | None] = mapped_column(index=True)
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None]


class Listening(Base):
    """Who listened to which recording, and when."""

    __tablename__ = "listenings"

    id: Mapped[int] = mapped_column(primary_key=True)
    recording_id: Mapped[int] = mapped_column(ForeignKey("recordings.id"), index=True)
    employee_id: Mapped[int] = mapped_column(ForeignKey("employees.id"))
    at: Mapped[datetime]
    address: Mapped[str | None]
    agent: Mapped[str | None]
