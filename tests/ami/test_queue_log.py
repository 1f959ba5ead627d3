"""queue_log read: lines of a real Asterisk in, presses and calls in queues out."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ami.queue_log import BadLine, calls_in, parse_line, time_of
from ami.spool import SpoolAnswer, SpoolPress, SpoolStay, SpoolTransfer

# As Asterisk 22.10 wrote it (16.28 writes the same).
OBSERVED = """\
1795297981|NONE|NONE|NONE|QUEUESTART|
1795297986|1795297986.4|press3|NONE|ENTERQUEUE||+79110000010|1
1795297987|1795297986.4|press3|PJSIP/101|CONNECT|1|1795297986.5|0
1795297988|1795297986.4|press3|PJSIP/101|COMPLETEAGENT|1|1|1
1795297989|1795297989.7|press3|NONE|ENTERQUEUE||+79110000011|1
1795297993|1795297989.7|press3|PJSIP/101|RINGNOANSWER|4000
1795297993|1795297989.7|press3|NONE|EXITWITHTIMEOUT|1|1|4
1795297996|1795297995.10|press3|NONE|ENTERQUEUE||+79110000012|1
1795297998|1795297995.10|press3|PJSIP/101|RINGCANCELED|2008
1795297998|1795297995.10|press3|NONE|ABANDON|1|1|2
1795298004|NONE|press3|PJSIP/101|PAUSE|
"""
KEY = "press3/202611212153/1795297986.4-123456"
ROW = "2|1795297986.4|1795297980.1|1795297986.789|+79110000010|%D0%9F|74951234567|main|press3"


def at(epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)


def calls(text: str, *queues: str) -> dict[str, SpoolPress]:
    records = [parse_line(line.encode()) for line in text.splitlines()]
    return {call.uniqueid: call for call in calls_in(records, queues)}


def call_of(*lines: str, queues: tuple[str, ...] = ("600",)) -> SpoolPress:
    """The call that the lines tell of, each `seconds|queue|agent|EVENT|data` of one channel."""
    text = ""
    for line in lines:
        after, rest = line.split("|", 1)
        channel = "NONE" if rest.startswith("NONE") else "1795297980.4"
        text += f"{1795297980 + int(after)}|{channel}|{rest}\n"
    (call,) = calls(text, *queues).values()
    return call


def s(seconds: float) -> datetime:
    return at(1795297980 + seconds)


def test_a_line_is_read() -> None:
    record = parse_line(b"1795297986|1795297986.4|600|NONE|ENTERQUEUE||+79110000010|1\n")
    assert (record.at, record.uniqueid) == (at(1795297986), "1795297986.4")
    assert (record.queue, record.event, record.value(1)) == ("600", "ENTERQUEUE", "+79110000010")
    assert record.value(9) == ""


def test_calls_that_nobody_watched() -> None:
    found = calls(OBSERVED)
    assert list(found) == ["1795297986.4", "1795297989.7", "1795297995.10"]
    answered, timed_out, gave_up = found.values()
    assert (answered.key, answered.timed_by, answered.number) == (
        None,
        "queue_entry",
        "+79110000010",
    )
    assert answered.pressed_at == answered.entered_at == at(1795297986)
    assert answered.answered == (
        SpoolAnswer(
            at=at(1795297987),
            channel="PJSIP/101",
            uniqueid="1795297986.5",
            left_at=at(1795297988),
        ),
    )
    assert answered.ended_at == at(1795297988)
    assert timed_out.queue_left == (at(1795297993), "TIMEOUT")
    assert timed_out.ended_at is None, "where he went then queue_log does not say"
    assert gave_up.queue_left == (at(1795297998), "ABANDON")
    assert gave_up.ended_at == at(1795297998)


def test_a_press_of_the_rendered_dialplan_brings_its_whole_row() -> None:
    line = f"1795297986|1795297986.4|press3|NONE|PRESS3|{KEY}|{ROW}\n"
    entered = "1795297986|1795297986.4|press3|NONE|ENTERQUEUE||+79110000010|1\n"
    press = calls(line + entered)["1795297986.4"]
    assert (press.key, press.timed_by, press.menu, press.name) == (KEY, "key", "main", "П")
    assert press.pressed_at == press.entered_at == at(1795297986.789), "never before the press"
    assert (press.linkedid, press.did) == ("1795297980.1", "74951234567")


@pytest.mark.parametrize("row", ["", "|2|half", "|" + ROW.replace("7986.4|", "7986.5|", 1)])
def test_a_press_without_a_row_of_its_own_is_a_press_all_the_same(row: str) -> None:
    line = f"1795297986|1795297986.4|press3|NONE|PRESS3|{KEY}{row}\n"
    press = calls(line + OBSERVED.splitlines()[1])["1795297986.4"]
    assert (press.key, press.uniqueid, press.timed_by) == (KEY, "1795297986.4", "key")
    assert (press.pressed_at, press.number, press.queue) == (
        at(1795297986),
        "+79110000010",
        "press3",
    )


def test_who_comes_back_to_the_queue_waits_again() -> None:
    again = "1795297999|1795297989.7|press3|NONE|ENTERQUEUE||+79110000011|1\n"
    call = calls(OBSERVED + again)["1795297989.7"]
    assert (call.entered_at, call.queue_left) == (at(1795297989), None)


def test_freepbx_tells_the_number_called() -> None:
    did = "1795297986|1795297986.4|600|NONE|DID|74951234567\n"
    assert calls(OBSERVED + did)["1795297986.4"].did == "74951234567"


TWO_QUEUES = (
    "0|500|NONE|ENTERQUEUE||79110000001|2",
    "30|500|NONE|EXITWITHKEY|3|2|2|30",
    "35|600|NONE|ENTERQUEUE||79110000001|1",
    "40|600|PJSIP/101|CONNECT|5|1795298016.4|4",
    "100|600|PJSIP/101|COMPLETECALLER|5|60|1",
)


def test_each_entry_is_a_stay_and_the_press_is_the_entry_into_the_queue_that_the_key_leads_to() -> (
    None
):
    call = call_of(*TWO_QUEUES)
    assert call.stays == (
        SpoolStay(queue="500", entered_at=s(0), left=(s(30), "EXITWITHKEY"), key="3"),
        SpoolStay(queue="600", entered_at=s(35), left=(s(40), "CONTINUE")),
    )
    assert (call.queue, call.pressed_at, call.entered_at) == ("600", s(35), s(35))
    (answer,) = call.answered
    assert (answer.at, answer.channel, answer.left_at) == (s(40), "PJSIP/101", s(100))
    assert (call.ended_at, call.ended_by) == (s(100), "caller")
    assert call_of(*TWO_QUEUES, queues=()).queue == "500", "nothing says which one a key leads to"


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("9|500|NONE|EXITEMPTY|1|1|9", "LEAVEEMPTY"),
        ("9|500|NONE|EXITWITHTIMEOUT|1|1|9", "TIMEOUT"),
        ("9|500|NONE|EXITWITHTIMEOUT|1", "TIMEOUT"),  # 1.4
        ("9|500|NONE|EXITWITHKEY|3|1", "EXITWITHKEY"),  # 1.4
        ("9|500|NONE|WITHDRAW|1|1|9|by hand", "WITHDRAW"),
        ("9|500|NONE|ABANDON|1|1|9", "TIMEOUT"),  # redirected: the PBX takes that for a hang-up
    ],
)
def test_a_queue_is_left_for_another_one(line: str, status: str) -> None:
    entered = "0|500|NONE|ENTERQUEUE||79110000001"
    call = call_of(entered, line, "9|600|NONE|ENTERQUEUE||79110000001|1")
    assert [stay.left for stay in call.stays] == [(s(9), status), None]
    assert (call.queue, call.pressed_at, call.ended_at) == ("600", s(9), None)
    alone = call_of(entered, line)
    is_over = line.split("|")[3] == "ABANDON"
    assert (alone.ended_at, alone.ended_by) == ((s(9), "caller") if is_over else (None, None))


ENTERED = "0|600|NONE|ENTERQUEUE||79110000001|1"
CONNECTED = "5|600|PJSIP/101|CONNECT|5|1795297981.5|4"


@pytest.mark.parametrize("connected", [(ENTERED, CONNECTED), (ENTERED,), ()])
@pytest.mark.parametrize(
    ("line", "kind", "to"),
    [
        ("30|600|PJSIP/101|BLINDTRANSFER|102|from-internal|5|25|1", "blind", "102"),
        ("30|600|PJSIP/101|TRANSFER|102|from-internal|5|25|1", "blind", "102"),
        ("30|600|PJSIP/101|ATTENDEDTRANSFER|BRIDGE|7f-3a|5|25|1", "attended", ""),
        ("30|600|PJSIP/101|ATTENDEDTRANSFER|CHANNEL|PJSIP/102-0000002a|5|25|1", "attended", "PJSIP/102-0000002a"),
    ],
)  # fmt: skip
def test_an_operator_sends_the_caller_on(
    connected: tuple[str, ...], line: str, kind: str, to: str
) -> None:
    """Without CONNECT the line itself says how long the wait and the talk were."""
    call = call_of(*connected, line)
    assert [(each.at, each.channel, each.left_at) for each in call.answered] == [
        (s(5), "PJSIP/101", s(30))
    ]
    (transfer,) = call.transfers
    assert transfer == SpoolTransfer(at=s(30), kind=kind, channel="PJSIP/101", to=to)  # type: ignore[arg-type]
    assert call.stays == (SpoolStay(queue="600", entered_at=s(0), left=(s(5), "CONTINUE")),)
    assert call.ended_at is None, "where the caller talks now queue_log does not say"


def test_an_operator_who_sends_a_caller_to_the_queue_of_the_key_presses_no_key() -> None:
    talk = ("0|500|NONE|ENTERQUEUE||79110000001|1", "5|500|PJSIP/101|CONNECT|5|1795297981.5|4")
    sent = "30|500|PJSIP/101|BLINDTRANSFER|600|from-internal|5|25|1"
    call = call_of(*talk, sent, "30|600|NONE|ENTERQUEUE||79110000001|1")
    assert (call.queue, [stay.queue for stay in call.stays]) == ("500", ["500", "600"])
    by_menu = call_of(*talk, sent, "36|600|NONE|ENTERQUEUE||79110000001|1")
    assert (by_menu.queue, by_menu.pressed_at) == ("600", s(36)), "that took a menu's time"


@pytest.mark.parametrize(
    ("line", "by"),
    [
        ("65|600|PJSIP/101|COMPLETEAGENT|5|60|1", "operator"),
        ("65|600|PJSIP/101|COMPLETECALLER|5|60", "caller"),  # 1.4
    ],
)
@pytest.mark.parametrize(
    "connected", [("5|600|PJSIP/101|CONNECT|5",), (CONNECTED,), ()], ids=["1.4", "22", "none"]
)
def test_who_hung_up(connected: tuple[str, ...], line: str, by: str) -> None:
    call = call_of(ENTERED, *connected, line)
    assert (call.ended_at, call.ended_by) == (s(65), by)
    assert [(each.at, each.left_at) for each in call.answered] == [(s(5), s(65))]


def test_after_the_operator_hung_up_the_dialplan_may_go_on() -> None:
    again = "70|600|NONE|ENTERQUEUE||79110000001|1"
    call = call_of(ENTERED, CONNECTED, "65|600|PJSIP/101|COMPLETEAGENT|5|60|1", again)
    assert (call.ended_at, call.ended_by, len(call.stays)) == (None, None, 2)


@pytest.mark.parametrize("lines", [(ENTERED,), (ENTERED, CONNECTED)])
def test_a_pbx_that_starts_anew_ends_who_waits_or_talks(lines: tuple[str, ...]) -> None:
    alive, start = "8|NONE|NONE|CONFIGRELOAD|", "90|NONE|NONE|QUEUESTART|"
    call = call_of(*lines, alive, start)
    assert (call.ended_at, call.restarted_at) == (s(8), s(8)), "the last that it was heard of"
    assert call.stays[-1].left is not None
    reloaded = call_of(*lines, alive)
    assert (reloaded.ended_at, reloaded.restarted_at) == (None, None)
    gone = call_of(ENTERED, "5|600|NONE|EXITEMPTY|1|1|5", start)
    assert gone.restarted_at is None, "the call was over long before, for all that is known"


@pytest.mark.parametrize("name", ["Anna | Desk 3", "|", "a|b|c", "Anna|PAUSE", "Anna|CONNECT|5"])
@pytest.mark.parametrize(
    "event",
    [
        "CONNECT|5|1795297981.5|4",
        "COMPLETEAGENT|5|60|1",
        "COMPLETECALLER|5|60|1",
        "BLINDTRANSFER|102|from-internal|5|25|1",
        "ATTENDEDTRANSFER|BRIDGE|7f-3a|5|25|1",
        "RINGNOANSWER|4000",
        "TRANSFER|102|from-internal",
    ],
)
def test_the_event_stands_behind_a_name_with_bars(name: str, event: str) -> None:
    record = parse_line(f"1795297981|1795297980.4|600|{name}|{event}".encode())
    assert (record.agent, "|".join((record.event, *record.data))) == (name, event)


@pytest.mark.parametrize(
    "rest", ["Anna | Desk 3|CONNECT|", "Anna|CONNECT|x|y|z|1|2", "Anna | Desk|SOMETHING NEW|1"]
)
def test_a_line_whose_event_is_not_found_is_unreadable_and_no_other_event(rest: str) -> None:
    with pytest.raises(BadLine):
        parse_line(f"1795297981|1795297980.4|600|{rest}".encode())


def test_a_strangers_number_is_never_taken_for_an_event() -> None:
    for number in ("PAUSE", "CONNECT|5|1.2|3", "COMPLETECALLER|1|1|1", "1|2"):
        call = call_of(f"0|600|NONE|ENTERQUEUE||{number}|1")
        assert (call.number, call.entered_at, call.answered) == (number, s(0), ())


@pytest.mark.parametrize(
    "line",
    [b"", b"\n", b"1795297986|1.4|q|NONE", b"x|1.4|q|NONE|ENTERQUEUE|", b"\xff\xfe", b"|" * 9],
)
def test_what_is_no_line_says_so(line: bytes) -> None:
    with pytest.raises(BadLine):
        parse_line(line)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(line: bytes) -> None:
    try:
        record = parse_line(line)
    except BadLine:
        return
    assert record.at == time_of(line)
    assert len(list(calls_in([record]))) <= 1
