"""Many stories at once on one PBX and one press3: each plays in a room of its own.

A room is a number to call with the menu behind it, a queue, and the telephones of its operators; the
rooms of a module share nothing but Asterisk and press3. A story is a function of its `Scene`:

    play = Stories()

    @play.story(members=("PJSIP/{1}", "PJSIP/{2}"))
    async def somebody_answers(scene: Scene) -> None: ...
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from ivr.menu import AmiAccount
from ivr.render import render
from tests.e2e import told
from tests.e2e.desk import Screen, open_desk
from tests.e2e.office import PRESS, STORIES, Json, Office
from tests.lab.dialogs import DialogStep
from tests.lab.fixtures import Labs
from tests.lab.harness import LabMenu, SippCall
from tests.lab.scenarios import Bye, Step, TelephoneHabit, WaitBye
from tests.timing import Outcome, Played, Tasks, outcome_of, playing
from tests.waiting import until

__all__ = [
    "ASKED",
    "TALKS",
    "WAITS",
    "Played",
    "Room",
    "Scene",
    "Stories",
]

AT_ONCE = 3
TALKS = TelephoneHabit(ring_s=0.4)
ASKED = TelephoneHabit(ring_s=0.8)
WAITS: list[Step] = [*PRESS, WaitBye(90)]
# *5 parks (`k`), ## and *2 transfer (`t`).
_MENU = replace(STORIES.menu, members=(), queue_options="tk", ring_s=4, queue_timeout_s=30)
_FEATURES = """\
[general]
pickupexten = *8
transferdigittimeout = 3
[featuremap]
blindxfer = ##
atxfer = *2
parkcall = *5
"""
# 720 parks for three seconds, then the operator who parked is rung again.
_PARKING = """\
[general]
parkeddynamic = no
[default]
parkext = 700
parkpos = 701-710
context = parkedcalls
parkingtime = 45
[short]
parkext = 720
parkext_exclusive = yes
parkpos = 721-729
context = parkedcalls
parkingtime = 3
comebacktoorigin = yes
comebackdialtime = 20
"""
_INTERNAL = """\
[from-internal](+)
exten => _2XXX,1,Dial(PJSIP/${EXTEN},20,tTkK)
exten => _**2XXX,1,PickupChan(PJSIP/${EXTEN:2},p)
[from-queue](+)
exten => _2XXX,1,Dial(PJSIP/${EXTEN},20,tTkK)
; as FreePBX, whose members carry a recorder; `b`: it writes only while two talk
[from-queue-recorded]
exten => _2XXX,1,MixMonitor(queue/local-${EXTEN}-${UNIQUEID}.wav,b)
 same => n,Dial(PJSIP/${EXTEN},20,tTkK)
[both-devices](+)
exten => _2XXX,1,Dial(PJSIP/${EXTEN}&PJSIP/99${EXTEN},20,tTkK)
"""


@dataclass(frozen=True, kw_only=True)
class Room:
    """`members` of the queue; `{1}` is the extension of the room's first operator.

    A second queue, whose only member is the third operator, is reached from inside alone.
    `two_devices`: each operator has a second telephone, `PJSIP/99<extension>`. `alone`: nothing else is
    played meanwhile.
    """

    n: int
    members: tuple[str, ...]
    strategy: str = "ringall"
    ring_s: int = 4
    two_devices: bool = False
    alone: bool = False

    @property
    def extensions(self) -> tuple[str, ...]:
        return tuple(f"2{self.n:02}{i}" for i in (1, 2, 3))

    @property
    def number(self) -> str:
        """What callers dial."""
        return f"49512{self.n:02}"

    @property
    def queue(self) -> str:
        return f"room{self.n:02}"

    @property
    def second_queue(self) -> str:
        return f"back{self.n:02}"

    @property
    def second_queue_extension(self) -> str:
        """What operators dial to reach the second queue."""
        return f"6{self.n:02}"

    def queue_conf(self) -> str:
        members = [member.format("", *self.extensions) for member in self.members]
        return self._queue(self.queue, members) + self._queue(
            self.second_queue, [f"PJSIP/{self.extensions[2]}"]
        )

    def _queue(self, name: str, members: Sequence[str]) -> str:
        lines = "".join(f"member => {member}\n" for member in members)
        return (
            f"[{name}]\nstrategy = {self.strategy}\ntimeout = {self.ring_s}\nretry = 1\n"
            f"ringinuse = no\n{lines}"
        )

    def dialplan(self) -> str:
        """The rendered dialplan with this room's queue, under names of its own."""
        menu = replace(_MENU, name=self.queue, queue=self.queue)
        account = AmiAccount(username="nobody", secret="nothing")
        text = render(menu, account)["extensions_press3.conf"]
        own = re.sub(r"press3-(menu|complaint|answered|ended)", rf"press3-\1-{self.queue}", text)
        return (
            f"{own}\n[incoming](+)\nexten => {self.number},1,Goto(press3-menu-{self.queue},s,1)\n"
            f"[from-internal](+)\n"
            f"exten => {self.second_queue_extension},1,Queue({self.second_queue},tk,,,30)\n"
        )


