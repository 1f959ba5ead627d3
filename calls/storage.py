"""Calls in the database: facts are the truth, `calls` and `legs` their fold kept for lists.

All functions work in the caller's transaction. Times are aware UTC.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from calls import recoveries
from calls.codec import fact_from_row, fact_to_data
from calls.facts import Fact
from calls.model import (
    HOUR_N,
    BlindWindow,
    Call,
    CallText,
    Leg,
    PbxState,
    StoredFact,
    hour_n,
)
from calls.story import CallChange, CallStory, LegStory, fold
from people.directory import employee_at
from store.base import UtcDateTime, table
from store.fast.batch import next_number
from store.fast.prepared import insert_later, prepared
from store.search import folded

__all__ = [
    "FIRST_START",
    "Gap",
    "begin_window",
    "find_by_press",
    "gaps",
    "known_channels",
    "load_facts",
    "load_open",
    "load_story",
    "note_contact",
    "note_login",
    "open_window",
    "pressed_channels",
    "store_change",
    "store_retold",
]


# -- reading stories ----------------------------------------------------------------------------


async def load_facts(session: AsyncSession, call: str) -> list[Fact]:
    """Return the facts of a call in the order in which they were told."""
    rows = await session.execute(_FACTS_OF_CALL, {"call": call})
    return [fact_from_row(row.call_id, row.type, row.at, row.data) for row in rows]


async def load_story(session: AsyncSession, call: str) -> CallStory | None:
    """Return the call as it is known, None when it is not."""
    return _folded(await load_facts(session, call))


async def load_open(session: AsyncSession, pbx: str) -> dict[str, CallStory]:
    """Return the calls of `pbx` that have not ended, by id."""
    still_open = select(Call.id).where(Call.pbx == pbx, Call.ended_at.is_(None))
    by_call: dict[str, list[Fact]] = {}
    for row in await session.execute(_facts().where(StoredFact.call_id.in_(still_open))):
        fact = fact_from_row(row.call_id, row.type, row.at, row.data)
        by_call.setdefault(row.call_id, []).append(fact)
    stories = (_folded(facts) for facts in by_call.values())
    return {story.id: story for story in stories if story is not None}


async def find_by_press(session: AsyncSession, pbx: str, uniqueid: str) -> CallStory | None:
    """Return the newest call in which the channel `uniqueid` pressed 3, or which began with it."""
    call = await session.scalar(
        select(Call.id)
        .where(Call.pbx == pbx, or_(Call.press_uniqueid == uniqueid, Call.uniqueid == uniqueid))
        .order_by(Call.press_uniqueid.is_(None), Call.started_at.desc())
        .limit(1)
    )
    return None if call is None else await load_story(session, call)


async def known_channels(session: AsyncSession, pbx: str, uniqueids: Collection[str]) -> set[str]:
    """Return which of `uniqueids` pressed 3 in a call that is stored, or began one."""
    rows = await session.execute(
        select(Call.press_uniqueid, Call.uniqueid).where(
            Call.pbx == pbx,
            or_(Call.press_uniqueid.in_(uniqueids), Call.uniqueid.in_(uniqueids)),
        )
    )
    return {uniqueid for row in rows for uniqueid in row if uniqueid in uniqueids}


async def pressed_channels(session: AsyncSession, pbx: str, uniqueids: Collection[str]) -> set[str]:
    """Return which of `uniqueids` pressed 3 in a call that is stored."""
    pressed = select(Call.press_uniqueid).where(Call.pbx == pbx, Call.press_uniqueid.in_(uniqueids))
    return {uniqueid for uniqueid in await session.scalars(pressed) if uniqueid is not None}


def _facts() -> Select[Any]:
    columns = StoredFact.call_id, StoredFact.type, StoredFact.at, StoredFact.data
    return select(*columns).order_by(StoredFact.call_id, StoredFact.n)


_FACTS_OF_CALL = prepared(_facts().where(StoredFact.call_id == bindparam("call")))


def _folded(facts: Iterable[Fact]) -> CallStory | None:
    story: CallStory | None = None
    for fact in facts:
        story = fold(story, fact)
    return story


# -- storing changes ----------------------------------------------------------------------------


_CALLS, _LEGS, _FACTS = table(Call), table(Leg), table(StoredFact)
_INSERT_CALL = prepared(insert(_CALLS))
_UPDATE_CALL = prepared(update(_CALLS).where(_CALLS.c.id == bindparam("call")))
_NEXT_N = select(func.coalesce(func.max(_FACTS.c.n), 0) + 1).where(
    _FACTS.c.call_id == bindparam("call")
)
_INSERT_NEXT_FACT = prepared(insert(_FACTS).values(n=_NEXT_N.scalar_subquery()))
_INSERT_FACT = prepared(insert(_FACTS))
_INSERT_LEG = prepared(insert(_LEGS))
_UPDATE_LEG = prepared(
    update(_LEGS).where(
        _LEGS.c.call_id == bindparam("call"),
        _LEGS.c.uniqueid == bindparam("leg"),
        _LEGS.c.extension == bindparam("telephone"),
    )
)


async def store_change(session: AsyncSession, change: CallChange) -> None:
    """Store the new facts of a call and bring its row and legs up to them."""
    story, values = change.story, _call_values(change.story)
    if change.before is None:
        await insert_later(session, _INSERT_CALL, [{"id": story.id, **values}])
    elif changed := _differing(_call_values(change.before), values):
        await session.execute(_UPDATE_CALL, {"call": story.id, **changed})
    await _store_text(session, change)
    await _store_facts(session, change)
    before = change.before.legs if change.before is not None else ()
    for i, leg in enumerate(story.legs):
        known = before[i] if i < len(before) else None
        if leg is not known and leg != known:
            await _store_leg(session, story.id, leg, known, change.facts[-1].at)
    await recoveries.note(session, change)


async def store_retold(
    session: AsyncSession, before: CallStory, story: CallStory, facts: Iterable[Fact]
) -> None:
    """Store a call that was read again: `facts` behind the stored ones, its row and legs after `story`."""
    await session.execute(delete(_LEGS).where(_LEGS.c.call_id == story.id))
    without_legs = replace(before, legs=())
    await store_change(session, CallChange(before=without_legs, story=story, facts=tuple(facts)))


_TEXTS = table(CallText)
_NEWEST_N = prepared(
    select(func.max(_TEXTS.c.n)).where(_TEXTS.c.n.between(bindparam("first"), bindparam("last")))
)
_INSERT_TEXT = prepared(insert(_TEXTS))
_UPDATE_TEXT = prepared(update(_TEXTS).where(_TEXTS.c.call_id == bindparam("call")))


async def _store_text(session: AsyncSession, change: CallChange) -> None:
    """Keep what the call is searched by."""
    call, text = change.story.id, _text(change.story)
    if change.before is None:
        n = await _next_text_n(session, hour_n(change.story.started_at))
        await insert_later(session, _INSERT_TEXT, [{"call_id": call, "n": n, "text": text}])
    elif text != _text(change.before):
        await session.execute(_UPDATE_TEXT, {"call": call, "text": text})


async def _next_text_n(session: AsyncSession, hour: int) -> int:
    """Count on within the hour; what the database has is asked once a batch."""

    async def newest() -> int:
        span = {"first": hour, "last": hour + HOUR_N - 1}
        return await session.scalar(_NEWEST_N, span) or hour

    return await next_number(session, ("calls.text_n", hour), newest)


def _text(story: CallStory) -> str:
    caller, to = story.caller, story.to
    return folded(caller.name, caller.raw, caller.e164, to.raw, to.e164)


async def _store_facts(session: AsyncSession, change: CallChange) -> None:
    call = change.story.id
    rows = [
        {"call_id": call, "type": fact.TYPE, "at": fact.at, "data": fact_to_data(fact)}
        for fact in change.facts
    ]
    if not rows:
        return
    if change.before is None:  # the call has none yet
        await insert_later(session, _INSERT_FACT, [{"n": n, **r} for n, r in enumerate(rows, 1)])
    else:
        await session.execute(_INSERT_NEXT_FACT, [{"call": call, **row} for row in rows])


async def _store_leg(
    session: AsyncSession, call: str, leg: LegStory, known: LegStory | None, seen_at: datetime
) -> None:
    """`seen_at` tells whose a new leg is when nothing says since when it rang or talked."""
    values = {
        "rang_at": leg.rang_at,
        "answered_at": leg.answered_at,
        "ended_at": leg.ended_at,
        "outcome": leg.outcome,
    }
    if known is not None:
        same = {"call": call, "leg": leg.uniqueid, "telephone": leg.extension or ""}
        await session.execute(_UPDATE_LEG, same | values)
        return
    owner = await employee_at(session, leg.owned_as, leg.rang_at or leg.answered_at or seen_at)
    row = {
        "call_id": call,
        "uniqueid": leg.uniqueid,
        "extension": leg.extension or "",
        "number": leg.number,
        "employee_id": owner,
    }
    await session.execute(_INSERT_LEG, row | values)


def _differing(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What an UPDATE has to say: for each column it names, SQLite writes the column's indexes anew."""
    return {name: value for name, value in after.items() if value != before[name]}


