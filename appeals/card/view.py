"""CONTRACT's APPEAL and CALL, read in batches: the same shapes for REST and for push.

Every field is always there; one whose part is not built yet is null. `appeals.card.read` has
decided before which reader may see a thing.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from appeals.case.conflicts import Hidden
from appeals.case.entry import Entry, EntryKinds, Unknown, decode
from appeals.case.model import Appeal, AppealCall, HistoryEntry, RefusedAttempt, Stage, StageVisit
from appeals.case.stages import REQUIRED, UNRESOLVED
from appeals.case.times import CallTimes, CaseTimes, VisitTimes, times
from calls.model import Call, Leg
from customers.model import Customer
from people.model import Department, Employee
from recordings.access import of_calls
from recordings.model import Recording

__all__ = ["appeals", "calls", "calls_of", "history", "refused_attempts"]

Json: TypeAlias = dict[str, Any]

_NOTHING: Final = Hidden()
_Responsible = aliased(Employee)
_Accused = aliased(Employee)


async def appeals(session: AsyncSession, numbers: Sequence[int]) -> list[Json]:
    """Return APPEAL (without `calls`) of each existing number, in their order; two queries."""
    rows = await session.execute(
        select(
            Appeal,
            Call,
            Stage,
            Customer.name.label("customer"),
            Department.name.label("department"),
            _Responsible.name.label("responsible"),
            _Accused.name.label("accused"),
        )
        .join(Stage, Stage.code == Appeal.stage)
        .outerjoin(Call, Call.id == Appeal.call_id)
        .outerjoin(Customer, Customer.id == Appeal.customer_id)
        .outerjoin(Department, Department.id == Appeal.department_id)
        .outerjoin(_Responsible, _Responsible.id == Appeal.responsible_id)
        .outerjoin(_Accused, _Accused.id == Appeal.accused_id)
        .where(Appeal.number.in_(numbers))
    )
    found = {row.Appeal.number: row for row in rows}
    visits = await _visits(session, numbers)
    return [_appeal(found[n], visits[n]) for n in numbers if n in found]


async def calls_of(session: AsyncSession, number: int, hidden: Hidden = _NOTHING) -> list[Json]:
    """Return CALL of every call of an appeal in the order they began; `hidden` as of `calls`."""
    ids = await session.scalars(
        select(AppealCall.call_id)
        .join(Call, Call.id == AppealCall.call_id)
        .where(AppealCall.appeal_number == number)
        .order_by(Call.started_at, Call.id)
    )
    return await calls(session, ids.all(), hidden)


async def history(
    session: AsyncSession, number: int, *, kinds: EntryKinds, hide_refused: bool = False
) -> list[Json]:
    """Return the history of an appeal from its beginning; the system's entries have no author.

    `hide_refused`: of an entry for overseers only number and hash are returned. Stages have their
    names, as everywhere; stored and hashed are their codes, which no renaming touches.
    """
    names = {stage.code: stage.name for stage in await session.scalars(select(Stage))}
    rows = await session.execute(
        select(HistoryEntry, Employee.name)
        .outerjoin(Employee, Employee.id == HistoryEntry.author_id)
        .where(HistoryEntry.appeal_number == number)
        .order_by(HistoryEntry.n)
    )
    shown = []
    for row, author in rows:
        entry = decode(kinds, row.action, row.data, row.personal)
        if hide_refused and entry.FOR_OVERSEERS:
            shown.append({"n": row.n, "hash": row.hash, "hidden": True})
        else:
            shown.append(_entry(row, entry, author, names))
    return shown


def _entry(
    row: HistoryEntry, entry: Entry | Unknown, author: str | None, names: Mapping[str, str]
) -> Json:
    """Return a row as it is stored, with the names of stages where `entry` has any."""
    stages = {
        key: names.get(row.data[key], row.data[key]) for key in entry.STAGES if key in row.data
    }
    return {
        "n": row.n,
        "at": _time(row.at),
        "author": _named(row.author_id, author),
        "action": row.action,
        "data": {**row.data, **stages, **(row.personal or {})},
        "erased": row.personal is None and row.personal_hash != "",
        "hash": row.hash,
    }


async def refused_attempts(session: AsyncSession, number: int) -> list[Json]:
    """Return what the rights refused on an appeal, oldest first: for those who oversee it."""
    rows = await session.execute(
        select(RefusedAttempt, Employee.name)
        .join(Employee, Employee.id == RefusedAttempt.employee_id)
        .where(RefusedAttempt.appeal_number == number)
        .order_by(RefusedAttempt.id)
    )
    return [
        {
            "at": _time(attempt.at),
            "employee": _named(attempt.employee_id, name),
            "action": attempt.action,
            "reason": attempt.reason,
        }
        for attempt, name in rows
    ]


def _appeal(row: Row[*tuple[Any, ...]], visits: list[VisitTimes]) -> Json:
    appeal: Appeal = row.Appeal
    return {
        "number": appeal.number,
        "version": appeal.version,
        "kind": appeal.kind,
        "type": appeal.type,
        "category": appeal.category,
        "source": appeal.source,
        "verified": appeal.verified,
        "phase": appeal.phase,
        "stage": row.Stage.name,
        "state": row.Stage.shown_state,
        "missing": _missing(appeal),
        "caller": {
            "raw": appeal.caller_raw,
            "e164": appeal.caller_e164,
            "name": appeal.caller_name,
            "kind": _kind(row.Call, appeal.caller_e164),
        },
        "customer": _named(appeal.customer_id, row.customer),
        "department": _named(appeal.department_id, row.department),
        "call": appeal.call_id,
        "gist": appeal.gist,
        "result": appeal.result,
        "opened_at": _time(appeal.opened_at),
        "registered_at": _time(appeal.registered_at),
        "deadline_at": _time(appeal.deadline_at),
        "responsible": _named(appeal.responsible_id, row.responsible),
        "accused": _named(appeal.accused_id, row.accused),
        "times": _times(appeal, row.Call, visits),
        "times_business": None,
        "targets": None,
    }


def _kind(call: Call | None, e164: str | None) -> str | None:
    """Return the kind of a party: as its call has it, else as its number shows."""
    if call is not None:
        return call.from_kind
    return "public" if e164 is not None else None


def _missing(appeal: Appeal) -> list[str]:
    if appeal.phase not in UNRESOLVED:
        return []
    return [name for name in REQUIRED if not getattr(appeal, name)]


def _times(appeal: Appeal, call: Call | None, visits: list[VisitTimes]) -> Json:
    case = CaseTimes(
        opened_at=appeal.opened_at,
        first_contact_at=appeal.first_contact_at,
        taken_at=appeal.taken_at,
        resolved_at=appeal.resolved_at,
        visits=visits,
    )
    return times(case, _call_times(call) if call else None)


def _call_times(call: Call) -> CallTimes:
    return CallTimes(
        pressed_at=call.pressed_at,
        queue_wait_s=call.queue_wait_s,
        first_ring_at=call.first_ring_at,
        answered_at=call.answered_at,
        ended_at=call.ended_at,
        outcome=call.outcome,
    )


async def _visits(session: AsyncSession, numbers: Sequence[int]) -> dict[int, list[VisitTimes]]:
    rows = await session.execute(
        select(StageVisit, Stage.name)
        .join(Stage, Stage.code == StageVisit.stage)
        .where(StageVisit.appeal_number.in_(numbers))
        .order_by(StageVisit.id)
    )
    visits: dict[int, list[VisitTimes]] = defaultdict(list)
    for visit, name in rows:
        told = VisitTimes(stage=name, entered_at=visit.entered_at, left_at=visit.left_at)
        visits[visit.appeal_number].append(told)
    return visits


# Why a telephone stopped ringing, in the words of CONTRACT; `unknown` stays null.
_LEG_OUTCOME: Final[Mapping[str, str]] = {
    "answered": "answered",
    "elsewhere": "elsewhere",
    "no_answer": "no_answer",
    "rejected": "rejected",
    "busy": "busy",
    "failed": "failed",
    "abandoned": "no_answer",
    "transferred": "elsewhere",
    "forwarded": "forwarded",
}


async def calls(session: AsyncSession, ids: Sequence[str], hidden: Hidden = _NOTHING) -> list[Json]:
    """Return CALL of each call in `ids` that exists, in that order; four queries for all.

    `hidden`: what must not reach an accused who looks (`conflicts.hidden_from`).
    """
    rows = await session.scalars(select(Call).where(Call.id.in_(ids)))
    found = {call.id: call for call in rows}
    legs = await _legs(session, ids)
    recordings = await of_calls(session, ids)
    linked = await _appeals_of(session, ids, hidden)
    told = [
        _call(found[i], legs[i], recordings.get(i, []), linked.get(i)) for i in ids if i in found
    ]
    return [_for_accused(call, hidden) if call["id"] in hidden.calls else call for call in told]


def _for_accused(call: Json, hidden: Hidden) -> Json:
    """Return a call of an appeal about the viewer: that it was, not whose it was.

    While it lasts its other end stays: the viewer's telephone shows it too.
    """
    told = call | {"recordings": [], "transfers": []}
    if call["id"] not in hidden.over:
        return told
    end = "to" if call["direction"] == "out" else "from"
    own = [leg for leg in call["legs"] if (leg["employee"] or {}).get("id") == hidden.employee]
    return told | {end: _NOBODY, "legs": own}


_NOBODY: Final[Json] = {"raw": "", "e164": None, "name": None, "kind": "anonymous"}


def _call(call: Call, legs: list[Json], recordings: list[Recording], appeal: int | None) -> Json:
    return {
        "id": call.id,
        "pbx": call.pbx,
        # A colleague who calls the complaint line from inside comes in, as any caller.
        "direction": "out" if call.direction == "out" else "in",
        "from": {
            "raw": call.from_raw,
            "e164": call.from_e164,
            "name": call.from_name,
            "kind": call.from_kind,
        },
        "to": {
            "raw": call.to_raw,
            "e164": call.to_e164,
            "name": None,
            "kind": _kind(None, call.to_e164),
        },
        "queue": call.queue,
        "started_at": _time(call.started_at),
        "pressed_at": _time(call.pressed_at),
        "queue_entered_at": _time(call.queue_entered_at),
        "queue_left_at": _time(call.queue_left_at),
        "first_ring_at": _time(call.first_ring_at),
        "answered_at": _time(call.answered_at),
        "ended_at": _time(call.ended_at),
        "outcome": call.outcome or "in_progress",
        "ended_by": call.ended_by,
        "appeal": appeal,
        "legs": legs,
        "transfers": call.transfers,
        "recordings": [_recording(recording) for recording in recordings],
        "recovered": call.recovered,
    }


async def _legs(session: AsyncSession, calls: Sequence[str]) -> dict[str, list[Json]]:
    rows = await session.execute(
        select(Leg, Employee.name)
        .outerjoin(Employee, Employee.id == Leg.employee_id)
        .where(Leg.call_id.in_(calls))
        .order_by(Leg.id)
    )
    legs: dict[str, list[Json]] = defaultdict(list)
    for leg, name in rows:
        legs[leg.call_id].append(_leg(leg, name))
    return legs


def _leg(leg: Leg, name: str | None) -> Json:
    return {
        "extension": leg.extension or None,
        "number": leg.number,
        "employee": _named(leg.employee_id, name),
        "rang_at": _time(leg.rang_at),
        "answered_at": _time(leg.answered_at),
        "ended_at": _time(leg.ended_at),
        "outcome": _LEG_OUTCOME.get(leg.outcome) if leg.outcome else None,
    }


def _recording(recording: Recording) -> Json:
    return {
        "id": recording.id,
        "state": recording.state,
        "duration_s": recording.duration_s,
        "started_at": _time(recording.started_at),
        "reason": recording.error.partition(":")[0] if recording.error else None,
        "guessed": recording.guessed,
    }


async def _appeals_of(
    session: AsyncSession, calls: Sequence[str], hidden: Hidden
) -> dict[str, int]:
    """Return of each call the appeal that it opened, else the newest one that it is linked to."""
    rows = await session.execute(
        select(AppealCall.call_id, AppealCall.appeal_number, Appeal.call_id.label("opened_by"))
        .join(Appeal, Appeal.number == AppealCall.appeal_number)
        .where(AppealCall.call_id.in_(calls))
        .order_by(AppealCall.appeal_number)
    )
    ranked = sorted(rows, key=lambda r: (r.opened_by == r.call_id, r.appeal_number))
    return {
        row.call_id: row.appeal_number for row in ranked if row.appeal_number not in hidden.appeals
    }


def _time(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None


def _named(key: int | None, name: str | None) -> Json | None:
    return {"id": key, "name": name} if key is not None else None
