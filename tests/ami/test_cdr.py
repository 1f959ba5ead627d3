"""Master.csv read: rows of a real Asterisk in, calls in queues out."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ami.cdr import BadRow, calls_in, parse_row, time_of
from ami.spool import SpoolPress

# As Asterisk 22.10 wrote it, in UTC (16.28 writes the same); 3 in ivr-7 goes to ext-queues, then to after.
ROWS = '''\
"","+79110000010","600","ext-queues","""Иван"" <+79110000010>","PJSIP/trunk-4","PJSIP/101-00000005","Queue","press3,t,,,4","{0}:06","{0}:06","{0}:18",12,12,"ANSWERED","DOCUMENTATION","1795297986.4",""
"","+79110000010","600","ext-queues","""Иван"" <+79110000010>","PJSIP/trunk-4","PJSIP/102-00000006","Queue","press3,t,,,4","{0}:06","{0}:06","{0}:09",3,3,"NO ANSWER","DOCUMENTATION","1795297986.4",""
"","+79110000011","600","ext-queues","+79110000011","PJSIP/trunk-7","PJSIP/101-00000008","Queue","press3,t,,,4","{0}:09","{0}:09","{0}:13",4,4,"NO ANSWER","DOCUMENTATION","1795297989.7",""
"","+79110000011","s","after","+79110000011","PJSIP/trunk-7","","Hangup","","{0}:13","{0}:13","{0}:14",0,0,"ANSWERED","DOCUMENTATION","1795297989.7",""
"","+79110000012","600","ext-queues","+79110000012","PJSIP/trunk-a","PJSIP/101-0000000b","Queue","press3,t,,,4","{0}:15","{0}:15","{0}:18",2,2,"NO ANSWER","DOCUMENTATION","1795297995.10",""
"","+79110000013","3","ivr-7","+79110000013","PJSIP/trunk-b","","Hangup","","{0}:15","{0}:15","{0}:18",2,2,"ANSWERED","DOCUMENTATION","1795297995.11",""
"","101","102","from-internal","101","PJSIP/101-c","PJSIP/102-d","Dial","PJSIP/102","{0}:15","{0}:15","{0}:18",2,2,"ANSWERED","DOCUMENTATION","1795297995.12",""
'''
PLACES = (("ivr-7", "3", "press3"),)


def lines(minute: str = "2026-11-21 21:53") -> list[bytes]:
    return [line.encode() for line in ROWS.format(minute).splitlines()]


def calls(text: list[bytes]) -> dict[str, SpoolPress]:
    return {c.uniqueid: c for c in calls_in(map(parse_row, text), {"press3"}, PLACES)}


def at(epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)


def test_calls_that_nobody_watched() -> None:
    answered, timed_out, gave_up, only_there = calls(lines()).values()
    assert (answered.number, answered.name, answered.queue) == ("+79110000010", "Иван", "press3")
    assert (answered.pressed_at, answered.timed_by) == (at(1795297986), "call_start")
    (answer,) = answered.answered
    assert (answer.channel, answer.at) == ("PJSIP/101-00000005", at(1795297989)), (
        "102 stops ringing"
    )
    assert answered.ended_at == at(1795297998)
    assert timed_out.queue_left == (at(1795297993), "TIMEOUT")
    assert (gave_up.queue_left, gave_up.answered, gave_up.ended_at) == (None, (), at(1795297998))
    assert only_there.number == "+79110000013", "the observed step itself is in the row"


@pytest.mark.parametrize("minute", ["2026-11-22 00:53", "2026-11-21 16:53", "2026-11-22 03:23"])
def test_the_zone_of_the_pbx_follows_from_the_uniqueid(minute: str) -> None:
    there = calls(lines(minute))
    assert [c.ended_at for c in there.values()] == [c.ended_at for c in calls(lines()).values()]
    assert time_of(lines(minute)[0]) == at(1795297998)


def test_a_row_of_a_later_ringing_does_not_shift_the_zone() -> None:
    late = ROWS.splitlines()[1].format("2026-11-21 22:01").encode()
    assert time_of(late) is None
    call = calls([lines()[0], late])["1795297986.4"]
    assert call.ended_at == at(1795297986) + timedelta(minutes=8, seconds=3)


@pytest.mark.parametrize(
    "line", [b"", b"\xff\0", b"a,b,c", lines()[0].replace(b"1795297986.4", b"x")]
)
def test_what_is_no_row_with_a_uniqueid_says_so(line: bytes) -> None:
    with pytest.raises(BadRow, match="row"):
        parse_row(line)
    assert time_of(line) is None


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(line: bytes) -> None:
    try:
        parse_row(line)
    except BadRow:
        assert time_of(line) is None
