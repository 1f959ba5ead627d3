"""A telephone call written down as a person would tell it; out come AMI events and the facts they make.

>>> pbx = Pbx()
>>> ivan = pbx.incoming("+79110000001", to="74951234567")
>>> ivan.joins("complaints")
>>> phone = ivan.rings("PJSIP/101")
>>> phone.answers()
>>> ivan.talks_to(phone)
>>> pbx.names()
['CallArrived', 'QueueEntered', 'OperatorRang', 'OperatorStoppedRinging', 'OperatorAnswered']
"""

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ami import events as ami
from ami.events import Channel, Event
from calls.facts import Fact
from calls.keep import KeepRules
from calls.numbers import NumberRules
from calls.story import CallStory, fold
from calls.tracker import Tracker
from calls.triggers import TriggerRules

__all__ = ["START", "Line", "Pbx", "in_queue", "stories_of", "tracker"]

START = datetime(2026, 11, 21, 14, 30, tzinfo=UTC)


def tracker(rules: TriggerRules | None = None, keep: KeepRules | None = None) -> Tracker:
    return Tracker("main", rules or TriggerRules(), NumberRules(), keep)


def stories_of(facts: list[Fact]) -> dict[str, CallStory]:
    stories: dict[str, CallStory] = {}
    for fact in facts:
        told = fold(stories.get(fact.call), fact)
        assert told is not None
        stories[fact.call] = told
    return stories


@dataclass
class Pbx:
    """A switchboard that turns what people do into events, a tracker that listens, the facts so far."""

    tracker: Tracker = field(default_factory=tracker)
    now: datetime = START
    events: list[Event] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def wait(self, seconds: float) -> "Pbx":
        self.now += timedelta(seconds=seconds)
        return self

    def say(self, kind: type[Event], **fields: Any) -> None:
        """Send one event, a millisecond after the last."""
        self.now += timedelta(milliseconds=1)
        event = kind(at=self.now, arrived_at=self.now, **fields)
        self.events.append(event)
        self.facts += self.tracker.feed(event)

    def channel(self, name: str, linkedid: str = "", **fields: str) -> "Line":
        n = next(self._numbers)
        uniqueid = f"{int(self.now.timestamp())}.{n}"
        full = name if name.endswith((";1", ";2")) else f"{name}-{n:08x}"
        shown = Channel(name=full, uniqueid=uniqueid, linkedid=linkedid or uniqueid, **fields)
        line = Line(self, shown)
        self.say(ami.Newchannel, channel=shown)
        return line

    def incoming(self, number: str, to: str = "74951234567", trunk: str = "PJSIP/trunk") -> "Line":
        return self.channel(
            trunk, state="Ring", caller_number=number, context="from-trunk", exten=to
        )

    def picks_up_receiver(self, interface: str, dials: str) -> "Line":
        """An employee dials a number."""
        extension = interface.rpartition("/")[2]
        return self.channel(
            interface, state="Ring", caller_number=extension, context="from-internal", exten=dials
        )

    def names(self) -> list[str]:
        return [type(fact).__name__ for fact in self.facts]

    def of(self, kind: type[Fact]) -> list[Any]:
        return [fact for fact in self.facts if isinstance(fact, kind)]

    def reasons(self) -> dict[str, str]:
        """Why each telephone stopped ringing (the last time, per extension)."""
        return {
            fact.extension: fact.reason
            for fact in self.facts
            if type(fact).__name__ == "OperatorStoppedRinging"
        }

    @property
    def story(self) -> CallStory:
        """The story of the only call."""
        stories = stories_of(self.facts)
        assert len(stories) == 1, f"{len(stories)} calls: {list(stories)}"
        return next(iter(stories.values()))


