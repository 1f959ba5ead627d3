"""Conflicts of interest as stored: employee, degree, author, and what lifts it.

Rows of `appeal_conflicts` are only ever added. A conflict ends by a row of a supervisor outside it
that names the row it lifts. The upkeep job writes the rows of older appeals at the start; until
then two older signs protect them: the column `accused_id`, and the answered legs of the press call.
A sign counts only where no row of that degree names the employee, so that what was lifted stays so.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import Select, exists, select, union
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from appeals.case import hot
from appeals.case.entries import ConflictStored
from appeals.case.history import Record
from appeals.case.model import ACCUSED, ANSWERED, Appeal, AppealCall, AppealConflict
from appeals.case.rights import AnsweredBy, Reason
from calls.model import Call
from store import setting_log
from store.append_only import append_only

__all__ = [
    "ACCUSED",
    "ANSWERED",
    "SETTING",
    "Hidden",
    "Row",
    "accused_of",
    "add",
    "appeals_about",
    "calls_about",
    "hidden_from",
    "in_force",
    "is_accused",
    "lift",
    "mentioned",
    "rows_of",
    "rule",
    "written",
]

SETTING: Final = "conflict.answered_by"

append_only(AppealConflict)


@dataclass(frozen=True, slots=True)
class Row:
    """A stored conflict, or the row that lifts one."""

    id: int
    employee_id: int
    degree: int
    lifts: int | None


async def rows_of(session: AsyncSession, number: int) -> list[Row]:
    """Return all rows of appeal `number`."""
    found = await session.execute(hot.CONFLICTS, {"number": number})
    return [Row(row.id, row.employee_id, row.degree, row.lifts) for row in found]


def in_force(rows: Iterable[Row], degree: int) -> frozenset[int]:
    """Return the employees in conflict of `degree` by rows that nothing lifts. Pure."""
    rows = list(rows)
    lifted = {row.lifts for row in rows}
    return frozenset(
        row.employee_id
        for row in rows
        if row.degree == degree and row.lifts is None and row.id not in lifted
    )


def mentioned(rows: Iterable[Row], degree: int) -> frozenset[int]:
    """Return the employees that any row of `degree` names, one that lifts too. Pure."""
    return frozenset(row.employee_id for row in rows if row.degree == degree)


async def add(
    session: AsyncSession,
    number: int,
    since: Mapping[int, datetime],
    degree: int,
    *,
    by: int | None,
) -> None:
    """Write a conflict of `degree` for each employee of `since`: employee → its beginning."""
    if since:
        rows = [
            {
                "appeal_number": number,
                "employee_id": employee,
                "degree": degree,
                "since": at,
                "by_id": by,
                "lifts": None,
            }
            for employee, at in sorted(since.items())
        ]
        await hot.add_conflicts(session, rows)


async def lift(
    session: AsyncSession, number: int, employee: int, degree: int, *, at: datetime, by: int
) -> None:
    """Lift what is in force against `employee`; the caller has asked the rights of `by`.

    An employee in conflict by an older sign alone gets both rows: then the sign counts no more.
    """
    rows = await rows_of(session, number)
    lifted = {row.lifts for row in rows}
    standing = [
        row.id
        for row in rows
        if (row.employee_id, row.degree, row.lifts) == (employee, degree, None)
        and row.id not in lifted
    ]
    if not standing and employee not in mentioned(rows, degree):
        row = AppealConflict(
            appeal_number=number, employee_id=employee, degree=degree, since=at, by_id=None
        )
        session.add(row)
        await session.flush()
        standing = [row.id]
    session.add_all(
        AppealConflict(
            appeal_number=number,
            employee_id=employee,
            degree=degree,
            since=at,
            by_id=by,
            lifts=each,
        )
        for each in standing
    )
    await session.flush()


_REASONS: Final = {ACCUSED: Reason.ACCUSED, ANSWERED: Reason.ANSWERED_THE_CALL}


def written(
    at: datetime,
    employee: int,
    degree: int,
    *,
    call: str | None = None,
    stored_before: Literal[True] | None = None,
) -> Record:
    """Return what the chain holds of a conflict.

    `call` and `stored_before` as of `ConflictStored`.
    """
    reason = _REASONS[degree].value
    entry = ConflictStored(
        employee=employee, degree=degree, reason=reason, call=call, stored_before=stored_before
    )
    return Record(at, entry)


async def rule(session: AsyncSession) -> AnsweredBy:
    """Return `[conflict] answered_by` of now, noted at the start of the service."""
    value = await setting_log.value_of(session, SETTING)
    return AnsweredBy(value) if value is not None else AnsweredBy.NOTES


# -- what is hidden from its accused ----------------------------------------------------------


def appeals_about(employee_id: int) -> Select[int]:
    """Return the numbers of the appeals whose accused `employee_id` is, as a query.

    Uncorrelated: a list asks it once, not of each row. For nearly everybody it is empty.
    """
    lifting = aliased(AppealConflict)
    stored = select(AppealConflict.appeal_number).where(
        AppealConflict.employee_id == employee_id,
        AppealConflict.degree == ACCUSED,
        AppealConflict.lifts.is_(None),
        ~exists().where(lifting.lifts == AppealConflict.id),
    )
    # Alone or beside the rows: nothing clears the column without lifting the row.
    sign = select(Appeal.number).where(Appeal.accused_id == employee_id)
    both = union(stored, sign).subquery()
    return select(both.c[0])


def calls_about(employee_id: int) -> Select[str]:
    """Return the ids of the calls that belong to one of `appeals_about`, as a query."""
    return select(AppealCall.call_id).where(
        AppealCall.appeal_number.in_(appeals_about(employee_id))
    )


async def is_accused(session: AsyncSession, number: int, employee_id: int) -> bool:
    """Return whether `employee_id` is an accused of appeal `number`."""
    found = appeals_about(employee_id).subquery()
    return bool(await session.scalar(select(exists().where(found.c[0] == number))))


async def accused_of(session: AsyncSession, numbers: Sequence[int]) -> dict[int, frozenset[int]]:
    """Return the accused of each of `numbers` that has any."""
    lifting = aliased(AppealConflict)
    stored = select(AppealConflict.appeal_number, AppealConflict.employee_id).where(
        AppealConflict.appeal_number.in_(numbers),
        AppealConflict.degree == ACCUSED,
        AppealConflict.lifts.is_(None),
        ~exists().where(lifting.lifts == AppealConflict.id),
    )
    sign = select(Appeal.number, Appeal.accused_id).where(
        Appeal.number.in_(numbers), Appeal.accused_id.is_not(None)
    )
    found: dict[int, set[int]] = {}
    rows: Sequence[Any] = (await session.execute(union(stored, sign))).all()
    for row in rows:
        found.setdefault(row[0], set()).add(row[1])
    return {number: frozenset(employees) for number, employees in found.items()}


@dataclass(frozen=True, slots=True)
class Hidden:
    """What must not reach an accused, `employee`: appeals about them, and their calls.

    `over`: the calls that have ended.
    """

    employee: int = 0
    appeals: frozenset[int] = frozenset()
    calls: frozenset[str] = frozenset()
    over: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.appeals)


async def hidden_from(session: AsyncSession, employee_id: int) -> Hidden:
    """Return what is hidden from `employee_id`; for nearly everybody nothing."""
    appeals = frozenset(await session.scalars(appeals_about(employee_id)))
    if not appeals:
        return Hidden()
    rows = await session.execute(
        select(Call.id, Call.ended_at).where(Call.id.in_(calls_about(employee_id)))
    )
    calls = {row.id: row.ended_at is not None for row in rows}
    over = frozenset(call for call, ended in calls.items() if ended)
    return Hidden(employee_id, appeals, frozenset(calls), over)
