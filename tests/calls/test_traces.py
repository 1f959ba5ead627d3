"""Every captured trace, from Asterisk 16 and 22: what happened, who rang, why it stopped, and when."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import pytest

from ami.events import BridgeEnter, DialBegin, Hangup, HangupRequested
from calls.facts import (
    CallEnded,
    Fact,
    HeldBy,
    MenuKeyPressed,
    OperatorRang,
    OperatorStoppedRinging,
    Resumed,
    Transferred,
)
from calls.story import CallStory, fold
from calls.triggers import ObservedRule
from tests.calls.builders import stories_of
from tests.calls.traces import TRACES, events_of, facts_of

ALL = sorted(path.stem for path in TRACES.glob("*.jsonl"))
T = TypeVar("T", bound=Fact)
MENU = ObservedRule(context="ivr-7", exten="3")


@dataclass(frozen=True, kw_only=True)
class Expected:
    """`legs`: (extension, why it stopped ringing, talked to the customer); `queue`: why it was left."""

    outcome: str
    legs: tuple[tuple[str, str, bool], ...] = ()
    queue: tuple[str, ...] = ("answered",)
    direction: str = "in"
    pressed: bool = True
    transfers: tuple[tuple[str, str, str], ...] = ()


# On the second line the operator called an outside number too: that call was one until the handing over.
LEAVES_A_CALL = {"second-line-to-ringing-group"}
WON, LOST = ("101", "answered", True), ("102", "elsewhere", False)
MOBILE = "+79110000009"
EXPECTED = {
    "answered": Expected(outcome="answered", legs=(WON, LOST)),
    "anonymous": Expected(outcome="answered", legs=(WON, LOST)),
    "cyrillic-name": Expected(outcome="answered", legs=(WON, LOST)),
    "local-members": Expected(outcome="answered", legs=(WON, LOST)),
    "on-hold": Expected(outcome="answered", legs=(WON, LOST)),
    "gave-up": Expected(
        outcome="abandoned",
        legs=(("101", "abandoned", False), ("102", "abandoned", False)),
        queue=("abandoned",),
    ),
    "queue-timeout": Expected(
        outcome="no_answer",
        legs=(("101", "no_answer", False), ("102", "no_answer", False)),
        queue=("timeout",),
    ),
    "second-round": Expected(outcome="answered", legs=(("101", "no_answer", False), WON)),
    "pressed-twice": Expected(
        outcome="answered",
        legs=(("101", "no_answer", False), ("102", "no_answer", False), WON, LOST),
        queue=("timeout", "answered"),
    ),
    "rejected": Expected(
        outcome="answered",
        legs=(("101", "rejected", False), ("102", "busy", False), ("103", "answered", True)),
    ),
    "two-devices": Expected(outcome="answered", legs=(WON, LOST)),
    "blind-transfer": Expected(
        outcome="answered",
        legs=(WON, LOST, ("103", "answered", True)),
        transfers=(("blind", "101", "103"),),
    ),
    "attended-transfer": Expected(
        outcome="answered",
        legs=(WON, LOST, ("103", "answered", True)),
        transfers=(("attended", "101", "103"),),
    ),
    "attended-transfer-fails": Expected(
        outcome="answered", legs=(WON, LOST, ("103", "busy", False))
    ),
    "parked": Expected(outcome="answered", legs=(WON, LOST, ("103", "answered", True))),
    "picked-up": Expected(
        outcome="answered",
        legs=(("101", "elsewhere", False), ("103", "answered", True)),
        queue=(),
        pressed=False,
    ),
    "rung-back": Expected(
        outcome="answered",
        legs=(WON, LOST, ("103", "busy", False), WON),
        transfers=(("attended", "101", "103"),),
    ),
    "second-line": Expected(
        outcome="answered",
        legs=(WON, LOST, ("103", "answered", True)),
        transfers=(("attended", "101", "103"),),
    ),
    "parked-too-long": Expected(outcome="answered", legs=(WON, LOST, WON)),
    "parked-blindly": Expected(
        outcome="answered",
        legs=(WON, LOST, ("103", "answered", True)),
        transfers=(("blind", "101", "700"),),
    ),
    "picked-up-from-queue": Expected(
        outcome="answered",
        legs=(("101", "elsewhere", False), LOST, ("103", "answered", True)),
    ),
    "observed-menu": Expected(outcome="answered", legs=(WON, LOST)),
    "follow-me": Expected(
        outcome="answered",
        legs=((MOBILE, "answered", True), ("101", "elsewhere", False)),
        queue=(),
        pressed=False,
    ),
    "follow-me-at-home": Expected(
        outcome="answered",
        legs=(WON, (MOBILE, "no_answer", False)),
        queue=(),
        pressed=False,
    ),
    "follow-me-accepted": Expected(
        outcome="answered",
        legs=(("101", "elsewhere", False), (MOBILE, "answered", True)),
        queue=(),
        pressed=False,
    ),
    "group-with-mobile": Expected(outcome="answered", legs=(LOST, (MOBILE, "answered", True))),
    "forwarded": Expected(
        outcome="answered",
        legs=(("101", "forwarded", False), ("103", "answered", True)),
        queue=(),
        pressed=False,
    ),
    "queue-in-queue": Expected(
        outcome="answered", legs=(("103", "answered", True),), queue=("answered", "answered")
    ),
    "second-line-to-queue": Expected(
        outcome="answered",
        legs=(WON, LOST, ("103", "answered", True)),
        transfers=(("attended", "101", "103"),),
    ),
    "second-line-to-ringing-queue": Expected(
        outcome="answered",
        legs=(WON, LOST, ("103", "answered", True)),
        queue=("answered", "answered"),
        transfers=(("attended", "101", "103"),),
    ),
    "consulted-queue-rings": Expected(
        outcome="answered",
        legs=(WON, LOST, ("103", "answered", True)),
        queue=("answered", "answered"),
        transfers=(("attended", "101", "500"),),
    ),
    "consulted-group-rings": Expected(
        outcome="answered",
        legs=(WON, LOST, ("103", "elsewhere", False), (MOBILE, "answered", True)),
        transfers=(("attended", "101", "691"),),
    ),
    "second-line-to-ringing-group": Expected(
        outcome="answered",
        legs=(WON, LOST, ("103", "elsewhere", False), (MOBILE, "answered", True)),
        transfers=(("attended", "101", "691"),),
    ),
    "sent-to-group": Expected(
        outcome="answered",
        legs=(WON, LOST, ("103", "answered", True), (MOBILE, "elsewhere", False)),
        transfers=(("blind", "101", "691"),),
    ),
    "no-choice": Expected(outcome="closed", queue=(), pressed=False),
    "outbound": Expected(outcome="answered", legs=(WON,), queue=(), direction="out", pressed=False),
    "click-to-call": Expected(
        outcome="answered", legs=(WON,), queue=(), direction="out", pressed=False
    ),
    "crm-call": Expected(outcome="answered", legs=(WON,), queue=(), direction="out", pressed=False),
    "crm-call-optimized": Expected(
        outcome="answered", legs=(WON,), queue=(), direction="out", pressed=False
    ),
    "call-back-agent-first": Expected(
        outcome="answered", legs=(WON,), queue=(), direction="out", pressed=False
    ),
    "call-back-customer-first": Expected(
        outcome="answered", legs=(WON,), direction="out", pressed=False
    ),
}


def story_name(trace: str) -> str:
    return trace.rpartition("-")[0]


def story_of(trace: str) -> CallStory:
    """The story of the customer's call."""
    name = story_name(trace)
    stories = list(stories_of(facts_of(trace, MENU)).values())
    assert len(stories) == 1 + (name in LEAVES_A_CALL)
    (story,) = [each for each in stories if each.direction == EXPECTED[name].direction]
    return story


