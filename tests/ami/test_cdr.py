"""Master.csv read: rows of a real Asterisk in, calls in queues out."""

import csv
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ami.cdr import BadRow, calls_in, parse_row, rows_of, time_of
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


# Columns behind the sixteen fixed ones, as loguniqueid, loguserfield and newcdrcolumns are set.
@pytest.mark.parametrize(
    "more",
    [
        ["1795297986.4"],
        ["1795297986.4", "a user field"],
        ["1795297986.4", "peer", "1795297986.4", "1"],
        ["1795297986.4", "a user field", "peer", "1795297986.4", "1"],
        ["peer", "1795297986.4", "1"],
        ["a user field", "peer", "1795297986.4", "1"],
    ],
)
def test_the_columns_that_cdr_conf_adds_are_found(more: list[str]) -> None:
    fixed = next(csv.reader([lines()[0].decode()]))[:16]
    row = parse_row(
        ",".join(f'"{field.replace(chr(34), chr(34) * 2)}"' for field in (*fixed, *more)).encode()
    )
    assert (row.uniqueid, row.linkedid) == ("1795297986.4", "1795297986.4")
    assert (row.src, row.app, row.queue) == ("+79110000010", "Queue", "press3")


def test_a_file_of_cdr_custom_is_named_as_such() -> None:
    """The mapping that Asterisk's own cdr_custom.conf has."""
    row = (
        '"""Иван"" <+79110000010>","+79110000010","600","ext-queues","PJSIP/trunk-4","PJSIP/101-00000005",'
        '"Queue","press3,t","2026-11-21 21:53:06","2026-11-21 21:53:06","2026-11-21 21:53:18","12","12",'
        '"ANSWERED","DOCUMENTATION","","1795297986.4","",7'
    )
    with pytest.raises(BadRow, match="cdr_custom wrote this file"):
        parse_row(row.encode())


def test_a_row_may_hold_line_ends_and_quotes() -> None:
    row = lines()[0].replace("Иван".encode(), b'O""""Neil\r\nLtd, "", x', 1)
    told = list(rows_of([*row.split(b"\n"), lines()[2]]))
    assert len(told) == 2
    assert parse_row(told[0]).uniqueid == "1795297986.4"
    assert parse_row(told[1]).uniqueid == "1795297989.7"
    broken = [b'"half a row', *lines()]
    assert len(list(rows_of(broken))) == len(broken), "what never ends takes nothing with it"


def dialled(*rows: str) -> SpoolPress:
    minute = "2026-11-21 21:53"
    told = [row.replace("{0}", minute).encode() for row in rows]
    (call,) = calls(told).values()
    return call


def row(
    place: str,
    to: str,
    app: str,
    times: str,
    result: str = "ANSWERED",
    channel: str = "PJSIP/trunk-4",
    uniqueid: str = "1795297986.4",
) -> str:
    context, exten = place.split(",")
    start, answer, end = (f"{{0}}:{second}" if second else "" for second in times.split("-"))
    name, _, data = app.partition("(")
    return (
        f'"","+79110000010","{exten}","{context}","x","{channel}","{to}","{name}","{data.rstrip(")")}",'
        f'"{start}","{answer}","{end}",1,1,"{result}","DOCUMENTATION","{uniqueid}","","1795297986.4",1'
    )


def test_an_answer_by_dial_at_the_step_of_the_key() -> None:
    """The menu had not answered: the row has the answer's own time."""
    call = dialled(row("ivr-7,3", "PJSIP/101-00000005", "Dial(PJSIP/101,30)", "06-11-18"))
    assert [(each.at, each.channel) for each in call.answered] == [
        (at(1795297991), "PJSIP/101-00000005")
    ]
    assert call.ended_at == at(1795297998)


def test_a_queue_in_vain_and_then_a_mobile_by_dial() -> None:
    call = dialled(
        row("ext-queues,600", "PJSIP/101-00000005", "Queue(press3,t,,,4)", "06-06-10", "NO ANSWER"),
        row("after,s", "PJSIP/trunk-00000009", "Dial(PJSIP/89110000009@trunk,30)", "10-10-18"),
    )
    (answer,) = call.answered
    assert (answer.channel, answer.dialled) == ("PJSIP/trunk-00000009", "PJSIP/89110000009@trunk")


def test_who_answered_behind_a_local_channel_is_in_a_row_of_its_own() -> None:
    """Forwarded: the telephone of 101 sent the call on."""
    local = "Local/103@from-internal-00000001"
    call = dialled(
        row("ext-queues,600", f"{local};1", "Queue(press3,t,,,4)", "06-06-18"),
        row(
            "from-internal,103",
            "PJSIP/103-00000007",
            "Dial(PJSIP/103)",
            "07-09-18",
            channel=f"{local};2",
            uniqueid="1795297987.6",
        ),
    )
    assert [each.channel for each in call.answered] == ["PJSIP/103-00000007"]


def test_the_queue_of_the_key_may_be_the_second_one() -> None:
    call = dialled(
        row("ext-queues,500", "PJSIP/102-00000005", "Queue(500,t,,,4)", "06-06-10", "NO ANSWER"),
        row("ext-queues,600", "PJSIP/101-00000006", "Queue(press3,t,,,4)", "10-10-18"),
    )
    assert (call.queue, [each.channel for each in call.answered]) == (
        "press3",
        ["PJSIP/101-00000006"],
    )
