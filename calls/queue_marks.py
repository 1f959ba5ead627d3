"""Queues, answers and transfers of a call as AstDB, queue_log or the CDR have them, made into facts. Pure.

The same stay, talk or transfer may be known from events, to the millisecond: it is found by queue or
telephone and by its time, and not emitted again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from ami.spool import SpoolAnswer, SpoolPress, SpoolStay, SpoolTransfer
from calls.facts import (
    OperatorAnswered,
    OperatorLeft,
    QueueEntered,
    QueueLeft,
    QueueLeftReason,
    Transferred,
)
from calls.numbers import NumberRules, resource
from calls.queues import QUEUE_RESULTS
from calls.story import CallStory, LegStory
from calls.telling import NEAR, Telling, after

__all__ = ["tell_queues"]

M = TypeVar("M", SpoolAnswer, SpoolTransfer)


def tell_queues(told: Telling, press: SpoolPress, numbers: NumberRules) -> None:
    """Emit the stays of `press` in order, each with the answers and transfers of its time."""
    stays = press.stays or _only_stay(press)
    answers, transfers = list(press.answered), list(press.transfers)
    known: set[int] = set()
    for n, stay in enumerate(stays):
        until = stays[n + 1].entered_at if n + 1 < len(stays) else None
        place = _tell_entered(told, press, stay, known)
        since = told.now.pressed_at if place is None else told.now.stays[place].entered_at
        for answer in _taken(answers, until):
            _tell_answer(told, answer, since, numbers, exact=press.timed_by != "call_start")
        for transfer in _taken(transfers, until):
            _tell_transfer(told, transfer, numbers)
        if stay.left is not None and (place is None or told.now.stays[place].left_at is None):
            _tell_left(told, stay, stay.left, since, until)
    for answer in answers:  # of no queue that is known
        since = told.now.stays[-1].entered_at if told.now.stays else told.now.pressed_at
        _tell_answer(told, answer, since, numbers, exact=press.timed_by != "call_start")


def _only_stay(press: SpoolPress) -> tuple[SpoolStay, ...]:
    if press.entered_at is None and press.queue_left is None:
        return ()
    return (SpoolStay(queue=press.queue, entered_at=press.entered_at, left=press.queue_left),)


def _taken(marks: list[M], until: datetime | None) -> list[M]:
    """Take out of the list, and return, what came before `until`."""
    taken = [mark for mark in marks if until is None or mark.at < until]
    marks[:] = marks[len(taken) :]
    return taken


def _tell_entered(told: Telling, press: SpoolPress, stay: SpoolStay, known: set[int]) -> int | None:
    """Emit the entering unless it is known; return where the stay is in the story, None for nowhere.

    `known` are places in the story's stays that earlier stays were found at; the stay's own is added.
    """
    at = stay.entered_at
    place = _place_of(told.now, stay, known)
    if place is None and at is not None:
        if press.queue in ("", stay.queue):
            at = after(told.now.pressed_at, at)
        left = [each.left_at for each in told.now.stays if each.left_at is not None]
        at = after(max(left, default=None), at)
        told.tell(QueueEntered(call=told.now.id, at=at, queue=stay.queue))
        place = _place_of(told.now, replace(stay, entered_at=at), known)
    if place is not None:
        known.add(place)
    return place


def _place_of(story: CallStory, stay: SpoolStay, known: set[int]) -> int | None:
    """Return where `stay` is in the story: by its time, or the one that lasts when it has none."""
    at = stay.entered_at
    found = [
        (abs(each.entered_at - at) if at is not None else NEAR, n)
        for n, each in enumerate(story.stays)
        if n not in known
        and each.queue == stay.queue
        and (each.left_at is None if at is None else abs(each.entered_at - at) < NEAR)
    ]
    return min(found)[1] if found else None


def _tell_left(
    told: Telling,
    stay: SpoolStay,
    left: tuple[datetime, str],
    since: datetime | None,
    until: datetime | None,
) -> None:
    at, status = left
    at = after(since, at)
    reason: QueueLeftReason = QUEUE_RESULTS.get(status, "unknown" if status else "abandoned")
    answered_at = _answered_in(told.now, since if told.now.stays else None, until)
    if answered_at is not None and reason in ("answered", "abandoned"):
        # Queue() comes back only after the talk: the queue was left when somebody answered.
        reason, at = "answered", answered_at
    call = told.now.id
    told.tell(QueueLeft(call=call, at=at, queue=stay.queue, reason=reason, key=stay.key or None))
    if stay.entered_at is None and not told.now.stays and reason == "empty":
        # Refused at the door (FULL, JOINEMPTY): entered and left at once.
        told.tell(QueueEntered(call=call, at=at, queue=stay.queue))
        told.tell(QueueLeft(call=call, at=at, queue=stay.queue, reason=reason))


def _answered_in(
    story: CallStory, since: datetime | None, until: datetime | None
) -> datetime | None:
    answers = [leg.answered_at for leg in story.legs if leg.answered_at is not None]
    within = [
        at for at in answers if (since is None or at >= since) and (until is None or at < until)
    ]
    return min(within, default=None)


def _tell_answer(
    told: Telling,
    answer: SpoolAnswer,
    since: datetime | None,
    numbers: NumberRules,
    *,
    exact: bool,
) -> None:
    """Emit the answer and the end of that talk. `exact`: the time of the answer is its own."""
    extension, number = _telephone(answer, numbers)
    answer = replace(answer, at=after(since, answer.at))
    of_wait = since if exact and since is not None and since <= answer.at else None
    legs = [leg for leg in told.now.legs if _is_since(leg, of_wait)]
    leg = _leg_at(legs, extension or number or "", answer, exact=exact)
    if leg is not None and leg.outcome not in (None, "answered", "unknown"):
        return  # it was lifted, but customer and operator never heard each other
    uniqueid = leg.uniqueid if leg else _new_leg(told.now.legs, answer)
    call = told.now.id
    told.tell(
        OperatorAnswered(call=call, at=answer.at, leg=uniqueid, extension=extension, number=number)
    )
    if answer.left_at is not None:
        left_at = max(answer.at, answer.left_at)
        told.tell(
            OperatorLeft(call=call, at=left_at, leg=uniqueid, extension=extension, number=number)
        )


def _telephone(answer: SpoolAnswer, numbers: NumberRules) -> tuple[str | None, str | None]:
    """Return (extension, None) of an employee's telephone, (None, number) of an outside one."""
    extension = numbers.extension(answer.channel)
    line = f"@{resource(answer.channel)}"
    dialled = [text for text in answer.dialled.split("&") if line in f"{text}/"]
    for text in (*dialled, answer.channel) if extension is None else ():
        party = numbers.party(resource(text))
        if party.kind == "public":
            return None, party.e164
    return extension or resource(answer.channel), None


