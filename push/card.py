"""What a pop says about a call: who calls, which customer that is, and which appeals are open."""

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from appeals import customers, links, lookup
from appeals.model import Customer
from calls.facts import Party
from calls.story import CallStory
from push.messages import Caller, Named
from store.base import table
from store.prepared import prepared

__all__ = ["Card", "other_party", "read_card"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """The part of `pop.shown` that is the same for every operator who rings."""

    call: str
    caller: Caller
    customer: Named | None
    appeal: int | None
    open_appeals: list[int]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def other_party(story: CallStory) -> Party:
    """Return the customer's end of the call: after a transfer it is still the customer, not the colleague."""
    return story.to if story.direction == "out" else story.caller


async def read_card(session: AsyncSession, story: CallStory) -> Card:
    """Return the card of a call as the database knows it in this transaction."""
    party = other_party(story)
    customer = await _customer(session, party)
    return Card(
        call=story.id,
        caller=Caller(raw=party.raw, e164=party.e164, name=party.name, kind=party.kind),
        customer=customer,
        appeal=await lookup.appeal_of_call(session, story.id),
        open_appeals=await links.open_appeals(session, customer.id) if customer else [],
    )


async def _customer(session: AsyncSession, party: Party) -> Named | None:
    customer_id = await customers.find(session, party)
    if customer_id is None:
        return None
    return Named(id=customer_id, name=await session.scalar(_NAME, {"customer": customer_id}))


_CUSTOMERS = table(Customer)
_NAME = prepared(select(_CUSTOMERS.c.name).where(_CUSTOMERS.c.id == bindparam("customer")))
