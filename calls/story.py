"""The call as people see it: a pure fold over its facts.

`fold(story, fact)` returns the story with the fact told, or the same object when the fact says
nothing new; that is what makes events, spool and channel lists safe to tell twice. The same thing
told by two sources has slightly different times: the first told stands.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from calls.facts import (
    CallArrived,
    CallEnded,
    CallerNamed,
    CallRetold,
    ComplaintRequested,
    Evidence,
    Fact,
    HeldBy,
    MenuKeyPressed,
    OperatorAnswered,
    OperatorLeft,
    OperatorRang,
    OperatorStoppedRinging,
    QueueEntered,
    QueueLeft,
    RecordingStarted,
    RecordingStopped,
    Resumed,
    StateLost,
    Transferred,
)
from calls.shapes import (
    CallChange,
    CallStory,
    KeyStory,
    LegStory,
    QueueStory,
    RecordingStory,
    TransferStory,
)

__all__ = [
    "CallChange",
    "CallStory",
    "KeyStory",
    "LegStory",
    "QueueStory",
    "RecordingStory",
    "TransferStory",
    "fold",
    "same_file",
]

# Two sources that tell of one thing differ by less than this.
_SAME = timedelta(seconds=2)
# The dialplan's times are cut to milliseconds.
_MOMENT = timedelta(milliseconds=5)
_EVIDENCE: tuple[Evidence, ...] = ("unverified", "verified_live", "verified")


def fold(story: CallStory | None, fact: Fact) -> CallStory | None:
    """Return `story` with `fact` told; the same object when it says nothing new.

    A story begins with CallArrived, and again with CallRetold; any other fact without a story raises
    ValueError.
    """
    if isinstance(fact, CallRetold):
        return _arrived(fact)
    if isinstance(fact, CallArrived):
        return _arrived(fact) if story is None else story
    if story is None:
        raise ValueError(f"a story begins with CallArrived, not with {type(fact).__name__}")
    told = _FOLDS[type(fact)](story, fact)
    if told is not story and fact.recovered and not told.recovered:
        return replace(told, recovered=True)
    return told


def same_file(one: str, other: str) -> bool:
    """Return whether two paths name one recording: events name it in full, the spool from its folder."""
    return one == other or one.endswith("/" + other) or other.endswith("/" + one)


def _arrived(fact: CallArrived) -> CallStory:
    return CallStory(
        id=fact.call,
        pbx=fact.pbx,
        uniqueid=fact.uniqueid,
        direction=fact.direction,
        caller=fact.caller,
        to=fact.to,
        started_at=fact.at,
        recovered=fact.recovered,
    )


def _named(story: CallStory, fact: CallerNamed) -> CallStory:
    return story if story.caller == fact.caller else replace(story, caller=fact.caller)


def _requested(story: CallStory, fact: ComplaintRequested) -> CallStory:
    """The first press stands; a later word on it can only strengthen its evidence or name its key."""
    if story.pressed_at is None:
        return replace(
            story,
            pressed_at=fact.at,
            press_uniqueid=fact.uniqueid,
            press_key=fact.key,
            evidence=fact.evidence,
            queue=story.queue or fact.queue,
        )
    if fact.uniqueid != story.press_uniqueid:
        return _key(story, KeyStory(at=fact.at, digit="3", context=fact.menu))
    evidence = max(fact.evidence, story.evidence or "unverified", key=_EVIDENCE.index)
    key = story.press_key or fact.key
    if (evidence, key) == (story.evidence, story.press_key):
        return story
    return replace(story, evidence=evidence, press_key=key)


def _key_pressed(story: CallStory, fact: MenuKeyPressed) -> CallStory:
    return _key(story, KeyStory(at=fact.at, digit=fact.digit, context=fact.context))


def _key(story: CallStory, key: KeyStory) -> CallStory:
    if any(k.digit == key.digit and abs(k.at - key.at) < _SAME for k in story.keys):
        return story
    return replace(story, keys=(*story.keys, key))


def _queue_entered(story: CallStory, fact: QueueEntered) -> CallStory:
    if any(_same_stay(stay, fact) for stay in story.stays):
        return story
    within = any(stay.left_at is None for stay in story.stays)  # a queue rang it as its member
    return replace(
        story,
        queue=story.queue if within else fact.queue,
        queue_entered_at=story.queue_entered_at or fact.at,
        queue_left_at=None,
        stays=(*story.stays, QueueStory(queue=fact.queue, entered_at=fact.at)),
    )


def _same_stay(stay: QueueStory, fact: QueueEntered) -> bool:
    """The caller is still there, or another source says so. A caller who comes back has left before."""
    if stay.queue != fact.queue:
        return False
    if stay.entered_at == fact.at or stay.left_at is None:
        return True
    return fact.at < stay.left_at and abs(stay.entered_at - fact.at) < _SAME


def _queue_left(story: CallStory, fact: QueueLeft) -> CallStory:
    for i, stay in enumerate(story.stays):
        if stay.left_at is None and stay.queue == fact.queue and not _of_before(stay, fact):
            left_at = max(fact.at, stay.entered_at)
            left = replace(stay, left_at=left_at, reason=fact.reason, key=fact.key)
            stays = (*story.stays[:i], left, *story.stays[i + 1 :])
            waiting = any(each.left_at is None for each in stays)
            return replace(story, queue_left_at=None if waiting else left_at, stays=stays)
    return story


def _of_before(stay: QueueStory, fact: QueueLeft) -> bool:
    """It tells of an earlier stay: the spool keeps that mark while he waits anew."""
    return fact.at + _MOMENT < stay.entered_at


def _rang(story: CallStory, fact: OperatorRang) -> CallStory:
    """Who was found ringing after a gap began at a time that nobody knows; so may the call's first ring."""
    if any(leg.uniqueid == fact.leg for leg in story.legs):
        return story
    leg = LegStory(
        uniqueid=fact.leg,
        extension=fact.extension,
        number=fact.number,
        round=fact.round,
        rang_at=None if fact.recovered else fact.at,
        answered_at=None,
        ended_at=None,
        outcome=None,
    )
    first_ring_at = story.first_ring_at if story.legs else leg.rang_at
    return replace(story, first_ring_at=first_ring_at, legs=(*story.legs, leg))


