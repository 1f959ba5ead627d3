"""What every change of an appeal is made of: load it locked, move it, record, publish."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from appeals.case import audience, history, hot, subjects
from appeals.case.entries import (
    AppealChanged,
    AppealOpened,
    HiddenChanged,
    HiddenOpened,
    ResponsibleWithdrawn,
)
from appeals.case.errors import NotFound
from appeals.case.history import Record
from appeals.case.model import Appeal, Phase, Stage, StageVisit
from appeals.case.rights import Subject, conflict
from appeals.case.stages import TRANSITIONS, Verb, next_phase
from people.access.audience import Audience
from store.base import table
from store.outbox import publish

__all__ = [
    "Step",
    "columns_of",
    "load",
    "move",
    "tell",
    "withdraw_responsible",
    "write",
    "write_copy",
]


async def load(session: AsyncSession, number: int) -> Appeal:
    """Return appeal `number` as it is now, kept from others until the commit; NotFound."""
    appeal = await session.scalar(_LOCKED, {"number": number})
    if appeal is None:
        raise NotFound("appeal", number)
    return appeal


_LOCKED = (
    select(Appeal)
    .where(Appeal.number == bindparam("number"))
    .with_for_update()
    .execution_options(populate_existing=True)
)


async def write(session: AsyncSession, appeal: Appeal, *records: Record, now: datetime) -> None:
    """Close a change of `appeal`: a new version, its history, its event."""
    appeal.version += 1
    await session.flush()
    await history.append(session, appeal.number, *records)
    await tell(session, appeal, "appeal.changed", now=now)


async def write_copy(
    session: AsyncSession,
    before: Mapping[str, Any],
    copy: Appeal,
    *records: Record,
    now: datetime,
    subject: Subject | None = None,
) -> None:
    """As `write`, for a locked copy that was as `before`, without the ORM.

    The copy is of `appeals.case.calls.appeals_of`. `subject`: `copy` as the rights see it, when
    that is known.
    """
    copy.version += 1
    changed = {name: value for name, value in columns_of(copy).items() if value != before[name]}
    await session.execute(hot.UPDATE, {"which": copy.number, **changed})
    await history.append(session, copy.number, *records)
    await tell(session, copy, "appeal.changed", now=now, subject=subject)


def columns_of(appeal: Appeal) -> dict[str, Any]:
    """Return the row of `appeal`."""
    return {name: getattr(appeal, name) for name in _COLUMNS}


_COLUMNS = tuple(table(Appeal).columns.keys())


async def tell(
    session: AsyncSession,
    appeal: Appeal,
    event: Literal["appeal.opened", "appeal.changed"],
    *,
    now: datetime,
    subject: Subject | None = None,
) -> None:
    """Publish to everyone who may read `appeal` that it was opened or changed.

    `subject`: `appeal` as the rights see it, None when it is not known yet. Its accused get the
    number and the version, and that the rest is hidden from them.
    """
    subject = subject or await subjects.of_appeal(session, appeal)
    to = audience.of_subjects(subject)
    shape, hidden_shape = _SHAPES[event]
    news = shape(
        number=appeal.number, version=appeal.version, phase=appeal.phase, call=appeal.call_id
    )
    publish(session, news, at=now, audience=to.to_json())
    if subject.accused:
        accused = Audience(employees=tuple(sorted(subject.accused)))
        hidden = hidden_shape(number=appeal.number, version=appeal.version, hidden=True)
        publish(session, hidden, at=now, audience=accused.to_json())


_SHAPES: Final = {
    "appeal.opened": (AppealOpened, HiddenOpened),
    "appeal.changed": (AppealChanged, HiddenChanged),
}


class Step(NamedTuple):
    """What led an appeal from one stage to another; the codes of both, maybe the same."""

    verb: str
    from_: str
    to: str


async def move(session: AsyncSession, appeal: Appeal, verb: Verb, *, at: datetime) -> Step:
    """Lead `appeal` to the stage that `verb` leads to.

    Raises WrongStage when there is no such step.
    """
    stage = await _stage_for(session, appeal.stage, next_phase(appeal.phase, verb))
    step = Step(verb.value, appeal.stage, stage.code)
    if stage.code != appeal.stage:
        await _enter(session, appeal, stage, at)
    _note_times(appeal, verb, at)
    return step


async def withdraw_responsible(
    session: AsyncSession, appeal: Appeal, subject: Subject, *, now: datetime
) -> list[Record]:
    """Take the appeal from a responsible come into conflict; return what to record.

    They took it, and then answered the caller or were named the accused. `subject` as of
    `for_verb`.
    """
    employee = appeal.responsible_id
    reason = conflict(employee, subject) if employee is not None else None
    if employee is None or reason is None:
        return []
    appeal.responsible_id = None
    entry = ResponsibleWithdrawn(employee=employee, reason=reason.value)
    if (appeal.phase, Verb.RETURN) in TRANSITIONS:
        step = await move(session, appeal, Verb.RETURN, at=now)
        entry = replace(entry, **step._asdict())
    return [Record(now, entry)]


async def _stage_for(session: AsyncSession, current: str, phase: Phase) -> Stage:
    """Return the first stage of the same route that stands for `phase`."""
    here = aliased(Stage)
    return (
        await session.scalars(
            select(Stage)
            .join(here, here.route == Stage.route)
            .where(here.code == current, Stage.phase == phase)
            .order_by(Stage.position)
            .limit(1)
        )
    ).one()


async def _enter(session: AsyncSession, appeal: Appeal, stage: Stage, at: datetime) -> None:
    await session.execute(
        update(StageVisit)
        .where(StageVisit.appeal_number == appeal.number, StageVisit.left_at.is_(None))
        .values(left_at=at)
    )
    session.add(StageVisit(appeal_number=appeal.number, stage=stage.code, entered_at=at))
    appeal.stage, appeal.phase = stage.code, Phase(stage.phase)


def _note_times(appeal: Appeal, verb: Verb, at: datetime) -> None:
    match verb:
        case Verb.TAKE:
            appeal.taken_at = appeal.taken_at or at
        case Verb.RESOLVE:
            appeal.resolved_at = at
        case Verb.CLOSE | Verb.REJECT:
            appeal.closed_at = at
        case Verb.RETURN | Verb.REOPEN:
            appeal.resolved_at = appeal.closed_at = None
