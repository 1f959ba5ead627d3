"""Who works here: employees, departments, telephones, sessions."""

import enum
from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from store.base import Base

__all__ = ["Department", "Employee", "Extension", "LoginAttempt", "Role", "Session", "Ticket"]


class Role(enum.StrEnum):
    """What an employee may do; `appeals.rights` holds the table."""

    OPERATOR = "operator"
    HANDLER = "handler"
    EXECUTOR = "executor"
    SUPERVISOR = "supervisor"
    AUDITOR = "auditor"
    ADMIN = "admin"


class Department(Base):
    """A node of the department tree. The root is the row without parent, made by the first migration."""

    __tablename__ = "departments"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("departments.id"))


class Employee(Base):
    """`department_id` null means the whole company."""

    __tablename__ = "employees"

    id: Mapped[int] = mapped_column(primary_key=True)
    login: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    role: Mapped[Role] = mapped_column(String(16))
    department_id: Mapped[int | None] = mapped_column(ForeignKey("departments.id"))
    password_hash: Mapped[str]
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class Extension(Base):
    """Which telephone was whose, and when: `until` null is without an end. A call keeps the owner of its time.

    `number` is an extension, or an outside number in E.164.
    """

    __tablename__ = "extensions"
    __table_args__ = (
        Index(
            "uq_extensions_number_now",
            "number",
            unique=True,
            sqlite_where=text("until IS NULL"),
            postgresql_where=text("until IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(index=True)
    employee_id: Mapped[int] = mapped_column(ForeignKey("employees.id"), index=True)
    since: Mapped[datetime]
    until: Mapped[datetime | None]


class Session(Base):
    """A signed-in browser or program. Only the SHA-256 of the token is kept."""

    __tablename__ = "sessions"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    employee_id: Mapped[int] = mapped_column(ForeignKey("employees.id"), index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class Ticket(Base):
    """A one-time pass to the push socket, good for seconds."""

    __tablename__ = "tickets"

    ticket_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    employee_id: Mapped[int] = mapped_column(ForeignKey("employees.id"))
    session_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class LoginAttempt(Base):
    """Failed sign-ins per login: what the lock-out counts."""

    __tablename__ = "login_attempts"

    id: Mapped[int] = mapped_column(primary_key=True)
    login: Mapped[str] = mapped_column(index=True)
    at: Mapped[datetime]