@dataclass(frozen=True)
class Scene:
    """Where a story plays. Operators are counted from 1."""

    office: Office
    room: Room

    @property
    def number(self) -> str:
        """The caller's own number."""
        return f"+7911001{self.room.n:02}00"

    @asynccontextmanager
    async def screens(self, *operators: int) -> AsyncIterator[list[Screen]]:
        logins = [f"op{self.extension(n)}" for n in operators]
        async with self.office.screens(*logins) as screens:
            yield screens

    def extension(self, operator: int) -> str:
        return self.room.extensions[operator - 1]

    def phone(
        self, operator: int, habit: TelephoneHabit, *, prefix: str = ""
    ) -> AbstractAsyncContextManager[SippCall]:
        return self.office.lab.telephone(prefix + self.extension(operator), habit)

    async def call(self, steps: Sequence[Step], *, number: str = "") -> SippCall:
        """A customer calls the room."""
        return await self.office.lab.call(
            number=number or self.number, to=self.room.number, steps=steps
        )

    async def dial(self, operator: int, to: str, steps: Sequence[Step]) -> SippCall:
        """An operator dials at his telephone."""
        return await self.office.lab.call(
            number=self.extension(operator), name="", to=to, steps=steps
        )

    async def within(self, call: SippCall, *steps: DialogStep) -> SippCall:
        """Do something in an answered call, to the end."""
        doing = await self.office.lab.within(call, *steps)
        await doing.done()
        return doing

    async def answered(self, call: SippCall) -> datetime:
        """Wait until this telephone has answered; return when it said so."""
        await until(lambda: call.truth.picked_up, deadline_s=30, what="the telephone has answered")
        return call.truth.picked_up[0]

    async def told(
        self,
        *,
        caller: SippCall,
        contact: datetime,
        hung_up: datetime | None = None,
        one_recording: bool = True,
    ) -> Json:
        """Return the one call of the one appeal, over, after checking what such stories have in common.

        `hung_up`: when the caller did so himself; else he was told. `one_recording`: ours alone, which
        plays from press to end.
        """
        await self.office.over(self.number)
        if hung_up is None:
            await caller.done()
        appeal = await told.answered(
            self.office,
            self.number,
            pressed=caller.truth.at("INFO"),
            contact=contact,
            ended=hung_up or caller.truth.at("BYE", "R"),
        )
        if one_recording:
            await self.office.playable(self.number)
        call: Json = appeal["calls"][0]
        return call

    async def hangs_up(self, call: SippCall) -> datetime:
        """Hang up this side of an answered call; return when the BYE was sent."""
        return (await self.within(call, Bye())).truth.at("BYE")


Play = Callable[[Scene], Coroutine[Any, Any, None]]


@dataclass
class Stories:
    """The stories of a module, each with its room."""

    first_room: int = 1
    plays: dict[str, tuple[Play, Room]] = field(default_factory=dict)

    def story(
        self,
        *,
        members: tuple[str, ...] = ("PJSIP/{1}", "PJSIP/{2}"),
        strategy: str = "ringall",
        ring_s: int = 4,
        two_devices: bool = False,
        alone: bool = False,
    ) -> Callable[[Play], Play]:
        def register(play: Play) -> Play:
            n = self.first_room + len(self.plays)
            room = Room(
                n=n,
                members=members,
                strategy=strategy,
                ring_s=ring_s,
                two_devices=two_devices,
                alone=alone,
            )
            self.plays[play.__name__] = (play, room)
            return play

        return register

    def parametrize(self) -> pytest.MarkDecorator:
        return pytest.mark.parametrize("story", list(self.plays))

    @asynccontextmanager
    async def played(
        self, request: pytest.FixtureRequest, labs: Labs, folder: Path, version: str = "22"
    ) -> AsyncIterator[Played]:
        """Start the stories that this run asks for, a few at a time; a test awaits its own.

        In the end nobody talks any more and press3 has not complained.
        """

        @asynccontextmanager
        async def opened(names: set[str]) -> AsyncIterator[Tasks]:
            rooms = [room for name, (_, room) in self.plays.items() if name in names]
            lab = await labs.start(version, _lab_menu(rooms), fresh=True)
            operators = [extension for room in rooms for extension in room.extensions]
            async with open_desk(lab, folder, operators=operators) as desk:
                turns, office = _Turns(), Office(lab, desk)
                scenes = {
                    name: _in_turn(turns, play, Scene(office, room))
                    for name, (play, room) in self.plays.items()
                    if name in names
                }
                async with playing(scenes) as tasks:
                    yield tasks
                await lab.hang_up_all()
                assert "Traceback" not in desk.log.read_text(errors="replace")

        async with opened(_asked_for(request)) as tasks:
            yield Played(tasks, opened)


def _asked_for(request: pytest.FixtureRequest) -> set[str]:
    here = [item for item in request.session.items if item.path == request.path]
    specs = [item.callspec for item in here if isinstance(item, pytest.Function)]
    return {str(spec.params["story"]) for spec in specs if "story" in spec.params}


class _Turns:
    """At most AT_ONCE stories at a time; one that wants to be alone waits until all others are over."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(AT_ONCE)
        self._alone = asyncio.Lock()

    @asynccontextmanager
    async def turn(self, alone: bool) -> AsyncIterator[None]:
        wanted = AT_ONCE if alone else 1
        async with self._alone:  # two that gather turns would wait for each other
            for _ in range(wanted):
                await self._free.acquire()
        try:
            yield
        finally:
            for _ in range(wanted):
                self._free.release()


async def _in_turn(turns: _Turns, play: Play, scene: Scene) -> Outcome:
    async with turns.turn(scene.room.alone):
        return await outcome_of(play(scene))


def _lab_menu(rooms: Sequence[Room]) -> LabMenu:
    phones = tuple(
        (prefix + extension, 1 + room.n)
        for room in rooms
        for extension in room.extensions
        for prefix in (("", "99") if room.two_devices else ("",))
    )
    return LabMenu(
        menu=STORIES.menu,
        phones=phones,
        files={
            "extensions_more.conf": _INTERNAL + "".join(room.dialplan() for room in rooms),
            "queues_more.conf": "".join(room.queue_conf() for room in rooms),
            "features.conf": _FEATURES,
            "res_parking.conf": _PARKING,
        },
    )