def of(facts: list[Fact], kind: type[T]) -> list[T]:
    return [fact for fact in facts if isinstance(fact, kind)]


# Which side ended it. All others of EXPECTED: the operator.
CALLER_ENDS = {
    "follow-me", "follow-me-at-home",
    "answered", "attended-transfer-fails", "blind-transfer", "click-to-call", "gave-up", "on-hold",
    "outbound", "parked", "picked-up", "crm-call", "crm-call-optimized", "call-back-agent-first",
    "call-back-customer-first",
}  # fmt: skip
PBX_ENDS = {"no-choice", "queue-timeout"}


@pytest.mark.parametrize("trace", [t for t in ALL if story_name(t) in EXPECTED])
def test_which_side_ended_it(trace: str) -> None:
    name = story_name(trace)
    by = "caller" if name in CALLER_ENDS else "pbx" if name in PBX_ENDS else "operator"
    assert story_of(trace).ended_by == by


def test_every_story_has_its_expectation() -> None:
    assert {story_name(trace) for trace in ALL} - {"internal"} <= EXPECTED.keys()


@pytest.mark.parametrize("trace", [t for t in ALL if story_name(t) in EXPECTED])
def test_what_happened(trace: str) -> None:
    expected, story = EXPECTED[story_name(trace)], story_of(trace)
    legs = [(leg.telephone, leg.outcome, leg.answered_at is not None) for leg in story.legs]
    assert story.outcome == expected.outcome
    assert story.direction == expected.direction
    assert sorted(map(str, legs)) == sorted(map(str, expected.legs))
    assert tuple(stay.reason for stay in story.stays) == expected.queue
    assert (story.pressed_at is not None) == expected.pressed
    moves = tuple((t.kind, t.from_extension, t.to) for t in story.transfers)
    assert moves == expected.transfers


