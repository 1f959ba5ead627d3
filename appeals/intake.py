"""From a call's facts to appeals: key 3 opens one exactly once, later facts are written to it.

An appeal opened by key 3 is opened at the press (PBX time) and registered when its row is written.
Nothing here trusts that it is told once: a press that has its appeal adds at most better evidence.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from appeals import audience, case, customers, history, subjects
from appeals.history import Entry
from appeals.model import Appeal, AppealCall, Kind, Phase, StageVisit
from appeals.rights import Subject
from appeals.stages import OPEN
from appeals.template import PRESS_TYPE, STAGES
from appeals.times import first_contact_after
from appeals.upsert import insert_new
from calls.facts import (
    CallEnded,
    ComplaintRequested,
    MenuKeyPressed,
    OperatorAnswered,
    OperatorRang,
    Party,
    QueueEntered,
)
from calls.model import Call
from calls.story import CallChange, CallStory
from people import directory
from store.base import table
from store.outbox import Message, emit

__all__ = ["IntakeSettings", "on_change", "open_appeals"]

# A PBX may give a uniqueid again after a restart with a wrong clock: this far apart it is another call.
_SAME_PRESS: Final = timedelta(hours=6)
_EVIDENCE: Final = {"unverified": 0, "verified_live": 1, "verified": 2}
_FIRST_STAGE: Final = str(STAGES[0]["code"])
_RELATED_SHOWN: Final = 20
_TELLING = (
    ComplaintRequested,
    MenuKeyPressed,
    QueueEntered,
    OperatorRang,
    OperatorAnswered,
    CallEnded,
)
_SHOWS_PURPOSE = (OperatorRang, OperatorAnswered, CallEnded)
_MEANS_NOTHING_YET = (
    ComplaintRequested,
    OperatorRang,
)  # to the appeals of a call without an answer

_CALLS, _APPEALS, _LINKS = table(Call), table(Appeal), table(AppealCall)
_INSERT_LINK = insert(_LINKS)
_INSERT_VISIT = insert(table(StageVisit))
_OPEN_APPEALS = (
    select(_APPEALS.c.number)
    .where(_APPEALS.c.customer_id == bindparam("customer"), _APPEALS.c.phase.in_(OPEN))
    .order_by(_APPEALS.c.number.desc())
    .limit(_RELATED_SHOWN)
)
_APPEALS_OF_CALL = (
    select(_LINKS.c.appeal_number)
    .where(_LINKS.c.call_id == bindparam("call"))
    .order_by(_LINKS.c.appeal_number)
)
_SET_DEPARTMENT = update(_CALLS).where(_CALLS.c.id == bindparam("call"))


@dataclass(frozen=True, kw_only=True)
class IntakeSettings:
    """`departments`: queue name → department id; other queues belong to the root. `resolve_h`: hours
    from the press to the deadline, wall time."""

    departments: Mapping[str, int]
    resolve_h: float = 24


async def on_change(
    session: AsyncSession, change: CallChange, *, now: datetime, settings: IntakeSettings
) -> None:
    """Open the appeal of a press in `change`, link the call, write down what it means for its appeals.

    Call it after `calls.history.store_change` in the same transaction: calls and legs are read.
    """
    facts = [fact for fact in change.facts if isinstance(fact, _TELLING)]
    if not facts:
        return
    story = change.story
    for fact in facts:
        if isinstance(fact, ComplaintRequested):
            await _pressed(session, change, fact, now, settings)
        elif isinstance(fact, QueueEntered):
            await _note_department(session, story, fact.queue, settings)
    if story.pressed_at is None and any(isinstance(fact, _SHOWS_PURPOSE) for fact in facts):
        await _link_to_open_appeal(session, story, now)
    if story.answered_at is None and all(isinstance(f, _MEANS_NOTHING_YET) for f in facts):
        return  # the usual press, the usual ringing
    appeals = await _appeals_of(session, story.id)
    for appeal in appeals:
        await _call_went_on(session, appeal, change, now, settings)
    if any(isinstance(fact, CallEnded) for fact in facts):
        await _tell_end(session, story, appeals, now)


async def open_appeals(session: AsyncSession, customer_id: int) -> list[int]:
    """Return the customer's newest appeals that are neither closed nor rejected, newest first."""
    return list(await session.scalars(_OPEN_APPEALS, {"customer": customer_id}))


