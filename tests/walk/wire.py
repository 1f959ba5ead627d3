"""The link between the switch and the listener, with the faults that a link has."""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ami.actions import LiveChannel
from ami.events import Event
from tests.walk.listener import Listener
from tests.walk.switch import Switch

__all__ = ["Wire", "channels_of"]

_NEAR = timedelta(milliseconds=5)


@dataclass
class Wire:
    """`gaps`: something was lost; `swapped`: something came in another order; `owed`: the login whose gap is unread."""

    switch: Switch
    listener: Listener
    up: bool = True
    gaps: bool = False
    swapped: bool = False
    owed: datetime | None = None
    blind_since: datetime | None = None
    there: list[LiveChannel] = field(default_factory=list)

    def deliver(self) -> None:
        """Everything that was said arrives, unless a gap must be read first."""
        if self.up and self.owed is None:
            self.listener.hears(self.switch.wire)
            self.switch.wire.clear()

    def swap(self, rng: random.Random) -> None:
        """Neighbours that concern different channels change places."""
        events = self.switch.wire
        for i in range(len(events) - 1):
            first, second = events[i : i + 2]
            apart = channels_of(first).isdisjoint(channels_of(second))
            if apart and second.at - first.at < _NEAR and rng.random() < 0.3:
                events[i], events[i + 1] = events[i + 1], events[i]
                self.swapped = True

    def cut(self) -> None:
        """Unheard events are gone for ever."""
        if self.blind_since is None:
            self.blind_since = self.listener.last_contact or self.switch.now
        self.up, self.owed, self.gaps = False, None, True
        self.switch.wire.clear()

    def login(self) -> None:
        self.switch.wire.clear()
        self.up, self.owed = True, self.switch.now
        # Asked first of all, before the reading takes its time.
        self.there = self.switch.channel_list()

    def catch_up(self) -> None:
        """Read the gap; events said since the login come after."""
        assert self.owed is not None
        assert self.blind_since is not None
        self.listener.catches_up(self.switch, self.there, self.blind_since, self.owed)
        self.owed = self.blind_since = None
        self.deliver()

    def sweep(self) -> None:
        at = self.switch.now
        if self.switch.wire and self.listener.last_contact is not None:
            at = self.listener.last_contact
        self.listener.sweeps(self.switch, at)

    def ends(self) -> None:
        """The link comes back at last, and everything is heard and read."""
        if not self.up:
            self.login()
        if self.owed is not None:
            self.catch_up()
        self.deliver()
        self.switch.wait(30)
        self.sweep()


def channels_of(event: Event) -> frozenset[str]:
    """Uniqueids of the channels that an event is about."""
    names = (
        "channel", "source", "dest", "one", "two", "transferee", "transferer", "original",
        "second", "target", "parkee", "retriever",
    )  # fmt: skip
    told = [getattr(event, name, None) for name in names]
    found = {channel.uniqueid for channel in told if channel is not None}
    return frozenset(found | {getattr(event, "uniqueid", "")} - {""})
