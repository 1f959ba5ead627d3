"""What the kernel of a case adds to the desk."""

from typing import Final

from appeals.case.entries import (
    AppealChanged,
    AppealOpened,
    AttemptRefused,
    Changed,
    ConflictStored,
    HiddenChanged,
    HiddenOpened,
    ResponsibleWithdrawn,
)
from appeals.case.model import (
    Appeal,
    AppealCall,
    AppealConflict,
    AppealText,
    Category,
    HistoryEntry,
    RecordType,
    RefusedAttempt,
    Stage,
    StageVisit,
)
from store.feature import Feature

__all__ = ["FEATURE"]

FEATURE: Final = Feature(
    name="case",
    tables=(
        Appeal,
        AppealCall,
        AppealConflict,
        AppealText,
        Category,
        HistoryEntry,
        RecordType,
        RefusedAttempt,
        Stage,
        StageVisit,
    ),
    entries=(
        AttemptRefused,
        Changed,
        ConflictStored,
        ResponsibleWithdrawn,
    ),
    events=(
        AppealOpened,
        HiddenOpened,
        AppealChanged,
        HiddenChanged,
    ),
)
