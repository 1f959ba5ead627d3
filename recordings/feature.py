"""What recordings add to the desk."""

from typing import Final

from recordings.events import RecordingReady
from recordings.model import (
    Listening,
    Recording,
)
from store.feature import Feature

__all__ = ["FEATURE"]

FEATURE: Final = Feature(
    name="recordings",
    tables=(
        Listening,
        Recording,
    ),
    events=(RecordingReady,),
)
