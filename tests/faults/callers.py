"""Callers on SIPp, two a second, each with a number and habits of his own; their own log is the truth."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.lab.harness import Lab, SippCall
from tests.lab.scenarios import Bye, Key, Speak, Step, Wait
from tests.waiting import until

__all__ = ["Pressed", "SipCallers", "Truth"]

_PATIENCE_S = 60  # a caller is done long before; one that hangs is a fault of the experiment


@dataclass(frozen=True, kw_only=True)
class Pressed:
    """One caller's 3: `at` is when he sent it. `sure`: it must become an appeal, whatever happens.

    `hung_up_at` is null when the other side ended the call, or nobody knows who did.
    """

    number: str
    at: datetime
    sure: bool
    hung_up_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What the callers' side knows. `callers` counts all who called, those without a key too."""

    callers: int = 0
    pressed: tuple[Pressed, ...] = ()

    @property
    def sure(self) -> set[str]:
        return {press.number for press in self.pressed if press.sure}

    @property
    def possible(self) -> set[str]:
        """Numbers that may have an appeal: who never sent a 3 must have none."""
        return {press.number for press in self.pressed}

    def __add__(self, other: "Truth") -> "Truth":
        return Truth(callers=self.callers + other.callers, pressed=(*self.pressed, *other.pressed))


@dataclass
class SipCallers:
    """Calls `lab`, `per_second` on average, from `start` until `stop`. The same seed: the same callers."""

    lab: Lab
    seed: int
    per_second: float = 2
    called: list[tuple[str, SippCall]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._calling: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._calling = asyncio.create_task(self._call_for_ever(), name="callers")

    async def stop(self) -> None:
        """Let nobody call any more and wait until the last has hung up."""
        if self._calling is not None:
            self._calling.cancel()
            await asyncio.wait({self._calling})
            if not self._calling.cancelled():
                self._calling.result()
            self._calling = None
        await until(
            lambda: not any(call.running for _, call in self.called),
            deadline_s=_PATIENCE_S,
            what="the last caller has hung up",
        )

    async def call(self, steps: Sequence[Step]) -> str:
        """Place one call; return its number."""
        number = f"+7911{self.seed % 100:02d}{len(self.called):05d}"
        self.called.append((number, await self.lab.call(number=number, steps=steps)))
        return number

    @property
    def truth(self) -> Truth:
        """What the callers did so far, by their own logs."""
        pressed = [_pressed(number, call.log) for number, call in self.called]
        return Truth(callers=len(self.called), pressed=tuple(p for p in pressed if p is not None))

    async def _call_for_ever(self) -> None:
        while True:
            await self.call(self._habit())
            # the rate of the experiment, not a wait for something
            await asyncio.sleep(self._random.uniform(0.5, 1.5) / self.per_second)

    def _habit(self) -> list[Step]:
        """One in five never presses, one in four hangs up soon after the key, the others stay."""
        draw, kind = self._random.uniform, self._random.random()
        start: list[Step] = [Speak(), Wait(draw(0.4, 1.0))]
        if kind < 0.2:
            return [*start, Wait(draw(0, 2)), Bye()]
        stays_s = draw(0.4, 1.2) if kind < 0.45 else draw(2, 8)
        return [*start, Key("3"), Wait(stays_s), Bye()]


def _pressed(number: str, log: Path) -> Pressed | None:
    """Read SIPp's short message log: the key that was sent, and whether it was acknowledged."""
    sent = _first(log, "S", "INFO")
    if sent is None:
        return None
    acknowledged = any(
        way == "R" and line.startswith("SIP/2.0 200") and cseq.endswith("INFO")
        for _, way, cseq, line in _messages(log)
    )
    return Pressed(number=number, at=sent, sure=acknowledged, hung_up_at=_first(log, "S", "BYE"))


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