@pytest.mark.parametrize("trace", ALL)
def test_every_fact_says_something_new(trace: str) -> None:
    stories: dict[str, CallStory] = {}
    for fact in facts_of(trace, MENU):
        told = fold(stories.get(fact.call), fact)
        assert told is not None
        assert told is not stories.get(fact.call), f"{fact} said nothing new"
        stories[fact.call] = told


@pytest.mark.parametrize("trace", ALL)
def test_the_same_events_make_the_same_facts(trace: str) -> None:
    assert facts_of(trace, MENU) == facts_of(trace, MENU)


@pytest.mark.parametrize("trace", ALL)
def test_each_ringing_stops_exactly_once(trace: str) -> None:
    facts = facts_of(trace, MENU)
    rang = [(fact.call, fact.leg) for fact in of(facts, OperatorRang)]
    assert sorted(rang) == sorted(set(rang))
    stopped = [(f.call, f.leg) for f in of(facts, OperatorStoppedRinging)]
    assert sorted(stopped) == sorted(rang)


@pytest.mark.parametrize("trace", [t for t in ALL if story_name(t) == "answered"])
def test_times_are_those_of_the_telephones(trace: str) -> None:
    events, story = events_of(trace), story_of(trace)
    dialled = next(e for e in events if isinstance(e, DialBegin))
    bridged = [e for e in events if isinstance(e, BridgeEnter)][-1]
    hung_up = [e for e in events if isinstance(e, Hangup)][-1]
    assert story.first_ring_at is not None
    assert abs(story.first_ring_at - dialled.at) < timedelta(milliseconds=5)
    assert story.answered_at == bridged.at
    assert story.ended_at == hung_up.at
    assert story.pressed_at is not None
    assert story.queue_left_at is not None
    assert story.started_at < story.pressed_at < story.first_ring_at < story.queue_left_at


@pytest.mark.parametrize("trace", [t for t in ALL if story_name(t) == "second-round"])
def test_a_new_round_is_counted(trace: str) -> None:
    assert [rang.round for rang in of(facts_of(trace), OperatorRang)] == [1, 2]


@pytest.mark.parametrize("trace", [t for t in ALL if story_name(t) == "pressed-twice"])
def test_pressed_twice_is_one_complaint(trace: str) -> None:
    facts = facts_of(trace)
    assert [type(f).__name__ for f in facts].count("ComplaintRequested") == 1
    assert len(of(facts, MenuKeyPressed)) == 1


@pytest.mark.parametrize("trace", [t for t in ALL if story_name(t) == "on-hold"])
def test_hold_and_resume(trace: str) -> None:
    facts = facts_of(trace)
    held, resumed = of(facts, HeldBy), of(facts, Resumed)
    assert [h.extension for h in held] == [r.extension for r in resumed] == ["101"]
    assert timedelta(seconds=1) < resumed[0].at - held[0].at < timedelta(seconds=3)


