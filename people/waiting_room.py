"""The waiting room before the checking of passwords: bounded, so that a flood is turned away at once.

A check takes some 20 ms of a core, and a few run at a time; everybody else waits here or is refused.
Known devices have a lane of their own and go first: a flood of strangers delays them by one check.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from people.errors import Crowded

__all__ = ["RoomRules", "WaitingRoom"]

_RETRY_AFTER_S = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomRules:
    """`at_once` checks run; `places` may wait in each lane, of them `per_network` from one address.

    One who has waited `patience_s` seconds is turned away.
    """

    at_once: int = 2
    places: int = 200
    per_network: int = 100
    patience_s: float = 5


class WaitingRoom:
    """`async with room.turn(network, known=False): …` is one turn at the checking of a password."""

    def __init__(self, rules: RoomRules) -> None:
        self._rules = rules
        self._free = rules.at_once
        self._lanes: dict[bool, deque[asyncio.Future[None]]] = {True: deque(), False: deque()}
        self._of_network: Counter[tuple[bool, str]] = Counter()

    @asynccontextmanager
    async def turn(self, network: str, *, known: bool) -> AsyncIterator[None]:
        """Wait for a turn and hold it inside; raises Crowded at once when the lane is full."""
        who = (known, network)
        if (
            len(self._lanes[known]) >= self._rules.places
            or self._of_network[who] >= self._rules.per_network
        ):
            raise Crowded(_RETRY_AFTER_S)
        self._of_network[who] += 1
        try:
            await self._wait(self._lanes[known])
            try:
                yield
            finally:
                self._pass_on()
        finally:
            self._of_network[who] -= 1
            if not self._of_network[who]:
                del self._of_network[who]

    async def _wait(self, lane: deque[asyncio.Future[None]]) -> None:
        if self._free:
            self._free -= 1
            return
        called: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        lane.append(called)
        try:
            async with asyncio.timeout(self._rules.patience_s):
                await called
        except BaseException as error:
            if called.done() and not called.cancelled():
                self._pass_on()  # called in the very moment of leaving: the turn is the next one's
            elif called in lane:
                lane.remove(called)
            if isinstance(error, TimeoutError):
                raise Crowded(_RETRY_AFTER_S) from None
            raise

    def _pass_on(self) -> None:
        for lane in (self._lanes[True], self._lanes[False]):
            while lane:
                called = lane.popleft()
                if not called.done():
                    called.set_result(None)
                    return
        self._free += 1
