"""Callers, two a second, each with a number and habits of his own; their own log is the truth."""

import asyncio
import itertools
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.faults.taken import AT_3, Taken
from tests.faults.telephones import Answer
from tests.lab.harness import Lab, SippCall
from tests.lab.scenarios import Bye, Key, Speak, Step, Wait
from tests.timing import Stopwatch, room
from tests.waiting import until

__all__ = ["Callers", "Habit", "Pressed", "SipCallers", "Truth"]

_PRESSING = 0.8  # of the callers press
_REACHED = 0.8  # so much of the wanted rate at least: 1.6 presses a second
_TELLING_S = 20  # a shorter time says nothing of the rate
# The hasty hang up 1.2 s after the key at the latest, and a machine may be late.
_AT_ONCE = timedelta(seconds=1.5)
_PATIENCE_S = 60  # a caller is done long before; one that hangs is a fault of the experiment


@dataclass(frozen=True, kw_only=True)
class Pressed:
    """One caller's 3: `at` is when he sent it. `sure`: it must become an appeal, whatever happens.

    `hung_up_at` is null when the other side ended the call, or nobody knows who did. `overtaken`: the
    PBX acknowledged the key, and he hung up before its dialplan came to it.
    """

    number: str
    at: datetime
    sure: bool
    hung_up_at: datetime | None = None
    overtaken: bool = False


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What the callers' side knows. `callers` counts all who called, those without a key too.

    `answers` is what the operators' telephones say of them.
    """

    callers: int = 0
    pressed: tuple[Pressed, ...] = ()
    answers: tuple[Answer, ...] = ()

    @property
    def sure(self) -> set[str]:
        return {press.number for press in self.pressed if press.sure}

    @property
    def possible(self) -> set[str]:
        """Numbers that may have an appeal: who never sent a 3 must have none."""
        return {press.number for press in self.pressed}

    def __add__(self, other: "Truth") -> "Truth":
        return Truth(
            callers=self.callers + other.callers,
            pressed=(*self.pressed, *other.pressed),
            answers=(*self.answers, *other.answers),
        )


@dataclass(frozen=True, kw_only=True)
class Habit:
    """How one caller behaves: seconds from the answer to the key, and from there to the hang-up."""

    before_s: float
    presses: bool
    stays_s: float

    @classmethod
    def drawn(cls, chance: random.Random) -> Iterator["Habit"]:
        """Of twenty four never press, five hang up soon after the key, the others stay; by turns as chance has it."""
        while True:
            for kind in chance.sample(range(20), 20):
                before_s = chance.uniform(0.4, 1.0)
                if kind < 4:
                    yield cls(before_s=before_s, presses=False, stays_s=chance.uniform(0, 2))
                    continue
                stays_s = chance.uniform(0.4, 1.2) if kind < 9 else chance.uniform(2, 8)
                yield cls(before_s=before_s, presses=True, stays_s=stays_s)


class Callers(ABC):
    """Press 3 `per_second` on average, from `start` until `stop`. The same seed: the same callers."""

    def __init__(self, seed: int, per_second: float = 2) -> None:
        self.seed = seed
        self.per_second = per_second
        self._random = random.Random(seed)
        self._habits = Habit.drawn(self._random)
        self._calling: asyncio.Task[None] | None = None
        self._starts: list[asyncio.Task[str]] = []
        self._began = self.called_s = self._crowded_s = 0.0
        self._stopwatch = Stopwatch()
        self._numbers = (f"+7911{seed % 100:02d}{n:05d}" for n in itertools.count())

    @abstractmethod
    async def call(self, habit: Habit) -> str:
        """Place one call; return its number, which nobody else has."""

    @property
    @abstractmethod
    def truth(self) -> Truth:
        """What the callers did so far, by their own logs."""

    @property
    @abstractmethod
    def talking(self) -> bool:
        """Whether a caller has not hung up yet."""

    def start(self) -> None:
        self._began, self._stopwatch = time.perf_counter(), Stopwatch()
        self._calling = asyncio.create_task(self._call_for_ever(), name="callers")

    async def stop(self) -> None:
        """Let nobody call any more and wait until the last has hung up."""
        if self._calling is not None:
            self.called_s = max(self._stopwatch.own_s - self._crowded_s, 0.0)
            self._calling.cancel()
            await asyncio.wait({self._calling})
            if not self._calling.cancelled():
                self._calling.result()
            self._calling = None
            await asyncio.gather(
                *self._starts
            )  # who was told to call does; one that can't says so here
        await until(
            lambda: not self.talking, deadline_s=_PATIENCE_S, what="the last caller has hung up"
        )

    @property
    def pressed_per_second(self) -> float | None:
        """What was reached, when the callers called long enough to tell."""
        if self.called_s < _TELLING_S:
            return None
        return len(self.truth.pressed) / self.called_s

    def too_few(self) -> list[str]:
        """Say so when they pressed more seldom than they should have, the PBX being up all the time."""
        rate = self.pressed_per_second
        if rate is None or rate >= self.per_second * _REACHED:
            return []
        return [f"only {rate:.2f} presses a second, of {self.per_second} wanted"]

    async def _call_for_ever(self) -> None:
        """Start each call by schedule, however long a start takes."""
        due_s = 0.0
        while True:
            self._starts.append(asyncio.create_task(self.call(next(self._habits))))
            due_s += self._random.uniform(0.5, 1.5) * _PRESSING / self.per_second
            # the rate of the experiment, not a wait for something
            await asyncio.sleep(self._began + due_s - time.perf_counter())
            waited_s = await room()
            due_s += waited_s
            self._crowded_s += waited_s


class SipCallers(Callers):
    """Each caller is a SIPp of his own; `at_3` is the step of the dialplan that his key leads to."""

    def __init__(self, lab: Lab, seed: int, per_second: float = 2, *, at_3: str = AT_3) -> None:
        super().__init__(seed, per_second)
        self._lab = lab
        self._taken = Taken(lab.directory / "log/dialplan", at_3)
        self._called: list[tuple[str, SippCall]] = []

    async def call(self, habit: Habit) -> str:
        number = next(self._numbers)
        key: list[Step] = [Key("3")] if habit.presses else []
        steps = [Speak(), Wait(habit.before_s), *key, Wait(habit.stays_s), Bye()]
        self._called.append((number, await self._lab.call(number=number, steps=steps)))
        return number

    @property
    def talking(self) -> bool:
        return any(call.running for _, call in self._called)

    @property
    def truth(self) -> Truth:
        taken = self._taken.numbers()
        pressed = [_pressed(number, call.log, taken) for number, call in self._called]
        return Truth(callers=len(self._called), pressed=tuple(p for p in pressed if p is not None))


def _pressed(number: str, log: Path, taken: Collection[str]) -> Pressed | None:
    """Read SIPp's short message log: the key that was sent, and whether it was acknowledged.

    An acknowledged key must be registered, unless the caller hung up at once and the dialplan did not
    come to it before. Whoever stayed longer is owed an appeal, whatever Asterisk says.
    """
    sent = _first(log, "S", "INFO")
    if sent is None:
        return None
    acknowledged = any(
        way == "R" and line.startswith("SIP/2.0 200") and cseq.endswith("INFO")
        for _, way, cseq, line in _messages(log)
    )
    hung_up_at = _first(log, "S", "BYE")
    at_once = hung_up_at is not None and hung_up_at - sent <= _AT_ONCE
    overtaken = acknowledged and at_once and number not in taken
    return Pressed(
        number=number,
        at=sent,
        sure=acknowledged and not overtaken,
        hung_up_at=hung_up_at,
        overtaken=overtaken,
    )


def _first(log: Path, direction: str, request: str) -> datetime | None:
    times = (
        at for at, way, _, line in _messages(log) if way == direction and line.startswith(request)
    )
    return next(times, None)


def _messages(log: Path) -> Iterator[tuple[datetime, str, str, str]]:
    """Yield time, direction, CSeq and first line of each message."""
    if not log.exists():
        return
    for line in log.read_text(errors="replace").splitlines():
        row = line.split("\t")
        if len(row) >= 7:
            at = datetime.fromtimestamp(float(row[2]), UTC)
            yield at, row[3], row[5].removeprefix("CSeq:").strip(), row[6].strip()
