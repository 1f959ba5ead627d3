"""Tables of the customers and their telephone numbers."""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from store.base import Base

__all__ = ["Customer", "CustomerPhone"]


class Customer(Base):
    """A customer, known by telephone numbers. `name` None: not known yet."""

    __tablename__ = "customers"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    created_at: Mapped[datetime]


class CustomerPhone(Base):
    """A telephone number of a customer; one number has one owner.

    `number` is E.164, or the raw number of an internal or SIP caller.
    """

    __tablename__ = "customer_phones"

    number: Mapped[str] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"), index=True)
