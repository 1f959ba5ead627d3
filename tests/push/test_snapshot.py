"""A screen that heard every event shows what a fresh snapshot shows, whatever happened in the calls."""

import random
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from calls.facts import RingStop
from people.access.audience import Audience, Viewer
from people.model import Employee
from push import pops
from push.snapshot import missed, read_snapshot, start
from tests.push.desk import Desk, Line

STOPS: tuple[RingStop, ...] = ("elsewhere", "no_answer", "rejected", "busy", "unknown")


@dataclass
class Shown:
    """What a browser keeps: ringing pops by id, and the current calls with their cards."""

    pops: dict[str, Any]
    current: dict[str, Any]

    @classmethod
    def of(cls, snapshot: dict[str, Any]) -> "Shown":
        return cls(
            {pop["pop_id"]: pop for pop in snapshot["pops"]},
            {call["pop"]["pop_id"]: call["pop"] for call in snapshot["calls"]},
        )

    def hear(self, kind: str, data: dict[str, Any]) -> None:
        pop_id = data["pop_id"]
        if kind == "pop.shown":
            self.current.pop(pop_id, None)
            self.pops[pop_id] = data
        elif kind == "pop.acked":
            for kept in (self.pops, self.current):
                if pop_id in kept:
                    kept[pop_id] = {**kept[pop_id], "acked": True}
        elif kind == "pop.withdrawn":
            card = self.pops.pop(pop_id)  # told once, and never before it was shown
            if data["reason"] == "answered_here":
                self.current[pop_id] = card
        elif kind == "call.left":
            del self.current[pop_id]


class Story:
    """Random but possible things that happen to calls, each told as one batch."""

    def __init__(self, desk: Desk, people: list[Employee], seed: int) -> None:
        self.desk, self.people, self.dice = desk, people, random.Random(seed)
        self.calls: list[Line] = []
        self.rounds: dict[tuple[str, str], int] = {}

    async def step(self) -> None:
        verbs = [self._new, self._ring, self._ring, self._stop, self._answer, self._leave]
        await self.dice.choice([*verbs, self._ack, self._end, self._press])()

    def _line(self) -> Line | None:
        alive = [c for c in self.calls if c.story and c.story.ended_at is None]
        return self.dice.choice(alive) if alive else None

    def _legs(self, line: Line, *, answered: bool) -> list[Any]:
        assert line.story is not None
        legs = [leg for leg in line.story.legs if leg.ended_at is None]
        return [leg for leg in legs if (leg.answered_at is not None) == answered]

    async def _new(self) -> None:
        line = Line(self.desk, uniqueid=f"1.{len(self.calls)}")
        self.calls.append(line)
        await line.happens(line.arrived(), line.rang(self.dice.choice(["101", "102"])))

    async def _ring(self) -> None:
        if (line := self._line()) is None:
            return
        extension = self.dice.choice(["101", "102", "103"])
        key = (line.id, extension)
        self.rounds[key] = self.rounds.get(key, 1) + 1
        await line.happens(line.rang(extension, self.rounds[key]))

    async def _stop(self) -> None:
        await self._with_leg(
            lambda line, leg: [_stopped(line, leg, self.dice.choice(STOPS))], answered=False
        )

    async def _answer(self) -> None:
        await self._with_leg(lambda line, leg: [_stopped(line, leg, "answered")], answered=False)

    async def _leave(self) -> None:
        def left(line: Line, leg: Any) -> list[Any]:
            fact = line.left(leg.extension)
            return [
                type(fact)(
                    call=line.id, at=self.desk.now, leg=leg.uniqueid, extension=leg.extension
                )
            ]  # type: ignore[call-arg]

        await self._with_leg(left, answered=True)

    async def _with_leg(self, facts: Any, *, answered: bool) -> None:
        line = self._line()
        legs = self._legs(line, answered=answered) if line else []
        if line and legs:
            await line.happens(*facts(line, self.dice.choice(legs)))

    async def _end(self) -> None:
        if (line := self._line()) is not None:
            await line.happens(line.ended(self.dice.choice(["answered", "abandoned"])))

    async def _press(self) -> None:
        if (line := self._line()) is not None:
            await line.happens(line.pressed())

    async def _ack(self) -> None:
        if (line := self._line()) is not None:
            person = self.dice.choice(self.people)
            pop_id = pops.pop_id_of(line.id, person.id)
            await self.desk.writer.run(lambda s: pops.ack(s, pop_id, person.id, now=self.desk.now))


def _stopped(line: Line, leg: Any, reason: RingStop) -> Any:
    fact = line.stopped(leg.extension, reason)
    return type(fact)(  # type: ignore[call-arg]
        call=line.id,
        at=line.desk.now,
        leg=leg.uniqueid,
        extension=leg.extension,
        reason=reason,
    )


async def fresh(session: AsyncSession, viewer: Viewer) -> Shown:
    return Shown.of(await read_snapshot(session, viewer))


@pytest.mark.parametrize("seed", range(6))
async def test_an_old_snapshot_and_the_events_are_a_fresh_snapshot(desk: Desk, seed: int) -> None:
    """Screens begin at random moments of a random history, and must agree with the database at each step."""
    people = [await desk.hire("ann", "101", "103"), await desk.hire("bob", "102")]
    story = Story(desk, people, seed)
    screens: list[tuple[Viewer, Shown, int]] = []
    for n in range(60):
        desk.later(1)
        await story.step()
        if n % 12 == 0:
            for person in people:
                begun = await start(desk.sessions, Viewer.of(person), None)
                assert begun.snapshot is not None
                screens.append((Viewer.of(person), Shown.of(begun.snapshot), begun.seq))
        if n % 5 == 4:
            screens = [await _caught_up(desk, *screen) for screen in screens]


async def _caught_up(
    desk: Desk, viewer: Viewer, shown: Shown, seq: int
) -> tuple[Viewer, Shown, int]:
    async with desk.sessions() as session:
        messages, upto = await missed(session, viewer, seq)
        for message in messages:
            assert Audience.from_json(message.audience).includes(viewer)
            shown.hear(message.type, message.data)
        assert shown == await fresh(session, viewer), (viewer, upto)
    return viewer, shown, upto
