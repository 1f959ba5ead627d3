"""What the REST interface itself must remember: answers given, so that a repeated POST does nothing twice."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from store.base import Base

__all__ = ["IdempotentReply"]


class IdempotentReply(Base):
    """The answer to a POST with an Idempotency-Key, written in the transaction of what it did.

    `request_hash` is the SHA-256 of method, path and body: the same key for another request is refused.
    """

    __tablename__ = "idempotent_replies"

    employee_id: Mapped[int] = mapped_column(ForeignKey("employees.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(128), primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(64))
    status: Mapped[int]
    headers: Mapped[dict[str, Any]]
    body: Mapped[dict[str, Any]]
    at: Mapped[datetime] = mapped_column(index=True)
