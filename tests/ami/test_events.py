"""Typing of events: every class, every fault of a header, nothing but our own errors."""

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ami import events
from ami.errors import AmbiguousField, AmiError, BadField, MissingField
from ami.events import Channel
from ami.parser import WANTED, parse, wanted
from ami.wire import event_type
from tests.ami.frames import frame, snapshot

ARRIVED = datetime(2026, 11, 21, 18, 33, 44, tzinfo=UTC)
AT = datetime(2026, 11, 21, 18, 33, 43, 657211, tzinfo=UTC)
CALLER = Channel(
    name="PJSIP/trunk-00000001",
    uniqueid="lab-1795286023.0",
    linkedid="lab-1795286023.0",
    state="Up",
    caller_number="+79111234567",
    caller_name="Иван|П",
    context="press3-menu",
    exten="s",
)
BASE: dict[str, Any] = {"at": AT, "arrived_at": ARRIVED}
BRIDGE = {"BridgeUniqueid": "b1", "BridgeType": "basic", "BridgeTechnology": "simple_bridge"}
BRIDGED = {"bridge_id": "b1", "bridge_type": "basic", "technology": "simple_bridge"}
MEMBER = {"Queue": "complaints", "Interface": "PJSIP/101", "MemberName": "Anna"}
CALLED = {"queue": "complaints", "interface": "PJSIP/101", "dest": CALLER}
KEY = "press3/202611211833/lab-1795286023.0-660084"

Case = tuple[Callable[..., events.Event], dict[str, str], dict[str, Any]]
ONE_CHANNEL: dict[str, Case] = {
    "Newchannel": (events.Newchannel, {}, {}),
    "Newstate": (events.Newstate, {}, {}),
    "NewCallerid": (events.NewCallerid, {}, {}),
    "HangupRequest": (events.HangupRequested, {"Cause": "16"}, {}),
    "Hold": (events.Hold, {"MusicClass": "default"}, {}),
    "Unhold": (events.Unhold, {}, {}),
    "MixMonitorStop": (events.MixMonitorStop, {}, {}),
    "Hangup": (events.Hangup, {"Cause": "26", "Cause-txt": "Answered elsewhere"}, {"cause": 26}),
    "Newexten": (
        events.Newexten,
        {"Extension": "s", "Application": "Answer", "AppData": ""},
        {"application": "Answer", "app_data": ""},
    ),
    "BridgeEnter": (events.BridgeEnter, BRIDGE, BRIDGED),
    "BridgeLeave": (events.BridgeLeave, BRIDGE, BRIDGED),
    "QueueCallerJoin": (
        events.QueueCallerJoin,
        {"Queue": "complaints", "Position": "1", "Count": "1"},
        {"queue": "complaints", "position": 1},
    ),
    "QueueCallerLeave": (events.QueueCallerLeave, {"Queue": "q"}, {"queue": "q"}),
    "QueueCallerAbandon": (events.QueueCallerAbandon, {"Queue": "q"}, {"queue": "q"}),
    "AgentCalled": (events.AgentCalled, MEMBER | snapshot("Dest"), CALLED),
    "AgentConnect": (events.AgentConnect, MEMBER | snapshot("Dest"), CALLED),
    "Pickup": (events.Pickup, snapshot("Target"), {"target": CALLER}),
    "DTMFEnd": (
        events.DtmfEnd,
        {"Digit": "3", "DurationMs": "100", "Direction": "Received"},
        {"digit": "3", "direction": "Received"},
    ),
    "VarSet": (
        events.VarSet,
        {"Variable": "MIXMONITOR_FILENAME", "Value": "/var/a.wav"},
        {"variable": "MIXMONITOR_FILENAME", "value": "/var/a.wav"},
    ),
    "UserEvent": (
        events.Press3Pressed,
        {"UserEvent": "Press3", "Key": KEY, "At": "1795286023.657", "Queue": "sales"},
        {"key": KEY, "pressed_at": AT.replace(microsecond=657000), "queue": "sales"},
    ),
}
FOREIGN: dict[str, Case] = {
    "Rename": (
        events.Rename,
        {"Channel": "a", "Newname": "b", "Uniqueid": "1.1"},
        {"old_name": "a", "new_name": "b", "uniqueid": "1.1"},
    ),
    "DialBegin": (
        events.DialBegin,
        snapshot() | snapshot("Dest") | {"DialString": "101"},
        {"source": CALLER, "dest": CALLER, "dial_string": "101"},
    ),
    "DialEnd": (
        events.DialEnd,
        snapshot("Dest") | {"DialStatus": "CANCEL"},
        {"source": None, "dest": CALLER, "status": "CANCEL"},
    ),
    "LocalBridge": (
        events.LocalBridge,
        snapshot("LocalOne") | snapshot("LocalTwo") | {"Context": "members", "Exten": "101"},
        {"one": CALLER, "two": CALLER, "context": "members", "exten": "101"},
    ),
    "BlindTransfer": (
        events.BlindTransfer,
        {"Result": "Success", "IsExternal": "Yes", "Context": "internal", "Extension": "102"}
        | snapshot("Transferer")
        | snapshot("Transferee"),
        {
            "transferer": CALLER,
            "transferee": CALLER,
            "context": "internal",
            "exten": "102",
            "result": "Success",
        },
    ),
    "AttendedTransfer": (
        events.AttendedTransfer,
        {"Result": "Success", "DestType": "Bridge"}
        | snapshot("OrigTransferer")
        | snapshot("SecondTransferer")
        | snapshot("TransferTarget"),
        {
            "original": CALLER,
            "second": CALLER,
            "transferee": None,
            "target": CALLER,
            "dest_type": "Bridge",
            "result": "Success",
        },
    ),
    "UnParkedCall": (
        events.UnparkedCall,
        snapshot("Parkee") | snapshot("Retriever"),
        {"parkee": CALLER, "retriever": CALLER},
    ),
    "FullyBooted": (events.FullyBooted, {"Status": "Fully Booted"}, {}),
    "Shutdown": (events.Shutdown, {"Shutdown": "Cleanly", "Restart": "False"}, {}),
}


