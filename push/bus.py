"""The bell: it wakes whoever reads the outbox. Truth is in the rows, so a lost ring costs only a poll."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from store.outbox import Message

__all__ = ["Bus", "Listener", "MemoryBus", "Subscription"]


class Subscription(Protocol):
    async def wait(self, timeout_s: float) -> int | None:
        """Return at the next ring, at once when it rang since the last call, or after `timeout_s`.

        What is returned is the highest seq rung since the last call; None after `timeout_s`.
        """


Listener = Callable[[Sequence[Message]], None]


class Bus(Protocol):
    def ring(self, seq: int) -> None:
        """Say that messages up to `seq` are committed. Never blocks, never raises."""

    def subscribe(self, listener: Listener) -> Subscription:
        """Return a bell; a bus that carries messages themselves also hands them to `listener`."""


class MemoryBus:
    """For one process: `Writer(on_commit=bus.ring, on_messages=bus.carry)`.

    Without `carry` it only rings, and everybody reads the rows: right as well, a millisecond later.
    """

    def __init__(self) -> None:
        self._bells: list[_Bell] = []
        self._listeners: list[Listener] = []

    def ring(self, seq: int) -> None:
        for bell in self._bells:
            bell.ring(seq)

    def carry(self, messages: Sequence[Message]) -> None:
        """Hand over messages that were committed just now."""
        for listener in self._listeners:
            listener(messages)

    def subscribe(self, listener: Listener) -> Subscription:
        bell = _Bell()
        self._bells.append(bell)
        self._listeners.append(listener)
        return bell


class _Bell:
    def __init__(self) -> None:
        self._rang = asyncio.Event()
        self._seq: int | None = None

    def ring(self, seq: int) -> None:
        self._seq = seq
        self._rang.set()

    async def wait(self, timeout_s: float) -> int | None:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._rang.wait()
        self._rang.clear()
        seq, self._seq = self._seq, None
        return seq
