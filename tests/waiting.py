"""Wait for a condition instead of sleeping: a test never guesses how long something takes."""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar, overload

from tests import withheld

__all__ = ["patience", "until"]

T = TypeVar("T")
_LONGER = 3  # times the deadline, at most: a condition that never comes true ends on any machine


class _Patience:
    """Seconds that are left, from the making on; those that the machine withheld don't count."""

    def __init__(self, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        self._began, self._began_at = time.monotonic(), time.time()

    def s(self) -> float:
        left_s = self._deadline_s - (time.monotonic() - self._began)
        if left_s > 0:
            return left_s
        return left_s + min(withheld.since(self._began_at), (_LONGER - 1) * self._deadline_s)


@asynccontextmanager
async def patience(deadline_s: float) -> AsyncIterator[None]:
    """Raise TimeoutError when the block is not over after `deadline_s` seconds, as `until` counts them."""
    loop, left = asyncio.get_running_loop(), _Patience(deadline_s)
    async with asyncio.timeout(None) as limit:

        def look() -> None:
            nonlocal due
            if left.s() <= 0:
                limit.reschedule(loop.time())
            else:
                due = loop.call_later(left.s(), look)

        due = loop.call_later(deadline_s, look)
        try:
            yield
        finally:
            due.cancel()


@overload
async def until(
    condition: Callable[[], Awaitable[T]], *, deadline_s: float = 10, what: str = ""
) -> T: ...
@overload
async def until(condition: Callable[[], T], *, deadline_s: float = 10, what: str = "") -> T: ...
async def until(condition: Callable[[], Any], *, deadline_s: float = 10, what: str = "") -> Any:
    """Return the first truthy value of `condition` (plain or async); fail after `deadline_s` seconds.

    Seconds in which the machine withheld the processor (`tests/withheld.py`) don't count, up to thrice
    the deadline. The failure names `what`, and the last value seen, so that a red test says what it
    waited for.
    """
    left = _Patience(deadline_s)
    pause_s = 0.002
    while True:
        value = condition()
        seen = await value if inspect.isawaitable(value) else value
        if seen:
            return seen
        if left.s() <= 0:
            raise AssertionError(
                f"not within {deadline_s} s: {what or inspect.getsource(condition).strip()} (last: {seen!r})"
            )
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.05)