def _stopped(story: CallStory, fact: OperatorStoppedRinging) -> CallStory:
    leg = _leg(story, fact.leg)
    if leg is None or leg.outcome is not None:
        return story
    if fact.reason == "answered":
        return _with_leg(story, leg, outcome="answered")
    return _with_leg(story, leg, outcome=fact.reason, ended_at=_not_before(leg.rang_at, fact.at))


def _answered(story: CallStory, fact: OperatorAnswered) -> CallStory:
    leg = _answering_leg(story, fact)
    if leg is None:
        leg = LegStory(
            uniqueid=fact.leg,
            extension=fact.extension,
            number=fact.number,
            round=1 + sum(each.telephone == fact.telephone for each in story.legs),
            rang_at=None,
            answered_at=None,
            ended_at=None,
            outcome=None,
        )
        story = replace(story, legs=(*story.legs, leg))
    if leg.answered_at is not None:
        return story
    guessed = leg.outcome in (None, "answered", "unknown")
    at = _not_before(leg.rang_at if guessed else leg.ended_at, fact.at)
    story = replace(story, answered_at=story.answered_at or at)
    if story.ended_at is None:
        return _with_leg(story, leg, answered_at=at, ended_at=None, outcome="answered")
    # Learned after the end: it corrects what was believed.
    over = replace(story, outcome="answered")
    return _with_leg(
        over, leg, answered_at=at, ended_at=max(at, story.ended_at), outcome="answered"
    )


def _answering_leg(story: CallStory, fact: OperatorAnswered) -> LegStory | None:
    """The leg by its id; else, for a source that knows only the telephone, the one that it must be."""
    known = _leg(story, fact.leg)
    if known is not None:
        return known
    for leg in reversed(story.legs):
        if leg.telephone != fact.telephone:
            continue
        if leg.answered_at is not None and (
            _same_answer(leg, leg.answered_at, fact) or (fact.recovered and leg.ended_at is None)
        ):
            return leg
        if leg.answered_at is None and leg.outcome in (None, "answered"):
            return leg
    return None


def _same_answer(leg: LegStory, answered_at: datetime, fact: OperatorAnswered) -> bool:
    """Return whether another source reports the leg's answer: one after the end of its talk is a new one."""
    over = leg.ended_at is not None and answered_at < fact.at >= leg.ended_at
    return abs(answered_at - fact.at) < _SAME and not over


def _operator_left(story: CallStory, fact: OperatorLeft) -> CallStory:
    leg = _leg(story, fact.leg) or _talking_leg(story, fact.telephone)
    if leg is None or leg.ended_at is not None:
        return story
    return _with_leg(story, leg, ended_at=_not_before(leg.answered_at or leg.rang_at, fact.at))


def _held(story: CallStory, fact: HeldBy) -> CallStory:
    leg = _leg(story, fact.leg)
    if leg is None or (leg.holds and (leg.holds[-1][1] is None or fact.at <= leg.holds[-1][0])):
        return story
    return _with_leg(story, leg, holds=(*leg.holds, (fact.at, None)))


def _resumed(story: CallStory, fact: Resumed) -> CallStory:
    leg = _leg(story, fact.leg)
    if leg is None or not leg.holds or leg.holds[-1][1] is not None:
        return story
    since = leg.holds[-1][0]
    if fact.at < since:
        return story  # an earlier hold's, told again
    return _with_leg(story, leg, holds=(*leg.holds[:-1], (since, fact.at)))