async def _pressed(
    session: AsyncSession,
    change: CallChange,
    fact: ComplaintRequested,
    now: datetime,
    settings: IntakeSettings,
) -> None:
    story = change.story
    # Usually not: then no look before the insert. Else look: an insert in vain would cost a number.
    told_before = change.before is not None and change.before.pressed_at is not None
    # One appeal a call: a press told of another channel of the call belongs to the call's first.
    base = f"{story.pbx}/{story.press_uniqueid or fact.uniqueid}"
    for n in itertools.count(1):
        key = base if n == 1 else f"{base}/{n}"
        found = await _appeal_of_key(session, key) if told_before else None
        if found is None and await _open(session, story, fact, key, now, settings):
            return
        found = found or await _appeal_of_key(session, key)  # opened by another process just now
        if found is not None and _same_press(found, fact.at):
            await _pressed_before(session, found, story, fact, now)
            return


async def _appeal_of_key(session: AsyncSession, key: str) -> Appeal | None:
    return await session.scalar(select(Appeal).where(Appeal.press_key == key))


def _same_press(appeal: Appeal, at: datetime) -> bool:
    return appeal.pressed_at is not None and abs(appeal.pressed_at - at) <= _SAME_PRESS


async def _open(
    session: AsyncSession,
    story: CallStory,
    fact: ComplaintRequested,
    key: str,
    now: datetime,
    settings: IntakeSettings,
) -> bool:
    """Open the appeal with all that belongs to it; False when it was opened before, or just now."""
    customer = await customers.find(session, story.caller)
    related = await open_appeals(session, customer) if customer is not None else []
    if customer is None:
        customer = await customers.create(session, story.caller, now=now)
    departments = await _departments(session, fact.queue or story.queue, settings)
    values = _new_appeal(story, fact, key, now, settings) | {
        "customer_id": customer,
        "department_id": departments[0],
    }
    new = await insert_new(session, Appeal, values, key=("press_key",))
    if new is None:
        return False
    appeal = Appeal(
        **values, number=new.number
    )  # what the row says; the session knows nothing of it
    link = {"appeal_number": appeal.number, "call_id": story.id, "link": subjects.PRESS}
    visit = {"appeal_number": appeal.number, "stage": appeal.stage, "entered_at": fact.at}
    await session.execute(_INSERT_LINK, link)
    await session.execute(_INSERT_VISIT, visit)
    entries = [_opened(appeal, fact, now)]
    if related:
        entries.append(_entry(now, "related", appeals=related))
    await history.begin(session, appeal.number, *entries)
    # The usual press has no leg yet: then its readers are known without asking.
    subject = None if story.legs else Subject(number=appeal.number, departments=departments)
    await case.tell(session, appeal, "appeal.opened", now=now, subject=subject)
    return True


def _new_appeal(
    story: CallStory, fact: ComplaintRequested, key: str, now: datetime, settings: IntakeSettings
) -> dict[str, Any]:
    return {
        "kind": Kind.COMPLAINT,
        "type": PRESS_TYPE,
        "source": "phone_key",
        "verified": fact.evidence,
        "press_key": key,
        "spool_key": fact.key,
        "call_id": story.id,
        "version": 1,
        "phase": Phase.RECEIVED,
        "stage": _FIRST_STAGE,
        "caller_raw": story.caller.raw,
        "caller_e164": story.caller.e164,
        "caller_name": story.caller.name,
        "pressed_at": fact.at,
        "opened_at": fact.at,
        "registered_at": now,
        "deadline_at": fact.at + timedelta(hours=settings.resolve_h),
    }


