"""Run a verb of a person in one transaction: done, or refused and recorded.

appeal = await perform(writer, lambda s: verbs.take(s, 1234, employee, now=now()), now=now)
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, TypeVar

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from appeals.case import history
from appeals.case.entries import AttemptRefused
from appeals.case.errors import NotFound, Refused
from appeals.case.history import Record
from appeals.case.model import RefusedAttempt
from appeals.case.rights import Action, Person, Reason, Refusal, Subject, may
from appeals.case.stages import Verb
from store import outbox
from store.writer import Work, Writer

__all__ = ["check", "perform", "refused"]

T = TypeVar("T")


async def perform(writer: Writer, verb: Work[T], *, now: Callable[[], datetime]) -> T:
    """Run `verb` and return its result. A refused one is rolled back and recorded.

    Raises:
        Refused: the rights refuse it.
    """

    async def work(session: AsyncSession) -> T | Refused:
        mark = outbox.mark(session)
        try:
            async with session.begin_nested():
                return await verb(session)
        except Refused as refusal:
            outbox.rewind(session, mark)
            await _record(session, refusal, now())
            return refusal

    outcome = await writer.run(work)
    if isinstance(outcome, Refused):
        raise outcome
    return outcome


def check(actor: Person, action: Action, subject: Subject) -> None:
    """Let pass what `actor` may do to `subject`.

    Raises:
        Refused: the rights refuse it.
        NotFound: `actor` may not read it.
    """
    verdict = may(actor, action, subject)
    if isinstance(verdict, Refusal):
        if verdict.reason is Reason.OUT_OF_SCOPE and subject.number is not None:
            raise NotFound("appeal", subject.number)
        raise refused(actor, action, subject, verdict.reason)


def refused(actor: Person, action: Action | Verb, subject: Subject, reason: Reason) -> Refused:
    """Return the refusal of `action`, to be raised."""
    return Refused(
        action=action.value,
        reason=reason.value,
        conflict=Refusal(reason).conflict,
        employee_id=actor.id,
        number=subject.number,
    )


_REFUSALS_AN_HOUR: Final = 20


async def _record(session: AsyncSession, refusal: Refused, now: datetime) -> None:
    """Record a refusal as a row to list and as an entry in the chain, which is for ever.

    Of one person at one appeal so many an hour: an accused must not bury the history under
    attempts.
    """
    if refusal.number is None or await _is_recorded_enough(session, refusal, now):
        return
    session.add(
        RefusedAttempt(
            appeal_number=refusal.number,
            employee_id=refusal.employee_id,
            action=refusal.action,
            reason=refusal.reason,
            at=now,
        )
    )
    entry = AttemptRefused(action=refusal.action, reason=refusal.reason)
    await history.append(session, refusal.number, Record(now, entry, refusal.employee_id))


async def _is_recorded_enough(session: AsyncSession, refusal: Refused, now: datetime) -> bool:
    lately = (
        select(RefusedAttempt.id)
        .where(
            RefusedAttempt.appeal_number == refusal.number,
            RefusedAttempt.employee_id == refusal.employee_id,
            RefusedAttempt.at > now - timedelta(hours=1),
        )
        .limit(_REFUSALS_AN_HOUR)
    )
    return len((await session.scalars(lately)).all()) == _REFUSALS_AN_HOUR
