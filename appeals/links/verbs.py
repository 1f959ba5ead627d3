"""A call without a press belongs to its customer's open appeal, when there is exactly one."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from appeals.case import calls, changing
from appeals.case.history import Record
from appeals.links.entries import CallLinked
from calls.facts import CallEnded, OperatorAnswered, OperatorRang
from calls.story import CallChange, CallStory
from customers import callers

__all__ = ["on_change"]

# Before that, a caller may still press.
_SHOWS_PURPOSE = (OperatorRang, OperatorAnswered, CallEnded)


async def on_change(session: AsyncSession, change: CallChange, *, now: datetime) -> None:
    """Link the call of `change` once it shows its purpose."""
    if change.story.pressed_at is None and any(
        isinstance(fact, _SHOWS_PURPOSE) for fact in change.facts
    ):
        await _link_to_open_appeal(session, change.story, now)


async def _link_to_open_appeal(session: AsyncSession, story: CallStory, now: datetime) -> None:
    if story.direction == "internal" or await calls.is_linked(session, story.id):
        return
    customer = await callers.find(session, story.to if story.direction == "out" else story.caller)
    if customer is None:
        return
    numbers = list(await calls.open_appeals(session, customer))
    if len(numbers) != 1:
        return
    appeal = await changing.load(session, numbers[0])
    began_before = appeal.opened_at <= (story.ended_at or now)
    if began_before and await calls.link(session, appeal, story.id, "auto"):
        entry = CallLinked(call=story.id, link="auto", direction=story.direction)
        await changing.write(session, appeal, Record(now, entry), now=now)
