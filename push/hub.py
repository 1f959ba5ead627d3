"""The screens that are connected now, and who of them is told a message.

Everything here is synchronous: `deliver` hands a message to all its screens in one stretch, so a
screen that joins between two messages has exactly one place in the order, its `seq`.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from people.access.audience import Audience, Viewer
from people.model import Role
from push.errors import PushError, SlowReader, TooManyConnections
from push.frames import frame_of
from store.outbox import Message

__all__ = ["Hub", "Screen", "Wire"]


class Wire(Protocol):
    """One connection as the hub sees it."""

    def write(self, frame: bytes) -> None:
        """Send a finished frame, or keep it until the network takes it. Never waits."""

    def backlog_bytes(self) -> int:
        """Return how much the network has not taken yet."""

    def cut(self, error: PushError) -> None:
        """Close the connection for `error` without waiting for the other side."""


class Screen:
    """A connected screen. `seq` is the last message it was given or had no right to."""

    __slots__ = ("is_cut", "seq", "session_hash", "viewer", "wire")

    def __init__(self, viewer: Viewer, wire: Wire, *, session_hash: bytes, seq: int = 0) -> None:
        self.viewer = viewer
        self.wire = wire
        self.session_hash = session_hash
        self.seq = seq
        self.is_cut = False

    def cut(self, error: PushError) -> None:
        """Give it nothing more and close its connection for `error`."""
        if not self.is_cut:
            self.is_cut = True
            self.wire.cut(error)


_Kind = tuple[Role, int | None]


def _kind(viewer: Viewer) -> _Kind:
    return viewer.role, viewer.department_id


class Hub:
    """`frame(message)` makes the bytes of a message, once for all its screens.

    A screen that has more than `backlog_limit_bytes` unread is cut: it comes back with its last seq
    and loses nothing. One person may hold `per_person_limit` connections.
    """

    def __init__(
        self,
        *,
        frame: Callable[[Message], bytes] = frame_of,
        backlog_limit_bytes: int = 1_048_576,
        per_person_limit: int = 10,
    ) -> None:
        self._frame = frame
        self._backlog_limit_bytes = backlog_limit_bytes
        self._per_person_limit = per_person_limit
        self._seats: Counter[int] = Counter()
        self._screens: dict[int, list[Screen]] = {}
        # By role and department: a message for a role must not ask each of a thousand operators.
        self._kinds: dict[_Kind, dict[Screen, None]] = {}
        self.position: int | None = None  # seq of the last message delivered; None until `begin`
        self.begun = asyncio.Event()
        self.delivered = 0
        self.cut = 0

    @contextmanager
    def seat(self, employee_id: int) -> Iterator[None]:
        """Hold one of a person's connections; raise TooManyConnections when none is left."""
        if self._seats[employee_id] >= self._per_person_limit:
            raise TooManyConnections(self._per_person_limit)
        self._seats[employee_id] += 1
        try:
            yield
        finally:
            self._seats[employee_id] -= 1
            if not self._seats[employee_id]:
                del self._seats[employee_id]

    @contextmanager
    def joined(self, screen: Screen) -> Iterator[None]:
        """Give `screen` every message after its `seq`; it must have all that was delivered before."""
        self._screens.setdefault(screen.viewer.id, []).append(screen)
        self._kinds.setdefault(_kind(screen.viewer), {})[screen] = None
        try:
            yield
        finally:
            self._leave_kind(screen)
            screens = self._screens[screen.viewer.id]
            screens.remove(screen)
            if not screens:
                del self._screens[screen.viewer.id]

    def see_as(self, screen: Screen, viewer: Viewer) -> None:
        """Let a screen be looked at by the same person in another role or department, while it is joined."""
        if viewer != screen.viewer and screen in self._kinds.get(_kind(screen.viewer), ()):
            self._leave_kind(screen)
            screen.viewer = viewer
            self._kinds.setdefault(_kind(viewer), {})[screen] = None

    def _leave_kind(self, screen: Screen) -> None:
        kind = _kind(screen.viewer)
        del self._kinds[kind][screen]
        if not self._kinds[kind]:
            del self._kinds[kind]

    def begin(self, position: int) -> None:
        """Deliver what comes after `position`."""
        self.position = position
        self.begun.set()

    def screens(self) -> list[Screen]:
        """Return all connected screens."""
        return [screen for screens in self._screens.values() for screen in screens]

    def is_level(self, screen: Screen) -> bool:
        """Say whether `screen` has everything that was delivered so far, so that it may join."""
        return self.position is not None and screen.seq >= self.position

    def deliver(self, messages: Sequence[Message]) -> None:
        """Tell each message to its audience, in order; one delivered before is not told again."""
        for message in messages:
            if self.position is None or message.seq > self.position:
                self._tell(message)
                self.position = message.seq

    def _tell(self, message: Message) -> None:
        frame: bytes | None = None
        for screen in self._audience(Audience.from_json(message.audience)):
            if (
                screen.is_cut or screen.seq >= message.seq
            ):  # the latter read this row while catching up
                continue
            frame = frame if frame is not None else self._frame(message)
            self._give(screen, message.seq, frame)

    def _audience(self, audience: Audience) -> Iterable[Screen]:
        told = [s for employee in audience.employees for s in self._screens.get(employee, ())]
        told += self._of_roles(audience)
        if audience.except_:
            return [s for s in told if s.viewer.id not in audience.except_]
        return told

    def _of_roles(self, audience: Audience) -> list[Screen]:
        told: list[Screen] = []
        if audience.roles:
            for screens in self._kinds.values():
                if audience.includes_kind(next(iter(screens)).viewer):
                    told += [s for s in screens if s.viewer.id not in audience.employees]
        return told

    def _give(self, screen: Screen, seq: int, frame: bytes) -> None:
        if screen.wire.backlog_bytes() + len(frame) > self._backlog_limit_bytes:
            self.cut += 1
            screen.cut(SlowReader())
            return
        screen.seq = seq
        screen.wire.write(frame)
        self.delivered += 1
