"""What `store` itself adds to the schema."""

from typing import Final

from store.feature import Feature
from store.journal import JournalRow
from store.lease import LeaseRow
from store.outbox import OutboxCounter, OutboxRow
from store.progress import Progress
from store.setting_log import SettingChange

__all__ = ["FEATURE"]

FEATURE: Final = Feature(
    name="store",
    tables=(JournalRow, LeaseRow, OutboxCounter, OutboxRow, Progress, SettingChange),
)
