"""Recordings as they are made in the field: other formats, paused, resumed, beside another, renamed.

Each story is a call on the real Asterisk 22, all at once on one PBX and one press3; how long a recording
must be is told by the callers' own logs and by the answers to what was asked of the PBX.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

import pytest
import pytest_asyncio

from tests import timing
from tests.e2e.desk import Screen, open_desk
from tests.e2e.duty import on_duty
from tests.e2e.office import PRESS, STORIES, Json, Office, When, is_whole, near
from tests.e2e.told import LegSeen, answered, check_legs, check_pops
from tests.lab.ami_tap import AmiMessage, AmiTap
from tests.lab.dialogs import Dialog, Keys
from tests.lab.fixtures import Labs
from tests.lab.harness import SippCall
from tests.lab.scenarios import Bye, Speak, TelephoneHabit, Wait, WaitBye
from tests.waiting import until

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="module")]

# The PBX has recorders of its own, which begin before the menu of press3.
OWN_RECORDERS = """\
[incoming](+)
exten => 31,1,MixMonitor(own/g-${UNIQUEID}.gsm)
 same => n,MixMonitor(own/w-${UNIQUEID}.wav49)
 same => n,MixMonitor(own/l-${UNIQUEID}.wav)
 same => n,Goto(press3-menu,s,1)
exten => 32,1,MixMonitor(own/stopped-${UNIQUEID}.wav,i(STOPPED))
 same => n,MixMonitor(own/kept-${UNIQUEID}.gsm)
 same => n,Goto(press3-menu,s,1)
exten => 33,1,MixMonitor(own/bridged-${UNIQUEID}.wav,b)
 same => n,Answer()
 same => n,WaitExten(2)
exten => 34,1,MixMonitor(own/draft-${UNIQUEID}.wav,,mv ^{MIXMONITOR_FILENAME} ^{MIXMONITOR_FILENAME}-done.wav)
 same => n,Goto(press3-menu,s,1)
exten => 36,1,Monitor(wav,${ASTSPOOLDIR}/monitor/own-${UNIQUEID})
 same => n,Goto(press3-menu,s,1)
exten => 35,1,MixMonitor(own/away-${UNIQUEID}.wav,,mv ^{MIXMONITOR_FILENAME} ${ASTSPOOLDIR}/monitor/kept-for-ever-${UNIQUEID}.wav)
 same => n,Goto(press3-menu,s,1)
"""
CONFIG = replace(
    STORIES,
    menu=replace(STORIES.menu, members=(), queue_options="x"),  # x: he may record at one touch
    files={
        "extensions_more.conf": OWN_RECORDERS,
        "features.conf": "[general]\n[featuremap]\nautomixmon = *3\n",
    },
)
NEAR_S = (
    0.6  # a recording may lack what lies in the recorder's buffer and has the tone of a conversion
)


@dataclass(frozen=True)
class Stage:
    """Operator 101 has one telephone, which answers every call at once."""

    office: Office
    pbx: AmiTap
    phone: SippCall
    screen: Screen


@dataclass(frozen=True)
class Talk:
    """A call that was answered: the caller's side, and his channel on the PBX."""

    stage: Stage
    number: str
    caller: SippCall
    channel: str

    @property
    def answered_at(self) -> datetime:
        return self.caller.truth.at("200", "R")

    @property
    def dialog(self) -> Dialog:
        """The operator's end."""
        (mine,) = [each for each in self.stage.phone.dialogs if self.number in each.remote]
        return mine

    @property
    def pressed_at(self) -> datetime:
        return self.caller.truth.at("INFO")

    async def ask(self, action: str, **headers: str) -> datetime:
        """Do something to the recorders of the caller's channel; return when it was done."""
        reply = await self.stage.pbx.action(action, Channel=self.channel, **headers)
        assert reply.get("Response") == "Success", reply.raw
        return reply.at

    async def for_s(self, seconds: float) -> None:
        """Talk on: the length is what the story is about."""
        await asyncio.sleep(seconds)

    async def hangs_up(self) -> datetime:
        """Hang up; return when, after checking all but the recordings."""
        doing = await self.stage.office.lab.within(self.caller, Bye())
        await doing.done()
        await self._is_told(doing.truth.taken("BYE"))
        return doing.truth.at("BYE")

    async def _is_told(self, ended: When) -> None:
        """Check appeal, call, leg, pop and times against the logs of both sides."""
        office, phone = self.stage.office, self.stage.phone
        await office.over(self.number)
        await until(lambda: phone.truth_in(self.dialog).all("BYE", "R"), what="he was told")
        truth = phone.truth_in(self.dialog)
        contact, pressed = truth.picked_up[0], self.caller.truth.taken("INFO")
        appeal = await answered(office, self.number, pressed=pressed, contact=contact, ended=ended)
        (call,) = appeal["calls"]
        rang, over = truth.at("INVITE", "R"), truth.at("BYE", "R")
        check_legs(call, LegSeen("101", "answered", rang, contact, over))
        check_pops(self.stage.screen, call, "answered_here")
        assert call["transfers"] == []

    async def touches(self) -> datetime:
        """The operator presses the one-touch code in this call; return when he had."""
        keys = await self.stage.office.lab.in_dialog(self.dialog, Keys("*3"))
        await keys.done()
        return [at for at, way, line in keys.truth.messages if (way, line[:4]) == ("S", "INFO")][-1]

    async def recordings(self, n: int, *, deadline_s: float = 30) -> list[Json]:
        """Wait until the call has `n` recordings, all of them playable; return them as they began."""
        return await playable(self.stage.office, self.number, n, deadline_s=deadline_s)


