"""Wait for a condition instead of sleeping: a test never guesses how long something takes."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar

__all__ = ["until"]

T = TypeVar("T")


async def until(
    condition: Callable[[], T | Awaitable[T]], *, deadline_s: float = 10, what: str = ""
) -> T:
    """Return the first truthy value of `condition` (plain or async); fail after `deadline_s` seconds.

    The failure names `what`, and the last value seen, so that a red test says what it waited for.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + deadline_s
    pause_s = 0.002
    while True:
        value = condition()
        seen = await value if inspect.isawaitable(value) else value
        if seen:
            return seen
        if loop.time() > deadline:
            raise AssertionError(
                f"not within {deadline_s} s: {what or inspect.getsource(condition).strip()} (last: {seen!r})"
            )
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.05)
