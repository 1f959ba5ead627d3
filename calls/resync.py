"""What a gap left out, as facts: from the spool and from the list of living channels. Pure.

Only what the story does not know yet comes back; applied twice, nothing comes the second time. What
happened in a blind window is marked `recovered`.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime

from ami.spool import SpoolPress
from calls.facts import (
    CallArrived,
    CallEnded,
    ComplaintRequested,
    EndedBy,
    Fact,
    MenuKeyPressed,
    OperatorLeft,
    OperatorStoppedRinging,
    Outcome,
    QueueLeft,
    QueueLeftReason,
    RecordingStarted,
    RecordingStopped,
    StateLost,
)
from calls.numbers import NumberRules
from calls.queue_marks import tell_queues
from calls.queues import QUEUE_RESULTS
from calls.story import CallStory, LegStory
from calls.switchboard import born_at
from calls.telling import Telling

__all__ = ["from_channels", "from_spool"]


def from_spool(
    story: CallStory | None,
    press: SpoolPress,
    *,
    pbx: str,
    numbers: NumberRules,
    settled_before: datetime | None = None,
    blind_until: datetime | None = None,
) -> list[Fact]:
    """Return what `press` tells beyond `story` (null: the call is not known).

    Marks younger than `settled_before` are left to the events, which may still be on their way.
    `blind_until`: when the last blind window ended; what is younger happened while we listened, and
    the PBX just says it in more words than its events. None: everything happened in the window.
    """
    told = Telling(story, blind_until)
    if settled_before is not None and press.pressed_at >= settled_before:
        return []
    _tell_press(told, press, pbx, numbers)
    _tell_marks(told, _settled(press, settled_before), numbers)
    return told.facts


def from_channels(stories: Iterable[CallStory], alive: Collection[str], at: datetime) -> list[Fact]:
    """Return the end of each open call none of whose known channels is alive at `at` (PBX time)."""
    facts: list[Fact] = []
    for story in stories:
        known = {story.uniqueid, story.press_uniqueid, *(leg.uniqueid for leg in _open(story))}
        if story.ended_at is None and story.started_at <= at and known.isdisjoint(alive):
            told = Telling(story)
            _tell_end(told, at, _outcome(told.now))
            facts += told.facts
    return facts


def _tell_press(told: Telling, press: SpoolPress, pbx: str, numbers: NumberRules) -> None:
    if not told.known:
        first = press.linkedid or press.uniqueid
        told.tell(
            CallArrived(
                call=f"{pbx}-{first}",
                at=born_at(first, press.pressed_at),
                pbx=pbx,
                uniqueid=first,
                linkedid=first,
                direction="in",
                caller=numbers.outsider(press.number, press.name),
                to=numbers.ours(press.did),
            )
        )
    call = told.now.id
    requested = ComplaintRequested(
        call=call,
        at=_pressed_at(told.now, press),
        uniqueid=press.uniqueid,
        key=press.key,
        evidence="verified",
        menu=press.menu,
        queue=press.queue or None,
        timed_by=press.timed_by,
    )
    # Evidence alone does not make a call a recovered one: the press itself was seen as it happened.
    told.tell(requested, recovered=told.now.pressed_at is None)
    for at in press.again:
        told.tell(MenuKeyPressed(call=call, at=at, digit="3", context=press.menu))


def _pressed_at(story: CallStory, press: SpoolPress) -> datetime:
    """A time that is not the key's own never makes a second press of a known one."""
    if press.timed_by == "key":
        return press.pressed_at
    return story.pressed_at or max(press.pressed_at, story.started_at)


def _tell_marks(told: Telling, press: SpoolPress, numbers: NumberRules) -> None:
    call = told.now.id
    for recording in press.recordings:
        told.tell(
            RecordingStarted(
                call=call, at=recording.at, path=recording.path, uniqueid=press.uniqueid
            )
        )
    tell_queues(told, press, numbers)
    if press.restarted_at is not None:
        told.tell(StateLost(call=call, at=press.restarted_at, reason="pbx_restarted"))
    if press.ended_at is not None:
        outcome = _outcome(told.now, press.queue_left)
        _tell_end(told, press.ended_at, outcome, press.ended_by)


def _tell_end(
    told: Telling, at: datetime, outcome: Outcome, ended_by: EndedBy | None = None
) -> None:
    story = told.now
    at = story.ended_at or at
    for leg in _open(story):
        if leg.outcome is None:
            told.tell(
                OperatorStoppedRinging(
                    call=story.id,
                    at=at,
                    leg=leg.uniqueid,
                    extension=leg.extension,
                    number=leg.number,
                    reason="unknown",
                )
            )
        else:
            told.tell(
                OperatorLeft(
                    call=story.id,
                    at=at,
                    leg=leg.uniqueid,
                    extension=leg.extension,
                    number=leg.number,
                )
            )
    _tell_waiting_over(told, at)
    for recording in story.recordings:
        told.tell(
            RecordingStopped(call=story.id, at=at, path=recording.path, uniqueid=recording.uniqueid)
        )
    told.tell(CallEnded(call=story.id, at=at, outcome=outcome, ended_by=ended_by))


def _tell_waiting_over(told: Telling, at: datetime) -> None:
    story = told.now
    for stay in story.stays:
        if stay.left_at is not None:
            continue
        answers = [leg.answered_at for leg in story.legs if leg.answered_at is not None]
        since = min((each for each in answers if each >= stay.entered_at), default=None)
        reason: QueueLeftReason = "abandoned" if since is None else "answered"
        told.tell(
            QueueLeft(
                call=story.id, at=since or max(at, stay.entered_at), queue=stay.queue, reason=reason
            )
        )


def _outcome(story: CallStory, left: tuple[datetime, str] | None = None) -> Outcome:
    """`left`: how he left a queue that no stay tells of."""
    if story.answered_at is not None:
        return "answered"
    if story.direction == "out":
        return "no_answer"
    if story.lost is not None:
        return "failed"
    last = story.stays[-1].reason if story.stays else QUEUE_RESULTS.get(left[1] if left else "")
    return "no_answer" if last in ("timeout", "empty", "transferred", "key") else "abandoned"


def _open(story: CallStory) -> list[LegStory]:
    return [leg for leg in story.legs if leg.ended_at is None]


def _settled(press: SpoolPress, before: datetime | None) -> SpoolPress:
    """Return `press` without the marks that are younger than `before`."""
    if before is None:
        return press
    left = press.queue_left
    return replace(
        press,
        entered_at=_if_before(press.entered_at, before),
        answered=tuple(answer for answer in press.answered if answer.at < before),
        queue_left=left if left is not None and left[0] < before else None,
        recordings=tuple(each for each in press.recordings if each.at < before),
        ended_at=_if_before(press.ended_at, before),
    )


def _if_before(at: datetime | None, before: datetime) -> datetime | None:
    return at if at is not None and at < before else None
