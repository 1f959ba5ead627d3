"""Find appeals and calls: one, or a page of a list, within what the viewer may read."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from appeals.card import view
from appeals.card.own_case import own_case, reads_in_conflict
from appeals.card.view import Json
from appeals.case import subjects
from appeals.case.conflicts import Hidden, calls_about, hidden_from
from appeals.case.entry import EntryKinds
from appeals.case.errors import Invalid, NotFound
from appeals.case.model import Appeal, AppealCall, AppealText, Kind, Phase
from appeals.case.pages import Page, cut, decode
from appeals.case.reach import appeals_for, appeals_within_reach, calls_for, calls_within_reach
from appeals.case.rights import Action, Allowed, Person, may, oversees
from appeals.case.search import needles_of, newest
from calls.model import HOUR_N, Call, CallText, Leg, Recovery, hour_n
from recordings.model import HAS_SOUND, Recording
from store.base import table

__all__ = [
    "AppealQuery",
    "CallQuery",
    "Recovered",
    "history_of",
    "list_appeals",
    "list_calls",
    "one_appeal",
    "recovered_in",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class AppealQuery:
    """Null does not filter. `employee`: the person responsible. `opened_to` is not included.

    `q`: the appeal's number, or a part of the caller's number or name or of the gist
    (`appeals.case.search`).
    """

    limit: int = 50
    cursor: str | None = None
    phase: Phase | None = None
    kind: Kind | None = None
    type: str | None = None
    customer: int | None = None
    employee: int | None = None
    opened_from: datetime | None = None
    opened_to: datetime | None = None
    q: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallQuery:
    """The filters of calls; None does not filter.

    `missed`: in, over and not answered. `recovered`: a part of it was learned after a blind window;
    `blind_window`: after this one; `press_recovered`: its press was. `recorded`: there is or was
    its sound. `employee`: at whose telephone it rang. `q`: a part of either number or of the
    caller's name (`appeals.case.search`).
    """

    limit: int = 50
    cursor: str | None = None
    direction: str | None = None
    outcome: str | None = None
    pressed: bool | None = None
    missed: bool | None = None
    recovered: bool | None = None
    blind_window: int | None = None
    press_recovered: bool | None = None
    recorded: bool | None = None
    pbx: str | None = None
    employee: int | None = None
    customer: int | None = None
    started_from: datetime | None = None
    started_to: datetime | None = None
    q: str | None = None


async def one_appeal(session: AsyncSession, viewer: Person, number: int) -> Json:
    """Return APPEAL with its calls as `viewer` may read it, `OwnCase` to its accused.

    Added are `may`, the verbs that the rights allow the viewer, and for those who oversee
    `refused`, the attempts that the rights refused to others (None for everybody else).

    Raises:
        NotFound: there is none that `viewer` may read.
    """
    own = await own_case(session, viewer, number)
    if own is not None and not await reads_in_conflict(session, viewer, number):
        return own
    # A call of this appeal may belong to another one, which is about the viewer.
    hidden = Hidden() if own is not None else await hidden_from(session, viewer.id)
    appeal = await _readable(session, viewer, number)
    subject = await subjects.for_verb(session, appeal, viewer)
    told = (await view.appeals(session, [number]))[0]
    refused = await view.refused_attempts(session, number) if oversees(viewer) else None
    return told | {
        "calls": await view.calls_of(session, number, hidden),
        "may": [action for action in Action if isinstance(may(viewer, action, subject), Allowed)],
        "refused": refused,
    }


async def history_of(
    session: AsyncSession, viewer: Person, number: int, *, kinds: EntryKinds
) -> list[Json]:
    """Return the history of an appeal that `viewer` may read; NotFound.

    Refused attempts are for those who oversee: others get number and hash of such an entry, so that
    the chain shows no gap.
    """
    await _readable(session, viewer, number)
    return await view.history(session, number, kinds=kinds, hide_refused=not oversees(viewer))


async def list_appeals(session: AsyncSession, viewer: Person, query: AppealQuery) -> Page:
    """Return a page of the appeals that `viewer` may read, newest number first."""
    reach = await appeals_within_reach(session, viewer)
    rows = (
        select(Appeal.number)
        .where(reach.condition, *_of_appeals(query))
        .order_by(Appeal.number.desc())
    )
    found = await _numbers(session, rows, query, is_short=reach.is_short)
    numbers, following = cut(found, query.limit, lambda number: (number,))
    return Page(await view.appeals(session, numbers), following)


async def list_calls(session: AsyncSession, viewer: Person, query: CallQuery) -> Page:
    """Return a page of the calls that `viewer` may read, newest first."""
    reach = await calls_within_reach(session, viewer)
    rows = (
        select(Call.started_at, Call.id)
        .where(reach.condition, *_of_calls(query, viewer))
        .order_by(Call.started_at.desc(), Call.id.desc())
    )
    places = await _places(session, rows, query, is_short=reach.is_short)
    found, following = cut(places, query.limit, lambda r: (r.started_at.isoformat(), r.id))
    hidden = await hidden_from(session, viewer.id)
    return Page(await view.calls(session, [row.id for row in found], hidden), following)


@dataclass(frozen=True, slots=True)
class Recovered:
    """How many calls that a viewer may read a blind window brought.

    `appeals`: those whose press it brought.
    """

    calls: int
    appeals: int


async def recovered_in(
    session: AsyncSession, viewer: Person, windows: Collection[int]
) -> dict[int, Recovered]:
    """Return for each of `windows` what `list_calls` shows of it, counted."""
    rows = await session.execute(
        select(Recovery.window_id, func.count(), func.count().filter(Recovery.press))
        .join(Call, Call.id == Recovery.call_id)
        .where(Recovery.window_id.in_(windows), calls_for(viewer))
        .group_by(Recovery.window_id)
    )
    found = {window: Recovered(calls, appeals) for window, calls, appeals in rows}
    return {window: found.get(window, Recovered(0, 0)) for window in windows}


async def _numbers(
    session: AsyncSession, rows: Select[int], query: AppealQuery, *, is_short: bool
) -> Sequence[int]:
    """Return one more of `rows` with `q` than a page holds; `is_short`: all can be read."""
    wanted, limit = needles_of(query.q or ""), query.limit + 1
    if not wanted:
        return (await session.scalars(rows.limit(limit))).all()
    found = await newest(
        session,
        rows.join(AppealText, AppealText.number == Appeal.number),
        wanted,
        table(AppealText),
        None if is_short else "number",
        before=_number_of(query.cursor) if query.cursor is not None else None,
        first=_APPEALS_FIRST,
        limit=limit,
    )
    numbers = {row.number for row in found}
    said = (query.q or "").strip().lstrip("№# ")  # not at the beginning of a word, but whole
    if _is_number(said) and int(said) not in numbers:
        numbers.update(await session.scalars(rows.where(Appeal.number == int(said))))
    return sorted(numbers, reverse=True)[:limit]


async def _places(
    session: AsyncSession, rows: Select[*tuple[Any, ...]], query: CallQuery, *, is_short: bool
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return one more of `rows` with `q` than a page holds; `is_short`: all can be read."""
    wanted, limit = needles_of(query.q or ""), query.limit + 1
    if not wanted:
        return (await session.execute(rows.limit(limit))).all()
    ends = [query.started_to, _place_of(query.cursor)[0] if query.cursor is not None else None]
    until = min((end for end in ends if end is not None), default=None)
    return await newest(
        session,
        rows.join(CallText, CallText.call_id == Call.id),
        wanted,
        table(CallText),
        None if is_short else "n",
        since=hour_n(query.started_from) if query.started_from is not None else 0,
        before=hour_n(until) + HOUR_N if until is not None else None,
        first=HOUR_N,
        limit=limit,
    )


