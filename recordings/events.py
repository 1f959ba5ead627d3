"""What recordings publish."""

from dataclasses import dataclass
from typing import ClassVar

from store.typed import Typed

__all__ = ["RecordingReady"]


@dataclass(frozen=True, kw_only=True)
class RecordingReady(Typed):
    """A recording can be listened to."""

    TYPE: ClassVar = "recording.ready"

    recording: int
    call: str | None
    appeal: int | None
