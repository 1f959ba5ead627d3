"""Typed AMI events: the only form in which events leave this package.

Every event is frozen and carries two times: `at`, the PBX's own time taken from the `Timestamp`
header (`timestampevents = yes` in manager.conf), and `arrived_at`, ours. Rules use `at`; where the
PBX sends no timestamp it is the PBX's clock at the arrival, as its last Ping reply told it.

Source: Asterisk AMI events, documentation in the Asterisk sources (`main/manager_*.c`,
`apps/app_queue.c`), headers checked on 16.28 and 22.10.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

__all__ = [
    "AgentCalled",
    "AgentConnect",
    "AttendedTransfer",
    "BlindTransfer",
    "BridgeEnter",
    "BridgeLeave",
    "Channel",
    "ChannelEvent",
    "DialBegin",
    "DialEnd",
    "DtmfEnd",
    "Event",
    "FullyBooted",
    "Hangup",
    "HangupRequested",
    "Hold",
    "LocalBridge",
    "MixMonitorStop",
    "NewCallerid",
    "Newchannel",
    "Newexten",
    "Newstate",
    "Pickup",
    "Press3Pressed",
    "Press3StoreFailed",
    "QueueCallerAbandon",
    "QueueCallerJoin",
    "QueueCallerLeave",
    "Rename",
    "Shutdown",
    "Unhold",
    "Unknown",
    "UnparkedCall",
    "VarSet",
]


class Channel(NamedTuple):
    """A channel as one event shows it. Empty string means that Asterisk said nothing.

    A tuple, because every event has one or two: a frozen dataclass takes three times as long to make.

    `name` is a label that masquerade and Rename may change; `uniqueid` is the identity.
    Asterisk's `<unknown>` is given as an empty string.
    """

    name: str
    uniqueid: str
    linkedid: str
    state: str = ""
    caller_number: str = ""
    caller_name: str = ""
    connected_number: str = ""
    connected_name: str = ""
    context: str = ""
    exten: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    at: datetime
    arrived_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelEvent(Event):
    channel: Channel


@dataclass(frozen=True, slots=True, kw_only=True)
class Newchannel(ChannelEvent):
    """A channel came to be. Its context/exten are where it enters the dialplan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Newstate(ChannelEvent):
    """The channel's state changed: `channel.state` is `Ring`, `Ringing`, `Up`, …"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCallerid(ChannelEvent):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Newexten(ChannelEvent):
    """The channel executes a dialplan priority (observed menus only)."""

    application: str
    app_data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rename(Event):
    uniqueid: str
    old_name: str
    new_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hangup(ChannelEvent):
    """`cause` is the Q.850 cause: 16 normal, 17 busy, 19 no answer, 21 rejected, 26 answered elsewhere."""

    cause: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HangupRequested(ChannelEvent):
    """AMI `HangupRequest`: the channel's own party hung up (not the dialplan). Tells abandoned from timed out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold(ChannelEvent):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Unhold(ChannelEvent):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class DialBegin(Event):
    """`source` is None when Originate dials without a calling channel."""

    source: Channel | None
    dest: Channel
    dial_string: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DialEnd(Event):
    """`status`: ANSWER, BUSY, CANCEL, CHANUNAVAIL, CONGESTION, NOANSWER, ABORT, CONTINUE, GOTO.

    `forward`: where the telephone sent the call (302, call forward on the set); empty when it did not.
    """

    source: Channel | None
    dest: Channel
    status: str
    forward: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeEnter(ChannelEvent):
    """`technology` `holding_bridge` is a waiting room (parking, queue music), not a talk."""

    bridge_id: str
    bridge_type: str
    technology: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeLeave(ChannelEvent):
    bridge_id: str
    bridge_type: str
    technology: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalBridge(Event):
    """The two halves `;1` (`one`) and `;2` (`two`) of a Local channel belong together."""

    one: Channel
    two: Channel
    context: str
    exten: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pickup(ChannelEvent):
    """`channel` took over the ringing of `target`."""

    target: Channel


@dataclass(frozen=True, slots=True, kw_only=True)
class BlindTransfer(Event):
    """`result`: Success, Fail, Invalid, Not Permitted. `transferee` is the party sent on."""

    transferer: Channel
    transferee: Channel | None
    context: str
    exten: str
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttendedTransfer(Event):
    """`original` and `second` are the transferer's two channels; `dest_type` is Bridge, App, Link, Threeway or Fail."""

    original: Channel
    second: Channel
    transferee: Channel | None
    target: Channel | None
    dest_type: str
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnparkedCall(Event):
    parkee: Channel
    retriever: Channel | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCallerJoin(ChannelEvent):
    queue: str
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCallerLeave(ChannelEvent):
    queue: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCallerAbandon(ChannelEvent):
    """Raised for timeout and leave-empty too: what the channel does next tells them apart."""

    queue: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentCalled(ChannelEvent):
    """`channel` is the caller in the queue, `dest` the member's channel, `interface` the member."""

    queue: str
    dest: Channel
    interface: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentConnect(ChannelEvent):
    queue: str
    dest: Channel
    interface: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MixMonitorStop(ChannelEvent):
    """Carries no file name; that came in VarSet MIXMONITOR_FILENAME, which also tells the start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VarSet(ChannelEvent):
    variable: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DtmfEnd(ChannelEvent):
    """`direction` is `Received` (from the channel's party) or `Sent`."""

    digit: str
    direction: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Press3Pressed(ChannelEvent):
    """UserEvent Press3 of the rendered dialplan. A hint: the evidence is DBGet of `key`.

    `key` is the AstDB key `press3/<minute>/<press id>`; `pressed_at` is the dialplan's own ms time;
    `queue` is where the caller is sent, empty from a dialplan of before.
    """

    key: str
    pressed_at: datetime
    queue: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Press3StoreFailed(ChannelEvent):
    """UserEvent Press3Store: the PBX could not keep the press in AstDB (disk full?)."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FullyBooted(Event):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Shutdown(Event):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown(Event):
    """An event type we keep no class for; `name` as Asterisk sent it."""

    name: str
