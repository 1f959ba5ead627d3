"""What happens in a call after the press, written to its appeals.

That is their history, the first contact, the department.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from appeals.case import audience, calls, changing, conflicts, history, subjects
from appeals.case.entries import Changed
from appeals.case.history import Record
from appeals.case.model import Appeal
from appeals.case.rights import Subject
from appeals.case.times import first_contact_after
from appeals.intake.entries import CallEndedNews, CallOver, FirstContact, PressedAgain
from calls.facts import (
    CallEnded,
    ComplaintRequested,
    MenuKeyPressed,
    OperatorAnswered,
    OperatorRang,
    QueueEntered,
)
from calls.story import CallChange, CallStory
from store.outbox import publish

__all__ = ["answered", "call_went_on", "on_change", "pressed_again"]

_TELLING = (
    ComplaintRequested,
    MenuKeyPressed,
    QueueEntered,
    OperatorRang,
    OperatorAnswered,
    CallEnded,
)
# To the appeals of a call without an answer.
_MEANS_NOTHING_YET = (ComplaintRequested, OperatorRang)


async def on_change(
    session: AsyncSession,
    change: CallChange,
    *,
    now: datetime,
    departments: Mapping[str, int],
) -> None:
    """Write to the appeals of the call what `change` means for them.

    Call it when the call has been linked. `departments`: queue name → department id.
    """
    facts = [fact for fact in change.facts if isinstance(fact, _TELLING)]
    story = change.story
    if not facts:
        return
    if story.answered_at is None and all(isinstance(f, _MEANS_NOTHING_YET) for f in facts):
        return  # the usual press, the usual ringing
    appeals = [
        await call_went_on(session, each, change, now=now, departments=departments)
        for each in await calls.appeals_of(session, story.id)
    ]
    if any(isinstance(fact, CallEnded) for fact in facts):
        await _tell_end(session, story, appeals, now=now)


async def call_went_on(
    session: AsyncSession,
    appeal: Appeal,
    change: CallChange,
    *,
    now: datetime,
    departments: Mapping[str, int],
) -> Appeal:
    """Write to `appeal`, a locked copy, what happened in its call; return it as it is then.

    The end of a call alone makes no new version. `departments`: queue name → department id.
    """
    before = changing.columns_of(appeal)
    records = _told(appeal, change, now, departments)
    subject = None
    if any(isinstance(fact, OperatorAnswered) for fact in change.facts):
        subject, conflicted = await answered(session, appeal, now=now)
        records += conflicted
    ends = [_ended(now, change.story, f) for f in change.facts if isinstance(f, CallEnded)]
    if records:
        await changing.write_copy(
            session, before, appeal, *records, *ends, now=now, subject=subject
        )
    elif ends:
        await history.append(session, appeal.number, *ends)
    return appeal


async def answered(
    session: AsyncSession, appeal: Appeal, *, now: datetime
) -> tuple[Subject, list[Record]]:
    """Write conflicts of the employees who answered the press; return subject and records.

    An employee who took the appeal and answers afterwards loses it.
    """
    subject, unwritten = await subjects.read(session, appeal)
    await conflicts.add(session, appeal.number, unwritten, conflicts.ANSWERED, by=None)
    records = [
        conflicts.written(now, employee, conflicts.ANSWERED, call=appeal.call_id)
        for employee in sorted(unwritten)
    ]
    if appeal.responsible_id is not None:
        ruled = replace(subject, rule=await conflicts.rule(session))
        records += await changing.withdraw_responsible(session, appeal, ruled, now=now)
        subject = subjects.owned_now(subject, appeal)
    return subject, records


async def _tell_end(
    session: AsyncSession, story: CallStory, appeals: list[Appeal], *, now: datetime
) -> None:
    """Publish to every reader of the call or of one of its `appeals` that it is over."""
    read_as = [await subjects.of_appeal(session, appeal) for appeal in appeals]
    to = audience.of_subjects(*read_as, await subjects.of_call_alone(session, story.id))
    opened = [a.number for a in appeals if a.call_id == story.id]
    linked = opened or [a.number for a in appeals]
    assert story.outcome is not None  # it has ended
    event = CallEndedNews(
        call=story.id, outcome=story.outcome, appeal=linked[-1] if linked else None
    )
    publish(session, event, at=now, audience=to.to_json())


def _told(
    appeal: Appeal, change: CallChange, now: datetime, departments: Mapping[str, int]
) -> list[Record]:
    """Note in `appeal` what `change` means for it; return the records of its history."""
    story = change.story
    records = [
        pressed_again(now, story.id, fact.at)
        for fact in change.facts
        if isinstance(fact, MenuKeyPressed) and story.pressed_at and fact.at > story.pressed_at
    ]
    records += _to_department_of_queue(appeal, change, now, departments)
    return records + _first_contact(appeal, story, now)


def pressed_again(now: datetime, call: str, at: datetime) -> Record:
    """Return the record of a caller who pressed 3 once more in the call of the appeal."""
    return Record(now, PressedAgain(call=call, at=at.isoformat()))


def _to_department_of_queue(
    appeal: Appeal, change: CallChange, now: datetime, departments: Mapping[str, int]
) -> list[Record]:
    """Give the appeal to the department of the first queue of the call that opened it.

    The press comes before the queue.
    """
    since = appeal.opened_at
    stays = [stay for stay in change.story.stays if stay.entered_at >= since]
    before = change.before.stays if change.before else ()
    department = departments.get(stays[0].queue) if stays else None
    known_before = any(stay.entered_at >= since for stay in before)
    if known_before or department is None or appeal.call_id != change.story.id:
        return []
    old, appeal.department_id = appeal.department_id, department
    if old == department:
        return []
    return [Record(now, Changed(field="department", old=old, new=department))]


def _first_contact(appeal: Appeal, story: CallStory, now: datetime) -> list[Record]:
    """Note the earliest known time that the customer and a person spoke after the press."""
    answers = [story.answered_at, *(leg.answered_at for leg in story.legs)]
    contact = first_contact_after(appeal.opened_at, answers)
    known = appeal.first_contact_at
    if contact is None or (known is not None and known <= contact):
        return []
    appeal.first_contact_at = contact
    by = next((leg for leg in story.legs if leg.answered_at == contact), None)
    entry = FirstContact(
        call=story.id,
        at=contact.isoformat(),
        direction=story.direction,
        extension=by.telephone if by is not None else None,
    )
    return [Record(now, entry)]


def _ended(now: datetime, story: CallStory, end: CallEnded) -> Record:
    entry = CallOver(
        call=story.id,
        at=end.at.isoformat(),
        direction=story.direction,
        outcome=end.outcome,
    )
    return Record(now, entry)
