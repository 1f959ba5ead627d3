"""What a gap left out, as facts: from the spool and from the list of living channels. Pure.

Only what the story does not know yet comes back; applied twice, nothing comes the second time. What
happened in a blind window is marked `recovered`.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from ami.spool import SpoolAnswer, SpoolPress
from calls.facts import (
    CallArrived,
    CallEnded,
    ComplaintRequested,
    Fact,
    MenuKeyPressed,
    OperatorAnswered,
    OperatorLeft,
    OperatorStoppedRinging,
    Outcome,
    QueueEntered,
    QueueLeft,
    QueueLeftReason,
    RecordingStarted,
    RecordingStopped,
)
from calls.numbers import NumberRules, resource
from calls.queues import QUEUE_RESULTS
from calls.story import CallStory, LegStory, fold
from calls.switchboard import born_at

__all__ = ["from_channels", "from_spool"]

_NEAR = timedelta(seconds=2)
_CUT_OFF = timedelta(seconds=1)  # queue_log leaves the fraction of a second out


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
    told = _Telling(story, blind_until)
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
            told = _Telling(story)
            _tell_end(told, at, _outcome(told.now))
            facts += told.facts
    return facts


class _Telling:
    """Collects the facts that say something new to the story as it grows."""

    def __init__(self, story: CallStory | None, blind_until: datetime | None = None) -> None:
        self._story = story
        self._blind_until = blind_until
        self.facts: list[Fact] = []

    @property
    def known(self) -> bool:
        return self._story is not None

    @property
    def now(self) -> CallStory:
        if self._story is None:
            raise ValueError("nothing was told yet")
        return self._story

    def tell(self, fact: Fact, *, recovered: bool = True) -> None:
        blind = self._blind_until is None or fact.at <= self._blind_until
        fact = replace(fact, recovered=recovered and blind)
        after = fold(self._story, fact)
        if after is not self._story:
            self.facts.append(fact)
            self._story = after


def _tell_press(told: _Telling, press: SpoolPress, pbx: str, numbers: NumberRules) -> None:
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


def _tell_marks(told: _Telling, press: SpoolPress, numbers: NumberRules) -> None:
    call = told.now.id
    for recording in press.recordings:
        told.tell(
            RecordingStarted(
                call=call, at=recording.at, path=recording.path, uniqueid=press.uniqueid
            )
        )
    if press.entered_at is not None:
        at = _after(told.now.pressed_at, press.entered_at)
        told.tell(QueueEntered(call=call, at=at, queue=press.queue))
    for answer in press.answered:
        _tell_answer(told, answer, numbers)
    if press.queue_left is not None:
        _tell_queue_left(told, press, *press.queue_left)
    if press.ended_at is not None:
        _tell_end(told, press.ended_at, _outcome(told.now, press.queue_left))


def _tell_answer(told: _Telling, answer: SpoolAnswer, numbers: NumberRules) -> None:
    extension = numbers.extension(answer.channel) or resource(answer.channel)
    answer = replace(answer, at=_after(_waits_since(told.now), answer.at))
    leg = _leg_at(told.now, extension, answer)
    if leg is not None and leg.outcome not in (None, "answered", "unknown"):
        return  # it was lifted, but customer and operator never heard each other
    told.tell(
        OperatorAnswered(
            call=told.now.id,
            at=answer.at,
            leg=leg.uniqueid if leg else answer.uniqueid or answer.channel,
            extension=extension,
        )
    )


def _after(known: datetime | None, at: datetime) -> datetime:
    """Return `at`, or `known` for what came after it in that second and was told without the fraction.

    A time with a fraction is exact: what it tells of did come before `known`.
    """
    cut_off = not at.microsecond
    return known if cut_off and known is not None and at < known < at + _CUT_OFF else at


def _waits_since(story: CallStory) -> datetime | None:
    return story.stays[-1].entered_at if story.stays else story.pressed_at


def _leg_at(story: CallStory, extension: str, answer: SpoolAnswer) -> LegStory | None:
    """Return the leg that answered: by its channel, else that of `extension` within whose ringing or talk it lies.

    queue_log may know the operator by a name of the queue's: then who answered just then.
    """
    at = answer.at
    for leg in story.legs:
        if leg.uniqueid == answer.uniqueid:
            return leg
        if answer.uniqueid and leg.answered_at is not None and abs(leg.answered_at - at) <= _NEAR:
            return leg
    for leg in reversed(story.legs):
        since = leg.rang_at or leg.answered_at
        if leg.extension != extension or (since is not None and at < since - _NEAR):
            continue
        if leg.ended_at is None or at <= leg.ended_at + _NEAR:
            return leg
    return None


def _tell_queue_left(told: _Telling, press: SpoolPress, at: datetime, status: str) -> None:
    answered_at = told.now.answered_at
    at = _after(_waits_since(told.now), at)
    reason: QueueLeftReason = QUEUE_RESULTS.get(status, "unknown" if status else "abandoned")
    if answered_at is not None and reason in ("answered", "abandoned"):
        # Queue() comes back only after the talk: he left the queue when he was answered.
        reason, at = "answered", answered_at
    told.tell(QueueLeft(call=told.now.id, at=at, queue=press.queue, reason=reason))
    if press.entered_at is None and not told.now.stays and reason == "empty":
        # Refused at the door (FULL, JOINEMPTY): entered and left at once.
        told.tell(QueueEntered(call=told.now.id, at=at, queue=press.queue))
        told.tell(QueueLeft(call=told.now.id, at=at, queue=press.queue, reason=reason))


def _tell_end(told: _Telling, at: datetime, outcome: Outcome) -> None:
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
                    reason="unknown",
                )
            )
        else:
            told.tell(OperatorLeft(call=story.id, at=at, leg=leg.uniqueid, extension=leg.extension))
    _tell_waiting_over(told, at)
    for recording in story.recordings:
        told.tell(
            RecordingStopped(call=story.id, at=at, path=recording.path, uniqueid=recording.uniqueid)
        )
    told.tell(CallEnded(call=story.id, at=at, outcome=outcome))


def _tell_waiting_over(told: _Telling, at: datetime) -> None:
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
    last = story.stays[-1].reason if story.stays else QUEUE_RESULTS.get(left[1] if left else "")
    return "no_answer" if last in ("timeout", "empty", "transferred") else "abandoned"


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