Story: TypeAlias = Callable[["Stage"], Awaitable[None]]
STORIES_HERE: dict[str, Story] = {}


def story(play: Story) -> Story:
    STORIES_HERE[play.__name__] = play
    return play


async def talk(stage: Stage, number: str, to: str = "100") -> Talk:
    caller = await stage.office.lab.call(number=number, to=to, steps=[*PRESS, WaitBye(90)])
    await stage.office.call_when(number, lambda call: call["answered_at"])
    (born, *_) = stage.pbx.all("Newchannel", CallerIDNum=number)
    return Talk(stage, number, caller, born.get("Channel"))


async def playable(office: Office, number: str, n: int, *, deadline_s: float) -> list[Json]:
    def are_ready(call: Json) -> bool:
        return [each["state"] for each in call["recordings"]] == ["converted"] * n

    call = await office.call_when(number, are_ready, deadline_s=deadline_s)
    chief = await office.desk.person("chief")
    for recording in call["recordings"]:
        path = f"/recordings/{recording['id']}/audio"
        status, sound, _ = await chief.bytes(path, Range="bytes=0-499")
        assert (status, len(sound)) == (206, 500)
        names = call["id"].removeprefix("main-"), number.lstrip("+")
        assert is_whole(recording, office.lab.monitor, *names), recording
    found: list[Json] = call["recordings"]
    return found


def lasts(recording: Json, *spans: tuple[datetime, datetime]) -> bool:
    """Whether the sound is as long as these spans together."""
    return timing.lasted(recording["duration_s"], NEAR_S, *spans)


@story
async def three_formats_beside_ours(stage: Stage) -> None:
    call = await talk(stage, "+79110005101", to="31")
    await call.for_s(3)
    ended = await call.hangs_up()
    *own, ours = await call.recordings(4)
    assert [lasts(each, (call.answered_at, ended)) for each in own] == [True] * 3, own
    assert lasts(ours, (call.pressed_at, ended)), ours


@story
async def paused_and_resumed_into_another_file(stage: Stage) -> None:
    call = await talk(stage, "+79110005102")
    await call.for_s(1)
    paused = await call.ask("StopMixMonitor")
    await call.for_s(2)
    resumed = await call.ask("MixMonitor", File=f"resumed/{call.number[1:]}.wav")
    await call.for_s(2)
    await call.ask("MixMonitorMute", Direction="both", State="1")
    await call.ask("MixMonitorMute", Direction="both", State="0")
    ended = await call.hangs_up()
    first, second = await call.recordings(2)
    assert lasts(first, (call.pressed_at, paused)), first
    assert lasts(second, (resumed, ended)), second
    assert datetime.fromisoformat(second["started_at"]) >= paused


@story
async def paused_and_resumed_into_the_same_file(stage: Stage) -> None:
    """The pause is long enough that the first part is converted before the second begins."""
    call = await talk(stage, "+79110005103")
    await call.for_s(1)
    (begun,) = recorders(call)
    paused = await call.ask("StopMixMonitor")
    await call.recordings(1)
    resumed = await call.ask("MixMonitor", File=begun.get("Value"), options="a")
    await call.for_s(2)
    ended = await call.hangs_up()
    whole = (call.pressed_at, paused), (resumed, ended)
    is_whole = lambda found: [lasts(each, *whole) for each in found["recordings"]] == [True]  # noqa: E731
    await stage.office.call_when(call.number, is_whole)
    await call.recordings(1)


@story
async def one_of_two_recorders_is_stopped(stage: Stage) -> None:
    """The other writes on, in a format that is not seen to grow: it is final only at the end."""
    call = await talk(stage, "+79110005104", to="32")
    (identity, *_) = stage.pbx.all("VarSet", Channel=call.channel, Variable="STOPPED")
    await call.for_s(1)
    stopped = await call.ask("StopMixMonitor", MixMonitorID=identity.get("Value"))
    await call.for_s(5)
    ended = await call.hangs_up()
    own, kept, ours = await call.recordings(3)
    assert lasts(own, (call.answered_at, stopped)), own
    assert lasts(kept, (call.answered_at, ended)), kept
    assert lasts(ours, (call.pressed_at, ended)), ours


