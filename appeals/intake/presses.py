"""From facts to appeals: key 3 opens one exactly once, later facts are written to it.

An appeal opened by key 3 is opened at the press (PBX time) and registered when its row is written.
Nothing here relies on a press coming once: a press that has its appeal adds at most better
evidence.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from appeals.case import calls, changing, history, hot, subjects, texts
from appeals.case.history import Record
from appeals.case.model import Appeal, Kind, Phase
from appeals.case.rights import Subject
from appeals.case.template import PRESS_TYPE, STAGES
from appeals.intake.entries import BetterEvidence, Opened, Related
from appeals.intake.follow_up import answered, pressed_again
from calls.facts import ComplaintRequested, QueueEntered
from calls.model import Call
from calls.story import CallChange, CallStory
from customers import callers
from people import directory
from store.base import table
from store.fast.prepared import prepared
from store.upsert import insert_new

__all__ = ["IntakeSettings", "on_change"]

# A PBX may give a uniqueid again after a restart with a wrong clock: this far apart it is another
# call.
_SAME_PRESS: Final = timedelta(hours=6)
_EVIDENCE: Final = {"unverified": 0, "verified_live": 1, "verified": 2}
_FIRST_STAGE: Final = str(STAGES[0]["code"])
_CALLS = table(Call)
_SET_DEPARTMENT = prepared(update(_CALLS).where(_CALLS.c.id == bindparam("call")))


@dataclass(frozen=True, kw_only=True)
class IntakeSettings:
    """What intake needs to know of the configuration.

    `departments`: queue name → department id; other queues belong to the root. `resolve_h`: hours
    from the press to the deadline, wall time.
    """

    departments: Mapping[str, int]
    resolve_h: float = 24


async def on_change(
    session: AsyncSession, change: CallChange, *, now: datetime, settings: IntakeSettings
) -> None:
    """Open the appeal of a press in `change`; note the department of the call's queue.

    Call it after `calls.storage.store_change` in the same transaction: calls and legs are read.
    """
    for fact in change.facts:
        if isinstance(fact, ComplaintRequested):
            await _pressed(session, change, fact, now, settings)
        elif isinstance(fact, QueueEntered):
            await _note_department(session, change.story, fact.queue, settings)


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
    # One appeal a call: a press on another channel of the call belongs to the call's first.
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
    """Open the appeal with all that belongs to it; return False when it was opened before."""
    customer, known = await callers.find_or_make(session, story.caller, now=now)
    related: list[int] = []
    if customer is not None and known:
        related = list(await calls.open_appeals(session, customer))
    departments = await _departments(session, fact.queue or story.queue, settings)
    values = _new_appeal(story, fact, key, now, settings) | {
        "customer_id": customer,
        "department_id": departments[0],
    }
    new = await insert_new(session, Appeal, values, key=("press_key",))
    if new is None:
        return False
    # The row as it is stored; the session knows nothing of it.
    appeal = Appeal(**values, number=new.number)
    link = {"appeal_number": appeal.number, "call_id": story.id, "link": subjects.PRESS}
    visit = {"appeal_number": appeal.number, "stage": appeal.stage, "entered_at": fact.at}
    await hot.add_call(session, link)
    await hot.add_visit(session, visit)
    await texts.keep_text(session, appeal)
    records = [Record(now, _opened(appeal, fact))]
    if related:
        records.append(Record(now, Related(appeals=related)))
    # The usual press has no leg yet: then its readers are known without asking.
    subject = Subject(number=appeal.number, departments=departments)
    if story.legs:
        subject, conflicted = await answered(session, appeal, now=now)
        records += conflicted
    await history.begin(session, appeal.number, *records)
    await changing.tell(session, appeal, "appeal.opened", now=now, subject=subject)
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


def _opened(appeal: Appeal, fact: ComplaintRequested) -> Opened:
    return Opened(
        type=appeal.type,
        source=appeal.source,
        stage=appeal.stage,
        department=appeal.department_id,
        press_key=appeal.press_key,
        call=appeal.call_id,
        evidence=fact.evidence,
        pressed_at=fact.at.isoformat(),
        deadline_at=appeal.deadline_at.isoformat() if appeal.deadline_at else None,
        recovered=fact.recovered,
        # The PBX may have kept no time of the key itself.
        pressed_at_is=fact.timed_by if fact.timed_by != "key" else None,
        raw=appeal.caller_raw,
        e164=appeal.caller_e164,
        name=appeal.caller_name,
        customer=appeal.customer_id,
    )


async def _departments(
    session: AsyncSession, queue: str | None, settings: IntakeSettings
) -> tuple[int, ...]:
    """Return the department of the queue and all above; of an unknown queue, the root."""
    mapped = settings.departments.get(queue) if queue else None
    if mapped is not None:
        return await directory.ancestors(session, mapped)
    return (await directory.root_id(session),)


async def _note_department(
    session: AsyncSession, story: CallStory, queue: str, settings: IntakeSettings
) -> None:
    """Let the department of its queue read the call."""
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
    """Keep better evidence of a press that has its appeal, or note that 3 was pressed again."""
    appeal = await changing.load(session, found.number)
    await calls.link(session, appeal, story.id, subjects.PRESS)
    records = []
    is_first = fact.uniqueid == (story.press_uniqueid or fact.uniqueid)
    if is_first and _EVIDENCE[fact.evidence] > _EVIDENCE[appeal.verified]:
        records.append(Record(now, BetterEvidence(old=appeal.verified, new=fact.evidence)))
        appeal.verified = fact.evidence
        appeal.spool_key = appeal.spool_key or fact.key
    if appeal.pressed_at is not None and fact.at > appeal.pressed_at + _ONE_PRESS:
        records.append(pressed_again(now, story.id, fact.at))
    if records:
        await changing.write(session, appeal, *records, now=now)


# The event and the stored press of one press may differ by what the clock's digits lose.
_ONE_PRESS: Final = timedelta(seconds=1)
