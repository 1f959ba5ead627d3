"""The quick way of reading headers is the slow one's equal; generated makers fill every field."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ami import events, fields, parser
from ami.errors import AmiError
from ami.fields import factory
from ami.parser import parse
from tests.ami.frames import frame, snapshot
from tests.ami.test_events import FOREIGN, ONE_CHANNEL

ARRIVED = datetime(2026, 11, 21, tzinfo=UTC)
NAMES = sorted(ONE_CHANNEL | FOREIGN)
PIECES = ["a", ":", ": ", "\r", "\n", "\r\n", " ", "<unknown>", "Uniqueid: 9.9", "uniqueid:9.9"]
hostile = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)


def outcome(read: Callable[[], events.Event]) -> events.Event | type[AmiError]:
    try:
        return read()
    except AmiError as error:
        return type(error)


@given(st.sampled_from(NAMES), hostile, st.sampled_from(["CallerIDName", "Exten", "AccountCode"]))
def test_both_ways_of_reading_give_the_same(name: str, value: str, header: str) -> None:
    _, headers, _ = (ONE_CHANNEL | FOREIGN)[name]
    message = frame(name, snapshot(**{header: value}), headers)
    quick = outcome(lambda: parse(message, ARRIVED))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parser, "read_headers", lambda frame, *_: fields._line_by_line(frame))
        exact = outcome(lambda: parse(message, ARRIVED))
    assert quick == exact


@pytest.mark.parametrize("name", NAMES)
def test_a_usual_event_goes_the_quick_way(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(frame: bytes) -> fields.Headers:
        raise AssertionError("the slow way")

    _, headers, _ = (ONE_CHANNEL | FOREIGN)[name]
    own = {} if name in FOREIGN else snapshot()
    monkeypatch.setattr(fields, "_line_by_line", slow)
    optional_party_absent = name in ("DialEnd", "AttendedTransfer")
    with pytest.raises(AssertionError) if optional_party_absent else contextlib.nullcontext():
        parse(frame(name, own, headers), ARRIVED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    one: int
    two: str = "x"


def test_a_made_instance_equals_a_constructed_one() -> None:
    make = factory(Pair, ("two", "one"))
    assert make(("b", 1)) == Pair(one=1, two="b")
    assert hash(make(("b", 1))) == hash(Pair(one=1, two="b"))
    with pytest.raises(ValueError, match="not enough values"):
        make(("b",))
