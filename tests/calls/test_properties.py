"""Whatever order and damage the events come in: no ghost call, nothing told twice, no negative time."""

import random
from collections import Counter
from datetime import datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ami.events import Event, Hangup, Newchannel
from calls.facts import CallArrived, CallEnded, Fact, OperatorRang, OperatorStoppedRinging
from calls.story import CallStory
from calls.tracker import Tracker
from calls.triggers import ObservedRule, TriggerRules
from tests.calls.builders import Pbx, stories_of, tracker
from tests.calls.consistency import its_own
from tests.calls.traces import TRACES, events_of

ALL = sorted(path.stem for path in TRACES.glob("*.jsonl"))
RULES = TriggerRules(observed=(ObservedRule(context="ivr-7", exten="3"),))


@st.composite
def damaged(draw: st.DrawFn) -> list[Event]:
    """Several traces woven into each other, then shuffled nearby, doubled, thinned and cut."""
    names = draw(st.lists(st.sampled_from(ALL), min_size=1, max_size=3, unique=True))
    rng = random.Random(draw(st.integers(0, 2**32)))
    streams = [list(events_of(name)) for name in names]
    woven: list[Event] = []
    while any(streams):
        stream = rng.choice([s for s in streams if s])
        woven.append(stream.pop(0))
    reach, doubling, losing = draw(
        st.tuples(st.integers(0, 8), st.floats(0, 0.5), st.floats(0, 0.5))
    )
    order = sorted(range(len(woven)), key=lambda i: i + rng.uniform(0, reach))
    found = []
    for i in order:
        if rng.random() >= losing or isinstance(woven[i], Hangup):
            found.append(woven[i])
        if rng.random() < doubling:
            found.append(woven[i])
    return found[draw(st.integers(0, len(found) // 2)) :]


def hang_up_all() -> list[Event]:
    """Every channel's end at last, as it comes on any line that is not cut."""
    ends = {e.channel.uniqueid: e for name in ALL for e in events_of(name) if isinstance(e, Hangup)}
    return list(ends.values())


def run(events: list[Event], listener: Tracker) -> list[Fact]:
    return [fact for event in events for fact in listener.feed(event)]


def latest(events: list[Event]) -> datetime:
    return max(event.at for event in events)


@settings(max_examples=150, deadline=None)
@given(damaged())
def test_damage_makes_no_ghosts(events: list[Event]) -> None:
    listener = tracker(RULES)
    facts = run([*events, *hang_up_all()], listener)
    assert listener.open_calls() == set()
    assert listener._graph.channels == {}
    assert listener._board.live_calls == {}
    real = {
        e.channel.linkedid for name in ALL for e in events_of(name) if isinstance(e, Newchannel)
    }
    assert {fact.call.removeprefix("main-") for fact in facts} <= real | uniqueids()


@settings(max_examples=60, deadline=None)
@given(damaged())
def test_everything_once_more_after_the_end_says_nothing(events: list[Event]) -> None:
    listener = tracker(RULES)
    run([*events, *hang_up_all()], listener)
    assert run(events, listener) == []


def uniqueids() -> set[str]:
    return {
        e.channel.uniqueid for name in ALL for e in events_of(name) if isinstance(e, Newchannel)
    }


@settings(max_examples=150, deadline=None)
@given(damaged())
def test_each_thing_is_told_once(events: list[Event]) -> None:
    listener = tracker(RULES)
    facts = run(events, listener) + listener.end_missing((), latest(events))
    for kind in (CallArrived, CallEnded):
        assert not _repeated(fact.call for fact in facts if isinstance(fact, kind))
    # A telephone that is handed over while it rings stops for one call and rings for the other.
    rang = [(fact.call, fact.leg) for fact in facts if isinstance(fact, OperatorRang)]
    stopped = [(f.call, f.leg) for f in facts if isinstance(f, OperatorStoppedRinging)]
    assert sorted(rang) == sorted(stopped)
    assert not _repeated(rang)


@settings(max_examples=150, deadline=None)
@given(damaged())
def test_no_time_is_negative(events: list[Event]) -> None:
    listener = tracker(RULES)
    facts = run(events, listener) + listener.end_missing((), latest(events))
    for story in stories_of(facts).values():
        _assert_times(story)


def _assert_times(story: CallStory) -> None:
    assert story.ended_at is not None
    assert story.started_at <= story.ended_at
    for leg in story.legs:
        known = [at for at in (leg.rang_at, leg.answered_at, leg.ended_at) if at is not None]
        assert known == sorted(known)
        assert leg.ended_at is not None
    for stay in story.stays:
        assert stay.left_at is not None
        assert stay.entered_at <= stay.left_at


@settings(max_examples=60, deadline=None)
@given(damaged())
def test_a_replay_makes_the_same_facts(events: list[Event]) -> None:
    assert run(events, tracker(RULES)) == run(events, tracker(RULES))


@settings(max_examples=60, deadline=None)
@given(damaged(), st.integers(0, 400))
def test_a_rebuild_in_the_middle_goes_on_as_if_nothing_had_been(
    events: list[Event], cut: int
) -> None:
    """press3 is killed after `cut` events and replays its journal."""
    first, rest = events[:cut], events[cut:]
    rebuilt = tracker(RULES)
    run(first, rebuilt)
    whole = tracker(RULES)
    run(first, whole)
    assert run(rest, rebuilt) == run(rest, whole)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["call", "press", "join", "ring", "answer", "cancel", "timeout", "talk", "hangup",
             "gone", "leave", "hold", "transfer", "pickup", "local", "out", "record", "mobile", "up",
             "handover", "full", "forward"]
        ),
        st.integers(0, 7),
        st.integers(0, 7),
    ),
    max_size=40,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_people_do_the_strangest_things(steps: list[tuple[str, int, int]]) -> None:
    pbx = Pbx()
    lines = [pbx.incoming("+79110000001")]
    for verb, a, b in steps:
        one, other = lines[a % len(lines)], lines[b % len(lines)]
        _do(pbx, verb, one, other, lines)
    for line in lines:
        line.is_gone()
    pbx.facts += pbx.tracker.end_missing((), pbx.now)
    assert pbx.tracker.open_calls() == set()
    assert pbx.tracker._graph.channels == {}
    assert pbx.tracker._graph._bridges == {}
    for story in stories_of(pbx.facts).values():
        _assert_times(story)
        assert its_own(story) == []
    rang = [f.leg for f in pbx.of(OperatorRang)]
    assert sorted(rang) == sorted(f.leg for f in pbx.of(OperatorStoppedRinging))


def _do(pbx: Pbx, verb: str, one, other, lines) -> None:  # type: ignore[no-untyped-def]
    made = {
        "call": lambda: [pbx.incoming("+79110000002")],
        "out": lambda: [pbx.picks_up_receiver("PJSIP/104", dials="89110000003")],
        "ring": lambda: [one.rings(f"PJSIP/10{len(lines) % 4}")],
        "local": lambda: list(one.rings_local("101")),
        "mobile": lambda: [one.rings_number("PJSIP/trunk", "89110000009")],
    }
    done = {
        "press": one.presses_3,
        "join": lambda: one.joins("complaints"),
        "leave": lambda: one.leaves("complaints", abandon=True),
        "answer": one.answers,
        "cancel": one.is_cancelled,
        "timeout": one.times_out,
        "talk": lambda: one.talks_to(other),
        "hangup": one.hangs_up,
        "gone": one.is_gone,
        "hold": one.holds,
        "transfer": lambda: one.sends_to(other, "102"),
        "pickup": lambda: one.takes_ringing_of(other),
        "record": lambda: one.records("/a.wav"),
        "up": one.is_up,
        "handover": lambda: one.hands_over(other, lines[0], None),
        "full": lambda: one.hears_status("FULL"),
        "forward": lambda: one.forwards("103"),
    }
    if verb in made:
        lines.extend(made[verb]())
    else:
        done[verb]()


def _repeated(keys) -> list[Any]:  # type: ignore[no-untyped-def]
    return [key for key, n in Counter(keys).items() if n > 1]