def _new_leg(legs: Iterable[LegStory], answer: SpoolAnswer) -> str:
    """Return an id of its own for the leg of an answer whose channel may have no uniqueid."""
    name = answer.uniqueid or answer.channel
    if all(leg.uniqueid != name for leg in legs):
        return name
    return f"{name} {answer.at.timestamp():.0f}"


def _is_since(leg: LegStory, since: datetime | None) -> bool:
    """Return whether the leg may be of the wait that began at `since`: an earlier talk is another one's."""
    return since is None or leg.answered_at is None or leg.answered_at >= since


def _leg_at(
    legs: Sequence[LegStory], telephone: str, answer: SpoolAnswer, *, exact: bool
) -> LegStory | None:
    """Return the leg that answered: by its channel, else by `telephone` and the time of its ringing or talk.

    queue_log may know the operator by a name of the queue's: then the leg that answered just then.
    """
    at = answer.at
    for leg in legs:
        if leg.uniqueid == answer.uniqueid:
            return leg
        if answer.uniqueid and leg.answered_at is not None and abs(leg.answered_at - at) <= NEAR:
            return leg
    for leg in reversed(legs):
        since = leg.rang_at or leg.answered_at
        if leg.telephone != telephone or (since is not None and at < since - NEAR):
            continue
        if leg.answered_at is not None and abs(leg.answered_at - at) < NEAR:
            return leg
        if leg.ended_at is None or at <= leg.ended_at + (NEAR if _unsure(leg, exact) else -NEAR):
            return leg
    return None


def _unsure(leg: LegStory, exact: bool) -> bool:
    """Return whether an answer just after the leg's end may be the leg's own."""
    return leg.answered_at is None or not exact


def _tell_transfer(told: Telling, transfer: SpoolTransfer, numbers: NumberRules) -> None:
    story, at = told.now, transfer.at
    if any(each.kind == transfer.kind and abs(each.at - at) < NEAR for each in story.transfers):
        return
    # An attended one names a channel, half of a Local for the most part: whose it is it may not say.
    to = transfer.to if transfer.kind == "blind" else numbers.extension(transfer.to) or ""
    told.tell(
        Transferred(
            call=story.id,
            at=at,
            kind=transfer.kind,
            from_extension=_extension(transfer.channel, numbers),
            to=to,
        )
    )


def _extension(channel: str, numbers: NumberRules) -> str:
    return numbers.extension(channel) or resource(channel)
