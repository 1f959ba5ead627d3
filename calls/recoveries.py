"""Which calls a blind window brought: written with the facts, so that its numbers are its calls."""

from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from calls.model import BlindWindow, Recovery
from calls.story import CallChange
from store.base import table
from store.fast.batch import once_a_batch
from store.fast.prepared import insert_later, prepared
from store.upsert import insert_new

__all__ = ["count", "note"]

_WINDOWS, _RECOVERIES = table(BlindWindow), table(Recovery)
_OPEN_WINDOW = prepared(
    select(func.max(_WINDOWS.c.id)).where(
        _WINDOWS.c.pbx == bindparam("pbx"), _WINDOWS.c.ended_at.is_(None)
    )
)
_INSERT = prepared(insert(_RECOVERIES))
_PRESS_LEARNED = prepared(
    update(_RECOVERIES)
    .where(
        _RECOVERIES.c.window_id == bindparam("of_window"),
        _RECOVERIES.c.call_id == bindparam("of_call"),
    )
    .values(press=True)
)


async def note(session: AsyncSession, change: CallChange) -> None:
    """Remember the call in the open blind window of its PBX when something recovered is among its new facts."""
    if not any(fact.recovered for fact in change.facts):
        return
    story, before = change.story, change.before

    async def ask() -> int | None:
        window: int | None = await session.scalar(_OPEN_WINDOW, {"pbx": story.pbx})
        return window

    window = await once_a_batch(session, ("calls.open_window", story.pbx), ask)
    if window is None:  # read by the sweep, after the window was closed
        return
    press = story.pressed_at is not None and (before is None or before.pressed_at is None)
    row = {"window_id": window, "call_id": story.id, "press": press}
    if before is None:  # no window has it yet
        await insert_later(session, _INSERT, [row])
    elif await insert_new(session, Recovery, row, key=("window_id", "call_id")) is None and press:
        await session.execute(_PRESS_LEARNED, {"of_window": window, "of_call": story.id})


async def count(session: AsyncSession, window: int) -> tuple[int, int]:
    """Return how many calls the window brought, and of how many the press."""
    row = (
        await session.execute(
            select(func.count(), func.count().filter(Recovery.press)).where(
                Recovery.window_id == window
            )
        )
    ).one()
    return row[0], row[1]
