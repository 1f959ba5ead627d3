"""What the REST interface itself must remember: answers given, so that a repeated POST does nothing twice."""

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from store.base import Base

__all__ = ["IdempotentReply"]


class IdempotentReply(Base):
    """What a POST with an Idempotency-Key answered, written in the transaction of what it did.

    Never the body: it is read again, with the rights that the person has then. `reference` names what
    is to be read, `etag` the version that the request made. `request_hash` is the SHA-256 of method,
    path and body: the same key for another request is refused.
    """

    __tablename__ = "idempotent_replies"

    employee_id: Mapped[int] = mapped_column(ForeignKey("employees.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(128), primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(64))
    status: Mapped[int]
    reference: Mapped[str | None]
    etag: Mapped[str | None]
    at: Mapped[datetime] = mapped_column(index=True)
