"""The statements that presses and ringings run, compiled once (`store.fast`).

Their meaning is with their callers. Here alone the kernel takes the short way of SQL. All that
people do at a desk is plain SQLAlchemy.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    String,
    and_,
    bindparam,
    cast,
    exists,
    insert,
    null,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from appeals.case.model import (
    ACCUSED,
    Appeal,
    AppealCall,
    AppealConflict,
    AppealText,
    HistoryEntry,
    StageVisit,
)
from appeals.case.stages import OPEN
from calls.model import Call, Leg
from store.base import UtcDateTime, table
from store.fast.prepared import insert_later, prepared

__all__ = [
    "APPEALS_OF_CALL",
    "CALL_AND_LEGS",
    "CONFLICTS",
    "HEAD",
    "LINK_OF_CALL",
    "LOCK",
    "NUMBERS_OF_CALL",
    "OF_APPEAL",
    "OPEN_APPEALS",
    "SET_TEXT",
    "UPDATE",
    "add_call",
    "add_conflicts",
    "add_history",
    "add_text",
    "add_visit",
]

_RELATED_SHOWN = 20

_APPEALS, _LINKS, _VISITS = table(Appeal), table(AppealCall), table(StageVisit)
_CALLS, _LEGS = table(Call), table(Leg)
_CONFLICTS, _HISTORY, _TEXTS = table(AppealConflict), table(HistoryEntry), table(AppealText)

# -- an appeal -------------------------------------------------------------------------------------

UPDATE = prepared(update(_APPEALS).where(_APPEALS.c.number == bindparam("which")))
SET_TEXT = prepared(update(_TEXTS).where(_TEXTS.c.number == bindparam("of")))
LOCK = prepared(
    select(_APPEALS.c.number).where(_APPEALS.c.number == bindparam("number")).with_for_update()
)
HEAD = prepared(
    select(_HISTORY.c.n, _HISTORY.c.hash)
    .where(_HISTORY.c.appeal_number == bindparam("number"))
    .order_by(_HISTORY.c.n.desc())
    .limit(1)
)
CONFLICTS = prepared(
    select(
        _CONFLICTS.c.id,
        _CONFLICTS.c.employee_id,
        _CONFLICTS.c.degree,
        _CONFLICTS.c.lifts,
    ).where(_CONFLICTS.c.appeal_number == bindparam("number"))
)
# One trip for both: the legs of the press call, and the conflicts that are stored.
OF_APPEAL = prepared(
    union_all(
        select(
            _LEGS.c.employee_id,
            _LEGS.c.answered_at,
            cast(null(), Integer).label("id"),
            cast(null(), Integer).label("degree"),
            cast(null(), Integer).label("lifts"),
        )
        .join(_LINKS, _LINKS.c.call_id == _LEGS.c.call_id)
        .where(
            _LINKS.c.appeal_number == bindparam("number"),
            _LINKS.c.link == bindparam("press", type_=String),
            _LEGS.c.employee_id.is_not(None),
        ),
        select(
            _CONFLICTS.c.employee_id,
            cast(null(), UtcDateTime),
            _CONFLICTS.c.id,
            _CONFLICTS.c.degree,
            _CONFLICTS.c.lifts,
        ).where(_CONFLICTS.c.appeal_number == bindparam("number")),
    )
)

# -- the appeals of a call -------------------------------------------------------------------------


def _stored_accused() -> tuple[Any, ColumnElement[bool]]:
    """Return an alias of conflicts, and the condition that it is an accused of `appeals`."""
    row, lifting = _CONFLICTS.alias(), _CONFLICTS.alias()
    is_accused = and_(
        row.c.appeal_number == _APPEALS.c.number,
        row.c.degree == ACCUSED,
        row.c.lifts.is_(None),
        ~exists().where(lifting.c.lifts == row.c.id),
    )
    return row, is_accused


_ACCUSED, _IS_ACCUSED = _stored_accused()
OPEN_APPEALS = prepared(
    select(_APPEALS.c.number, _APPEALS.c.accused_id, _ACCUSED.c.employee_id)
    .select_from(_APPEALS.outerjoin(_ACCUSED, _IS_ACCUSED))
    .where(
        _APPEALS.c.customer_id == bindparam("customer"),
        or_(*(_APPEALS.c.phase == each for each in sorted(OPEN))),
    )
    .order_by(_APPEALS.c.number.desc())
    .limit(_RELATED_SHOWN)
)
APPEALS_OF_CALL = prepared(
    select(_APPEALS)
    .join(_LINKS, _LINKS.c.appeal_number == _APPEALS.c.number)
    .where(_LINKS.c.call_id == bindparam("call"))
    .order_by(_APPEALS.c.number)
    .with_for_update(of=_APPEALS)
)
NUMBERS_OF_CALL = prepared(
    select(_APPEALS.c.number, _APPEALS.c.accused_id, _ACCUSED.c.employee_id)
    .select_from(
        _APPEALS.join(_LINKS, _LINKS.c.appeal_number == _APPEALS.c.number).outerjoin(
            _ACCUSED, _IS_ACCUSED
        )
    )
    .where(_LINKS.c.call_id == bindparam("call"))
    .order_by((_APPEALS.c.call_id == bindparam("call")).desc(), _APPEALS.c.number.desc())
)
LINK_OF_CALL = prepared(
    select(_LINKS.c.appeal_number).where(_LINKS.c.call_id == bindparam("call")).limit(1)
)
CALL_AND_LEGS = prepared(
    select(_CALLS.c.department_id, _LEGS.c.employee_id)
    .outerjoin(_LEGS, _LEGS.c.call_id == _CALLS.c.id)
    .where(_CALLS.c.id == bindparam("call"))
)

# -- rows that go in with those of other works -----------------------------------------------------

Rows = Sequence[dict[str, Any]]
_INSERT_CALL = prepared(insert(_LINKS))
_INSERT_VISIT = prepared(insert(_VISITS))
_INSERT_TEXT = prepared(insert(_TEXTS))
_INSERT_HISTORY = prepared(insert(_HISTORY))
_INSERT_CONFLICT = prepared(insert(_CONFLICTS))


async def add_call(session: AsyncSession, row: dict[str, Any]) -> None:
    """Insert the link of a call to its appeal, later."""
    await insert_later(session, _INSERT_CALL, [row])


async def add_visit(session: AsyncSession, row: dict[str, Any]) -> None:
    """Insert a visit of a stage, later."""
    await insert_later(session, _INSERT_VISIT, [row])


async def add_text(session: AsyncSession, row: dict[str, Any]) -> None:
    """Insert the text that an appeal is searched by, later."""
    await insert_later(session, _INSERT_TEXT, [row])


async def add_history(session: AsyncSession, rows: Rows) -> None:
    """Insert entries of history, later."""
    await insert_later(session, _INSERT_HISTORY, rows)


async def add_conflicts(session: AsyncSession, rows: Rows) -> None:
    """Insert conflicts, later."""
    await insert_later(session, _INSERT_CONFLICT, rows)
