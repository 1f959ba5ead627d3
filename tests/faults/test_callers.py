"""The callers of an experiment press as often as it says, however slowly a call can be started."""

import asyncio
import itertools
import random
import time
from datetime import UTC, datetime

import pytest

from tests.faults.callers import Callers, Habit, Pressed, Truth
from tests.waiting import until

pytestmark = pytest.mark.timing

RATE = 50
SLOW_S = 0.2  # to start one call, as SIPp's on a busy machine


class Paper(Callers):
    """Callers who only write down that they pressed."""

    def __init__(self, *, broken: bool = False) -> None:
        super().__init__(seed=1, per_second=RATE)
        self.pressed: list[Pressed] = []
        self.placed = 0
        self.broken = broken

    async def call(self, habit: Habit) -> str:
        number = next(self._numbers)
        await asyncio.sleep(SLOW_S)  # what this test is about
        if self.broken:
            raise OSError("no SIPp")
        self.placed += 1
        if habit.presses:
            self.pressed.append(Pressed(number=number, at=datetime.now(UTC), sure=True))
        return number

    @property
    def truth(self) -> Truth:
        return Truth(callers=self.placed, pressed=tuple(self.pressed))

    @property
    def talking(self) -> bool:
        return False


async def test_calls_begin_by_schedule_however_long_a_start_takes() -> None:
    callers = Paper()
    callers.start()
    began = time.perf_counter()
    await until(lambda: callers.placed >= 2 * RATE, deadline_s=30)
    assert time.perf_counter() - began < 2 * RATE * SLOW_S / 2, "not one after the other"
    await callers.stop()
    assert len(callers.pressed) >= callers.called_s * RATE * 0.8
    assert callers.pressed_per_second is None, "too short to tell"
    assert callers.too_few() == []
    callers.called_s = 40
    (said,) = callers.too_few()
    assert said == f"only {len(callers.pressed) / 40:.2f} presses a second, of 50 wanted"
    callers.called_s, callers.pressed = 20, callers.pressed * 20
    assert callers.too_few() == []


async def test_a_call_that_can_t_begin_is_a_fault_of_the_experiment() -> None:
    callers = Paper(broken=True)
    callers.start()
    await until(lambda: callers._starts)
    with pytest.raises(OSError, match="no SIPp"):
        await callers.stop()


def test_four_of_five_press() -> None:
    habits = list(itertools.islice(Habit.drawn(random.Random(3)), 200))
    assert sum(habit.presses for habit in habits) == 160
    assert sum(habit.presses and habit.stays_s <= 1.2 for habit in habits) == 50
