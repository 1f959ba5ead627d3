"""The channels of one PBX and how they hang together. Pure state, no rules about calls.

A channel's identity is its uniqueid; its name is a label that masquerade and Rename change. The two
halves of a Local channel are one wire: what is behind one half is reached through the other.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from ami.events import Channel, DialBegin
from calls.numbers import NumberRules, dialled_user, resource
from calls.sides import Side, Sides

if TYPE_CHECKING:
    from calls.live_call import LiveCall

__all__ = ["Chan", "ChanKind", "Graph"]

# `external`: a trunk or a stranger; `operator`: an employee's telephone; `local`: a Local half;
# `inner`: Asterisk's own helpers, never a party.
ChanKind = Literal["external", "operator", "local", "inner"]

_INNER = (
    "Message/", "CBAnn/", "CBRec/", "Announcer/", "Recorder/", "Snoop/", "Surrogate/", "AsyncGoto/",
    "MulticastRTP/", "UnicastRTP/", "Bridge/", "ConfBridgeRecorder/", "Parked/",
)  # fmt: skip
_MARKS = ("<ZOMBIE>", "<MASQ>")


@dataclass(slots=True, eq=False)
class Chan:
    """A living channel. `extension` is the operator's, own or inherited from the Local that dialled it.

    `incoming`: it came into the dialplan by itself, from `context`. `settled`: whose it is was looked
    at when it came, or was dialled. `is_second`: it is the half of a Local that runs what the Local names.
    `place`: where the dialplan was last seen with it.
    `rung`: its one ringing has been told or is over. `end_status`: what DialEnd said of it.
    `outside`: the number of an outside telephone that takes part for the company. `lifted`: DialEnd said
    that it was answered. `queues`: it waits in a queue. `born_as`: the number that it showed at its birth.
    `guest_of`: another call than its own, to whose customer it was handed.
    """

    uniqueid: str
    name: str
    kind: ChanKind
    extension: str | None
    born_at: datetime
    seen_at: datetime
    incoming: bool
    number: str
    caller_name: str
    exten: str
    context: str = ""
    born_as: str = ""
    settled: bool = False
    place: tuple[str, str] = ("", "")
    live_call: "LiveCall" = field(init=False, repr=False)
    guest_of: "LiveCall | None" = field(default=None, repr=False)
    bridge: str | None = None
    half: "Chan | None" = field(default=None, repr=False)
    dialled_by: "Chan | None" = field(default=None, repr=False)
    dialled: "dict[str, Chan]" = field(default_factory=dict, repr=False)
    dial_string: str = ""
    outside: str | None = None
    queues: bool = False
    was_dialled: bool = False
    hangup_requested: bool = False
    ringing: bool = False
    rung: bool = False
    end_status: str = ""
    lifted: bool = False
    recordings: dict[str, datetime] = field(default_factory=dict)
    told_recordings: set[str] = field(default_factory=set)
    recorders_stopped: int = 0
    is_second: bool = False

    @property
    def telephone(self) -> str:
        """Whose telephone it is in the call; empty for a customer's."""
        return self.extension or self.outside or ""

    def begins_recording(self, path: str, at: datetime) -> bool:
        """Note a recorder; False when one of this file is known: a stopped one may be running again."""
        if path in self.recordings:
            self.recorders_stopped = max(self.recorders_stopped - 1, 0)
            return False
        self.recordings[path] = at
        return True

    def loses_recorder(self) -> bool:
        """One recorder stopped, and which is not said; return whether none can be left."""
        self.recorders_stopped += 1
        return self.recorders_stopped >= len(self.recordings)

    def ends_recording(self) -> "dict[str, datetime]":
        """Return when the recordings began that are over now; the same file again is one resumed."""
        paths, self.recordings, self.recorders_stopped = self.recordings, {}, 0
        self.told_recordings -= paths.keys()
        return paths