def _opened(appeal: Appeal, fact: ComplaintRequested, now: datetime) -> Entry:
    data = {
        "type": appeal.type,
        "source": appeal.source,
        "stage": appeal.stage,
        "department": appeal.department_id,
        "press_key": appeal.press_key,
        "call": appeal.call_id,
        "evidence": fact.evidence,
        "pressed_at": fact.at.isoformat(),
        "deadline_at": appeal.deadline_at.isoformat() if appeal.deadline_at else None,
        "recovered": fact.recovered,
    }
    if fact.timed_by != "key":  # the PBX kept no time of the key itself
        data["pressed_at_is"] = fact.timed_by
    caller = {
        "raw": appeal.caller_raw,
        "e164": appeal.caller_e164,
        "name": appeal.caller_name,
        "customer": appeal.customer_id,
    }
    return Entry(at=now, author_id=None, action="opened", data=data, personal=caller)


async def _departments(
    session: AsyncSession, queue: str | None, settings: IntakeSettings
) -> tuple[int, ...]:
    """The department of the queue and all above it; of no queue or an unknown one, the root."""
    mapped = settings.departments.get(queue) if queue else None
    if mapped is not None:
        return await directory.ancestors(session, mapped)
    return ((await directory.root_department(session)).id,)


async def _note_department(
    session: AsyncSession, story: CallStory, queue: str, settings: IntakeSettings
) -> None:
    """A call belongs to the department of its queue: who of it may read the call."""
    department = settings.departments.get(queue)
    if department is not None:
        await session.execute(_SET_DEPARTMENT, {"call": story.id, "department_id": department})


async def _pressed_before(
    session: AsyncSession,
    found: Appeal,
    story: CallStory,
    fact: ComplaintRequested,
    now: datetime,
) -> None:
    """The press has its appeal: keep better evidence, or note that 3 was pressed again in the call."""
    appeal = await case.load(session, found.number)
    await _link(session, appeal, story.id, subjects.PRESS)
    entries = []
    is_first = fact.uniqueid == (story.press_uniqueid or fact.uniqueid)
    if is_first and _EVIDENCE[fact.evidence] > _EVIDENCE[appeal.verified]:
        entries.append(_entry(now, "evidence", old=appeal.verified, new=fact.evidence))
        appeal.verified = fact.evidence
        appeal.spool_key = appeal.spool_key or fact.key
    if appeal.pressed_at is not None and fact.at > appeal.pressed_at + _ONE_PRESS:
        entries.append(_pressed_again(now, story.id, fact.at))
    if entries:
        await case.write(session, appeal, *entries, now=now)


# The event and the stored press of one press may differ by what the clock's digits lose.
_ONE_PRESS: Final = timedelta(seconds=1)


def _pressed_again(now: datetime, call: str, at: datetime) -> Entry:
    return _entry(now, "pressed_again", call=call, at=at.isoformat())


async def _link(session: AsyncSession, appeal: Appeal, call: str, link: str) -> bool:
    values = {"appeal_number": appeal.number, "call_id": call, "link": link}
    row = await insert_new(session, AppealCall, values, key=("appeal_number", "call_id"))
    return row is not None


async def _link_to_open_appeal(session: AsyncSession, story: CallStory, now: datetime) -> None:
    """A call without a press belongs to its customer's open appeal, when there is exactly one."""
    if story.direction == "internal" or await _is_linked(session, story.id):
        return
    customer = await customers.find(session, _customer_end(story))
    if customer is None:
        return
    numbers = await open_appeals(session, customer)
    if len(numbers) != 1:
        return
    appeal = await case.load(session, numbers[0])
    began_before = appeal.opened_at <= (story.ended_at or now)
    if began_before and await _link(session, appeal, story.id, "auto"):
        entry = _entry(now, "call_linked", call=story.id, link="auto", direction=story.direction)
        await case.write(session, appeal, entry, now=now)


