"""Callers with a hidden number: appeals once linked by such a "number" are unlinked.

`anonymous` and its kin were once taken for the number of one customer, so that strangers shared
their appeals. An upkeep job detaches those appeals and calls in pieces and records it in
the histories. The row of the customer stays, for histories name it; no number leads to it any more.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import delete, exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from appeals.case import changing
from appeals.case.history import Record
from appeals.case.model import Appeal, AppealCall
from appeals.case.times import first_contact_after
from appeals.parties.entries import CallUnlinked, CustomerDetached, FirstContactCorrected
from calls.model import Call, Leg
from customers.model import CustomerPhone

__all__ = ["IsHidden", "Phone", "detach", "phones_after"]

IsHidden = Callable[[str], bool]
"""Whether a number as stored is none: the caller's is withheld."""

_PAGE: Final = 2000
_WITHHELD: Final = "number_withheld"
_AT_ONCE: Final = 20  # appeals of one transaction: presses wait for it


@dataclass(frozen=True, slots=True)
class Phone:
    """A telephone number and its customer."""

    number: str
    customer_id: int


async def phones_after(session: AsyncSession, number: str) -> Sequence[Phone]:
    """Return the next page of numbers that are no E.164, in their order. For a reader."""
    rows = await session.execute(
        select(CustomerPhone.number, CustomerPhone.customer_id)
        .where(CustomerPhone.number > number, CustomerPhone.number.not_like("+________%"))
        .order_by(CustomerPhone.number)
        .limit(_PAGE)
    )
    return [Phone(row.number, row.customer_id) for row in rows]


async def detach(
    session: AsyncSession, phone: Phone, is_hidden: IsHidden, *, now: datetime
) -> bool:
    """Detach some appeals of a hidden number's customer; return whether there may be more.

    The number goes last, so that a restart in between finds it again. A call from inside is left
    alone: there a name without digits is a colleague's telephone.
    """
    from_inside = exists().where(Call.id == Appeal.call_id, Call.direction == "internal")
    rows = await session.scalars(
        select(Appeal)
        .where(Appeal.customer_id == phone.customer_id, ~from_inside)
        .order_by(Appeal.number)
        .limit(_AT_ONCE)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    appeals = rows.all()
    found = [appeal for appeal in appeals if is_hidden(appeal.caller_raw)]
    more = len(appeals) == _AT_ONCE and bool(found)
    for appeal in found:
        appeal.customer_id = None
        entry = CustomerDetached(customer=phone.customer_id, reason=_WITHHELD)
        unlinked = await _unlink(session, appeal, is_hidden, now)
        await changing.write(session, appeal, Record(now, entry), *unlinked, now=now)
    if not more:
        still_known = exists().where(Appeal.customer_id == phone.customer_id)
        await session.execute(
            delete(CustomerPhone).where(CustomerPhone.number == phone.number, ~still_known)
        )
    return more


async def _unlink(
    session: AsyncSession, appeal: Appeal, is_hidden: IsHidden, now: datetime
) -> list[Record]:
    """Take off the calls that were linked by the hidden number alone."""
    calls = await session.scalars(
        select(Call)
        .join(AppealCall, AppealCall.call_id == Call.id)
        .where(AppealCall.appeal_number == appeal.number, AppealCall.link == "auto")
        .order_by(Call.started_at, Call.id)
    )
    wrong = [
        call
        for call in calls
        if is_hidden(call.to_raw if call.direction == "out" else call.from_raw)
    ]
    if not wrong:
        return []
    await session.execute(
        delete(AppealCall).where(
            AppealCall.appeal_number == appeal.number,
            AppealCall.call_id.in_([call.id for call in wrong]),
        )
    )
    records = [
        Record(now, CallUnlinked(call=call.id, direction=call.direction, reason=_WITHHELD))
        for call in wrong
    ]
    return records + await _first_contact_again(session, appeal, now)


async def _first_contact_again(
    session: AsyncSession, appeal: Appeal, now: datetime
) -> list[Record]:
    """Find the first contact among the calls that are left: it may have been a stranger's."""
    rows = await session.execute(
        select(Call.answered_at, Leg.answered_at)
        .join(AppealCall, AppealCall.call_id == Call.id)
        .outerjoin(Leg, Leg.call_id == Call.id)
        .where(AppealCall.appeal_number == appeal.number)
    )
    answers = [at for row in rows for at in row]
    old, new = appeal.first_contact_at, first_contact_after(appeal.opened_at, answers)
    if new == old:
        return []
    appeal.first_contact_at = new
    entry = FirstContactCorrected(
        old=old.isoformat() if old else None, new=new.isoformat() if new else None
    )
    return [Record(now, entry)]
