"""Calls between employees, for `[calls] keep = "all"`: emitted when they are over. Pure.

Until then each may become a customer's: a consultation is handed over, a forwarding dials outside. A
listener of its own gets the same events; what meets a call that is kept anyway is dropped here. So
"all" is exactly what "external" keeps plus the calls between employees.
"""

from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

from ami.events import Event
from calls.facts import CallArrived, CallEnded, Fact

__all__ = ["EmployeeCalls", "Listener"]


class Listener(Protocol):
    """What is needed of a tracker that takes employees' calls for calls worth keeping."""

    def feed(self, event: Event) -> list[Fact]: ...
    def calls_of(self, event: Event) -> set[str]: ...
    def open_calls(self) -> set[str]: ...


Tracking = TypeVar("Tracking", bound=Listener)


class EmployeeCalls(Generic[Tracking]):
    """`is_kept` returns whether an event, already fed, belongs to a call that is kept anyway."""

    def __init__(self, listener: Tracking, is_kept: Callable[[Event], bool]) -> None:
        self.listener = listener
        self._is_kept = is_kept
        self._held: dict[str, list[Fact]] = {}

    def feed(self, event: Event) -> list[Fact]:
        """Return the facts of a call between employees that `event` ends."""
        told = self.hold(self.listener.feed(event))
        if self._held:
            if self._is_kept(event):
                for call in self.listener.calls_of(event):
                    self._held.pop(call, None)
                told = []
            self._forget_merged()
        return told

    def hold(self, facts: Iterable[Fact]) -> list[Fact]:
        """Keep what happens in calls between employees; return those that ended."""
        told: list[Fact] = []
        for fact in facts:
            if isinstance(fact, CallArrived) and fact.direction == "internal":
                self._held[fact.call] = []
            if fact.call in self._held:
                self._held[fact.call].append(fact)
                if isinstance(fact, CallEnded):
                    told += self._held.pop(fact.call)
        return told

    def _forget_merged(self) -> None:
        for call in self._held.keys() - self.listener.open_calls():
            del self._held[call]
