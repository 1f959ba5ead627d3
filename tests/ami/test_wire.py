"""Framing and encoding: however the bytes come, the same messages."""

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ami.errors import AmiError, FrameTooLong, UnsafeValue
from ami.wire import (
    ACTION_LINE_LIMIT_BYTES,
    FrameDecoder,
    decode,
    encode_action,
    event_type,
    text_of,
)

BANNER = b"Asterisk Call Manager/11.0.0\r\n"
names = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,20}", fullmatch=True)
values = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=80)
messages = st.lists(st.tuples(names, values), min_size=1, max_size=6).map(
    lambda headers: "\r\n".join(f"{name}: {value}" for name, value in headers).encode()
)


def fed(data: bytes, cuts: list[int], **limits: int) -> list[bytes]:
    decoder = FrameDecoder(**limits)
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    pieces = [data[a:b] for a, b in itertools.pairwise(edges)]
    return [message for piece in pieces for message in decoder.feed(piece)]


@given(st.lists(messages, max_size=5), st.lists(st.integers(0, 10_000), max_size=12))
def test_any_split_of_the_bytes_gives_the_same_messages(sent: list[bytes], cuts: list[int]) -> None:
    stream = BANNER + b"".join(message + b"\r\n\r\n" for message in sent)
    assert fed(stream, cuts) == sent


bare = st.text("A:\r\n ", max_size=40).map(str.encode)


@given(st.one_of(bare, bare.map(BANNER.__add__)), st.lists(st.integers(0, 40), max_size=8))
def test_stray_line_ends_mean_the_same_in_any_split(stream: bytes, cuts: list[int]) -> None:
    told = fed(stream, cuts)
    assert told == fed(stream, [])
    assert all(told)


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_no_bytes_raise_anything_but_our_own_error(stream: bytes, cuts: list[int]) -> None:
    try:
        for message in fed(stream, cuts, line_limit_bytes=40, message_limit_bytes=100):
            event_type(message), decode(message)
    except AmiError:
        pass


def test_the_banner_is_no_message_even_when_it_comes_alone() -> None:
    decoder = FrameDecoder()
    assert decoder.feed(BANNER) == []
    assert decoder.feed(b"Response: Success\r\n\r\n") == [b"Response: Success"]
    assert decoder.banner == "11.0.0"


def test_stray_blank_lines_between_messages_are_nothing() -> None:
    stream = b"\r\n\r\n\r\nEvent: A\r\n\r\n\r\nEvent: B\r\n\r\n\r\n\r\n"
    assert fed(stream, []) == [b"Event: A", b"Event: B"]
    assert fed(stream, list(range(len(stream)))) == [b"Event: A", b"Event: B"]


@pytest.mark.parametrize("cuts", [[], list(range(0, 2000, 7))])
def test_a_line_and_a_message_may_reach_their_limits_but_not_pass_them(cuts: list[int]) -> None:
    limits = {"line_limit_bytes": 100, "message_limit_bytes": 300}
    line = b"K: " + b"x" * 97
    full = b"\r\n".join([line, line, b"K: " + b"x" * 93])
    assert fed(full + b"\r\n\r\n", cuts, **limits) == [full]
    with pytest.raises(FrameTooLong, match="line"):
        fed(line + b"x\r\n\r\n", cuts, **limits)
    with pytest.raises(FrameTooLong, match="message"):
        fed(full + b"x\r\n\r\n", cuts, **limits)


def test_an_endless_value_is_cut_off_before_it_fills_the_memory() -> None:
    decoder = FrameDecoder()
    decoder.feed(b"Event: X\r\nName: ")
    with pytest.raises(FrameTooLong):
        all(decoder.feed(b"x" * 1024) == [] for _ in range(100))


def test_work_is_linear_for_a_message_in_single_bytes() -> None:
    def seconds(size: int) -> float:
        decoder = FrameDecoder()
        message = b"K: v\r\n" * (size // 6)
        begun = time.thread_time()  # the processor's work, not the machine's mood
        for at in range(len(message)):
            decoder.feed(message[at : at + 1])
        return time.thread_time() - begun

    small = min(seconds(20_000) for _ in range(3))
    assert min(seconds(160_000) for _ in range(3)) < small * 8 * 4


def test_the_event_type_is_the_first_line_only_whatever_its_spelling() -> None:
    assert event_type(b"Event: Hangup\r\nCause: 16") == b"Hangup"
    assert event_type(b"event:Hangup\r\nCause: 16") == b"Hangup"
    assert event_type(b"Response: Success\r\nEvent: Hangup") == b""
    assert event_type(b"Event: FullyBooted") == b"FullyBooted"


def test_a_letter_split_between_two_segments_is_still_a_letter() -> None:
    message = "Event: Newchannel\r\nCallerIDName: Иван".encode()
    stream = message + b"\r\n\r\n"
    for cut in range(len(stream)):
        assert fed(stream, [cut]) == [message]
    assert decode(message)[1] == ("CallerIDName", "Иван")


def test_encodings_utf8_then_cp1251_then_bytes_that_survive() -> None:
    assert text_of("Name: Анна".encode("cp1251")) == "Name: Анна"
    assert text_of("A: Анна\r\nB: ".encode() + "Анна".encode("cp1251")) == "A: Анна\r\nB: Анна"
    odd = b"Name: \x98\xff"
    assert text_of(odd).encode("utf-8", "surrogateescape") == odd


def test_headers_repeat_miss_their_blank_or_their_colon() -> None:
    message = b"ChanVariable: a=1\r\nChanVariable: b=2\r\nFoo:bar\r\nnonsense\r\nOutput:   x"
    assert decode(message) == [
        ("ChanVariable", "a=1"),
        ("ChanVariable", "b=2"),
        ("Foo", "bar"),
        ("", "nonsense"),
        ("Output", "  x"),
    ]


@given(st.lists(st.tuples(names, values), max_size=8))
def test_any_header_values_round_trip(headers: list[tuple[str, str]]) -> None:
    sent = encode_action("Ping", headers, "id")
    (message,) = FrameDecoder().feed(sent)
    assert decode(message) == [("Action", "Ping"), ("ActionID", "id"), *headers]


def test_a_sequence_repeats_its_header() -> None:
    sent = encode_action("Originate", {"Variable": ["a=1", "b=2"]}, "id")
    assert sent.endswith(b"Variable: a=1\r\nVariable: b=2\r\n\r\n")


@pytest.mark.parametrize("value", ["x\r\nAction: Originate", "x\n", "x\r", "x\0y"])
def test_a_value_can_not_inject_a_second_action(value: str) -> None:
    with pytest.raises(UnsafeValue):
        encode_action("Getvar", {"Variable": value}, "id")


@pytest.mark.parametrize("name", ["", "A B", "A:", "A\r\n", "Имя"])
def test_a_header_name_is_a_plain_word(name: str) -> None:
    with pytest.raises(UnsafeValue):
        encode_action("Ping", {name: "x"}, "id")


def test_a_line_that_asterisk_would_refuse_is_not_sent() -> None:
    room = ACTION_LINE_LIMIT_BYTES - len("Key: \r\n")
    encode_action("DBGet", {"Key": "x" * room}, "id")
    with pytest.raises(UnsafeValue):
        encode_action("DBGet", {"Key": "x" * (room + 1)}, "id")


def test_a_name_cut_in_the_middle_of_a_letter_is_no_cp1251() -> None:
    cut = ("Ё" * 40).encode()[:79]
    assert text_of(b"CallerIDName: " + cut) == "CallerIDName: " + "Ё" * 39
    assert text_of("Пётр".encode("cp1251")) == "Пётр"
