"""What must hold whatever happened and however the link behaved."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from calls.codec import fact_from_row, fact_to_data
from calls.facts import (
    CallArrived,
    CallEnded,
    ComplaintRequested,
    Fact,
    OperatorAnswered,
    OperatorRang,
    OperatorStoppedRinging,
)
from calls.story import CallStory, fold
from calls.tracker import Tracker
from tests.walk.listener import Listener

__all__ = ["each_fact_once", "nothing_is_left", "replayed", "story_is_whole", "times_in_order"]


def each_fact_once(facts: Sequence[Fact]) -> None:
    """Each at most once by its identity; who stops ringing has rung, and stops once."""
    for kind in (CallArrived, CallEnded):
        _once(kind, (fact.call for fact in facts if isinstance(fact, kind)))
    # told again only with better evidence
    presses = ((f.call, f.evidence) for f in facts if isinstance(f, ComplaintRequested))
    _once(ComplaintRequested, presses)
    of_a_leg = (OperatorRang, OperatorStoppedRinging, OperatorAnswered)
    legs = [(type(f), f.call, f.leg) for f in facts if isinstance(f, of_a_leg)]
    _once(Fact, legs)


def _once(kind: type[Fact], identities: Iterable[object]) -> None:
    repeated = [each for each, n in Counter(identities).items() if n > 1]
    assert not repeated, f"{kind.__name__} told again: {repeated}"


def replayed(facts: Sequence[Fact]) -> CallStory:
    """Return the story of stored facts, by way of their JSON; each must say something new, once."""
    story: CallStory | None = None
    for fact in facts:
        again = fact_from_row(fact.call, fact.TYPE, fact.at, fact_to_data(fact))
        assert again == fact
        told = fold(story, again)
        assert told is not story, f"stored, though it says nothing new: {fact}"
        story = told
    assert story is not None
    for fact in facts:
        assert fold(story, fact) is story, f"told twice it says something else: {fact}"
    return story


def times_in_order(story: CallStory) -> None:
    """Arrive, press and enter, ring, answer, end: never backwards."""
    _ordered(story, story.started_at, story.pressed_at, story.ended_at)
    _ordered(story, story.started_at, story.answered_at, story.ended_at)
    _ordered(story, story.started_at, story.first_ring_at, story.ended_at)
    for leg in story.legs:
        _ordered(story, story.started_at, leg.rang_at, leg.answered_at, leg.ended_at)
        for since, until in leg.holds:
            _ordered(story, leg.answered_at, since, until)
    for stay in story.stays:
        _ordered(story, story.started_at, stay.entered_at, stay.left_at, story.ended_at)
    for recording in story.recordings:
        _ordered(story, recording.started_at, recording.stopped_at)
    answers = [leg.answered_at for leg in story.legs if leg.answered_at is not None]
    assert story.answered_at == min(answers, default=None), story


def _ordered(story: CallStory, *times: datetime | None) -> None:
    known = [at for at in times if at is not None]
    assert known == sorted(known), f"{known} in {story}"


def story_is_whole(story: CallStory) -> None:
    """A call that is over has nothing open: nobody rings, waits, talks or records."""
    assert story.ended_at is not None, f"a ghost: {story}"
    assert story.outcome is not None
    assert (story.outcome == "answered") == (story.answered_at is not None), story
    for leg in story.legs:
        assert leg.ended_at is not None, story
        assert leg.outcome is not None, story
    assert all(stay.left_at is not None for stay in story.stays), story
    assert all(recording.stopped_at is not None for recording in story.recordings), story


def nothing_is_left(listener: Listener) -> None:
    """All channels are gone: so is every trace of them in memory."""
    _empty(listener.tracker)
    assert listener.book.open_stories == ()


def _empty(tracker: Tracker) -> None:
    assert tracker.open_calls() == set()
    assert tracker._graph.channels == {}
    assert tracker._graph._bridges == {}
    assert tracker._board.live_calls == {}
