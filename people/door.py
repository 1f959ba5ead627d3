"""The connections that may be held: by strangers per address, by signed-in people per person, and all together.

Pure counting. A connection is a `Guest`: a stranger until a request with a valid session makes its
person known. A guest *waits* while the next step is the client's (a head, a body, reading the answer)
and is *busy* while the next step is ours. Only guests that wait are cut, the one that waits longest first.
The newcomer is never refused for others of its address: an attacker would shut out everybody who
shares the address.
"""

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

__all__ = ["Door", "DoorLimits", "Guest"]

K = TypeVar("K")

# In the place of a person, and not counted as one's: a connection that carries other people's requests,
# and a screen's socket, of which the hub seats so many a person.
_PROXY, _SCREEN = -1, -2


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorLimits:
    """How many connections may be held.

    `strangers`: without a session, of one address, that have waited for `patience_s` seconds.
    `crowd`: without a session, of one address, at any moment. `per_person`: of one signed-in person,
    sockets of screens not counted. `descriptors`: of all guests together; `signed_in` of them at most
    are those of signed-in people, so that some are left for signing in.
    """

    strangers: int = 64
    crowd: int = 2_048
    per_person: int = 128
    descriptors: int = 768
    patience_s: float = 1.0

    @property
    def signed_in(self) -> int:
        return self.descriptors - self.descriptors // 8


class Guest:
    """One connection. `cut` ends it at once; its protocol calls `leave` when it is gone."""

    __slots__ = (
        "_cut",
        "_door",
        "address",
        "is_closing",
        "is_gone",
        "name",
        "person",
        "since_s",
        "weight",
    )

    def __init__(self, door: "Door", address: str, cut: Callable[[], None], weight: int) -> None:
        self._door = door
        self._cut = cut
        self.address = address
        self.weight = weight
        self.person: int | None = None
        self.since_s: float | None = None  # None: busy
        self.is_gone = False
        self.is_closing = False  # cut, and its descriptors not free yet
        self.name: str | None = None

    def waits(self, now_s: float) -> None:
        """The next step is the client's, from `now_s` (monotonic) on."""
        if not self.is_gone:
            self._door.changed(self, person=self.person, since_s=now_s)

    def busy(self) -> None:
        """The next step is ours."""
        if not self.is_gone and self.since_s is not None:
            self._door.changed(self, person=self.person, since_s=None)

    def known(self, person: int | None) -> bool:
        """Return whether `person` may hold this connection too; None: it has no valid session (any more)."""
        if self.is_gone or person == self.person:
            return True
        return self._door.known(self, person)

    def is_proxy(self) -> None:
        """The connection is a trusted proxy's: its requests count, the connection itself does not."""
        if not self.is_gone and self.person != _PROXY:
            self._door.changed(self, person=_PROXY, since_s=self.since_s)

    def is_screen(self) -> None:
        """The connection is a screen's that was welcomed: it is never cut for others."""
        if not self.is_gone:
            self._door.changed(self, person=_SCREEN, since_s=None)

    def moves(self, address: str, *, since_s: float) -> None:
        """It is a stranger's at `address` from now on, and waits from `since_s` on."""
        if not self.is_gone:
            self._door.leaves(self)
            self.address, self.person, self.since_s = address, None, since_s
            self._door.comes(self)

    def beside(self, address: str, cut: Callable[[], None], *, now_s: float) -> "Guest":
        """Let a client at `address` in whose request this connection passes on."""
        return self._door.enter(address, cut, now_s=now_s, weight=0)

    def named(self) -> str:
        """Return a name by which `Door.claim` finds this guest, once."""
        self.name = self._door.name(self)
        return self.name

    def weighs(self, weight: int) -> bool:
        """Return whether the connection may take `weight` descriptors in all; others may have to go for it."""
        return self.is_gone or self._door.weighs(self, weight)

    def leave(self) -> None:
        """The connection is gone."""
        if self.is_closing:
            self.is_closing = False
            self._door.closing -= self.weight
        if not self.is_gone:
            self.is_gone = True
            self._door.claim(self.name or "")
            self._door.leaves(self)

    def cut(self) -> None:
        """End the connection, and count it no longer."""
        if not self.is_gone:
            self.leave()
            self.is_closing = True
            self._door.closing += self.weight
            self._cut()


_Queue = OrderedDict[Guest, None]


