"""The bell: it wakes whoever reads the outbox. Truth is in the rows, so a lost ring costs only a poll."""

import asyncio
from contextlib import suppress
from typing import Protocol

__all__ = ["Bus", "MemoryBus", "Subscription"]


class Subscription(Protocol):
    async def wait(self, timeout_s: float) -> None:
        """Return at the next ring, at once when it rang since the last call, or after `timeout_s`."""


class Bus(Protocol):
    def ring(self, seq: int) -> None:
        """Say that messages up to `seq` are committed. Never blocks, never raises."""

    def subscribe(self) -> Subscription: ...


class MemoryBus:
    """For one process: `Writer(on_commit=bus.ring)`."""

    def __init__(self) -> None:
        self._bells: list[_Bell] = []

    def ring(self, seq: int) -> None:
        for bell in self._bells:
            bell.rang.set()

    def subscribe(self) -> Subscription:
        bell = _Bell()
        self._bells.append(bell)
        return bell


class _Bell:
    def __init__(self) -> None:
        self.rang = asyncio.Event()

    async def wait(self, timeout_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self.rang.wait()
        self.rang.clear()
