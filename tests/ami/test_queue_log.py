"""queue_log read: lines of a real Asterisk in, presses and calls in queues out."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ami.queue_log import BadLine, calls_in, parse_line, time_of
from ami.spool import SpoolAnswer, SpoolPress

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


def calls(text: str) -> dict[str, SpoolPress]:
    records = [parse_line(line.encode()) for line in text.splitlines()]
    return {call.uniqueid: call for call in calls_in(records)}


def test_a_line_is_read() -> None:
    record = parse_line(b"1795297986|1795297986.4|600|NONE|ENTERQUEUE||+79110000010|1\n")
    assert (record.at, record.uniqueid) == (at(1795297986), "1795297986.4")
    assert (record.queue, record.event, record.told(1)) == ("600", "ENTERQUEUE", "+79110000010")
    assert record.told(9) == ""


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
        SpoolAnswer(at=at(1795297987), channel="PJSIP/101", uniqueid="1795297986.5"),
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
