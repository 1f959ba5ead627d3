"""What deadlines add to the desk."""

from typing import Final

from appeals.deadlines.entries import DeadlineDueSoon, DeadlineOverdue, DeadlineReached
from appeals.deadlines.model import (
    DeadlineNotice,
)
from store.feature import Feature

__all__ = ["FEATURE"]

FEATURE: Final = Feature(
    name="deadlines",
    tables=(DeadlineNotice,),
    entries=(DeadlineReached,),
    events=(
        DeadlineDueSoon,
        DeadlineOverdue,
    ),
)