class Door:
    """All guests, and which of them goes when one more comes in."""

    def __init__(self, limits: DoorLimits) -> None:
        self.limits = limits
        self.cut = 0  # guests that had to make room, since the start
        self.descriptors = 0
        self.closing = 0  # descriptors of guests that were cut and are not free yet
        self.signed_in = 0
        self._strangers: Counter[str] = Counter()
        self._persons: Counter[int] = Counter()
        self._waiting: defaultdict[str, _Queue] = defaultdict(OrderedDict)  # strangers, by address
        self._all_waiting: _Queue = OrderedDict()  # strangers
        self._idle: defaultdict[int, _Queue] = defaultdict(OrderedDict)  # signed in, by person
        self._all_idle: _Queue = OrderedDict()  # signed in, and proxies
        self._over: set[str] = set()
        self._named: dict[str, Guest] = {}
        self._names = count()

    def enter(
        self, address: str, cut: Callable[[], None], *, now_s: float, weight: int = 1
    ) -> Guest:
        """Let a stranger in who waits from `now_s` on; others may have to go for it."""
        guest = Guest(self, address, cut, weight)
        guest.since_s = now_s
        self.comes(guest)
        self._make_room(keep=guest)
        self._thin(address, now_s)
        return guest

    @property
    def is_crowded(self) -> bool:
        """Whether more descriptors are taken than there should be."""
        return self.descriptors > self.limits.descriptors

    @property
    def is_full(self) -> bool:
        """Whether a newcomer finds no descriptor, and nobody who waits could go for it."""
        if self.descriptors < self.limits.descriptors:
            return False
        return not self._all_waiting and not self._all_idle

    def name(self, guest: Guest) -> str:
        """Keep `guest` under a name until it is claimed or leaves."""
        name = str(next(self._names))
        self._named[name] = guest
        return name

    def claim(self, name: str) -> Guest | None:
        """Return the guest kept under `name`; None when none is."""
        return self._named.pop(name, None)

    def strangers(self, address: str) -> int:
        """Return how many connections without a session `address` holds."""
        return self._strangers[address]

    def sweep(self, now_s: float) -> None:
        """Cut strangers that have waited long enough at addresses that hold too many."""
        for address in [*self._over]:
            self._thin(address, now_s)

    def weighs(self, guest: Guest, weight: int) -> bool:
        before = guest.weight
        self.leaves(guest)
        guest.weight = weight
        self.comes(guest)
        self._make_room(keep=guest)
        if weight > before and self.is_crowded:
            self.leaves(guest)
            guest.weight = before
            self.comes(guest)
        return guest.weight == weight

    def known(self, guest: Guest, person: int | None) -> bool:
        """Make `guest` one of `person`; return False, and leave it as it is, when that is one too many."""
        if person is not None:
            mine = self._idle.get(person)
            if self._persons[person] >= self.limits.per_person:
                if not mine:
                    return False
                self._drop(next(iter(mine)))
            if guest.person in (None, _PROXY) and self.signed_in >= self.limits.signed_in:
                return False
        self.changed(guest, person=person, since_s=guest.since_s)
        return True

    # The rest is for `Guest` alone.

    def changed(self, guest: Guest, *, person: int | None, since_s: float | None) -> None:
        self.leaves(guest)
        guest.person, guest.since_s = person, since_s
        self.comes(guest)

    def comes(self, guest: Guest) -> None:
        self.descriptors += guest.weight
        if guest.person is None:
            self._strangers[guest.address] += 1
            if self._strangers[guest.address] > self.limits.strangers:
                self._over.add(guest.address)
        else:
            self.signed_in += 0 if guest.person == _PROXY else guest.weight
            self._persons[guest.person] += 1
        if guest.since_s is not None:
            for queue in self._queues(guest):
                queue[guest] = None

    def leaves(self, guest: Guest) -> None:
        self.descriptors -= guest.weight
        for queue in self._queues(guest):
            queue.pop(guest, None)
        if guest.person is None:
            _count_down(self._strangers, guest.address)
            if not self._waiting[guest.address]:
                del self._waiting[guest.address]
            if self._strangers[guest.address] <= self.limits.strangers:
                self._over.discard(guest.address)
        else:
            self.signed_in -= 0 if guest.person == _PROXY else guest.weight
            _count_down(self._persons, guest.person)
            if not self._idle[guest.person]:
                del self._idle[guest.person]

    def _queues(self, guest: Guest) -> tuple[_Queue, ...]:
        if guest.person is None:
            return self._waiting[guest.address], self._all_waiting
        return self._idle[guest.person], self._all_idle

    def _make_room(self, keep: Guest) -> None:
        """Cut the guests that wait longest, strangers first, until the descriptors are enough."""
        for queue in (self._all_waiting, self._all_idle):
            while self.descriptors > self.limits.descriptors and queue:
                first = next(iter(queue))
                if first is keep:
                    break
                self._drop(first)

    def _thin(self, address: str, now_s: float) -> None:
        limits, queue = self.limits, self._waiting.get(address)
        while queue and self._strangers[address] > limits.strangers:
            first = next(iter(queue))
            is_young = first.since_s is not None and now_s - first.since_s < limits.patience_s
            if is_young and self._strangers[address] <= limits.crowd:
                break
            self._drop(first)

    def _drop(self, guest: Guest) -> None:
        self.cut += 1
        guest.cut()


def _count_down(counter: Counter[K], key: K) -> None:
    """Count one less, and forget what is at 0: the keys are strangers' addresses."""
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]
