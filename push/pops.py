"""Pops: shown while an operator's telephone rings, withdrawn once when its last device stopped.

Who comes to talk to the customer without having rung (pickup, a parked call, a second line, a call he
placed himself) gets his card at that moment, at once as the current call: shown and answered.

`on_change` runs in the transaction that stores the call, after the appeal was opened, so that a pop
names its appeal and is told exactly when all of it is durable.
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from appeals.case.model import Appeal
from calls.facts import (
    CallEnded,
    ComplaintRequested,
    Fact,
    OperatorAnswered,
    OperatorLeft,
    OperatorRang,
    OperatorStoppedRinging,
    RingStop,
)
from calls.model import Call
from calls.story import CallChange, CallStory
from people import directory
from people.access.audience import Audience
from push import unseen
from push.card import Card, read_card
from push.events import CallLeft, PopAcked, PopShown, PopWithdrawn, WithdrawReason
from push.model import OPEN, Pop
from push.unseen import unseen_tick
from store import outbox
from store.base import table
from store.fast.prepared import prepared
from store.typed import Typed

__all__ = [
    "REASONS",
    "CardReader",
    "ack",
    "close_stale",
    "on_change",
    "pop_id_of",
    "unseen_tick",
]

CardReader = Callable[[AsyncSession, CallStory], Awaitable[Card]]

REASONS: Mapping[RingStop, WithdrawReason] = {
    "answered": "answered_here",
    "elsewhere": "answered_elsewhere",
    "no_answer": "timeout",
    "rejected": "rejected",
    "busy": "rejected",  # many telephones decline with 486 Busy Here
    "failed": "unknown",
    "abandoned": "abandoned",
    "transferred": "transferred",
    "forwarded": "transferred",
    "unknown": "unknown",
}

_TELLING = (
    OperatorRang,
    OperatorStoppedRinging,
    OperatorAnswered,
    OperatorLeft,
    ComplaintRequested,
    CallEnded,
)
_FLOOD_PRESSES = 5
_FLOOD_WINDOW = timedelta(minutes=1)


async def on_change(
    session: AsyncSession, change: CallChange, *, now: datetime, card: CardReader = read_card
) -> None:
    """Show and withdraw pops for what `change` adds to a call; tell it through the outbox.

    Facts already told change nothing. Ringing learned after a blind window shows a pop only while
    it still rings. `card` reads what a pop says of the call.
    """
    told = [fact for fact in change.facts if isinstance(fact, _TELLING)]
    if not told or _was_among_employees(change):
        return
    pops = await _load(session, change)
    board = _Board(session, change.story, [Pop(**row) for row in pops], now, card)
    for fact in told:
        await board.tell(fact)
    await _save(session, pops, board.pops)


def _was_among_employees(change: CallChange) -> bool:
    """Return whether the call is over and of employees alone: it is emitted at its end (`calls.employees`)."""
    story = change.story
    return change.before is None and story.direction == "internal" and story.ended_at is not None


async def _load(session: AsyncSession, change: CallChange) -> list[dict[str, Any]]:
    if change.before is None or not change.before.legs:
        return []  # nobody's telephone has rung
    rows = await session.execute(_POPS_OF_CALL, {"call": change.story.id})
    return [dict(row) for row in rows.mappings()]


async def _save(
    session: AsyncSession, before: Sequence[dict[str, Any]], pops: Sequence[Pop]
) -> None:
    """Store what became of a call's pops."""
    known = {row["pop_id"]: row for row in before}
    rows = [{name: getattr(pop, name) for name in _COLUMNS} for pop in pops]
    new = [row for row in rows if row["pop_id"] not in known]
    if new:
        await session.execute(_INSERT, new)
    for row in rows:
        was = known.get(row["pop_id"], row)
        if changed := {name: value for name, value in row.items() if value != was[name]}:
            await session.execute(_UPDATE, {"which": row["pop_id"], **changed})


# Of the table, not of the class: rows of every press do without the ORM's bookkeeping.
_POPS = table(Pop)
_COLUMNS = tuple(_POPS.columns.keys())
_POPS_OF_CALL = prepared(select(_POPS).where(_POPS.c.call_id == bindparam("call")))
_INSERT = prepared(insert(_POPS))
_UPDATE = prepared(update(_POPS).where(_POPS.c.pop_id == bindparam("which")))


