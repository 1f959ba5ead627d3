"""Compares what press3 tells of a call with what those who took part say."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from calls.story import CallStory
from tests.walk.cases import Case, Phone, Story

__all__ = ["same_story", "shown_now"]

_NEAR = timedelta(milliseconds=50)


def same_story(case: Case, stories: Sequence[CallStory], *, exact: bool, gaps: bool) -> None:
    """`exact`: every event came in order; `gaps`: some never came, and only the spool knows."""
    line, told = case.line, case.story
    found = [s for s in stories if line.uniqueid in (s.uniqueid, s.press_uniqueid)]
    if told.direction == "out":
        found = [s for s in stories if s.uniqueid == line.linkedid]
    assert len(found) <= 1, f"one caller, {len(found)} calls: {found}"
    if told.presses:
        _pressed(told, found, gaps=gaps)
    if not gaps:
        assert found, f"not told: {told}"
        _unlost(told, found[0], exact=exact)
    if exact and told.certain:
        _exact(told, found[0])


def _pressed(told: Story, found: Sequence[CallStory], *, gaps: bool) -> None:
    """A pressed 3 is never lost, whatever else is."""
    assert found, f"a press is lost: {told}"
    story = found[0]
    assert story.pressed_at == told.presses[0], (story, told)
    if told.talks and not told.lost and gaps:
        assert story.outcome in ("answered", "no_answer", "abandoned")


def _unlost(told: Story, story: CallStory, *, exact: bool) -> None:
    assert story.direction == told.direction
    assert {leg.extension for leg in story.legs if leg.answered_at} == set(told.talks), (
        story,
        told,
    )
    assert (story.outcome == "answered") == bool(told.talks), (story, told)
    if told.direction == "in" and exact:  # a refusal that comes after the caller's end is not his
        assert story.outcome == told.outcome, (story, told)


def _exact(told: Story, story: CallStory) -> None:
    rings = Counter((leg.extension, leg.outcome) for leg in story.legs if leg.rang_at is not None)
    assert rings == Counter(told.rings), (story, told)
    assert [stay.reason for stay in story.stays] == told.queue, (story, told)
    moves = [(each.kind, each.from_extension, each.to) for each in story.transfers]
    assert moves == told.transfers, (story, told)
    assert [each.path for each in story.recordings] == told.files, (story, told)
    assert sum(len(leg.holds) for leg in story.legs) == told.holds, (story, told)
    assert story.ended_at is not None
    assert told.ended_at is not None
    assert abs(story.ended_at - told.ended_at) < _NEAR, (story, told)
    if told.first_talk_at is not None:
        assert story.answered_at is not None
        assert abs(story.answered_at - told.first_talk_at) < _NEAR, (story, told)


def shown_now(cases: Sequence[Case], stories: Sequence[CallStory], *, gaps: bool) -> None:
    """At this moment: nobody rings, talks or waits in a story who does not at his telephone, nor the reverse.

    With `gaps` only: a call that is shown as going on does go on.
    """
    open_ones = [story for story in stories if story.ended_at is None]
    for story in open_ones:
        case = next((each for each in cases if _is_of(story, each)), None)
        assert case is not None, f"of nobody: {story}"
        assert case.where != "gone", f"a ghost: {story}"
        if gaps:
            continue
        ringing = sorted(leg.extension for leg in story.legs if leg.outcome is None)
        assert ringing == sorted(
            phone.extension for phone in case.phones if _is_his(case, phone)
        ), (story, case.story)
        talking = [leg.extension for leg in story.legs if leg.answered_at and not leg.ended_at]
        there = [case.talker.extension] if case.talker and case.where == "talk" else []
        assert talking == there, (story, case.story)
        waiting = [stay for stay in story.stays if stay.left_at is None]
        assert bool(waiting) == case.in_queue, (story, case.story)


def _is_his(case: Case, phone: Phone) -> bool:
    """A consultation by the operator's second line is between employees until it is handed over."""
    return phone is not case.consulted or phone.half is not None


def _is_of(story: CallStory, case: Case) -> bool:
    return story.uniqueid in (case.line.uniqueid, case.line.linkedid)