_APPEALS_FIRST = 250


async def _readable(session: AsyncSession, viewer: Person, number: int) -> Appeal:
    found = select(Appeal).where(Appeal.number == number)
    appeal = await session.scalar(found.where(appeals_for(viewer)))
    if appeal is None and await reads_in_conflict(session, viewer, number):
        appeal = await session.scalar(found)
    if appeal is None:
        raise NotFound("appeal", number)
    return appeal


def _of_appeals(query: AppealQuery) -> Iterator[ColumnElement[bool]]:
    if query.cursor is not None:
        yield Appeal.number < _number_of(query.cursor)
    equal = {
        Appeal.phase: query.phase,
        Appeal.kind: query.kind,
        Appeal.type: query.type,
        Appeal.customer_id: query.customer,
        Appeal.responsible_id: query.employee,
    }
    yield from (column == value for column, value in equal.items() if value is not None)
    if query.opened_from is not None:
        yield Appeal.opened_at >= query.opened_from
    if query.opened_to is not None:
        yield Appeal.opened_at < query.opened_to


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _MAX_NUMBER_DIGITS


_MAX_NUMBER_DIGITS = 9  # the column is a 32-bit integer on PostgreSQL


def _of_calls(query: CallQuery, viewer: Person) -> Iterable[ColumnElement[bool]]:
    if _asks_for_hidden(query, viewer):
        # What is hidden in a call must not be found out by asking for it.
        yield Call.id.not_in(calls_about(viewer.id))
    if query.cursor is not None:
        yield _older(query.cursor)
    if query.direction is not None:
        yield Call.direction == "out" if query.direction == "out" else Call.direction != "out"
    if query.outcome is not None:
        wanted = None if query.outcome == "in_progress" else query.outcome
        yield Call.outcome.is_(None) if wanted is None else Call.outcome == wanted
    if query.pressed is not None:
        yield Call.pressed_at.is_not(None) if query.pressed else Call.pressed_at.is_(None)
    if query.missed is not None:
        missed = and_(
            Call.direction != "out", Call.ended_at.is_not(None), Call.answered_at.is_(None)
        )
        yield missed if query.missed else ~missed
    if query.recovered is not None:
        yield Call.recovered.is_(query.recovered)
    yield from _of_windows(query)
    if query.recorded is not None:
        sound = exists().where(Recording.call_id == Call.id, Recording.state.in_(HAS_SOUND))
        yield sound if query.recorded else ~sound
    if query.pbx is not None:
        yield Call.pbx == query.pbx
    if query.employee is not None:
        yield exists().where(Leg.call_id == Call.id, Leg.employee_id == query.employee)
    if query.customer is not None:
        # Not exists(): a customer has few calls, which are then looked up, not searched for in all
        # calls.
        yield Call.id.in_(
            select(AppealCall.call_id)
            .join(Appeal, Appeal.number == AppealCall.appeal_number)
            .where(Appeal.customer_id == query.customer)
        )
    if query.started_from is not None:
        yield Call.started_at >= query.started_from
    if query.started_to is not None:
        yield Call.started_at < query.started_to


