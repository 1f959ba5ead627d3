"""The quick way of reading headers is the slow one's equal; generated makers fill every field."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ami import fields, parser
from ami.errors import AmiError
from ami.fields import Headers, factory
from ami.wire import event_type
from tests.ami.frames import frame, snapshot
from tests.ami.test_events import FOREIGN, ONE_CHANNEL

NAMES = sorted(ONE_CHANNEL | FOREIGN)
PIECES = ["a", ":", ": ", "\r", "\n", "\r\n", " ", "<unknown>", "Uniqueid: 9.9", "uniqueid:9.9"]
hostile = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)


def outcome(headers: Headers, message: bytes) -> tuple[str, ...] | type[AmiError]:
    try:
        return headers.values(message)
    except AmiError as error:
        return type(error)


def names_of(message: bytes) -> tuple[str, ...]:
    """The headers that the class of an event keeps."""
    plan = parser._plan_of(event_type(message), message)
    return plan.headers._names if plan is not None else ("Timestamp",)


@given(st.sampled_from(NAMES), hostile, st.sampled_from(["CallerIDName", "Exten", "AccountCode"]))
def test_an_order_that_was_met_is_read_as_line_by_line(name: str, value: str, header: str) -> None:
    _, headers, _ = (ONE_CHANNEL | FOREIGN)[name]
    message = frame(name, snapshot(**{header: value}), headers)
    usual = frame(name, snapshot(), headers)
    met = Headers(names_of(usual))
    met.values(usual)
    for _ in range(2):  # the second time its own order is known, when it is one to be known
        assert outcome(met, message) == outcome(Headers(names_of(usual)), message)


header_names = st.sampled_from(["Uniqueid", "UniqueID", "Exten", "ChanVariable", "X.*", "", "Ш"])
lines = st.tuples(header_names, st.sampled_from([": ", ":", ""]), hostile).map("".join)


@given(st.lists(lines, min_size=1, max_size=6), st.lists(lines, max_size=6))
def test_no_order_changes_what_is_read(some: list[str], others: list[str]) -> None:
    names = ("Uniqueid", "Exten", "Timestamp")
    first = "\r\n".join(["Event: Hangup", *some]).encode()
    other = "\r\n".join(["Event: Hangup", *others]).encode()
    met = Headers(names)
    for message in (first, other, first):
        assert outcome(met, message) == outcome(Headers(names), message)


@pytest.mark.parametrize("name", NAMES)
def test_an_order_that_was_met_goes_the_quick_way(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, headers, _ = (ONE_CHANNEL | FOREIGN)[name]
    message = frame(name, {} if name in FOREIGN else snapshot(), headers)
    met = Headers(names_of(message))
    before = met.values(message)
    monkeypatch.delattr(Headers, "_line_by_line")
    assert met.values(message) == before


def test_a_stranger_makes_no_more_orders_than_the_limit() -> None:
    """Nor one as long as a message may be: each is kept as long as the process lives."""
    met = Headers(["Uniqueid"])
    for n in range(100):
        assert met.values(f"Event: Hangup\r\nUniqueid: 1.1\r\nX{n}: y".encode()) == ("1.1", "")
    assert len(met._orders) == fields._ORDERS_LIMIT
    met = Headers(["Uniqueid"])
    met.values("\r\n".join(["Event: Hangup", *(f"Name{n}: y" for n in range(1000))]).encode())
    assert met._orders == []


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
