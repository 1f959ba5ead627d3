"""Customers by telephone number: found, or made at the first appeal."""

from datetime import datetime

from sqlalchemy import bindparam, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from appeals.model import Customer, CustomerPhone
from calls.facts import Party
from store.base import table
from store.prepared import prepared
from store.upsert import insert_new

__all__ = ["create", "find", "number_of"]


def number_of(party: Party) -> str | None:
    """Return the number that identifies `party`; None for a withheld one.

    An internal extension or a SIP name identifies as it is; only a public number is E.164.
    """
    if party.kind == "anonymous":
        return None
    return (party.e164 if party.kind == "public" else None) or party.raw or None


async def find(session: AsyncSession, party: Party) -> int | None:
    """Return the id of the customer with this number, None when nobody is known by it."""
    number = number_of(party)
    if number is None:
        return None
    return await session.scalar(_OWNER, {"of": number})


_CUSTOMERS, _PHONES = table(Customer), table(CustomerPhone)
_OWNER = prepared(select(_PHONES.c.customer_id).where(_PHONES.c.number == bindparam("of")))
_INSERT = prepared(insert(_CUSTOMERS).returning(_CUSTOMERS.c.id))


async def create(session: AsyncSession, party: Party, *, now: datetime) -> int | None:
    """Make the customer whom `find` did not find and return his id; None for an anonymous caller.

    Two transactions may meet a new number at once: one of them makes the customer, both get it.
    """
    number = number_of(party)
    return await _create(session, number, party.name, now) if number is not None else None


async def _create(session: AsyncSession, number: str, name: str | None, now: datetime) -> int:
    made: int = (await session.scalars(_INSERT, {"name": name, "created_at": now})).one()
    phone = {"number": number, "customer_id": made}
    if await insert_new(session, CustomerPhone, phone, key=("number",)):
        return made
    await session.execute(delete(Customer).where(Customer.id == made))
    owner: int = (await session.scalars(_OWNER, {"of": number})).one()
    return owner
