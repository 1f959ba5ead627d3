"""A switch that exists only as events: channels, bridges and the spool, told as Asterisk 22 tells them.

`tests.walk.centre` makes things happen on it. The order of events is that of the captured traces
(tests/traces). It keeps what the PBX would answer when asked: its channel list and its AstDB.
"""

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from ami import events as ami
from ami.actions import LiveChannel
from ami.events import Channel, Event
from ami.spool import SpoolPress, parse_tree

__all__ = ["QUEUE", "START", "Line", "Switch"]

START = datetime(2026, 11, 21, 14, 30, tzinfo=UTC)
QUEUE = "complaints"


@dataclass(eq=False, kw_only=True, repr=False)
class Line:
    """A channel. `bridge` is where it is now; `waiting_room`: that is a holding bridge."""

    switch: "Switch"
    uniqueid: str
    linkedid: str
    name: str
    state: str
    number: str = ""
    caller_name: str = ""
    context: str = "from-internal"
    exten: str = "s"
    bridge: str = ""
    waiting_room: bool = False
    recording: bool = False
    alive: bool = True

    def __repr__(self) -> str:
        return f"<{self.name} {self.uniqueid} {self.state} in {self.bridge or self.context}>"

    @property
    def shown(self) -> Channel:
        return Channel(
            name=self.name,
            uniqueid=self.uniqueid,
            linkedid=self.linkedid,
            state=self.state,
            caller_number=self.number,
            caller_name=self.caller_name,
            context=self.context,
            exten=self.exten,
        )

    def say(self, kind: type[Event], **fields: Any) -> None:
        self.switch.say(kind, channel=self.shown, **fields)

    def becomes(self, state: str) -> None:
        self.state = state
        self.say(ami.Newstate)

    def goes_to(self, context: str, exten: str) -> None:
        """The dialplan moves on: no event tells."""
        self.context, self.exten = context, exten

    def enters(self, bridge: str, *, waiting_room: bool = False) -> None:
        self.leaves()
        self.bridge, self.waiting_room = bridge, waiting_room
        self.say(ami.BridgeEnter, **self._bridge_fields())
        self.switch.share_linkedid(self)

    def leaves(self) -> None:
        if self.bridge:
            self.say(ami.BridgeLeave, **self._bridge_fields())
            self.bridge = ""

    def _bridge_fields(self) -> dict[str, str]:
        technology = "holding_bridge" if self.waiting_room else "simple_bridge"
        return {"bridge_id": self.bridge, "bridge_type": "basic", "technology": technology}

    def is_gone(self, cause: int = 16) -> None:
        """Out of its bridge, and the channel ends."""
        self.leaves()
        if self.recording:
            self.say(ami.MixMonitorStop)
        self.say(ami.Hangup, cause=cause)
        self.alive = False
        del self.switch.lines[self.uniqueid]


