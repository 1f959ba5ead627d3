"""The calls of a case: the appeals of a call, and the open ones of a customer."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from appeals.case import hot
from appeals.case.model import Appeal, AppealCall
from store.upsert import insert_new

__all__ = ["Accused", "appeal_of", "appeals_of", "is_linked", "link", "numbers_of", "open_appeals"]

Accused = dict[int, frozenset[int]]
"""Numbers of appeals in their order, and who is accused in each."""


async def open_appeals(session: AsyncSession, customer_id: int) -> Accused:
    """Return the customer's newest appeals that are neither closed nor rejected, newest first."""
    return _with_accused(await session.execute(hot.OPEN_APPEALS, {"customer": customer_id}))


async def numbers_of(session: AsyncSession, call: str) -> Accused:
    """Return the appeals of a call: the one that it opened first, then the newest linked."""
    return _with_accused(await session.execute(hot.NUMBERS_OF_CALL, {"call": call}))


async def appeal_of(session: AsyncSession, call: str) -> int | None:
    """Return the appeal that the call opened, or else the newest one that it is linked to."""
    return next(iter(await numbers_of(session, call)), None)


def _with_accused(rows: Iterable[Any]) -> Accused:
    found: dict[int, set[int]] = {}
    for number, sign, stored in rows:
        found.setdefault(number, set()).update(e for e in (sign, stored) if e is not None)
    return {number: frozenset(accused) for number, accused in found.items()}


async def appeals_of(session: AsyncSession, call: str) -> list[Appeal]:
    """Return copies of the appeals of a call, locked in the order of their numbers.

    In one order no two transactions deadlock. `appeals.case.changing.write_copy` stores a change of
    a copy: most calls end without one.
    """
    rows = await session.execute(hot.APPEALS_OF_CALL, {"call": call})
    return [Appeal(**row) for row in rows.mappings()]


async def link(session: AsyncSession, appeal: Appeal, call: str, link: str) -> bool:
    """Note that `call` belongs to `appeal`; False when that is known."""
    values = {"appeal_number": appeal.number, "call_id": call, "link": link}
    row = await insert_new(session, AppealCall, values, key=("appeal_number", "call_id"))
    return row is not None


async def is_linked(session: AsyncSession, call: str) -> bool:
    """Return whether `call` belongs to any appeal."""
    return (await session.execute(hot.LINK_OF_CALL, {"call": call})).first() is not None
