"""What the works of a batch of the writer have in common."""

from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

__all__ = ["next_number", "once_a_batch", "share_answers"]

T = TypeVar("T")

_KEPT = "press3_kept_for_the_batch"


def share_answers(session: AsyncSession) -> None:
    """Let the works that get `session` have answers in common; the writer calls it."""
    session.info[_KEPT] = {}


async def once_a_batch(session: AsyncSession, key: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
    """Return what `ask` gives; of the works of a batch only the first with this `key` asks.

    For what no work of a batch changes. A session that is not the writer's asks each time.
    """
    kept: dict[Hashable, Any] = session.info.get(_KEPT, {})
    if key not in kept:
        kept[key] = await ask()
    answer: T = kept[key]
    return answer


async def next_number(
    session: AsyncSession, key: Hashable, ask_last: Callable[[], Awaitable[int]]
) -> int:
    """Return the number after the last one of `key`, which a batch asks for only once.

    For numbers that nobody but the caller gives out. A work undone leaves a gap. A session that is
    not the writer's asks each time.
    """
    kept: dict[Hashable, Any] = session.info.get(_KEPT, {})
    last: int = kept[key] if key in kept else await ask_last()
    kept[key] = last + 1
    return last + 1