@dataclass
class Switch:
    """`wire` are the events that nobody has heard yet; `spool` is AstDB, as the dialplan writes it."""

    now: datetime = START
    startup: int = 0
    lines: dict[str, Line] = field(default_factory=dict)
    wire: list[Event] = field(default_factory=list)
    spool: dict[str, str] = field(default_factory=dict)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    _bridges: "itertools.count[int]" = field(default_factory=itertools.count)

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def say(self, kind: type[Event], **fields: Any) -> None:
        """Send one event, half a millisecond after the last."""
        self.now += timedelta(microseconds=500)
        self.wire.append(kind(at=self.now, arrived_at=self.now, **fields))

    def line(self, name: str, *, of: Line | None = None, state: str = "Down", **shown: str) -> Line:
        """A new channel; `of` is the one it is made for."""
        uniqueid = f"{int(self.now.timestamp())}.{next(self._numbers)}"
        full = name if name.endswith((";1", ";2")) else f"{name}-{len(self.lines):08x}"
        line = Line(
            switch=self,
            uniqueid=uniqueid,
            linkedid=of.linkedid if of else uniqueid,
            name=full,
            state=state,
            **shown,  # type: ignore[arg-type]
        )
        self.lines[uniqueid] = line
        line.say(ami.Newchannel)
        return line

    def local(self, exten: str, context: str, of: Line) -> tuple[Line, Line]:
        """The two halves of a Local channel."""
        name = f"Local/{exten}@{context}-{next(self._bridges):08x}"
        one = self.line(f"{name};1", of=of, exten=exten, context=context)
        two = self.line(f"{name};2", of=of, state="Ring", exten=exten, context=context)
        one.say(ami.NewCallerid)
        two.say(ami.NewCallerid)
        self.say(ami.LocalBridge, one=one.shown, two=two.shown, context=context, exten=exten)
        return one, two

    def dial(self, source: Line | None, dest: Line, text: str = "x") -> None:
        shown = source.shown if source else None
        self.say(ami.DialBegin, source=shown, dest=dest.shown, dial_string=text)

    def dialled(self, source: Line | None, dest: Line, status: str) -> None:
        shown = source.shown if source else None
        self.say(ami.DialEnd, source=shown, dest=dest.shown, status=status)

    def bridge(self, *lines: Line, waiting_room: bool = False) -> str:
        name = f"bridge-{next(self._bridges)}"
        for line in lines:
            line.enters(name, waiting_room=waiting_room)
        return name

    def in_bridge(self, name: str) -> list[Line]:
        return [line for line in self.lines.values() if name and line.bridge == name]

    def share_linkedid(self, newcomer: Line) -> None:
        """In a bridge everybody takes the oldest linkedid; not through a Local pair, and unannounced."""
        together = self.in_bridge(newcomer.bridge)
        oldest = min((line.linkedid for line in together), key=_age)
        for line in together:
            line.linkedid = oldest

    def restarts(self) -> None:
        """Killed and started again: nobody is told, nobody is left; AstDB stays."""
        for line in self.lines.values():
            line.alive = False
        self.lines.clear()
        self.startup += 1
        self.wait(3)
        self._numbers = itertools.count()

    # -- what the PBX answers -------------------------------------------------------------------

    def channel_list(self) -> list[LiveChannel]:
        return [_row(line) for line in self.lines.values()]

    def presses(self) -> list[SpoolPress]:
        presses, damage = parse_tree(self.spool.items())
        assert not damage, damage
        return presses

    # -- what the dialplan writes ---------------------------------------------------------------

    @property
    def stamp(self) -> str:
        return f"{int(self.now.timestamp())}.{self.now.microsecond // 1000:03d}"

    @property
    def stamped(self) -> datetime:
        """The time that `stamp` tells."""
        return datetime.fromtimestamp(float(self.stamp), UTC)

    def write_press(self, line: Line, did: str) -> str:
        key = f"/press3/{self.now:%Y%m%d%H%M}/{line.uniqueid}-{next(self._bridges):06d}"
        name = quote(line.caller_name.replace(":", "."))
        fields = ("2", line.uniqueid, line.linkedid, self.stamp, line.number, name, did, "main")
        self.spool[key] = "|".join((*fields, QUEUE))
        return key

    def mark(self, key: str, mark: str, value: str = "") -> None:
        self.spool[f"{key}/{mark}"] = f"{self.stamp}|{value}" if value else self.stamp


def _age(uniqueid: str) -> tuple[int, int]:
    seconds, _, number = uniqueid.partition(".")
    return int(seconds), int(number)


def _row(line: Line) -> LiveChannel:
    return LiveChannel(
        name=line.name,
        uniqueid=line.uniqueid,
        linkedid=line.linkedid,
        state=line.state,
        caller_number=line.number,
        caller_name=line.caller_name,
        connected_number="",
        connected_name="",
        context=line.context,
        exten=line.exten,
        application="",
        app_data="",
        bridge_id=line.bridge,
    )