class _Board:
    """The pops of one call during one change."""

    def __init__(
        self,
        session: AsyncSession,
        story: CallStory,
        pops: list[Pop],
        now: datetime,
        card: CardReader,
    ) -> None:
        self._session = session
        self._story = story
        self._pops = {pop.employee_id: pop for pop in pops}
        self._now = now
        self._read_card = card
        self._card: Card | None = None

    @property
    def pops(self) -> list[Pop]:
        """The pops as they are now; those not stored yet too."""
        return list(self._pops.values())

    async def tell(self, fact: Fact) -> None:
        match fact:
            case OperatorRang():
                await self._rang(fact)
            case OperatorStoppedRinging():
                self._stopped(fact.leg, REASONS[fact.reason])
            case OperatorAnswered():
                await self._answered(fact)
            case OperatorLeft():
                self._left(fact.leg)
            case ComplaintRequested():
                await self._pressed()
            case CallEnded():
                for pop in self._pops.values():
                    _finish(self._session, pop, fact.outcome, self._now)

    async def _rang(self, fact: OperatorRang) -> None:
        if fact.recovered and not self._rings_still(fact.leg):
            return
        employee = await directory.employee_at(self._session, fact.owned_as, fact.at)
        if employee is None or await self._is_flood():
            return
        pop = self._pops.get(employee)
        if pop is not None and pop.withdrawn_at is None:
            pop.ringing = sorted({*pop.ringing, fact.leg})  # a second device: the same pop
            return
        pop = await self._show(pop or self._new(employee), fact)
        self._pops[employee] = pop
        await self._watch()

    async def _answered(self, fact: OperatorAnswered) -> None:
        self._stopped(fact.leg, "answered_here")
        if all(pop.answered_leg != fact.leg for pop in self._pops.values()):
            await self._joined(fact)
        await unseen.settle(self._session, self._story.id)

    async def _joined(self, fact: OperatorAnswered) -> None:
        """He talks by a line that never rang for this customer."""
        if fact.recovered and not self._talks_still(fact.telephone):
            return
        employee = await directory.employee_at(self._session, fact.owned_as, fact.at)
        if employee is None:
            return
        pop = self._pops.get(employee)
        if pop is not None and pop.left_at is None and pop.reason in (None, "answered_here"):
            # His card is there: it rings elsewhere, or he changed lines.
            pop.answered_leg = fact.leg
            return
        pop = await self._show(pop or self._new(employee), fact)
        self._pops[employee] = pop
        self._stopped(fact.leg, "answered_here")

    async def _watch(self) -> None:
        if self._story.pressed_at is not None and self._story.answered_at is None:
            await unseen.watch(self._session, self._story.id, self._now)

    def _new(self, employee_id: int) -> Pop:
        return Pop(
            pop_id=pop_id_of(self._story.id, employee_id),
            call_id=self._story.id,
            employee_id=employee_id,
            round=0,
        )

    async def _show(self, pop: Pop, fact: OperatorRang | OperatorAnswered) -> Pop:
        pop.extension = fact.telephone
        pop.round += 1
        pop.ringing = [fact.leg]
        pop.shown_at = self._now
        pop.answered_leg = pop.withdrawn_at = pop.reason = pop.left_at = None
        shown = await self._shown(pop)
        pop.card = shown.to_data()
        _publish(self._session, pop, shown, self._now)
        return pop

    async def _shown(self, pop: Pop) -> PopShown:
        if self._card is None:
            self._card = await self._read_card(self._session, self._story)
        return self._card.shown(pop)

    async def _is_flood(self) -> bool:
        """Anybody can send unverified presses: more than five a minute of one number raise no pops."""
        story = self._story
        if story.evidence != "unverified" or story.pressed_at is None:
            return False
        presses = await self._session.scalar(
            select(func.count())
            .select_from(Appeal)
            .where(
                Appeal.caller_raw == story.caller.raw,
                Appeal.verified == "unverified",
                Appeal.pressed_at > story.pressed_at - _FLOOD_WINDOW,
                Appeal.opened_at > story.pressed_at - _FLOOD_WINDOW,
            )
        )
        return (presses or 0) > _FLOOD_PRESSES

    def _rings_still(self, leg: str) -> bool:
        return self._story.ended_at is None and any(
            story.uniqueid == leg and story.ended_at is None and story.outcome is None
            for story in self._story.legs
        )

    def _talks_still(self, telephone: str) -> bool:
        return self._story.ended_at is None and any(
            leg.telephone == telephone and leg.answered_at is not None and leg.ended_at is None
            for leg in self._story.legs
        )

    def _stopped(self, leg: str, reason: WithdrawReason) -> None:
        """Take `leg` off; with the last one the pop goes. Answering on one device decides for all."""
        pop = next((pop for pop in self._pops.values() if leg in pop.ringing), None)
        if pop is None:
            return
        pop.ringing = [other for other in pop.ringing if other != leg]
        if reason == "answered_here":
            pop.answered_leg = leg
        if not pop.ringing:
            _withdraw(
                self._session, pop, "answered_here" if pop.answered_leg else reason, self._now
            )

    def _left(self, leg: str) -> None:
        for pop in self._pops.values():
            if pop.answered_leg == leg and not pop.ringing:
                _leave(self._session, pop, self._now)

    async def _pressed(self) -> None:
        """Correct pops that were shown before the press was known (it was learned after a gap)."""
        if not self._pops:
            return
        for pop in self._pops.values():
            shown = await self._shown(pop)
            if pop.withdrawn_at is None and (card := shown.to_data()) != pop.card:
                pop.card = card
                _publish(self._session, pop, shown, self._now)
        await self._watch()


