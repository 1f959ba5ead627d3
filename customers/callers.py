"""Customers by telephone number: found, or made at the first appeal."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    CompoundSelect,
    bindparam,
    exists,
    false,
    func,
    insert,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from calls.facts import Party
from customers.model import Customer, CustomerPhone
from store.base import table
from store.fast.prepared import prepared

__all__ = ["find", "find_or_make", "number_of"]


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
_INSERT_PHONE = prepared(insert(_PHONES))


async def find_or_make(
    session: AsyncSession, party: Party, *, now: datetime
) -> tuple[int | None, bool]:
    """Return the id of the customer with this number, and whether it was known before.

    None, never known, for an anonymous caller. Two transactions may meet a new number at
    once: one of them makes the customer, both get it.
    """
    number = number_of(party)
    if number is None:
        return None, False
    if session.get_bind().dialect.name == "postgresql":
        values = {"of": number, "name": party.name, "now": now}
        found = (await session.execute(_FIND_OR_MAKE, values)).one_or_none()
        if found is not None:
            return found.customer_id, found.known
    known = await find(
        session, party
    )  # on PostgreSQL another transaction has made the row just now
    if known is not None:
        return known, True
    return await _make(session, number, party.name, now), False


async def _make(session: AsyncSession, number: str, name: str | None, now: datetime) -> int:
    made: int = (await session.scalars(_INSERT, {"name": name, "created_at": now})).one()
    await session.execute(_INSERT_PHONE, {"number": number, "customer_id": made})
    return made


def _find_or_make() -> CompoundSelect[Any]:
    """Take one trip to PostgreSQL, not three; no row when another transaction inserts it."""
    of, name, now = (
        bindparam(said, type_=column.type)
        for said, column in (
            ("of", _PHONES.c.number),
            ("name", _CUSTOMERS.c.name),
            ("now", _CUSTOMERS.c.created_at),
        )
    )
    known = select(_PHONES.c.customer_id).where(_PHONES.c.number == of).cte("known")
    next_id = func.nextval(func.pg_get_serial_sequence(_CUSTOMERS.name, "id"))
    new = (
        postgresql.insert(_PHONES)
        .from_select(["number", "customer_id"], select(of, next_id).where(~exists(select(known))))
        .on_conflict_do_nothing(index_elements=["number"])
        .returning(_PHONES.c.customer_id)
        .cte("new")
    )
    made = insert(_CUSTOMERS).from_select(
        ["id", "name", "created_at"], select(new.c.customer_id, name, now)
    )
    return union_all(
        select(known.c.customer_id, true().label("known")),
        select(new.c.customer_id, false().label("known")),
    ).add_cte(made.cte("made"))


_FIND_OR_MAKE = prepared(_find_or_make())
