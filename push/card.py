"""What a pop says about a call: who calls, which customer that is, and which appeals are open."""

from dataclasses import dataclass

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from appeals.case import calls
from appeals.case.calls import Accused
from calls.facts import Party
from calls.story import CallStory
from customers import callers
from customers.model import Customer
from push.events import Caller, Named, PopShown
from push.model import Pop
from store.base import table
from store.fast.prepared import prepared

__all__ = ["Card", "other_party", "read_card"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What `pop.shown` says of a call.

    `appeals` are those of the call, `open_appeals` the customer's, each with its accused: the card of an
    accused employee omits it.
    """

    call: str
    caller: Caller
    customer: Named | None
    appeals: Accused
    open_appeals: Accused

    def shown(self, pop: Pop) -> PopShown:
        """Return what the employee of `pop` is shown."""
        return PopShown(
            pop_id=pop.pop_id,
            round=pop.round,
            call=self.call,
            caller=self.caller,
            customer=self.customer,
            appeal=next(iter(_not_about(pop.employee_id, self.appeals)), None),
            open_appeals=_not_about(pop.employee_id, self.open_appeals),
            acked=pop.acked_at is not None,
        )


def _not_about(employee: int, appeals: Accused) -> list[int]:
    return [number for number, accused in appeals.items() if employee not in accused]


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