def recorders(call: Talk) -> Sequence[AmiMessage]:
    """Return what the PBX said of recorders of this caller, oldest first."""
    return call.stage.pbx.all("VarSet", Channel=call.channel, Variable="MIXMONITOR_FILENAME")


@story
async def renamed_after_the_hang_up(stage: Stage) -> None:
    """A command of the PBX gives the file another name beside it, or in another folder."""
    renamed = await talk(stage, "+79110005106", to="34")
    moved = await talk(stage, "+79110005107", to="35")
    await renamed.for_s(2)
    for call in (renamed, moved):
        ended = await call.hangs_up()
        own, ours = await call.recordings(2)
        assert lasts(own, (call.answered_at, ended)), own
        assert lasts(ours, (call.pressed_at, ended)), ours


@story
async def toggled_at_one_touch(stage: Stage) -> None:
    """The first touch stops the recording of the complaint: Asterisk finds a recorder on the line and ends it.

    The next begins a file of the PBX's own; each is as long as it was on, and the gap between is seen.
    """
    call = await talk(stage, "+79110005109")
    await call.for_s(1)
    first_off = await call.touches()
    await call.for_s(1.5)
    on = await call.touches()
    await call.for_s(2)
    second_off = await call.touches()
    await call.for_s(1)
    await call.hangs_up()
    ours, its_own = await call.recordings(2)
    assert lasts(ours, (call.pressed_at, first_off)), ours
    assert lasts(its_own, (on, second_off)), its_own
    assert datetime.fromisoformat(its_own["started_at"]) >= first_off


@story
async def nothing_to_record(stage: Stage) -> None:
    """A recorder that writes only while people talk, in a call that nobody answered: its absence is explained."""
    number = "+79110005108"
    caller = await stage.office.lab.call(number=number, to="33", steps=[Speak(), Wait(1), Bye()])
    await caller.done()
    explained = lambda call: any(r["reason"] for r in call["recordings"])  # noqa: E731
    call = await stage.office.call_when(number, explained)
    (recording,) = call["recordings"]
    assert recording["reason"] in ("never_answered", "empty"), recording
    assert near(call["ended_at"], caller.truth.taken("BYE"))
    told = [call[name] for name in ("outcome", "answered_at", "pressed_at", "appeal")]
    assert told == ["abandoned", None, None, None]
    assert (call["legs"], await stage.office.appeals(number)) == ([], [])
    check_pops(stage.screen, call)


@asynccontextmanager
async def open_stage(labs: Labs, version: str, folder: Path) -> AsyncIterator[Stage]:
    lab = await labs.start(version, CONFIG, fresh=True)
    more = "missing_after_s = 8\n"
    async with (
        open_desk(lab, folder, more=more) as desk,
        Office(lab, desk).screens("op101") as (screen,),
        lab.telephone("101", TelephoneHabit(ring_s=0.3)) as phone,
        lab.control() as pbx,
        on_duty(pbx, "101", several_calls=True),
    ):
        yield Stage(Office(lab, desk), pbx, phone, screen)
        await lab.hang_up_all()
        assert "Traceback" not in desk.log.read_text(errors="replace")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def played(
    labs: Labs, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[timing.Played]:
    """All stories at once; a test awaits its own."""

    @asynccontextmanager
    async def opened(names: set[str]) -> AsyncIterator[timing.Tasks]:
        async with open_stage(labs, "22", tmp_path_factory.mktemp("recordings")) as stage:
            plays = {name: timing.outcome_of(STORIES_HERE[name](stage)) for name in names}
            async with timing.playing(plays) as tasks:
                yield tasks

    async with opened(set(STORIES_HERE)) as tasks:
        yield timing.Played(tasks, opened)


@pytest.mark.parametrize("name", STORIES_HERE)
async def test_story(played: timing.Played, name: str) -> None:
    await played.went_well(name)


@pytest.mark.faults_only
async def test_paused_by_pause_monitor_on_16(labs: Labs, tmp_path: Path) -> None:
    """Monitor is of 16 to 20; no event names its two files, a side each: the sweep finds them by the name.

    That takes up to two minutes, hence `make faults`.
    """
    async with open_stage(labs, "16", tmp_path) as stage:
        call = await talk(stage, "+79110005110", to="36")
        await call.for_s(1)
        paused = await call.ask("PauseMonitor")
        await call.for_s(2)
        resumed = await call.ask("UnpauseMonitor")
        await call.for_s(1.5)
        ended = await call.hangs_up()
        found = await call.recordings(3, deadline_s=150)
        (ours,) = [each for each in found if lasts(each, (call.pressed_at, ended))]
        sides = [each for each in found if each is not ours]
        heard = (call.answered_at, paused), (resumed, ended)
        assert [lasts(each, *heard) for each in sides] == [True, True], sides
