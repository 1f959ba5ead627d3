"""The case and everything that hangs on it."""

import enum
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from store.base import Base, some_index

__all__ = [
    "ACCUSED",
    "ANSWERED",
    "Appeal",
    "AppealCall",
    "AppealConflict",
    "AppealText",
    "Category",
    "HistoryEntry",
    "Kind",
    "Phase",
    "RecordType",
    "RefusedAttempt",
    "Stage",
    "StageVisit",
]


class Phase(enum.StrEnum):
    """Fixed by ISO 10002; stages of any route map to one of these."""

    RECEIVED = "received"
    ACKNOWLEDGED = "acknowledged"
    INVESTIGATING = "investigating"
    RESPONDED = "responded"
    VERIFIED = "verified"
    CLOSED = "closed"
    REJECTED = "rejected"


class Kind(enum.StrEnum):
    """What an appeal is by the kind of its type."""

    COMPLAINT = "complaint"
    REQUEST = "request"
    CLAIM = "claim"
    PROPOSAL = "proposal"
    PRAISE = "praise"
    OTHER = "other"


class RecordType(Base):
    """Dictionary J1: ОБР, ЖК, ЖС, ЖБ, and what a company adds."""

    __tablename__ = "record_types"

    code: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str]
    kind: Mapped[Kind] = mapped_column(String(16))


class Category(Base):
    """What an appeal is about: a dictionary that a company changes."""

    __tablename__ = "categories"

    code: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str]


class Stage(Base):
    """A stage of a route, ordered by `position`; `limit_s` is wall time, None is no limit."""

    __tablename__ = "stages"
    __table_args__ = (UniqueConstraint("route", "position"),)

    code: Mapped[str] = mapped_column(String(32), primary_key=True)
    route: Mapped[str] = mapped_column(String(32))
    position: Mapped[int]
    name: Mapped[str]
    shown_state: Mapped[str]
    phase: Mapped[Phase] = mapped_column(String(16))
    limit_s: Mapped[int | None]


class Appeal(Base):
    """`number` is for people on the telephone. `press_key` makes key 3 exactly once."""

    __tablename__ = "appeals"
    __table_args__ = (
        Index("ix_appeals_phase_number", "phase", "number"),
        Index("ix_appeals_customer_id_number", "customer_id", "number"),
        Index("ix_appeals_phase_deadline_at", "phase", "deadline_at"),
        some_index("appeals", "responsible_id"),
        some_index("appeals", "accused_id"),
    )

    number: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(default=1)
    kind: Mapped[Kind] = mapped_column(String(16))
    type: Mapped[str] = mapped_column(ForeignKey("record_types.code"))
    category: Mapped[str | None] = mapped_column(ForeignKey("categories.code"))
    source: Mapped[str] = mapped_column(String(16))
    verified: Mapped[str] = mapped_column(String(16))
    press_key: Mapped[str | None] = mapped_column(unique=True)
    spool_key: Mapped[str | None]
    call_id: Mapped[str | None] = mapped_column(ForeignKey("calls.id"), index=True)
    phase: Mapped[Phase] = mapped_column(String(16))
    stage: Mapped[str] = mapped_column(ForeignKey("stages.code"))
    gist: Mapped[str | None]
    result: Mapped[str | None]
    caller_raw: Mapped[str]
    caller_e164: Mapped[str | None]
    caller_name: Mapped[str | None]
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customers.id"))
    department_id: Mapped[int | None] = mapped_column(ForeignKey("departments.id"), index=True)
    responsible_id: Mapped[int | None] = mapped_column(ForeignKey("employees.id"))
    accused_id: Mapped[int | None] = mapped_column(ForeignKey("employees.id"))
    pressed_at: Mapped[datetime | None]
    opened_at: Mapped[datetime] = mapped_column(index=True)
    registered_at: Mapped[datetime]
    deadline_at: Mapped[datetime | None]
    taken_at: Mapped[datetime | None]
    resolved_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    first_contact_at: Mapped[datetime | None]


class AppealText(Base):
    """What an appeal is searched by (`store.search`); to be erased with its personal data."""

    __tablename__ = "appeal_texts"

    number: Mapped[int] = mapped_column(
        ForeignKey("appeals.number"), primary_key=True, autoincrement=False
    )
    text: Mapped[str]


class AppealCall(Base):
    """A call of the appeal. `link`: `press`, `auto` (customer's only open appeal), `manual`."""

    __tablename__ = "appeal_calls"

    appeal_number: Mapped[int] = mapped_column(ForeignKey("appeals.number"), primary_key=True)
    call_id: Mapped[str] = mapped_column(ForeignKey("calls.id"), primary_key=True, index=True)
    link: Mapped[str] = mapped_column(String(16))


# Degrees of a conflict of interest (`AppealConflict.degree`).
ACCUSED: Final = 1
ANSWERED: Final = 2


class AppealConflict(Base):
    """An employee's conflict of interest in an appeal. Rows are only ever added.

    `degree`: 1 the accused, 2 the employee who answered the call of a complaint that the machine
    opened (`appeals.case.conflicts`). `lifts`: this row ends that earlier one. `by_id` None: a fact
    of the telephone system, or the upkeep job, wrote it.
    """

    __tablename__ = "appeal_conflicts"
    __table_args__ = (
        Index("ix_appeal_conflicts_appeal_number_employee_id", "appeal_number", "employee_id"),
        Index("ix_appeal_conflicts_employee_id_degree", "employee_id", "degree"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    appeal_number: Mapped[int] = mapped_column(ForeignKey("appeals.number"))
    employee_id: Mapped[int] = mapped_column(ForeignKey("employees.id"))
    degree: Mapped[int]
    since: Mapped[datetime]
    by_id: Mapped[int | None] = mapped_column(ForeignKey("employees.id"))
    lifts: Mapped[int | None] = mapped_column(ForeignKey("appeal_conflicts.id"), unique=True)


class StageVisit(Base):
    """A stay of an appeal in a stage; `left_at` None: it is there now."""

    __tablename__ = "stage_visits"

    id: Mapped[int] = mapped_column(primary_key=True)
    appeal_number: Mapped[int] = mapped_column(ForeignKey("appeals.number"), index=True)
    stage: Mapped[str] = mapped_column(ForeignKey("stages.code"))
    entered_at: Mapped[datetime]
    left_at: Mapped[datetime | None]


class HistoryEntry(Base):
    """An entry of the append-only history, a hash chain per appeal.

    Personal data is outside the hash; its salted hash is inside.
    """

    __tablename__ = "history"

    appeal_number: Mapped[int] = mapped_column(ForeignKey("appeals.number"), primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    author_id: Mapped[int | None] = mapped_column(ForeignKey("employees.id"))
    action: Mapped[str] = mapped_column(String(32))
    data: Mapped[dict[str, Any]]
    personal: Mapped[dict[str, Any] | None]
    personal_salt: Mapped[bytes] = mapped_column(LargeBinary(16))
    personal_hash: Mapped[str] = mapped_column(String(64))
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class RefusedAttempt(Base):
    """What the conflict rule refused: shown to supervisors."""

    __tablename__ = "refused_attempts"

    id: Mapped[int] = mapped_column(primary_key=True)
    appeal_number: Mapped[int] = mapped_column(ForeignKey("appeals.number"), index=True)
    employee_id: Mapped[int] = mapped_column(ForeignKey("employees.id"))
    action: Mapped[str] = mapped_column(String(32))
    reason: Mapped[str]
    at: Mapped[datetime]
