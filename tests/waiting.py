"""Wait for a condition instead of sleeping: a test never guesses how long something takes."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

__all__ = ["until"]

T = TypeVar("T")


@overload
async def until(
    condition: Callable[[], Awaitable[T]], *, deadline_s: float = 10, what: str = ""
) -> T: ...
@overload
async def until(condition: Callable[[], T], *, deadline_s: float = 10, what: str = "") -> T: ...
async def until(condition: Callable[[], Any], *, deadline_s: float = 10, what: str = "") -> Any:
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