@pytest.mark.parametrize("name", ONE_CHANNEL)
def test_an_event_of_one_channel_is_typed(name: str) -> None:
    cls, headers, fields = ONE_CHANNEL[name]
    message = frame(name, snapshot(), headers)
    assert wanted(message)
    assert parse(message, ARRIVED) == cls(**BASE, channel=CALLER, **fields)


@pytest.mark.parametrize("name", FOREIGN)
def test_an_event_of_none_or_several_channels_is_typed(name: str) -> None:
    cls, headers, fields = FOREIGN[name]
    assert parse(frame(name, headers), ARRIVED) == cls(**BASE, **fields)


def test_every_wanted_type_is_tested_here() -> None:
    assert {name.encode() for name in ONE_CHANNEL | FOREIGN} == WANTED


def test_a_press_that_could_not_be_stored_is_told() -> None:
    message = frame("UserEvent", snapshot(), {"UserEvent": "Press3Store", "Key": KEY})
    assert parse(message, ARRIVED) == events.Press3StoreFailed(**BASE, channel=CALLER, key=KEY)


@pytest.mark.parametrize(
    "message",
    [
        frame("RTCPSent", snapshot()),
        frame("VarSet", snapshot(), {"Variable": "X", "Value": "MIXMONITOR_FILENAME"}),
        frame("UserEvent", snapshot(), {"UserEvent": "Press33", "Key": KEY}),
        frame("UserEvent", snapshot()),
    ],
)
def test_what_nobody_wants_is_unknown(message: bytes) -> None:
    assert not wanted(message)
    name = event_type(message).decode()
    assert parse(message, ARRIVED) == events.Unknown(**BASE, name=name)


def test_without_the_pbx_time_an_event_happened_when_it_arrived() -> None:
    event = parse(b"Event: FullyBooted\r\nPrivilege: system,all", ARRIVED)
    assert (event.at, event.arrived_at) == (ARRIVED, ARRIVED)


def test_the_case_of_header_names_does_not_matter() -> None:
    message = frame("Hangup", snapshot(), {"Cause": "16"})
    varied = message.replace(b"Uniqueid:", b"UniqueID:").replace(b"CallerIDNum:", b"CallerIdNum:")
    assert parse(varied, ARRIVED) == parse(message, ARRIVED)
    assert parse(message.replace(b": ", b":"), ARRIVED) == parse(message, ARRIVED)


