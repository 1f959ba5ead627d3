"""From the bytes of a message to a typed event: one table says which header fills which field.

Source: the headers as Asterisk 16.28 and 22.10 write them (`main/manager_*.c`, `apps/app_queue.c`).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any, get_type_hints

from ami.errors import MissingField
from ami.events import (
    AgentCalled,
    AgentConnect,
    AttendedTransfer,
    BlindTransfer,
    BridgeEnter,
    BridgeLeave,
    Channel,
    DialBegin,
    DialEnd,
    DtmfEnd,
    Event,
    FullyBooted,
    Hangup,
    HangupRequested,
    Hold,
    LocalBridge,
    MixMonitorStop,
    NewCallerid,
    Newchannel,
    Newexten,
    Newstate,
    Pickup,
    Press3Pressed,
    Press3StoreFailed,
    QueueCallerAbandon,
    QueueCallerJoin,
    QueueCallerLeave,
    Rename,
    Shutdown,
    Unhold,
    Unknown,
    UnparkedCall,
    VarSet,
)
from ami.fields import Headers, Reader, epoch, event_of, factory, number, text
from ami.wire import event_type, unescape

__all__ = ["JUDGED_BY_CONTENT", "WANTED", "parse", "wanted"]

# The header of each field of Channel.
_CHANNEL = {
    "name": "Channel",
    "uniqueid": "Uniqueid",
    "linkedid": "Linkedid",
    "state": "ChannelStateDesc",
    "caller_number": "CallerIDNum",
    "caller_name": "CallerIDName",
    "connected_number": "ConnectedLineNum",
    "connected_name": "ConnectedLineName",
    "context": "Context",
    "exten": "Exten",
}
_PREFIX = {
    "channel": "",
    "source": "",
    "dest": "Dest",
    "one": "LocalOne",
    "two": "LocalTwo",
    "original": "OrigTransferer",
    "second": "SecondTransferer",
    "transferer": "Transferer",
    "transferee": "Transferee",
    "target": "Target",
    "parkee": "Parkee",
    "retriever": "Retriever",
}


class _ChannelReader:
    """Reads a channel, whose headers begin with `prefix`. `optional`: None when it has no identity."""

    def __init__(self, prefix: str, *, optional: bool = False) -> None:
        self.headers = tuple(prefix + _CHANNEL[field] for field in Channel._fields)
        self._optional = optional

    def read(self, values: tuple[str, ...], frame: bytes) -> Channel | None:
        """`values` are those of `headers`."""
        identity = values[:3]
        if "" in identity:
            if self._optional and not any(identity):
                return None
            raise MissingField(event_of(frame), self.headers[identity.index("")], frame)
        channel = Channel._make(values)
        if b"\\" not in frame:
            return channel
        return channel._replace(
            caller_name=unescape(channel.caller_name),
            connected_name=unescape(channel.connected_name),
        )


_FieldReader = Reader | _ChannelReader

# Which header fills a field, the same in every event but for _SPECIAL.
_READERS: dict[str, _FieldReader] = {
    "application": text("Application"),
    "app_data": text("AppData", required=False),
    "uniqueid": text("Uniqueid"),
    "old_name": text("Channel"),
    "new_name": text("Newname"),
    "cause": number("Cause"),
    "dial_string": text("DialString", required=False),
    "status": text("DialStatus"),
    "forward": text("Forward", required=False),
    "bridge_id": text("BridgeUniqueid"),
    "bridge_type": text("BridgeType", required=False),
    "technology": text("BridgeTechnology", required=False),
    "context": text("Context", required=False),
    "exten": text("Exten", required=False),
    "result": text("Result"),
    "dest_type": text("DestType"),
    "queue": text("Queue"),
    "position": number("Position"),
    "interface": text("Interface"),
    "variable": text("Variable"),
    "value": Reader("Value", lambda value, frame: unescape(value)),
    "digit": text("Digit"),
    "direction": text("Direction"),
    "key": text("Key"),
    "pressed_at": epoch("At"),
}
_SPECIAL: dict[type[Event], dict[str, _FieldReader]] = {
    BlindTransfer: {"exten": text("Extension", required=False)},
    Press3Pressed: {"queue": text("Queue", required=False)},
    AttendedTransfer: {"target": _ChannelReader("TransferTarget", optional=True)},
}
_TIMESTAMP = "Timestamp"
_AT = epoch(_TIMESTAMP)
_OF_UNKNOWN = Headers([_TIMESTAMP])

_CLASSES: dict[bytes, type[Event]] = {
    b"AgentCalled": AgentCalled,
    b"AgentConnect": AgentConnect,
    b"AttendedTransfer": AttendedTransfer,
    b"BlindTransfer": BlindTransfer,
    b"BridgeEnter": BridgeEnter,
    b"BridgeLeave": BridgeLeave,
    b"DTMFEnd": DtmfEnd,
    b"DialBegin": DialBegin,
    b"DialEnd": DialEnd,
    b"FullyBooted": FullyBooted,
    b"Hangup": Hangup,
    b"HangupRequest": HangupRequested,
    b"Hold": Hold,
    b"LocalBridge": LocalBridge,
    b"MixMonitorStop": MixMonitorStop,
    b"NewCallerid": NewCallerid,
    b"Newchannel": Newchannel,
    b"Newexten": Newexten,
    b"Newstate": Newstate,
    b"Pickup": Pickup,
    b"QueueCallerAbandon": QueueCallerAbandon,
    b"QueueCallerJoin": QueueCallerJoin,
    b"QueueCallerLeave": QueueCallerLeave,
    b"Rename": Rename,
    b"Shutdown": Shutdown,
    b"UnParkedCall": UnparkedCall,
    b"Unhold": Unhold,
}
# One AMI type, several meanings: the header that tells them apart and its values.
_SPLIT: dict[bytes, tuple[bytes, dict[bytes, type[Event]]]] = {
    b"UserEvent": (b"UserEvent", {b"Press3": Press3Pressed, b"Press3Store": Press3StoreFailed}),
    b"VarSet": (b"Variable", {b"MIXMONITOR_FILENAME": VarSet, b"QUEUESTATUS": VarSet}),
}

# Types of which few are wanted → what every wanted one holds, for one search through the rest.
JUDGED_BY_CONTENT: dict[bytes, re.Pattern[bytes]] = {
    kind: re.compile(b"\r\n" + header + b": (?:" + b"|".join(meanings) + b")\r\n")
    for kind, (header, meanings) in _SPLIT.items()
}
WANTED: frozenset[bytes] = frozenset(_CLASSES) | frozenset(_SPLIT)


def _field_readers(cls: type[Event]) -> tuple[_FieldReader, ...]:
    """One reader a field after `at` and `arrived_at`; a type may read a field its own way."""
    hints = get_type_hints(cls)
    special: Mapping[str, _FieldReader] = _SPECIAL.get(cls, {})

    def reader(name: str) -> _FieldReader:
        if name in special:
            return special[name]
        if hints[name] is Channel:
            return _ChannelReader(_PREFIX[name])
        return _ChannelReader(_PREFIX[name], optional=True) if name in _PREFIX else _READERS[name]

    return tuple(reader(field.name) for field in fields(cls)[2:])


class _Plan:
    """How a class is read: everything that can be known before the first event comes.

    `headers` gives the Timestamp and then the values that the `readers` read, each with its place.
    """

    __slots__ = ("headers", "make", "readers")

    def __init__(self, cls: type[Event]) -> None:
        names = [_TIMESTAMP]
        self.readers: list[tuple[Callable[[Any, bytes], Any], int | slice]] = []
        for reader in _field_readers(cls):
            begin = len(names)
            if isinstance(reader, Reader):
                names.append(reader.header)
                self.readers.append((reader.read, begin))
            else:
                names += reader.headers
                self.readers.append((reader.read, slice(begin, len(names))))
        self.make: Callable[[tuple[Any, ...]], Event]
        self.make = factory(cls, tuple(field.name for field in fields(cls)))
        self.headers = Headers(names)


_PLANS = {kind: _Plan(cls) for kind, cls in _CLASSES.items()}
_SPLIT_PLANS = {
    kind: (b"\r\n" + header + b": ", {value: _Plan(cls) for value, cls in meanings.items()})
    for kind, (header, meanings) in _SPLIT.items()
}


def _plan_of(kind: bytes, message: bytes) -> _Plan | None:
    if kind not in _SPLIT_PLANS:
        return _PLANS.get(kind)
    header, plans = _SPLIT_PLANS[kind]
    _, found, rest = message.partition(header)
    return plans.get(rest.partition(b"\r\n")[0]) if found else None


def wanted(message: bytes) -> bool:
    """Whether `parse` would make something better of the message than Unknown."""
    kind = event_type(message)
    return kind in WANTED and _plan_of(kind, message) is not None


def parse(message: bytes, arrived_at: datetime, at: datetime | None = None) -> Event:
    """The typed event of a whole AMI message; Unknown for a type that press3 keeps no class for.

    `at` is the PBX's time of an event that carries none itself; None: it happened when it arrived.

    Raises MissingField, BadField, AmbiguousField (all EventError) when the event is damaged.
    """
    kind = event_type(message)
    plan = _PLANS.get(kind) or _plan_of(kind, message)
    if plan is None:
        timestamp, _ = _OF_UNKNOWN.values(message)
        at = _AT.read(timestamp, message) if timestamp else at or arrived_at
        return Unknown(at=at, arrived_at=arrived_at, name=kind.decode("utf-8", "replace"))
    values = plan.headers.values(message)
    at = _AT.read(values[0], message) if values[0] else at or arrived_at
    told = [read(values[where], message) for read, where in plan.readers]
    return plan.make((at, arrived_at, *told))
