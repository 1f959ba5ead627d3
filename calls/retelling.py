"""A stored call read again by today's rules: its facts, and what differs. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace

from calls.facts import (
    CallArrived,
    CallRetold,
    ComplaintRequested,
    Fact,
    MenuKeyPressed,
    RecordingStarted,
    RecordingStopped,
)
from calls.story import CallStory, fold

__all__ = ["differences", "retold", "story_of"]

# What may be known from elsewhere than events, or has led to something: it is never given up.
_KEPT = (ComplaintRequested, MenuKeyPressed, RecordingStarted, RecordingStopped)
_PARTS = (
    "direction",
    "caller",
    "to",
    "queue",
    "answered_at",
    "ended_at",
    "outcome",
    "ended_by",
    "legs",
    "transfers",
    "stays",
    "keys",
    "recordings",
)


def story_of(facts: Iterable[Fact]) -> CallStory | None:
    """Return the story that `facts` make, None when there are none."""
    story: CallStory | None = None
    for fact in facts:
        story = fold(story, fact)
    return story


def retold(stored: Sequence[Fact], told: Sequence[Fact]) -> list[Fact]:
    """Return the facts of a call that was read again, to be stored behind those that are there.

    `told` are the facts that today's rules make of its events; presses, keys and recordings that are
    stored stay in the story, with their evidence.
    """
    arrived = next(fact for fact in told if isinstance(fact, CallArrived))
    beginning = CallRetold(**{name: getattr(arrived, name) for name in asdict(arrived)})
    kept = [fact for fact in stored if isinstance(fact, _KEPT)]
    rest = [fact for fact in told if fact is not arrived]
    # The sort is stable: what the events say comes first, and the end stays last.
    return [beginning, *sorted((*rest, *kept), key=lambda fact: fact.at)]


def differences(before: CallStory, after: CallStory) -> list[str]:
    """Return the names of what people see differently, none when the story is the same."""
    after = replace(after, recovered=before.recovered)
    return [name for name in _PARTS if getattr(before, name) != getattr(after, name)]
