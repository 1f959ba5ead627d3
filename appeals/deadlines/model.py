"""Notices that were published of deadlines."""

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from store.base import Base

__all__ = ["DeadlineNotice"]


class DeadlineNotice(Base):
    """One row per (appeal, deadline, level): a warning is given once, also across restarts."""

    __tablename__ = "deadline_notices"

    appeal_number: Mapped[int] = mapped_column(ForeignKey("appeals.number"), primary_key=True)
    due_at: Mapped[datetime] = mapped_column(primary_key=True)
    level: Mapped[str] = mapped_column(String(16), primary_key=True)
    at: Mapped[datetime]
