"""What a screen shows: an old snapshot and the events since are a fresh snapshot, in random histories.

A history is one screen of one person, welcomed at some moment of a random walk through calls that
ring, are answered, rejected, acknowledged, left and ended; it is compared with the database at every
later step of its walk. `--histories` says how many there are.
"""

import copy
from dataclasses import dataclass, field

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from people.access.audience import Viewer
from people.model import Employee
from push.snapshot import missed, start
from store.writer import Writer
from tests.faults.options import FaultOptions
from tests.push.desk import Desk, Line
from tests.push.test_snapshot import Shown, Story, fresh

STEPS = 25  # so many screens of each person begin in a walk, one a step


class Walk(Story):
    """A walk of its own among others in the same database."""

    def __init__(self, desk: Desk, people: list[Employee], seed: int) -> None:
        super().__init__(desk, people, seed)
        self._name = str(seed)

    async def _new(self) -> None:
        line = Line(self.desk, uniqueid=f"{self._name}.{len(self.calls)}")
        self.calls.append(line)
        await line.happens(line.arrived(), line.rang(self.dice.choice(["101", "102"])))

    async def end(self) -> None:
        """Let every call be over, so that the next walk begins with empty screens."""
        for line in self.calls:
            if line.story is not None and line.story.ended_at is None:
                await line.happens(line.ended("answered"))


@dataclass
class Screens:
    """All screens of one person, each welcomed at another step, and what they heard so far."""

    viewer: Viewer
    seq: int
    shown: list[Shown] = field(default_factory=list)

    async def step(self, sessions: async_sessionmaker[AsyncSession]) -> None:
        """Let every screen hear what was told, compare it with the database, and welcome one more."""
        async with sessions() as session:
            messages, self.seq = await missed(session, self.viewer, self.seq)
            now = await fresh(session, self.viewer)
        for screen in self.shown:
            for message in messages:
                screen.hear(message.type, message.data)
            assert screen == now, f"{self.viewer} at {self.seq}"
        self.shown.append(copy.deepcopy(now))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_every_screen_shows_what_a_fresh_one_would(
    writer: Writer, sessions: async_sessionmaker[AsyncSession], fault_options: FaultOptions
) -> None:
    desk = Desk(writer, sessions)
    people = [await desk.hire("ann", "101", "103"), await desk.hire("bob", "102")]
    histories = 0
    for seed in range(fault_options.seed, fault_options.seed + fault_options.walks(STEPS * 2)):
        walk = Walk(desk, people, seed)
        screens = [await _begin(desk, person) for person in people]
        for _ in range(STEPS):
            desk.later(1)
            await walk.step()
            for each in screens:
                await each.step(sessions)
        histories += sum(len(each.shown) for each in screens)
        await walk.end()
    assert histories >= fault_options.histories


async def _begin(desk: Desk, person: Employee) -> Screens:
    begun = await start(desk.sessions, Viewer.of(person), None)
    assert begun.snapshot is not None
    return Screens(Viewer.of(person), begun.seq)
