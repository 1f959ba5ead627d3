"""What file names tell, and which call they may be guessed to belong to."""

from datetime import UTC, datetime, timedelta

import pytest

from recordings.names import CallSpan, guess_call, parse_name, same_number

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "uniqueids", "numbers"),
    [
        ("press3-1763735400.12.wav", ("1763735400.12", "press3-1763735400.12"), ()),
        (
            "in-74951234567-89161112233-20261121-143000-1763735400.12.wav",
            ("1763735400.12",),
            ("74951234567", "89161112233"),
        ),
        (
            "/spool/q-5000-+79161112233-20261121-143000-pbx1-1763735400.12.WAV",
            ("1763735400.12", "pbx1-1763735400.12"),
            ("5000", "79161112233"),
        ),
        (
            "press3-q_1-20261121-143000-my-pbx_2-1763735400.12.wav",
            (
                "1763735400.12",
                "pbx_2-1763735400.12",
                "my-pbx_2-1763735400.12",
                "143000-my-pbx_2-1763735400.12",
                "20261121-143000-my-pbx_2-1763735400.12",
                "q_1-20261121-143000-my-pbx_2-1763735400.12",
                "press3-q_1-20261121-143000-my-pbx_2-1763735400.12",
            ),
            ("20261121",),
        ),
        (
            "q-600-89161112233-20261121-143000-pbx1.example.org-1763735400.12.wav",
            ("1763735400.12", "pbx1.example.org-1763735400.12"),
            ("600", "89161112233"),
        ),
        ("out-101-anonymous-20261121-143000-1763735400.9.gsm", ("1763735400.9",), ("101",)),
        ("call_79161112233_today.wav", (), ("79161112233",)),
        ("voice.wav", (), ()),
        ("", (), ()),
    ],
)
def test_names(name: str, uniqueids: tuple[str, ...], numbers: tuple[str, ...]) -> None:
    parts = parse_name(name)
    assert (parts.uniqueids, parts.numbers) == (uniqueids, numbers)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("+79161112233", "89161112233", True),
        ("9161112233", "+7 916 111-22-33", True),
        ("101", "101", True),
        ("101", "79161112101", False),
        ("1112233", "79161112233", False),
        ("", "", False),
        ("anonymous", "anonymous", False),
    ],
)
def test_spellings_of_a_number(one: str, other: str, same: bool) -> None:
    assert same_number(one, other) is same


def span(call_id: str, *numbers: str, start_s: int = 0, end_s: int | None = 60) -> CallSpan:
    return CallSpan(
        call_id=call_id,
        started_at=AT + timedelta(seconds=start_s),
        ended_at=None if end_s is None else AT + timedelta(seconds=end_s),
        numbers=frozenset(numbers),
    )


PARTS = parse_name("call_89161112233.wav")


def test_number_and_time_make_a_guess() -> None:
    calls = [span("a", "+79161112233"), span("b", "+79990000000")]
    assert guess_call(PARTS, AT + timedelta(seconds=61), calls) == "a"


def test_the_right_number_at_another_time_is_none() -> None:
    calls = [span("a", "+79161112233")]
    assert guess_call(PARTS, AT + timedelta(seconds=100), calls) is None
    assert guess_call(PARTS, AT - timedelta(seconds=10), calls) is None


def test_two_fitting_calls_are_no_answer() -> None:
    calls = [span("a", "+79161112233"), span("b", "+79161112233", end_s=None)]
    assert guess_call(PARTS, AT + timedelta(seconds=50), calls) is None


def test_an_extension_alone_counts_only_without_a_public_number() -> None:
    parts = parse_name("out-101-89161112233-20261121-120000-x.wav")
    assert guess_call(parts, AT, [span("a", "101", "+79990000000")]) is None
    parts = parse_name("out-101-anonymous-20261121-120000-x.wav")
    assert guess_call(parts, AT, [span("a", "101", "+79990000000")]) == "a"