@pytest.mark.parametrize("trace", [t for t in ALL if story_name(t) == "attended-transfer"])
def test_contact_comes_with_the_handing_over_not_with_the_consultation(trace: str) -> None:
    facts, story = facts_of(trace), story_of(trace)
    moved = of(facts, Transferred)[0]
    second = next(leg for leg in story.legs if leg.extension == "103")
    assert second.answered_at is not None
    assert abs(second.answered_at - moved.at) < timedelta(milliseconds=50)


@pytest.mark.parametrize("trace", [t for t in ALL if story_name(t) == "rung-back"])
def test_who_hangs_up_in_a_consultation_is_out_and_rings_again(trace: str) -> None:
    """Asterisk keeps his channel for ten seconds more; to him the talk ended when he hung up."""
    events, story = events_of(trace), story_of(trace)
    first, again = [leg for leg in story.legs if leg.extension == "101"]
    hung_up = next(
        e for e in events if isinstance(e, HangupRequested) and e.channel.uniqueid == first.uniqueid
    )
    assert first.ended_at == hung_up.at
    assert again.round == 2
    assert again.rang_at is not None
    assert again.rang_at - hung_up.at > timedelta(seconds=5)


@pytest.mark.parametrize("trace", [t for t in ALL if story_name(t) == "cyrillic-name"])
def test_a_cyrillic_name(trace: str) -> None:
    assert story_of(trace).caller.name == "Пётр Ильич (ООО «Ромашка»)"


@pytest.mark.parametrize("trace", [t for t in ALL if story_name(t) == "anonymous"])
def test_an_anonymous_caller(trace: str) -> None:
    caller = story_of(trace).caller
    assert (caller.kind, caller.e164) == ("anonymous", None)


@pytest.mark.parametrize(
    "trace", [t for t in ALL if story_name(t).startswith(("crm-call", "call-back"))]
)
def test_a_call_placed_by_a_program_goes_from_its_operator_to_the_customer(trace: str) -> None:
    story = story_of(trace)
    assert story.to.e164 == "+79110000002"
    if "customer-first" not in trace:
        assert (story.caller.raw, story.caller.kind) == ("101", "internal")
        return
    (leg,) = story.legs
    assert leg.rang_at is not None
    assert leg.answered_at is not None
    assert leg.answered_at - leg.rang_at > timedelta(seconds=0.9)


@pytest.mark.parametrize("trace", [t for t in ALL if story_name(t) == "internal"])
def test_a_call_between_employees_is_not_kept(trace: str) -> None:
    assert facts_of(trace) == []


@pytest.mark.parametrize("trace", [t for t in ALL if story_name(t) != "internal"])
def test_a_call_has_its_recording(trace: str) -> None:
    story = story_of(trace)
    recorded = story_name(trace) not in (
        "picked-up", "no-choice", "outbound", "click-to-call", "observed-menu", "crm-call",
        "follow-me", "follow-me-at-home", "follow-me-accepted", "forwarded",
        "crm-call-optimized", "call-back-agent-first", "call-back-customer-first",
    )  # fmt: skip
    assert len(story.recordings) == int(recorded)
    for recording in story.recordings:
        assert recording.stopped_at == story.ended_at


@pytest.mark.parametrize("trace", [t for t in ALL if story_name(t) in LEAVES_A_CALL])
def test_a_second_line_that_is_handed_over_while_it_rings_outside(trace: str) -> None:
    (left,) = [s for s in stories_of(facts_of(trace)).values() if s.direction == "out"]
    assert (left.to.e164, left.outcome, left.ended_by) == (MOBILE, "no_answer", "operator")
    assert [(leg.telephone, leg.outcome) for leg in left.legs] == [("103", "transferred")]


@pytest.mark.parametrize("trace", [t for t in ALL if story_name(t) not in LEAVES_A_CALL])
def test_the_end_comes_last(trace: str) -> None:
    facts = facts_of(trace, MENU)
    assert all(not isinstance(fact, CallEnded) for fact in facts[:-1])
