"""What the PBX kept of its presses: the spool in AstDB."""

from dataclasses import dataclass
from datetime import datetime

__all__ = ["SpoolAnswer", "SpoolPress", "SpoolRecording"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolAnswer:
    at: datetime
    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolRecording:
    at: datetime
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolPress:
    """One press with its marks, all PBX time. `entered_at`: before Queue(); `queue_left`: (at, QUEUESTATUS)."""

    key: str
    uniqueid: str
    linkedid: str
    pressed_at: datetime
    number: str
    name: str
    did: str
    menu: str
    queue: str
    again: tuple[datetime, ...] = ()
    entered_at: datetime | None = None
    answered: tuple[SpoolAnswer, ...] = ()
    queue_left: tuple[datetime, str] | None = None
    recordings: tuple[SpoolRecording, ...] = ()
    ended_at: datetime | None = None