async def _is_linked(session: AsyncSession, call: str) -> bool:
    return (await session.execute(_APPEALS_OF_CALL, {"call": call})).first() is not None


def _customer_end(story: CallStory) -> Party:
    return story.to if story.direction == "out" else story.caller


async def _appeals_of(session: AsyncSession, call: str) -> list[Appeal]:
    """Return the appeals of a call, locked in the order of their numbers: no two of us deadlock."""
    numbers = await session.scalars(_APPEALS_OF_CALL, {"call": call})
    return [await case.load(session, number) for number in numbers.all()]


async def _call_went_on(
    session: AsyncSession,
    appeal: Appeal,
    change: CallChange,
    now: datetime,
    settings: IntakeSettings,
) -> None:
    """Write to `appeal` what happened in its call; the end of a call alone makes no new version."""
    story = change.story
    entries = [
        _pressed_again(now, story.id, fact.at)
        for fact in change.facts
        if isinstance(fact, MenuKeyPressed) and story.pressed_at and fact.at > story.pressed_at
    ]
    entries += _to_department_of_queue(appeal, change, now, settings)
    entries += _first_contact(appeal, story, now)
    if any(isinstance(fact, OperatorAnswered) for fact in change.facts):
        subject = await subjects.of_appeal(session, appeal)
        entries += await case.withdraw_responsible(session, appeal, subject, now=now)
    if entries:
        await case.write(session, appeal, *entries, now=now)
    ends = [fact for fact in change.facts if isinstance(fact, CallEnded)]
    if ends:
        await history.append(session, appeal.number, *(_ended(now, story, end) for end in ends))


def _to_department_of_queue(
    appeal: Appeal, change: CallChange, now: datetime, settings: IntakeSettings
) -> list[Entry]:
    """The press comes before the queue: the first queue of the call that opened it says whose it is."""
    since = appeal.opened_at
    stays = [stay for stay in change.story.stays if stay.entered_at >= since]
    before = change.before.stays if change.before else ()
    department = settings.departments.get(stays[0].queue) if stays else None
    known_before = any(stay.entered_at >= since for stay in before)
    if known_before or department is None or appeal.call_id != change.story.id:
        return []
    old, appeal.department_id = appeal.department_id, department
    return [_entry(now, "changed", field="department", old=old, new=department)] * (
        old != department
    )


def _first_contact(appeal: Appeal, story: CallStory, now: datetime) -> list[Entry]:
    """Note the first time the customer and a person spoke after the press, the earliest that is known."""
    answers = [story.answered_at, *(leg.answered_at for leg in story.legs)]
    contact = first_contact_after(appeal.opened_at, answers)
    known = appeal.first_contact_at
    if contact is None or (known is not None and known <= contact):
        return []
    appeal.first_contact_at = contact
    return [
        _entry(
            now,
            "first_contact",
            call=story.id,
            at=contact.isoformat(),
            direction=story.direction,
            extension=next((g.extension for g in story.legs if g.answered_at == contact), None),
        )
    ]


def _ended(now: datetime, story: CallStory, end: CallEnded) -> Entry:
    return _entry(
        now,
        "call_ended",
        call=story.id,
        at=end.at.isoformat(),
        direction=story.direction,
        outcome=end.outcome,
    )


async def _tell_end(
    session: AsyncSession, story: CallStory, appeals: list[Appeal], now: datetime
) -> None:
    read_as = [await subjects.of_appeal(session, appeal) for appeal in appeals]
    to = audience.of_subjects(*read_as, await subjects.of_call_alone(session, story.id))
    opened = [a.number for a in appeals if a.call_id == story.id]
    linked = opened or [a.number for a in appeals]
    data = {
        "call": story.id,
        "outcome": story.outcome,
        "appeal": linked[-1] if linked else None,
    }
    emit(session, Message(type="call.ended", at=now, audience=to.to_json(), data=data))


def _entry(now: datetime, action: str, **data: Any) -> Entry:
    """An entry by the system."""
    return Entry(at=now, author_id=None, action=action, data=data)