def _call_values(story: CallStory) -> dict[str, Any]:
    return {
        "pbx": story.pbx,
        "uniqueid": story.uniqueid,
        "direction": story.direction,
        "from_raw": story.caller.raw,
        "from_e164": story.caller.e164,
        "from_name": story.caller.name,
        "from_kind": story.caller.kind,
        "to_raw": story.to.raw,
        "to_e164": story.to.e164,
        "queue": story.queue,
        "started_at": story.started_at,
        "pressed_at": story.pressed_at,
        "press_uniqueid": story.press_uniqueid,
        "queue_entered_at": story.queue_entered_at,
        "queue_left_at": story.queue_left_at,
        "queue_wait_s": story.queue_wait_s,
        "first_ring_at": story.first_ring_at,
        "answered_at": story.answered_at,
        "ended_at": story.ended_at,
        "outcome": story.outcome,
        "ended_by": story.ended_by,
        "recovered": story.recovered,
        "transfers": [
            {
                "at": each.at.isoformat(),
                "kind": each.kind,
                "from": each.from_extension,
                "to": each.to,
            }
            for each in story.transfers
        ],
    }


# -- the PBX and its blind windows --------------------------------------------------------------


async def open_window(session: AsyncSession, pbx: str) -> BlindWindow | None:
    """Return the blind window of `pbx` that has not ended."""
    return await session.scalar(
        select(BlindWindow)
        .where(BlindWindow.pbx == pbx, BlindWindow.ended_at.is_(None))
        .order_by(BlindWindow.id.desc())
        .limit(1)
    )


