"""Callers played by a second Asterisk, which records what each of them hears.

For kills of the PBX: only who heard «принято» was promised anything, and only his own ear tells.
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from press3.demo.asterisk import PrivateAsterisk
from press3.demo.pbx_files import Endpoint, pbx_files
from press3.demo.tree import AsteriskTree
from tests.faults.callers import Callers, Habit, Pressed, Truth
from tests.faults.tone import hears, write_tone
from tests.lab.harness import DID, LabMenu
from tests.lab.ports import held_pbx_ports

__all__ = ["WorldCallers", "with_tone", "world_callers"]

# A real telephone always sends sound, so nobody here just waits; the silence outlasts everybody.
_DIALPLAN = """\
[callers]
exten => s,1,Set(TIMEOUT(absolute)=${LASTS})
 same => n,MixMonitor(,r(${NUMBER}.wav))
 same => n,GotoIf($["${BEFORE}" = ""]?talk)
 same => n,Wait(${BEFORE})
 same => n,Log(NOTICE,pressed ${NUMBER} ${STRFTIME(,UTC,%s.%3q)})
 same => n,SendDTMF(3)
 same => n(talk),Playback(silence/10&silence/10)
exten => T,1,Hangup()
exten => h,1,Log(NOTICE,over ${NUMBER} ${STRFTIME(,UTC,%s.%3q)})
"""
_SAID = re.compile(r"(pressed|over) (\+\d+) (\d+\.\d+)")
_RINGS_S = 5  # so long a caller waits for a PBX that is dead
_CALL_FILE = """\
Channel: PJSIP/{did}@pbx
CallerID: "Ivan Petrov" <{number}>
Context: callers
Extension: s
Priority: 1
WaitTime: {rings_s}
MaxRetries: 0
Setvar: NUMBER={number}
Setvar: BEFORE={before}
Setvar: LASTS={lasts}
"""


def with_tone(config: LabMenu, folder: Path) -> LabMenu:
    """Return `config` with «принято» as one pure tone, which the callers' recordings can be asked for."""
    write_tone(folder / "accepted.wav")
    prompts = replace(config.menu.prompts, accepted=(str(folder / "accepted"),))
    return replace(config, menu=replace(config.menu, prompts=prompts))


class WorldCallers(Callers):
    """Callers of `world`. `sure` is who heard the tone of «принято»."""

    def __init__(self, world: PrivateAsterisk, seed: int, per_second: float = 2) -> None:
        super().__init__(seed, per_second)
        self._world = world
        self._called: list[str] = []
        self._ears: dict[str, bool] = {}

    async def call(self, habit: Habit) -> str:
        number = next(self._numbers)
        text = _CALL_FILE.format(
            did=DID,
            number=number,
            rings_s=_RINGS_S,
            before=f"{habit.before_s:.3f}" if habit.presses else "",
            lasts=f"{habit.before_s + habit.stays_s + 0.3:.3f}",
        )
        spool = self._world.directory / "spool"
        draft = spool / "tmp" / f"{number}.call"
        draft.write_text(text)
        draft.rename(spool / "outgoing" / draft.name)  # whole at once: Asterisk takes it as it is
        self._called.append(number)
        return number

    @property
    def talking(self) -> bool:
        """Whether a call file still waits or lasts: Asterisk removes it when the call is over."""
        return any((self._world.directory / "spool/outgoing").iterdir())

    @property
    def truth(self) -> Truth:
        said = self._said()
        return Truth(
            callers=len(self._called),
            pressed=tuple(
                Pressed(
                    number=number,
                    at=said["pressed", number],
                    sure=self._heard(number),
                )
                for number in self._called
                if ("pressed", number) in said
            ),
        )

    def _said(self) -> dict[tuple[str, str], datetime]:
        text = (self._world.directory / "log/messages").read_text(errors="replace")
        return {
            (what, number): datetime.fromtimestamp(float(at), UTC)
            for what, number, at in _SAID.findall(text)
        }

    def _heard(self, number: str) -> bool:
        """Listen once to the recording of a call that is over."""
        if number not in self._ears:
            file = self._world.monitor / f"{number}.wav"
            self._ears[number] = file.exists() and hears(file)
        return self._ears[number]


@asynccontextmanager
async def world_callers(
    tree: AsteriskTree, pbx_port: int, folder: Path, *, seed: int, per_second: float = 2
) -> AsyncIterator[WorldCallers]:
    """Run the callers' own Asterisk in `folder`; they call the PBX at `pbx_port`."""
    endpoint = Endpoint(name="pbx", port=pbx_port)
    with held_pbx_ports() as ports:
        files = pbx_files(ports, [endpoint], anonymous_context="default")
        etc = {**files, "extensions.conf": _DIALPLAN, "queues.conf": "[general]\n"}
        async with PrivateAsterisk(tree, folder, etc=etc) as world:
            yield WorldCallers(world, seed, per_second)