def pop_id_of(call_id: str, employee_id: int) -> str:
    """Return the pop's id: the same for a repeated transaction, after a restart, on any process."""
    return hashlib.blake2b(f"{call_id}\0{employee_id}".encode(), digest_size=16).hexdigest()


async def ack(session: AsyncSession, pop_id: str, employee_id: int, *, now: datetime) -> bool:
    """Note that the person has seen his pop; say whether it was news. Others' pops are left alone."""
    pop = await session.get(Pop, pop_id)
    if pop is None or pop.employee_id != employee_id or pop.acked_at is not None:
        return False
    pop.acked_at = now
    pop.card = {**pop.card, "acked": True}
    _publish(session, pop, PopAcked(pop_id=pop_id), now)
    await unseen.settle(session, pop.call_id)
    return True


async def close_stale(session: AsyncSession, *, now: datetime) -> int:
    """Finish the pops of calls that are over, left open by a service that stopped; return how many."""
    rows = await session.execute(
        select(Pop, Call.outcome)
        .join(Call, Call.id == Pop.call_id)
        .where(Call.ended_at.is_not(None), OPEN)
    )
    found = rows.all()
    for pop, outcome in found:
        _finish(session, pop, outcome, now)
    return len(found)


def _finish(session: AsyncSession, pop: Pop, outcome: str | None, now: datetime) -> None:
    """End whatever `pop` still shows: its call is over."""
    if pop.withdrawn_at is None:
        _withdraw(session, pop, _reason_at_end(pop, outcome), now)
    _leave(session, pop, now)


def _reason_at_end(pop: Pop, outcome: str | None) -> WithdrawReason:
    if pop.answered_leg:
        return "answered_here"
    return "abandoned" if outcome == "abandoned" else "unknown"


def _withdraw(session: AsyncSession, pop: Pop, reason: WithdrawReason, now: datetime) -> None:
    pop.ringing = []
    pop.withdrawn_at = now
    pop.reason = reason
    _publish(session, pop, PopWithdrawn(pop_id=pop.pop_id, reason=reason), now)


def _leave(session: AsyncSession, pop: Pop, now: datetime) -> None:
    """The operator is out of a call that he had answered; said once."""
    if pop.reason == "answered_here" and pop.left_at is None:
        pop.left_at = now
        _publish(session, pop, CallLeft(call=pop.call_id, pop_id=pop.pop_id), now)


def _publish(session: AsyncSession, pop: Pop, event: Typed, now: datetime) -> None:
    audience = Audience(employees=(pop.employee_id,)).to_json()
    outbox.publish(session, event, at=now, audience=audience)
