"""Tables of the people who work here: employees, departments, telephones, sessions."""

import enum
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, String, false, text
from sqlalchemy.orm import Mapped, mapped_column

from store.base import Base

__all__ = [
    "AuditEntry",
    "Department",
    "Employee",
    "Extension",
    "LoginAttempt",
    "Role",
    "ServerSecret",
    "Session",
    "Ticket",
]


class Role(enum.StrEnum):
    """What an employee may do; `appeals.case.rights` holds the table."""

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
    """`department_id` null means the whole company.

    `must_change`: the password is somebody else's choice, and good only to choose one's own.
    `totp_since` null: no second factor yet (`totp_secret` may be there, waiting for its first code);
    `totp_step` is the step of the code used last.
    """

    __tablename__ = "employees"

    id: Mapped[int] = mapped_column(primary_key=True)
    login: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    role: Mapped[Role] = mapped_column(String(16))
    department_id: Mapped[int | None] = mapped_column(ForeignKey("departments.id"))
    password_hash: Mapped[str]
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    must_change: Mapped[bool] = mapped_column(default=False, server_default=false())
    totp_secret: Mapped[bytes | None] = mapped_column(LargeBinary(20))
    totp_since: Mapped[datetime | None]
    totp_step: Mapped[int | None]


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
    """A signed-in browser or program. Only the SHA-256 of the token is kept.

    `idle_at` is when it ends unless it is used before (null: only `expires_at` ends it); `seen_at` is
    its last use, written now and then.
    """

    __tablename__ = "sessions"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    employee_id: Mapped[int] = mapped_column(ForeignKey("employees.id"), index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    seen_at: Mapped[datetime | None]
    idle_at: Mapped[datetime | None]
    address: Mapped[str | None]
    agent: Mapped[str | None]


class Ticket(Base):
    """A one-time pass to the push socket, good for seconds."""

    __tablename__ = "tickets"

    ticket_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    employee_id: Mapped[int] = mapped_column(ForeignKey("employees.id"))
    session_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class LoginAttempt(Base):
    """Failed sign-ins: what the lock-outs count. Kept for half an hour.

    `network` is the client's address, of IPv6 its /64. `device` is a known device's name; null: a
    stranger. `forgiven`: the right password came after it, or somebody unlocked the login; it still
    counts against the address.
    """

    __tablename__ = "login_attempts"
    __table_args__ = (Index("ix_login_attempts_network_at", "network", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    login: Mapped[str] = mapped_column(index=True)
    at: Mapped[datetime] = mapped_column(index=True)
    network: Mapped[str | None]
    device: Mapped[str | None]
    forgiven: Mapped[bool] = mapped_column(default=False, server_default=false())


class ServerSecret(Base):
    """A key of the service's own, made by the migration: `device` signs device cookies."""

    __tablename__ = "server_secrets"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[bytes] = mapped_column(LargeBinary)


class AuditEntry(Base):
    """What happened at the entrance and to its keys: only ever added to (`people.audit`).

    `actor_id` null: nobody signed in, or the command line. `subject_id`: the employee it is about.
    """

    __tablename__ = "audit"
    __table_args__ = (
        Index("ix_audit_kind_id", "kind", "id"),
        Index("ix_audit_actor_id_id", "actor_id", "id"),
        Index("ix_audit_subject_id_id", "subject_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    kind: Mapped[str] = mapped_column(String(32))
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("employees.id"))
    subject_id: Mapped[int | None] = mapped_column(ForeignKey("employees.id"))
    address: Mapped[str | None]
    agent: Mapped[str | None]
    data: Mapped[dict[str, Any]]
