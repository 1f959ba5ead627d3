"""Which appeals a call belongs to: the one its press opened, or its customer's only open one."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from appeals import changing, conflicts, customers, history
from appeals.model import Appeal, AppealCall
from appeals.stages import OPEN
from calls.story import CallStory
from store.base import table
from store.prepared import prepared
from store.upsert import insert_new

__all__ = [
    "Accused",
    "appeals_of",
    "link",
    "link_to_open_appeal",
    "numbers_of",
    "open_appeals",
]

_RELATED_SHOWN = 20
_APPEALS, _LINKS = table(Appeal), table(AppealCall)
_ACCUSED, _IS_ACCUSED = conflicts.stored_accused()
_OPEN_APPEALS = prepared(
    select(_APPEALS.c.number, _APPEALS.c.accused_id, _ACCUSED.c.employee_id)
    .select_from(_APPEALS.outerjoin(_ACCUSED, _IS_ACCUSED))
    .where(
        _APPEALS.c.customer_id == bindparam("customer"),
        or_(*(_APPEALS.c.phase == each for each in sorted(OPEN))),
    )
    .order_by(_APPEALS.c.number.desc())
    .limit(_RELATED_SHOWN)
)
_APPEALS_OF_CALL = prepared(
    select(_APPEALS)
    .join(_LINKS, _LINKS.c.appeal_number == _APPEALS.c.number)
    .where(_LINKS.c.call_id == bindparam("call"))
    .order_by(_APPEALS.c.number)
    .with_for_update(of=_APPEALS)
)
_NUMBERS_OF_CALL = prepared(
    select(_APPEALS.c.number, _APPEALS.c.accused_id, _ACCUSED.c.employee_id)
    .select_from(
        _APPEALS.join(_LINKS, _LINKS.c.appeal_number == _APPEALS.c.number).outerjoin(
            _ACCUSED, _IS_ACCUSED
        )
    )
    .where(_LINKS.c.call_id == bindparam("call"))
    .order_by((_APPEALS.c.call_id == bindparam("call")).desc(), _APPEALS.c.number.desc())
)
_LINK_OF_CALL = prepared(
    select(_LINKS.c.appeal_number).where(_LINKS.c.call_id == bindparam("call")).limit(1)
)


Accused = dict[int, frozenset[int]]
"""Numbers of appeals in their order, and who is accused in each."""


async def open_appeals(session: AsyncSession, customer_id: int) -> Accused:
    """Return the customer's newest appeals that are neither closed nor rejected, newest first."""
    return _with_accused(await session.execute(_OPEN_APPEALS, {"customer": customer_id}))


async def numbers_of(session: AsyncSession, call: str) -> Accused:
    """Return the appeals of a call: the one that it opened first, then the newest linked."""
    return _with_accused(await session.execute(_NUMBERS_OF_CALL, {"call": call}))


def _with_accused(rows: Iterable[Any]) -> Accused:
    found: dict[int, set[int]] = {}
    for number, sign, stored in rows:
        found.setdefault(number, set()).update(e for e in (sign, stored) if e is not None)
    return {number: frozenset(accused) for number, accused in found.items()}


async def appeals_of(session: AsyncSession, call: str) -> list[Appeal]:
    """Return copies of the appeals of a call, kept from others in the order of their numbers: no two
    of us deadlock. A change of a copy is stored by `changing.write_copy`: most calls end without one."""
    rows = await session.execute(_APPEALS_OF_CALL, {"call": call})
    return [Appeal(**row) for row in rows.mappings()]


async def link(session: AsyncSession, appeal: Appeal, call: str, link: str) -> bool:
    """Note that `call` belongs to `appeal`; False when that is known."""
    values = {"appeal_number": appeal.number, "call_id": call, "link": link}
    row = await insert_new(session, AppealCall, values, key=("appeal_number", "call_id"))
    return row is not None


async def link_to_open_appeal(session: AsyncSession, story: CallStory, now: datetime) -> None:
    """A call without a press belongs to its customer's open appeal, when there is exactly one."""
    if story.direction == "internal" or await _is_linked(session, story.id):
        return
    customer = await customers.find(session, story.to if story.direction == "out" else story.caller)
    if customer is None:
        return
    numbers = list(await open_appeals(session, customer))
    if len(numbers) != 1:
        return
    appeal = await changing.load(session, numbers[0])
    began_before = appeal.opened_at <= (story.ended_at or now)
    if began_before and await link(session, appeal, story.id, "auto"):
        told = {"call": story.id, "link": "auto", "direction": story.direction}
        await changing.write(session, appeal, history.noted(now, "call_linked", **told), now=now)


async def _is_linked(session: AsyncSession, call: str) -> bool:
    return (await session.execute(_LINK_OF_CALL, {"call": call})).first() is not None