def _asks_for_hidden(query: CallQuery, viewer: Person) -> bool:
    """Return whether a filter asks for what is hidden from its accused.

    That is caller, customer, others' legs, recordings.
    """
    of_others = query.employee is not None and query.employee != viewer.id
    return bool(query.q) or query.customer is not None or of_others or query.recorded is not None


def _of_windows(query: CallQuery) -> Iterable[ColumnElement[bool]]:
    """Both together ask for the press that this very window brought."""
    brought = select(Recovery.call_id)
    if query.blind_window is not None:
        brought = brought.where(Recovery.window_id == query.blind_window)
        yield Call.id.in_(brought)
    if query.press_recovered is not None:
        of_press = Call.id.in_(brought.where(Recovery.press))
        yield of_press if query.press_recovered else ~of_press


def _number_of(cursor: str) -> int:
    number: int = decode(cursor, (int,))[0]
    return number


def _place_of(cursor: str) -> tuple[datetime, str]:
    text, call_id = decode(cursor, (str, str))
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise Invalid("cursor", cursor, "not a cursor of this list") from error
    if at.tzinfo is None or "\0" in call_id or not _is_text(call_id):
        raise Invalid("cursor", cursor, "not a cursor of this list")
    try:
        return at.astimezone(UTC), call_id
    except OverflowError as error:  # an end of the calendar
        raise Invalid("cursor", cursor, "not a cursor of this list") from error


def _is_text(text: str) -> bool:
    """Return whether a database takes it: JSON can hold half a surrogate pair."""
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


def _older(cursor: str) -> ColumnElement[bool]:
    started_at, call_id = _place_of(cursor)
    same = and_(Call.started_at == started_at, Call.id < call_id)
    return or_(Call.started_at < started_at, same)
