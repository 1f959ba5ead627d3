"""One PBX and one press3 for the stories of a module: each story has a caller number of its own."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import pytest_asyncio

from ivr.menu import Action, Prompts
from tests import timing
from tests.e2e.desk import Desk, Screen, open_desk
from tests.lab.fixtures import Labs
from tests.lab.harness import QUICK, Lab, LabMenu, Truth
from tests.lab.scenarios import Key, Speak, Step, TelephoneHabit, Wait
from tests.waiting import until

__all__ = [
    "NEAR_S",
    "PRESS",
    "SHORT",
    "SILENT",
    "STORIES",
    "Office",
    "When",
    "has_sound",
    "is_whole",
    "module_office",
    "near",
    "office",
    "reasons",
    "seconds",
    "seen",
]

Json: TypeAlias = dict[str, Any]
When: TypeAlias = datetime | tuple[datetime, datetime]

NEAR_S = 0.150  # the promise: stored times within 150 ms of what the other side saw
SHORT = Prompts(
    greeting=("hello",), invalid=("beep",), registering=(), accepted=(), nobody=(), goodbye=()
)
# From the press to the first telephone 1.2 s; two rounds of 2 s, then the menu once more. The menu
# waits long enough that a second key timed by the caller alone can't miss it.
STORIES = LabMenu(
    menu=replace(
        QUICK,
        prompts=SHORT,
        members=("PJSIP/101", "PJSIP/102"),
        rounds=1,
        menu_timeout_s=3,
        ring_s=2,
        queue_timeout_s=7,
        queue_timeout=Action(kind="menu"),
    )
)
PRESS: list[Step] = [Speak(), Wait(0.5), Key("3")]
SILENT = TelephoneHabit(then="noanswer")
# A head, and so many bytes a second: 8 kHz, 16 bits; GSM in a WAV; GSM.
_FORMATS = {".wav": (44, 16_000), ".WAV": (60, 1_625), ".gsm": (0, 1_650)}
_ROUNDED_S = 0.1
_COMING_S = 30  # deadline for what must come; the machine may be busy with other things


@dataclass(frozen=True)
class Office:
    """What people see of press3, found by the caller's number."""

    lab: Lab
    desk: Desk

    @asynccontextmanager
    async def screens(self, *logins: str) -> AsyncIterator[list[Screen]]:
        async with AsyncExitStack() as stack:
            people = [await self.desk.person(login) for login in logins]
            yield [await stack.enter_async_context(person.screen()) for person in people]

    async def get(self, path: str) -> Any:
        """Read as the chief, who sees everything."""
        return await (await self.desk.person("chief")).get(path)

    async def appeals(self, number: str) -> list[Json]:
        """Return the appeals of this caller, oldest first, each with its calls."""
        items = (await self.get(f"/appeals?q={number.lstrip('+')}"))["items"]
        return [await self.get(f"/appeals/{item['number']}") for item in reversed(items)]

    async def appeal(self, number: str) -> Json:
        """Return the one appeal of this caller: exactly one, with exactly one call."""
        found = await self.appeals(number)
        assert len(found) == 1, found
        assert len(found[0]["calls"]) == 1, found
        assert [call["id"] for call in await self.calls(number)] == [found[0]["calls"][0]["id"]]
        return found[0]

    async def calls(self, number: str) -> list[Json]:
        """Return the calls of this caller, oldest first."""
        items: list[Json] = (await self.get(f"/calls?q={number.lstrip('+')}"))["items"]
        return items[::-1]

    async def call_when(
        self,
        number: str,
        wanted: Callable[[Json], object],
        *,
        n: int = 0,
        deadline_s: float = _COMING_S,
    ) -> Json:
        """Wait until the caller's call number `n` is as `wanted`."""

        async def found() -> Json | None:
            calls = await self.calls(number)
            return calls[n] if len(calls) > n and wanted(calls[n]) else None

        call = await until(found, deadline_s=deadline_s, what=f"call {n} of {number}")
        assert call is not None
        return call

    async def over(self, number: str, *, n: int = 0) -> Json:
        """Wait until the caller's call number `n` is over."""
        return await self.call_when(number, lambda call: call["ended_at"], n=n)

    async def history(self, appeal: int, action: str) -> list[Json]:
        items = (await self.get(f"/appeals/{appeal}/history"))["items"]
        return [item for item in items if item["action"] == action]

    async def playable(self, number: str) -> Json:
        """Return the recording of the caller's only call: linked, and it plays from press to end."""
        return await self.plays(await self.call_when(number, has_sound))

    async def plays(self, call: Json) -> Json:
        """Return the one recording of a call, after hearing that it plays from press to end."""
        (recording,) = call["recordings"]
        since, until = (datetime.fromisoformat(call[name]) for name in ("pressed_at", "ended_at"))
        lasts_s = recording["duration_s"]
        assert timing.lasted(lasts_s, 1.0, (since, until)), f"{lasts_s} s of {until - since}"
        if call["pbx"] == "main":
            assert is_whole(recording, self.lab.monitor, call["id"].removeprefix("main-"))
        chief = await self.desk.person("chief")
        path = f"/recordings/{recording['id']}/audio"
        status, sound, answer = await chief.bytes(path, Range="bytes=0-999")
        assert (status, len(sound)) == (206, 1000), answer.headers
        found: Json = recording
        return found


def is_whole(recording: Json, monitor: Path, *names: str) -> bool:
    """Whether the copy is as long as a file on the PBX's disk in whose name one of `names` is.

    However busy the machine: Asterisk leaves out of a file what comes too late, press3 leaves out nothing.
    """
    files = [file for name in names for file in monitor.rglob(f"*{name}*") if file.is_file()]
    return any(abs(_sound_s(file) - recording["duration_s"]) <= _ROUNDED_S for file in files)


def _sound_s(file: Path) -> float:
    """Seconds of sound, by the size: Asterisk writes 8 kHz, 16 bits or GSM."""
    head, bytes_per_s = _FORMATS[file.suffix]
    return (file.stat().st_size - head) / bytes_per_s


def has_sound(call: Json) -> bool:
    """Whether the call has one recording, and that can be played."""
    return [recording["state"] for recording in call["recordings"]] == ["converted"]


def near(stored: str, truth: When) -> bool:
    """Whether a stored time is as the other side tells; of two, the PBX learned of it between them."""
    return timing.near(datetime.fromisoformat(stored), truth, timedelta(seconds=NEAR_S))


def seconds(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def seen(truth: Truth, what: str, direction: str = "S") -> list[datetime]:
    """Return the times of all messages whose first line begins with `what`."""
    return truth.all(what, direction)


def reasons(screen: Screen, pop_id: str) -> list[str]:
    """Return why this pop was withdrawn, each time."""
    return [told["reason"] for told in screen.of("pop.withdrawn") if told["pop_id"] == pop_id]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["22", "16"])
async def module_office(
    request: pytest.FixtureRequest, labs: Labs, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Office]:
    lab = await labs.start(request.param, STORIES, fresh=False)
    async with open_desk(lab, tmp_path_factory.mktemp("office")) as desk:
        yield Office(lab, desk)


@pytest_asyncio.fixture(loop_scope="module")
async def office(module_office: Office) -> AsyncIterator[Office]:
    """The module's office; after the story nobody talks any more, and press3 has not complained."""
    yield module_office
    await module_office.lab.hang_up_all()
    assert "Traceback" not in module_office.desk.log.read_text(errors="replace")
