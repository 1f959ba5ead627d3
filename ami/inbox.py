"""What a link tells its one reader, in order, and the bounded queue it waits in."""

import asyncio
import itertools
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from ami.errors import EventError, LinkDownError
from ami.events import Event
from ami.fields import factory
from ami.parser import parse
from ami.replies import Reply
from ami.wire import event_type

__all__ = ["EventArrived", "EventBroken", "Inbox", "LinkDown", "LinkItem", "LinkUp"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkUp:
    """A session began. `startup` is the PBX's own start time as it writes it: changed = restarted.

    `pbx_now` is the PBX's clock (from Ping's Timestamp) at the moment `at` of ours, just after the
    login: what came later is told by events. `channels` are the rows of CoreShowChannels, asked for
    next; None when the PBX did not tell. Asked later, when a busy reader comes to the login, the list
    would lack more calls whose end still waits among the events.
    """

    at: datetime
    version: str
    startup: str
    pbx_now: datetime
    channels: tuple[Reply, ...] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventArrived:
    event: Event
    raw: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class EventBroken:
    """A wanted event that could not be understood: to be counted and logged, never passed over.

    When `raw` may have told of a press, the spool knows it (DESIGN §5).
    """

    at: datetime
    raw: bytes
    error: EventError


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkDown:
    """The session that the last LinkUp began is over; all its events came before.

    `pbx_now` is the PBX's clock at that moment, reckoned from its last Ping.
    """

    at: datetime
    reason: str
    pbx_now: datetime | None = None


_arrived = factory(EventArrived, ("event", "raw"))
LinkItem = LinkUp | EventArrived | EventBroken | LinkDown
_Waiting = tuple[
    bytes, datetime, datetime | None
]  # the event, when it arrived, the PBX's clock then


class Inbox:
    """Bounded by number and bytes of events; LinkUp and LinkDown always fit. One reader.

    Events wait as bytes: whoever reads pays for typing them, not the task that frames the stream.
    Events that come between `begin` and `up` are held back, so that they follow their LinkUp.
    """

    def __init__(self, *, limit: int, limit_bytes: int) -> None:
        self._limit = limit
        self._limit_bytes = limit_bytes
        self._items: deque[_Waiting | LinkUp | LinkDown] = deque()
        self._held: list[_Waiting] | None = None
        self._events = 0
        self._size_bytes = 0
        self._changed = asyncio.Event()
        self._closed = False

    @property
    def waiting(self) -> int:
        """Return how many items wait for the reader."""
        return len(self._items)

    def events_waiting(self, *names: bytes) -> Iterator[Event]:
        """The events of these AMI names that wait, in order; those that can't be understood are left out."""
        for item in itertools.chain(self._items, self._held or ()):
            if isinstance(item, tuple) and event_type(item[0]) in names:
                typed = _typed(*item)
                if isinstance(typed, EventArrived):
                    yield typed.event

    def begin(self) -> None:
        """A session is being opened: hold its events back until `up`."""
        self._held = []

    def up(self, item: LinkUp) -> None:
        """The session is open: LinkUp, then what was held back, which came at about that time."""
        held, self._held = self._held or [], None
        self._items.append(item)
        self._items.extend((raw, at, pbx_at or item.pbx_now) for raw, at, pbx_at in held)
        self._changed.set()

    def down(self, item: LinkDown) -> int:
        """The session is over. One that was never up leaves no trace: return how many events that drops."""
        if self._held is None:
            self._items.append(item)
            self._changed.set()
            return 0
        self._leave(self._held)
        dropped, self._held = len(self._held), None
        return dropped

    def put(self, raw: bytes, arrived_at: datetime, pbx_at: datetime | None = None) -> bool:
        """Add an event; False when there is no room for it. `pbx_at` is the PBX's clock at its arrival."""
        if self._events >= self._limit or self._size_bytes + len(raw) > self._limit_bytes:
            return False
        (self._items if self._held is None else self._held).append((raw, arrived_at, pbx_at))
        self._events += 1
        self._size_bytes += len(raw)
        self._changed.set()
        return True

    def close(self) -> None:
        """No more will come; what waits can still be taken."""
        self._closed = True
        self._changed.set()

    async def take(self, max_items: int) -> list[LinkItem]:
        """The next items, at least one. Raises LinkDownError when closed and empty."""
        while not self._items:
            if self._closed:
                raise LinkDownError("closed")
            await self._wait()
        items = [self._items.popleft() for _ in range(min(max_items, len(self._items)))]
        self._leave([item for item in items if isinstance(item, tuple)])
        self._changed.set()  # for has_room
        return [_typed(*item) if isinstance(item, tuple) else item for item in items]

    async def has_room(self) -> None:
        """Wait until the reader has worked off half of what fits."""
        while self._events > self._limit // 2 or self._size_bytes > self._limit_bytes // 2:
            await self._wait()

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _leave(self, events: list[_Waiting]) -> None:
        self._events -= len(events)
        self._size_bytes -= sum(len(raw) for raw, _, _ in events)


def _typed(raw: bytes, arrived_at: datetime, pbx_at: datetime | None) -> EventArrived | EventBroken:
    try:
        return _arrived((parse(raw, arrived_at, pbx_at), raw))
    except EventError as error:
        return EventBroken(at=arrived_at, raw=raw, error=error)
