"""What a pop says about a call: who calls, which customer that is, and which appeals are open."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from appeals.case import calls
from appeals.case.calls import Accused
from calls.facts import Party
from calls.story import CallStory
from customers import callers
from customers.model import Customer
from push.messages import Caller, Named
from store.base import table
from store.fast.prepared import prepared

__all__ = ["Card", "other_party", "read_card"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What `pop.shown` says of a call.

    `shared` is the part of its data that is the same for everybody. `appeals` are those of the call,
    `open_appeals` the customer's, each with its accused: the card of an accused employee omits it.
    """

    shared: Mapping[str, Any]
    appeals: Accused
    open_appeals: Accused

    def for_(self, employee: int) -> dict[str, Any]:
        """Return the data of `pop.shown` for one employee."""
        return {
            **self.shared,
            "appeal": next(iter(_not_about(employee, self.appeals)), None),
            "open_appeals": _not_about(employee, self.open_appeals),
        }


def _not_about(employee: int, appeals: Accused) -> list[int]:
    return [number for number, accused in appeals.items() if employee not in accused]


def other_party(story: CallStory) -> Party:
    """Return the customer's end of the call: after a transfer it is still the customer, not the colleague."""
    return story.to if story.direction == "out" else story.caller


async def read_card(session: AsyncSession, story: CallStory) -> Card:
    """Return the card of a call as the database knows it in this transaction."""
    party = other_party(story)
    customer = await _customer(session, party)
    caller = Caller(raw=party.raw, e164=party.e164, name=party.name, kind=party.kind)
    return Card(
        shared={
            "call": story.id,
            "caller": asdict(caller),
            "customer": asdict(customer) if customer is not None else None,
        },
        appeals=await calls.numbers_of(session, story.id),
        open_appeals=await calls.open_appeals(session, customer.id) if customer else {},
    )


async def _customer(session: AsyncSession, party: Party) -> Named | None:
    customer_id = await callers.find(session, party)
    if customer_id is None:
        return None
    return Named(id=customer_id, name=await session.scalar(_NAME, {"customer": customer_id}))


_CUSTOMERS = table(Customer)
_NAME = prepared(select(_CUSTOMERS.c.name).where(_CUSTOMERS.c.id == bindparam("customer")))
