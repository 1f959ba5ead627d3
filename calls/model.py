"""Stored calls. `facts` is the truth; `calls` and `legs` are its fold, kept for lists and reports."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from store.base import Base, some_index

__all__ = [
    "HOUR_N",
    "BlindWindow",
    "Call",
    "CallText",
    "Leg",
    "LogRead",
    "PbxState",
    "Recovery",
    "SetAside",
    "StoredFact",
    "hour_n",
]

HOUR_N: Final = 1 << 20  # more calls than an hour can have


def hour_n(at: datetime) -> int:
    """Return the number from which `CallText.n` counts the calls that begin in the UTC hour of `at`."""
    return int(at.timestamp()) // 3600 * HOUR_N


class Call(Base):
    """One caller's journey. `id` is `<pbx>-<uniqueid>`; `outcome` null while it is in progress."""

    __tablename__ = "calls"

    id: Mapped[str] = mapped_column(primary_key=True)
    pbx: Mapped[str]
    uniqueid: Mapped[str] = mapped_column(index=True)
    direction: Mapped[str]
    from_raw: Mapped[str]
    from_e164: Mapped[str | None] = mapped_column(index=True)
    from_name: Mapped[str | None]
    from_kind: Mapped[str]
    to_raw: Mapped[str]
    to_e164: Mapped[str | None] = mapped_column(index=True)
    queue: Mapped[str | None]
    started_at: Mapped[datetime]
    pressed_at: Mapped[datetime | None] = mapped_column(index=True)
    press_uniqueid: Mapped[str | None] = mapped_column(index=True)
    queue_entered_at: Mapped[datetime | None]
    queue_left_at: Mapped[datetime | None]
    queue_wait_s: Mapped[float | None]
    first_ring_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    ended_by: Mapped[str | None]
    recovered: Mapped[bool] = mapped_column(default=False)
    department_id: Mapped[int | None] = mapped_column(ForeignKey("departments.id"))
    transfers: Mapped[list[Any]]

    __table_args__ = (
        Index("ix_calls_started_at_id", "started_at", "id"),
        Index("ix_calls_open", "ended_at", "pbx"),
        some_index("calls", "department_id"),
    )


class CallText(Base):
    """What a call is searched by (`store.search`); to be erased with the personal data of its call.

    `n`: `hour_n` of its beginning plus a count within the hour, so that the newest are searched first.
    One writer of SQLite never gives it twice; on PostgreSQL two PBXs may.
    """

    __tablename__ = "call_texts"
    __table_args__ = ({"sqlite_with_rowid": False},)

    call_id: Mapped[str] = mapped_column(ForeignKey("calls.id"), primary_key=True)
    n: Mapped[int] = mapped_column(BigInteger, index=True)
    text: Mapped[str]


class Leg(Base):
    """A telephone in the call: one row per ringing. An outside one has an empty `extension` and a `number`."""

    __tablename__ = "legs"
    __table_args__ = (Index("ix_legs_employee_id_call_id", "employee_id", "call_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    call_id: Mapped[str] = mapped_column(ForeignKey("calls.id"), index=True)
    uniqueid: Mapped[str]
    extension: Mapped[str]
    number: Mapped[str | None]
    employee_id: Mapped[int | None] = mapped_column(ForeignKey("employees.id"))
    rang_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None]


class StoredFact(Base):
    """Row form of `calls.facts`: `n` counts from 1 within the call; `data` is the fact without call/at."""

    __tablename__ = "facts"

    call_id: Mapped[str] = mapped_column(primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    type: Mapped[str]
    at: Mapped[datetime]
    data: Mapped[dict[str, Any]]


class SetAside(Base):
    """Facts that could not be stored, with the error: nothing is dropped, the batch went on."""

    __tablename__ = "set_aside"

    id: Mapped[int] = mapped_column(primary_key=True)
    call_id: Mapped[str] = mapped_column(index=True)
    at: Mapped[datetime]
    error: Mapped[str]
    facts: Mapped[list[Any]]


class BlindWindow(Base):
    """Time without AMI: what happened then is known only from what the PBX kept."""

    __tablename__ = "blind_windows"

    id: Mapped[int] = mapped_column(primary_key=True)
    pbx: Mapped[str] = mapped_column(index=True)
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    reason: Mapped[str]


class Recovery(Base):
    """A call of which something was learned while a blind window was caught up with. `press`: its press was."""

    __tablename__ = "recoveries"

    window_id: Mapped[int] = mapped_column(ForeignKey("blind_windows.id"), primary_key=True)
    call_id: Mapped[str] = mapped_column(ForeignKey("calls.id"), primary_key=True)
    press: Mapped[bool]


class PbxState(Base):
    """What we last knew of a PBX, in its own time: where the next spool reading begins."""

    __tablename__ = "pbx_states"

    pbx: Mapped[str] = mapped_column(primary_key=True)
    last_contact_at: Mapped[datetime]
    startup: Mapped[str]


class LogRead(Base):
    """How far a log file of a PBX was read (`ami.log_tail.LogPosition`); `log` is `queue_log` or `CDR`."""

    __tablename__ = "log_reads"

    pbx: Mapped[str] = mapped_column(primary_key=True)
    log: Mapped[str] = mapped_column(primary_key=True)
    inode: Mapped[int] = mapped_column(BigInteger)
    offset: Mapped[int] = mapped_column(BigInteger)
    head: Mapped[bytes]