class Graph:
    """All living channels and talking bridges of a PBX, and the names of those that died lately.

    The dead are remembered (at most `remember_dead`) because events come late: a late event must
    not bring a channel back to life.
    """

    def __init__(self, numbers: NumberRules, *, remember_dead: int = 5_000) -> None:
        self.sides = Sides(numbers)
        self._remember_dead = remember_dead
        self._dead: OrderedDict[str, str] = OrderedDict()
        self._dead_kept: set[str] = set()
        self._bridges: dict[str, dict[str, Chan]] = {}
        self.channels: dict[str, Chan] = {}

    def get(self, uniqueid: str) -> Chan | None:
        return self.channels.get(uniqueid)

    def is_dead(self, uniqueid: str) -> bool:
        return uniqueid in self._dead

    def is_known(self, uniqueid: str) -> bool:
        """Return whether the channel lives, or lived lately."""
        return uniqueid in self.channels or uniqueid in self._dead

    def call_of_dead(self, uniqueid: str) -> str | None:
        """Return the call that a channel belonged to when it died; None when that is long ago."""
        return self._dead.get(uniqueid) or None

    def is_kept(self, uniqueid: str) -> bool:
        """Return whether a channel belongs, or belonged when it died, to a call worth keeping."""
        chan = self.channels.get(uniqueid)
        return chan.live_call.arrived if chan is not None else uniqueid in self._dead_kept

    def add(self, channel: Channel, at: datetime, *, born_at: datetime, born: bool = False) -> Chan:
        """Take up a channel that is not known yet."""
        name = plain_name(channel.name)
        kind, extension = self._classify(name)
        chan = Chan(
            uniqueid=channel.uniqueid,
            name=name,
            kind=kind,
            extension=extension,
            born_at=born_at,
            seen_at=at,
            incoming=channel.state in ("Ring", "Up") and bool(channel.exten),
            number=channel.caller_number,
            caller_name=channel.caller_name,
            exten=channel.exten,
            context=channel.context,
            born_as=channel.caller_number if born else "",
            is_second=kind == "local" and name.endswith(";2"),
            # found in the middle: where it is in the dialplan now does not show where it came from
            settled=not born and channel.state == "Up",
        )
        self.channels[chan.uniqueid] = chan
        return chan

    def entered(self, chan: Chan) -> None:
        """`chan` runs the dialplan by itself: how it came decides whose it is."""
        if chan.settled or chan.kind not in ("external", "operator"):
            return
        chan.settled = True
        self._belongs(
            chan, self.sides.entering(chan.name, number=chan.number, context=chan.context)
        )

    def _belongs(self, chan: Chan, side: Side) -> None:
        chan.extension = side.extension
        chan.kind = "external" if side.is_outside else "operator"

    def rename(self, chan: Chan, name: str) -> None:
        """A zombie keeps what it was: it is about to hang up."""
        if not name.endswith(_MARKS):
            chan.name = name

    def pair(self, one: Chan, two: Chan) -> None:
        one.half, two.half = two, one

    def dial(self, source: Chan | None, dest: Chan, event: DialBegin | None) -> None:
        """`source` dials `dest`. Behind a Local that is an operator's, whatever is dialled is theirs."""
        dest.was_dialled = True
        if event is not None:
            dest.dial_string = event.dial_string
        if event is not None and not dest.settled and dest.kind in ("external", "operator"):
            dest.settled = True
            side = self.sides.dialled(
                dest.name,
                dial_string=event.dial_string,
                number=event.dest.caller_number,
                dialled_from=event.source.exten if event.source else "",
                born_as=dest.born_as,
                context=event.dest.context,
                one_of_several=_one_of_several(source, dest, event.dest.caller_number),
            )
            self._belongs(dest, side)
        if source is None or source is dest or dest.dialled_by is not None:
            return
        dest.dialled_by = source
        source.dialled[dest.uniqueid] = dest
        if dest.kind == "external" and (whose := self._whose(source, dest, event)) is not None:
            dest.kind, dest.extension = "operator", whose

    @staticmethod
    def _whose(source: Chan, dest: Chan, event: DialBegin | None) -> str | None:
        """Return whose telephone a Local dials by a name that is no extension: that of whom the Local names.

        None when a number is dialled, which is an outside telephone, and for a queue's own Local. A Local
        that names the very number that is dialled names nobody: `Local/112@…` is a call to 112.
        """
        if not source.is_second or source.half is None or source.queues:
            return None
        sent = dialled_user(event.dial_string, resource=resource(dest.name)) if event else ""
        if source.extension is not None and sent.endswith(source.extension):
            for half in (source, source.half):
                half.extension, half.ringing = None, False
        return None if sent else source.half.extension

    def unanswered_local(self, chan: Chan) -> bool:
        """Return whether a Local above `chan` has not been answered: another telephone may be faster."""
        behind = chan.dialled_by
        while behind is not None and behind.is_second and behind.half is not None:
            local = behind.half
            if local.was_dialled and not local.end_status:
                return True
            behind = local.dialled_by
        return False

    def make_operator(self, chan: Chan, extension: str) -> None:
        """A queue rang `chan` as its member: it is an operator's, though its name is no number."""
        chan.settled = True
        if chan.extension is None and chan.kind != "inner":
            chan.extension = extension
            if chan.kind == "external":
                chan.kind = "operator"

    def enter(self, chan: Chan, bridge: str) -> None:
        self.leave(chan)
        chan.bridge = bridge
        self._bridges.setdefault(bridge, {})[chan.uniqueid] = chan

    def leave(self, chan: Chan) -> None:
        if chan.bridge is None:
            return
        members = self._bridges.get(chan.bridge, {})
        members.pop(chan.uniqueid, None)
        if not members:
            self._bridges.pop(chan.bridge, None)
        chan.bridge = None

    def members(self, bridge: str | None) -> Iterator[Chan]:
        return iter(tuple(self._bridges.get(bridge or "", {}).values()))

    def heard_by(self, chan: Chan) -> list[Chan]:
        """Return who hears `chan`: its bridge, and through Local halves the bridges beyond."""
        found = {chan.uniqueid: chan}
        todo = [chan]
        while todo:
            each = todo.pop()
            beyond = [*self.members(each.bridge)]
            if each.half is not None:
                beyond.append(each.half)
            new = [other for other in beyond if other.uniqueid not in found]
            found.update((other.uniqueid, other) for other in new)
            todo.extend(new)
        del found[chan.uniqueid]
        return list(found.values())

    def behind(self, chan: Chan) -> list[Chan]:
        """Return `chan` and all that was dialled because of it, through Local halves."""
        found: dict[str, Chan] = {}
        todo = [chan]
        while todo:
            each = todo.pop()
            if each.uniqueid in found:
                continue
            found[each.uniqueid] = each
            todo.extend(each.dialled.values())
            into = each.was_dialled and not each.is_second
            if each.half is not None and each.half is not chan and into:
                todo.append(each.half)
        return list(found.values())

    def remove(self, chan: Chan) -> None:
        """The channel is gone; it stays known as dead."""
        self.leave(chan)
        self.channels.pop(chan.uniqueid, None)
        if chan.dialled_by is not None:
            chan.dialled_by.dialled.pop(chan.uniqueid, None)
        for child in chan.dialled.values():
            child.dialled_by = None
        if chan.half is not None:
            chan.half.half = None
        self.bury(chan.uniqueid, chan.live_call.id, kept=chan.live_call.arrived)

    def bury(self, uniqueid: str, call: str = "", *, kept: bool = False) -> None:
        self._dead[uniqueid] = call
        if kept:
            self._dead_kept.add(uniqueid)
        if len(self._dead) > self._remember_dead:
            oldest, _ = self._dead.popitem(last=False)
            self._dead_kept.discard(oldest)

    def _classify(self, name: str) -> tuple[ChanKind, str | None]:
        extension = self.sides.by_name(name).extension
        if name.startswith("Local/"):
            return "local", extension
        if name.startswith(_INNER):
            return "inner", None
        return ("external", None) if extension is None else ("operator", extension)


def _one_of_several(source: Chan | None, dest: Chan, number: str) -> bool:
    """Return whether other lines are called by `number` as well: a group's, which nobody's telephone has."""
    lines, above = {resource(dest.name)}, source
    while above is not None:
        lines.add(resource(above.name))
        above = above.half if above.is_second else above.dialled_by
    return number != "" and any(
        other.number == number and not other.incoming and resource(other.name) not in lines
        for other in dest.live_call.channels.values()
    )


def plain_name(name: str) -> str:
    """Return the channel name without the marks of a masquerade."""
    for mark in _MARKS:
        name = name.removesuffix(mark)
    return name