def _transferred(story: CallStory, fact: Transferred) -> CallStory:
    told = TransferStory(at=fact.at, kind=fact.kind, from_extension=fact.from_extension, to=fact.to)
    for each in story.transfers:
        if replace(each, at=fact.at) == told and abs(each.at - fact.at) < _SAME:
            return story
    return replace(story, transfers=(*story.transfers, told))


def _recording_started(story: CallStory, fact: RecordingStarted) -> CallStory:
    for i, each in enumerate(story.recordings):
        if same_file(each.path, fact.path):
            resumed = each.stopped_at is not None and fact.at > each.stopped_at
            if not resumed or story.ended_at is not None:
                return story
            again = replace(each, stopped_at=None)  # it appends to the same file after a pause
            rest = (*story.recordings[:i], again, *story.recordings[i + 1 :])
            return replace(story, recordings=rest)
    told = RecordingStory(
        path=fact.path, uniqueid=fact.uniqueid, started_at=fact.at, stopped_at=None
    )
    return replace(story, recordings=(*story.recordings, told))


def _recording_stopped(story: CallStory, fact: RecordingStopped) -> CallStory:
    for i, each in enumerate(story.recordings):
        if same_file(each.path, fact.path) and each.stopped_at is None:
            stopped = replace(each, stopped_at=max(each.started_at, fact.at))
            return replace(
                story, recordings=(*story.recordings[:i], stopped, *story.recordings[i + 1 :])
            )
    return story


def _ended(story: CallStory, fact: CallEnded) -> CallStory:
    """Whoever was talked to was answered, though the source of the end may not have seen it."""
    if story.ended_at is not None:
        return story
    at = max(fact.at, *_known_times(story))  # who ends it unseen knows less than the spool
    waiting = any(stay.left_at is None for stay in story.stays)
    return replace(
        story,
        ended_at=at,
        queue_left_at=at if waiting else story.queue_left_at,
        stays=tuple(_waits_no_more(stay, at) for stay in story.stays),
        outcome="answered" if story.answered_at is not None else fact.outcome,
        ended_by=fact.ended_by,
        legs=tuple(_closed(leg, at) for leg in story.legs),
        recordings=tuple(
            replace(each, stopped_at=each.stopped_at or at) for each in story.recordings
        ),
    )


def _waits_no_more(stay: QueueStory, at: datetime) -> QueueStory:
    return stay if stay.left_at is not None else replace(stay, left_at=at, reason="unknown")


def _known_times(story: CallStory) -> list[datetime]:
    """When something is known to have happened in the call."""
    told: list[datetime | None] = [story.started_at, story.pressed_at]
    told += [at for leg in story.legs for at in (leg.rang_at, leg.answered_at, leg.ended_at)]
    told += [at for stay in story.stays for at in (stay.entered_at, stay.left_at)]
    told += [at for each in story.recordings for at in (each.started_at, each.stopped_at)]
    told += [transfer.at for transfer in story.transfers]
    told += [key.at for key in story.keys]
    return [at for at in told if at is not None]


def _closed(leg: LegStory, at: datetime) -> LegStory:
    """Nobody rings or talks in a call that is over, whether or not his own end was told."""
    if leg.ended_at is not None:
        return leg
    since = leg.answered_at or leg.rang_at
    return replace(leg, ended_at=_not_before(since, at), outcome=leg.outcome or "unknown")


def _state_lost(story: CallStory, fact: StateLost) -> CallStory:
    return story if story.lost is not None else replace(story, lost=fact.reason)


def _leg(story: CallStory, uniqueid: str) -> LegStory | None:
    return next((leg for leg in story.legs if leg.uniqueid == uniqueid), None)


def _talking_leg(story: CallStory, telephone: str) -> LegStory | None:
    """A leg learned from the spool has no uniqueid: its operator tells it."""
    for leg in story.legs:
        if leg.telephone == telephone and leg.answered_at is not None and leg.ended_at is None:
            return leg
    return None


def _with_leg(story: CallStory, leg: LegStory, **changes: Any) -> CallStory:
    told = replace(leg, **changes)
    return replace(story, legs=tuple(told if each is leg else each for each in story.legs))


def _not_before(start: datetime | None, at: datetime) -> datetime:
    return at if start is None else max(start, at)


_FOLDS: dict[type[Fact], Callable[[CallStory, Any], CallStory]] = {
    CallerNamed: _named,
    ComplaintRequested: _requested,
    MenuKeyPressed: _key_pressed,
    QueueEntered: _queue_entered,
    QueueLeft: _queue_left,
    OperatorRang: _rang,
    OperatorStoppedRinging: _stopped,
    OperatorAnswered: _answered,
    OperatorLeft: _operator_left,
    HeldBy: _held,
    Resumed: _resumed,
    Transferred: _transferred,
    RecordingStarted: _recording_started,
    RecordingStopped: _recording_stopped,
    CallEnded: _ended,
    StateLost: _state_lost,
}