@dataclass(eq=False)
class Line:
    """A channel and what is done at it."""

    pbx: Pbx
    shown: Channel

    @property
    def uniqueid(self) -> str:
        return self.shown.uniqueid

    def _say(self, kind: type[Event], **fields: Any) -> None:
        self.pbx.say(kind, channel=self.shown, **fields)

    # -- the caller

    def presses_3(self, key: str = "press3/202611211430/x-1", *, queue: str = "") -> None:
        at = self.pbx.now + timedelta(milliseconds=1)
        self._say(ami.Press3Pressed, key=key, pressed_at=at, queue=queue)

    def goes_to(self, context: str, exten: str) -> None:
        """The dialplan moves on: Newexten."""
        self.moves_unseen(context, exten)
        self._say(ami.Newexten, application="NoOp", app_data="")

    def moves_unseen(self, context: str, exten: str) -> None:
        """The dialplan moves on where nobody watches."""
        self.shown = self.shown._replace(context=context, exten=exten)

    def keys(self, digit: str) -> None:
        self._say(ami.DtmfEnd, digit=digit, direction="Received")

    def joins(self, queue: str) -> None:
        self._say(ami.QueueCallerJoin, queue=queue, position=1)

    def leaves(self, queue: str, *, abandon: bool = False) -> None:
        if abandon:
            self._say(ami.QueueCallerAbandon, queue=queue)
        self._say(ami.QueueCallerLeave, queue=queue)

    def hears_status(self, status: str) -> None:
        self._say(ami.VarSet, variable="QUEUESTATUS", value=status)

    def hangs_up(self, cause: int = 16) -> None:
        """The party at this line hangs up."""
        self.asks_to_hang_up()
        self.is_gone(cause)

    def asks_to_hang_up(self) -> None:
        """His BYE is there; the dialplan has yet to notice."""
        self._say(ami.HangupRequested)

    def is_gone(self, cause: int = 16) -> None:
        """The channel ends, whoever ended it."""
        self._say(ami.Hangup, cause=cause)

    # -- dialling

    def rings(self, interface: str) -> "Line":
        """This line's dialplan dials an interface."""
        line = self.pbx.channel(
            interface, linkedid=self.shown.linkedid, state="Down",
            caller_number=interface.rpartition("/")[2], exten="s",
        )  # fmt: skip
        self.dials(line)
        return line

    def rings_number(self, interface: str, number: str) -> "Line":
        line = self.pbx.channel(interface, linkedid=self.shown.linkedid, state="Down", exten="s")
        self.pbx.say(
            ami.DialBegin, source=self.shown, dest=line.shown, dial_string=f"{number}@trunk"
        )
        return line

    def rings_local(self, exten: str, context: str = "from-queue") -> "tuple[Line, Line]":
        """Dial a Local member: the two halves come back."""
        one, two = self.makes_local(exten, context)
        self.dials(one)
        return one, two

    def makes_local(self, exten: str, context: str) -> "tuple[Line, Line]":
        name = f"Local/{exten}@{context}-{next(self.pbx._numbers):08x}"
        one = self.pbx.channel(f"{name};1", linkedid=self.shown.linkedid, state="Down")
        two = self.pbx.channel(f"{name};2", linkedid=self.shown.linkedid, state="Ring", exten=exten)
        self.pbx.say(ami.LocalBridge, one=one.shown, two=two.shown, context=context, exten=exten)
        return one, two

    def makes(self, interface: str) -> "Line":
        """A channel is made for this line, and not dialled yet."""
        return self.pbx.channel(interface, linkedid=self.shown.linkedid, state="Down", exten="s")

    def dials(self, other: "Line") -> None:
        self.pbx.say(ami.DialBegin, source=self.shown, dest=other.shown, dial_string="x")

    def stops(self, status: str) -> None:
        """The dialling of this line ends with `status`."""
        self.pbx.say(ami.DialEnd, source=None, dest=self.shown, status=status)

    def is_up(self) -> None:
        """Somebody, or a voice box, lifts."""
        self.shown = self.shown._replace(state="Up")
        self._say(ami.Newstate)

    def forwards(self, to: str) -> None:
        """The set sends the call on: 302."""
        self.pbx.say(ami.DialEnd, source=None, dest=self.shown, status="CANCEL", forward=to)

    def is_member(self, caller: "Line", interface: str, queue: str = "complaints") -> None:
        """The queue says that it rings this line as a member: AgentCalled."""
        self.pbx.say(
            ami.AgentCalled, channel=caller.shown, dest=self.shown, queue=queue, interface=interface
        )

    def connects(self, caller: "Line", queue: str) -> None:
        self.pbx.say(
            ami.AgentConnect, channel=caller.shown, dest=self.shown, queue=queue, interface="x"
        )

    def answers(self) -> None:
        self.stops("ANSWER")

    def is_cancelled(self, cause: int = 26) -> None:
        """DialEnd CANCEL, twice as Queue() does it, then the hang-up."""
        self.stops("CANCEL")
        self.stops("CANCEL")
        self.is_gone(cause)

    def times_out(self) -> None:
        self.stops("NOANSWER")
        self.is_gone(0)

    def refuses(self, cause: int) -> None:
        self.stops("NOANSWER")
        self.is_gone(cause)

    # -- talking

    def enters(self, bridge: str, technology: str = "simple_bridge") -> None:
        self._say(ami.BridgeEnter, bridge_id=bridge, bridge_type="basic", technology=technology)

    def exits(self, bridge: str, technology: str = "simple_bridge") -> None:
        self._say(ami.BridgeLeave, bridge_id=bridge, bridge_type="basic", technology=technology)

    def talks_to(self, other: "Line", bridge: str = "") -> None:
        bridge = bridge or f"bridge-{self.uniqueid}-{other.uniqueid}"
        other.enters(bridge)
        self.enters(bridge)

    def holds(self) -> None:
        self._say(ami.Hold)

    def resumes(self) -> None:
        self._say(ami.Unhold)

    def records(self, path: str) -> None:
        self._say(ami.VarSet, variable="MIXMONITOR_FILENAME", value=path)

    def sends_to(self, customer: "Line", exten: str) -> None:
        """Blind transfer."""
        self.pbx.say(
            ami.BlindTransfer, transferer=self.shown, transferee=customer.shown,
            context="from-internal", exten=exten, result="Success",
        )  # fmt: skip

    def hands_over(
        self, second: "Line", customer: "Line", target: "Line | None", result: str = "Success"
    ) -> None:
        """Attended transfer by the same operator's two lines."""
        self.pbx.say(
            ami.AttendedTransfer, original=self.shown, second=second.shown,
            transferee=customer.shown, target=target.shown if target else None,
            dest_type="Bridge", result=result,
        )  # fmt: skip

    def takes_ringing_of(self, other: "Line") -> None:
        self._say(ami.Pickup, target=other.shown)


def in_queue(pbx: Pbx, number: str = "+79110000001") -> Line:
    """A caller who pressed 3 and waits."""
    ivan = pbx.incoming(number)
    ivan.presses_3()
    ivan.joins("complaints")
    return ivan
