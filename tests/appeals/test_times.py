from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from appeals.times import CallTimes, CaseTimes, VisitTimes, first_contact_after, times
from tests.appeals.world import NOON


def s(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def call(**known: Any) -> CallTimes:
    names = [
        "pressed_at",
        "queue_wait_s",
        "first_ring_at",
        "answered_at",
        "ended_at",
        "outcome",
    ]
    return CallTimes(**(dict.fromkeys(names) | known))


def case(**known: Any) -> CaseTimes:
    values: dict[str, Any] = {"first_contact_at": None, "taken_at": None, "resolved_at": None}
    return CaseTimes(**(values | {"opened_at": NOON} | known))


def test_a_call_that_was_answered() -> None:
    told = times(
        case(first_contact_at=s(20), taken_at=s(600), resolved_at=s(7200)),
        call(
            pressed_at=s(0),
            first_ring_at=s(6),
            answered_at=s(20),
            queue_wait_s=16,
            ended_at=s(90),
            outcome="answered",
        ),
    )
    assert told == {
        "queue_wait_s": 16,
        "wait_s": 20,
        "abandoned_after_s": None,
        "ring_s": 14,
        "first_contact_s": 20,
        "take_s": 600,
        "stages": [],
        "resolution_s": 7200,
    }


def test_a_call_that_was_given_up() -> None:
    told = times(case(), call(pressed_at=s(0), ended_at=s(33.25), outcome="abandoned"))
    assert told["abandoned_after_s"] == 33.25
    assert told["wait_s"] is None
    assert told["ring_s"] is None


def test_who_spoke_before_the_press_was_not_reached_by_it() -> None:
    told = times(case(), call(pressed_at=s(0), answered_at=s(-30), first_ring_at=s(-35)))
    assert told["wait_s"] is None
    assert told["ring_s"] == 5
    assert first_contact_after(NOON, [s(-30), None, s(70), s(50)]) == s(50)
    assert first_contact_after(NOON, [s(-30), None]) is None


def test_stages_with_their_time_and_none_for_the_one_it_is_in() -> None:
    visits = [
        VisitTimes(stage="Зафиксирована", entered_at=s(0), left_at=s(61.5)),
        VisitTimes(stage="В работе", entered_at=s(61.5), left_at=None),
    ]
    assert times(case(visits=visits), None)["stages"] == [
        {"stage": "Зафиксирована", "s": 61.5},
        {"stage": "В работе", "s": None},
    ]


def test_an_appeal_without_a_call_has_the_same_names() -> None:
    assert set(times(case(), None)) == set(times(case(), call()))


moments = st.none() | st.integers(-10_000, 10_000).map(s)


@given(moments, moments, moments, moments, moments, st.sampled_from([None, "abandoned"]))
def test_no_time_is_ever_negative(
    pressed: datetime | None,
    taken: datetime | None,
    rang: datetime | None,
    answered: datetime | None,
    ended: datetime | None,
    outcome: str | None,
) -> None:
    told = times(
        case(first_contact_at=answered, taken_at=taken, resolved_at=ended),
        call(
            pressed_at=pressed,
            first_ring_at=rang,
            answered_at=answered,
            ended_at=ended,
            outcome=outcome,
        ),
    )
    assert all(value is None or value >= 0 for name, value in told.items() if name != "stages")
