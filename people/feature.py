"""What people add to the desk."""

from typing import Final

from people.model import (
    AuditEntry,
    Department,
    Employee,
    Extension,
    LoginAttempt,
    ServerSecret,
    Session,
    Ticket,
)
from store.feature import Feature

__all__ = ["FEATURE"]

FEATURE: Final = Feature(
    name="people",
    tables=(
        AuditEntry,
        Department,
        Employee,
        Extension,
        LoginAttempt,
        ServerSecret,
        Session,
        Ticket,
    ),
)
