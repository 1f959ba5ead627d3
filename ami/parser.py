"""From the bytes of a message to a typed event: one table says which header fills which field.

Source: the headers as Asterisk 16.28 and 22.10 write them (`main/manager_*.c`, `apps/app_queue.c`).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, get_type_hints

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
from ami.fields import Headers, Reader, Record, build, epoch, factory, number, read_headers, text
from ami.wire import event_type, unescape

__all__ = ["JUDGED_BY_CONTENT", "WANTED", "parse", "wanted"]

# A channel as Asterisk writes it, in its order; None: not kept.
_CHANNEL = {
    "Channel": "name",
    "ChannelState": None,
    "ChannelStateDesc": "state",
    "CallerIDNum": "caller_number",
    "CallerIDName": "caller_name",
    "ConnectedLineNum": "connected_number",
    "ConnectedLineName": "connected_name",
    "Language": None,
    "AccountCode": None,
    "Context": "context",
    "Exten": "exten",
    "Priority": None,
    "Uniqueid": "uniqueid",
    "Linkedid": "linkedid",
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


class _ChannelRecord(Record[Channel]):
    """A channel's block; the names in it are escaped."""

    def __call__(self, headers: Headers, /) -> Channel | None:
        channel = super().__call__(headers)
        if channel is None or b"\\" not in headers.frame:
            return channel
        return replace(
            channel,
            caller_name=unescape(channel.caller_name),
            connected_name=unescape(channel.connected_name),
        )


def _snapshot(prefix: str, *, optional: bool = False) -> Record[Channel]:
    order = {prefix + header: field for header, field in _CHANNEL.items()}
    return _ChannelRecord(
        Channel, order, required=("name", "uniqueid", "linkedid"), optional=optional
    )


def _value_of_variable(headers: Headers) -> str:
    return unescape(headers["Value"])


# Which header fills a field, the same in every event but for _SPECIAL.
_READERS: dict[str, Reader] = {
    "application": text("Application"),
    "app_data": text("AppData", required=False),
    "uniqueid": text("Uniqueid"),
    "old_name": text("Channel"),
    "new_name": text("Newname"),
    "cause": number("Cause"),
    "dial_string": text("DialString", required=False),
    "status": text("DialStatus"),
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
    "value": _value_of_variable,
    "digit": text("Digit"),
    "direction": text("Direction"),
    "key": text("Key"),
    "pressed_at": epoch("At"),
}
_SPECIAL: dict[type[Event], dict[str, Reader]] = {
    BlindTransfer: {"exten": text("Extension", required=False)},
    Press3Pressed: {"queue": text("Queue", required=False)},
    AttendedTransfer: {"target": _snapshot("TransferTarget", optional=True)},
}
_AT = epoch("Timestamp")

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


def _field_readers(cls: type[Event]) -> tuple[Reader, ...]:
    """One reader a field after `at` and `arrived_at`; a type may read a field its own way."""
    hints = get_type_hints(cls)
    special: Mapping[str, Reader] = _SPECIAL.get(cls, {})

    def reader(name: str) -> Reader:
        if name in special:
            return special[name]
        if hints[name] is Channel:
            return _snapshot(_PREFIX[name])
        return _snapshot(_PREFIX[name], optional=True) if name in _PREFIX else _READERS[name]

    return tuple(reader(field.name) for field in fields(cls)[2:])


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a class is read: everything that can be known before the first event comes."""

    make: Callable[[tuple[Any, ...]], Event]
    readers: tuple[Reader, ...]
    records: tuple[Record[Channel], ...]
    in_records: frozenset[str]


def _plan(cls: type[Event]) -> _Plan:
    readers = _field_readers(cls)
    records = tuple(reader for reader in readers if isinstance(reader, Record))
    return _Plan(
        factory(cls, tuple(field.name for field in fields(cls))),
        readers,
        records,
        frozenset().union(*(record.headers for record in records)),
    )


_PLANS = {kind: _plan(cls) for kind, cls in _CLASSES.items()}
_SPLIT_PLANS = {
    kind: (b"\r\n" + header + b": ", {value: _plan(cls) for value, cls in meanings.items()})
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
        at = _time_of(read_headers(message), at or arrived_at)
        return Unknown(at=at, arrived_at=arrived_at, name=kind.decode("utf-8", "replace"))
    headers = read_headers(message, plan.records, plan.in_records)
    at = _time_of(headers, at or arrived_at)
    return build(plan.make, plan.readers, headers, (at, arrived_at))


def _time_of(headers: Headers, otherwise: datetime) -> datetime:
    return _AT(headers) if "Timestamp" in headers else otherwise