Gap = tuple[datetime, datetime]
FIRST_START = "first start"  # before that press3 watched nothing: no gap in its watching


async def gaps(session: AsyncSession, pbx: str, since: datetime, *, now: datetime) -> list[Gap]:
    """Return the blind windows of `pbx` that were open at `since` or later; an open one lasts until `now`."""
    windows = await session.scalars(
        select(BlindWindow).where(
            BlindWindow.pbx == pbx,
            ~BlindWindow.reason.startswith(FIRST_START),
            or_(BlindWindow.ended_at.is_(None), BlindWindow.ended_at >= since),
        )
    )
    return [(window.started_at, window.ended_at or now) for window in windows]


def begin_window(session: AsyncSession, pbx: str, started_at: datetime, reason: str) -> BlindWindow:
    """Open a blind window: from `started_at` (PBX time) on we do not see `pbx`."""
    window = BlindWindow(
        pbx=pbx,
        started_at=started_at,
        ended_at=None,
        reason=reason,
    )
    session.add(window)
    return window


async def note_contact(session: AsyncSession, pbx: str, at: datetime) -> None:
    """Remember that `pbx` was heard at `at` (its time).

    The mark goes back only when the clock of the PBX was: events may come in a slightly other order.
    """
    await session.execute(
        _NOTE_CONTACT, {"of": pbx, "at": at, "set_back_from": at + _EVENTS_MAY_MIX}
    )


_EVENTS_MAY_MIX = timedelta(minutes=2)
_STATES = table(PbxState)
_NOTE_CONTACT = prepared(
    update(_STATES)
    .where(
        _STATES.c.pbx == bindparam("of"),
        or_(
            _STATES.c.last_contact_at < bindparam("at"),
            _STATES.c.last_contact_at > bindparam("set_back_from"),
        ),
    )
    .values(last_contact_at=bindparam("at", type_=UtcDateTime))
)


async def note_login(session: AsyncSession, pbx: str, at: datetime, startup: str) -> None:
    """Remember a login: when, in PBX time, and since when that PBX runs (CoreStatus)."""
    state = await session.get(PbxState, pbx)
    if state is None:
        session.add(PbxState(pbx=pbx, last_contact_at=at, startup=startup))
    else:
        state.last_contact_at, state.startup = at, startup
