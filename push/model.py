"""Pops as rows: what each operator's screen was shown about a call, so that a restart forgets nothing."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from store.base import Base

__all__ = ["OPEN", "Pop", "UnseenWatch"]

# A pop that is shown or stands for the current call: few, and found by an index of their own. As text,
# because the condition of a query must be the index's word for word.
OPEN = text("(withdrawn_at IS NULL OR (reason = 'answered_here' AND left_at IS NULL))")


class Pop(Base):
    """One pop per (call, employee), shown again with a higher `round` when his telephone rings again.

    `ringing` holds the channels that ring now (an operator may have two devices), `card` the data of
    the last `pop.shown`, `answered_leg` the channel he answered with in this round, `left_at` when he
    left the call he answered. `withdrawn_at` and `reason` are null while the pop is shown.
    """

    __tablename__ = "pops"
    __table_args__ = (
        UniqueConstraint("call_id", "employee_id"),
        Index("ix_pops_shown", "employee_id", "withdrawn_at"),
        Index("ix_pops_current", "employee_id", "reason", "left_at"),
        Index("ix_pops_open", "call_id", sqlite_where=OPEN, postgresql_where=OPEN),
    )

    pop_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    call_id: Mapped[str] = mapped_column(ForeignKey("calls.id"))
    employee_id: Mapped[int] = mapped_column(ForeignKey("employees.id"))
    extension: Mapped[str]
    round: Mapped[int]
    card: Mapped[dict[str, Any]]
    ringing: Mapped[list[Any]]
    answered_leg: Mapped[str | None]
    shown_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(String(32))
    acked_at: Mapped[datetime | None]
    left_at: Mapped[datetime | None]


class UnseenWatch(Base):
    """A pressed-3 call that rang: `due_at` is when a supervisor must be told, null once nobody must be."""

    __tablename__ = "unseen_watches"

    call_id: Mapped[str] = mapped_column(ForeignKey("calls.id"), primary_key=True)
    due_at: Mapped[datetime | None] = mapped_column(index=True)
    told_at: Mapped[datetime | None]