@pytest.mark.parametrize("header", ["Uniqueid", "Channel", "Linkedid", "Cause"])
def test_a_missing_header_is_an_error_that_shows_the_frame(header: str) -> None:
    headers = snapshot() | {"Cause": "16"}
    del headers[header]
    message = frame("Hangup", headers)
    with pytest.raises(MissingField, match="Hangup") as caught:
        parse(message, ARRIVED)
    assert caught.value.header == header
    assert caught.value.frame == message
    assert "press3-menu" in str(caught.value)


@pytest.mark.parametrize(
    ("headers", "at"),
    [
        ({"Cause": "x"}, "1795286023.657211"),
        ({"Cause": "16"}, "yesterday"),
        ({"Cause": "16"}, "1e400"),
        ({"Cause": "16"}, "nan"),
        ({"Cause": "16"}, "9" * 30),
    ],
)
def test_a_value_asterisk_never_writes_is_an_error(headers: dict[str, str], at: str) -> None:
    with pytest.raises(BadField):
        parse(frame("Hangup", snapshot(), headers, at=at), ARRIVED)


def test_a_name_with_a_line_break_can_not_pass_for_another_channel() -> None:
    headers = snapshot(CallerIDName="x\r\nUniqueid: lab-1795286000.7")
    with pytest.raises(AmbiguousField):
        parse(frame("Newchannel", headers), ARRIVED)


def test_what_asterisk_escapes_is_read_as_it_was() -> None:
    escaped = r"O\'Neil\?|\\\"Co\\\" C:\\new\tx"
    was = 'O\'Neil?|\\"Co\\" C:\\new\tx'
    headers = snapshot(CallerIDName=escaped, ConnectedLineName=escaped)
    event = parse(frame("Newstate", headers), ARRIVED)
    assert isinstance(event, events.Newstate)
    assert event.channel.caller_name == event.channel.connected_name == was
    variable = {"Variable": "MIXMONITOR_FILENAME", "Value": escaped}
    told = parse(frame("VarSet", snapshot(), variable), ARRIVED)
    assert isinstance(told, events.VarSet)
    assert told.value == was


def test_channel_variables_may_repeat() -> None:
    message = frame("Newstate", snapshot()) + b"\r\nChanVariable: a=1\r\nChanVariable: b=2"
    assert isinstance(parse(message, ARRIVED), events.Newstate)


def test_unknown_is_empty_wherever_it_stands() -> None:
    headers = snapshot(CallerIDNum="<unknown>", Exten="<unknown>", CallerIDName="a <unknown>")
    event = parse(frame("Newstate", headers), ARRIVED)
    assert isinstance(event, events.Newstate)
    assert event.channel.caller_number == event.channel.exten == ""
    assert event.channel.caller_name == "a <unknown>"


def test_times_keep_their_microseconds() -> None:
    for micro in (1, 499_999, 999_999):
        event = parse(frame("FullyBooted", at=f"1795286023.{micro:06}"), ARRIVED)
        assert event.at == AT.replace(microsecond=0) + timedelta(microseconds=micro)


chopped = st.sampled_from([*ONE_CHANNEL, *FOREIGN]).flatmap(
    lambda name: st.builds(
        lambda keep, noise, at: _damaged(name, keep, noise, at),
        st.lists(st.booleans(), min_size=60, max_size=60),
        st.binary(max_size=12),
        st.integers(0, 900),
    )
)


def _damaged(name: str, keep: list[bool], noise: bytes, at: int) -> bytes:
    _, headers, _ = (ONE_CHANNEL | FOREIGN)[name]
    lines = frame(name, snapshot(), headers).split(b"\r\n")
    kept = b"\r\n".join(line for line, kept in zip(lines, keep, strict=False) if kept)
    return kept[:at] + noise + kept[at:]


@given(st.one_of(chopped, st.binary(max_size=200)))
def test_a_damaged_event_raises_nothing_but_our_own_error(message: bytes) -> None:
    with contextlib.suppress(AmiError):
        parse(message, ARRIVED)
