"""A walk on the real Asterisk: mixed calls at random, then press3 against everybody else's logs."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ivr.menu import Action, Prompts
from tests.e2e.desk import Desk, Person, open_desk
from tests.lab.fixtures import Labs
from tests.lab.harness import QUICK, Lab, LabMenu, SippCall
from tests.lab.scenarios import moody_telephone_xml
from tests.waiting import until
from tests.walk.logs import caller_log, cdr, queue_log, ringings
from tests.walk.plan import MOODS, TELEPHONES, TOKEN, Caller, mood_pattern, plan
from tests.walk.recount import Evidence, Json, differences, table

pytestmark = pytest.mark.asterisk

MOSCOW = ZoneInfo("Europe/Moscow")
AT_ONCE = 14  # callers on the line; each may ring four telephones, and RTP has 100 pairs of ports
# The promise is 150 ms. On a busy machine the telephones' own processes come too late to write theirs:
# so many calls may have a time that is off by more, none by more than MOST_S.
LATE_CALLS, MOST_S = 0.1, 3.0
# 101 has two devices, 103 is a FreePBX-style Local; the queue gives up after 6 s, into the menu.
MENU = LabMenu(
    menu=replace(
        QUICK,
        prompts=Prompts(
            greeting=("hello",),
            invalid=("beep",),
            registering=(),
            accepted=(),
            nobody=(),
            goodbye=(),
        ),
        members=("Local/101@both-devices/n", "PJSIP/102", "Local/103@from-queue/n"),
        rounds=1,
        menu_timeout_s=2,
        ring_s=2,
        queue_timeout_s=6,
        queue_timeout=Action(kind="menu"),
    ),
    files={
        "extensions_more.conf": "[incoming](+)\n"
        "exten => _7495XXXXXXX,1,Set(CHANNEL(accountcode)=${EXTEN})\n"
        " same => n,Goto(press3-menu,s,1)\n",
        "cdr.conf": "[general]\nenable = yes\nunanswered = yes\n"
        "[csv]\nusegmtime = yes\nloguniqueid = yes\naccountlogs = no\n",
    },
)


@dataclass(frozen=True)
class Walk:
    lab: Lab
    desk: Desk
    phones: dict[str, SippCall]

    async def place(
        self, callers: list[Caller], per_second: float, rng: random.Random
    ) -> dict[str, Path]:
        """Let them call; return each one's log by what he dialled."""
        free, logs = asyncio.Semaphore(AT_ONCE), {}

        async def call(caller: Caller) -> None:
            async with free:
                sipp = await self.lab.call(
                    steps=caller.steps, number=caller.number, name=caller.name, to=caller.did
                )
                logs[caller.did] = sipp.log
                await sipp.done(deadline_s=120)

        async with asyncio.TaskGroup() as calling:
            for caller in callers:
                calling.create_task(call(caller))
                await asyncio.sleep(rng.expovariate(per_second))
        return logs

    def evidence(self, callers: list[Caller], logs: dict[str, Path]) -> Iterator[Evidence]:
        heard = [
            ringing
            for name, phone in self.phones.items()
            for ringing in ringings(name, phone.log, phone.notes)
        ]
        log_folder = self.lab.directory / "log"
        queue, rows = queue_log(log_folder / "queue_log"), cdr(log_folder / "cdr-csv/Master.csv")
        files = {path.name: path.stat().st_size for path in self.lab.monitor.rglob("*.wav")}
        for caller in callers:
            row = rows[caller.did]
            yield Evidence(
                caller=caller,
                log=caller_log(logs[caller.did]),
                ringings=[ringing for ringing in heard if ringing.token == caller.token],
                queue=queue.get(row.uniqueid, []),
                cdr=row,
                files=[
                    size for name, size in files.items() if name.endswith(f"-{row.uniqueid}.wav")
                ],
            )


@asynccontextmanager
async def a_walk(lab: Lab, folder: Path) -> AsyncIterator[Walk]:
    (lab.directory / "log/cdr-csv").mkdir(exist_ok=True)
    async with open_desk(lab, folder) as desk, AsyncExitStack() as plugged_in:
        phones = {}
        for name in TELEPHONES:
            xml = moody_telephone_xml(MOODS, mood_pattern(name), TOKEN, lab.speech)
            phones[name] = await plugged_in.enter_async_context(lab.plugged_in(name, xml))
        yield Walk(lab, desk, phones)


@pytest.mark.parametrize("version", ["22", "16"])
async def test_press3_agrees_with_everybody(
    version: str, labs: Labs, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    wanted = int(request.config.getoption("--walk"))
    calls = wanted if version == "22" else max(wanted // 5, 1)
    given = request.config.getoption("--seed")
    seed = random.SystemRandom().randrange(1_000_000) if given is None else int(given)
    print(f"walk of {calls} calls on Asterisk {version}: --walk {wanted} --seed {seed}")
    rng = random.Random(seed)
    callers = plan(seed, calls)
    lab = await labs.start(version, MENU, fresh=True)
    async with a_walk(lab, tmp_path) as walk:
        logs = await walk.place(callers, 3.0, rng)
        await lab.quiet()
        chief = await walk.desk.person("chief")
        told = await settled(chief, calls)
        appeals = await everything(chief, "/appeals")
        found = {
            f"{each.caller.did} {each.caller.kind} ({each.caller.token})": list(
                differences(each, *of_number(each.caller.did, told, appeals))
            )
            for each in walk.evidence(callers, logs)
        }
        days = await reconciliations(chief, appeals)
    lab.close()
    wrong = {
        who: bad
        for who, all_of in found.items()
        if (bad := [d for d in all_of if d.off_s is None or d.off_s > MOST_S])
    }
    assert not wrong, f"seed {seed}: {len(wrong)} of {calls} calls differ\n{table(wrong)}"
    late = {who: all_of for who, all_of in found.items() if all_of}
    print(f"{len(late)} of {calls} calls have a time off by more than 150 ms")
    assert len(late) <= max(calls * LATE_CALLS, 2), f"seed {seed}: late\n{table(late)}"
    assert len(told) == calls, "calls of nobody"
    assert [difference for day in days for difference in day["differences"]] == []
    for count in ("pressed", "registered", "recorded"):
        assert sum(day[count] for day in days) == len(appeals), (count, days)


def of_number(did: str, calls: list[Json], appeals: list[Json]) -> tuple[list[Json], list[Json]]:
    mine = [call for call in calls if call["to"]["raw"] == did]
    ids = {call["id"] for call in mine}
    return mine, [appeal for appeal in appeals if appeal["call"] in ids]


async def everything(chief: Person, path: str) -> list[Json]:
    """Every item of a list, page by page."""
    items: list[Json] = []
    cursor = ""
    while True:
        page = await chief.get(f"{path}?limit=100{cursor}")
        items += page["items"]
        if page["next"] is None:
            return items
        cursor = f"&cursor={page['next']}"


async def settled(chief: Person, calls: int) -> list[Json]:
    """Wait until all calls are over and their recordings converted, or why not told; return them as they are if not."""

    async def over() -> list[Json] | None:
        found = await everything(chief, "/calls")
        done = [
            call
            for call in found
            if call["ended_at"]
            and all(r["state"] == "converted" or r["reason"] for r in call["recordings"])
        ]
        return found if len(done) >= calls else None

    try:
        return await until(over, deadline_s=60, what="all is over") or []
    except AssertionError:
        return await everything(chief, "/calls")


async def reconciliations(chief: Person, appeals: list[Json]) -> list[Json]:
    """The reconciliation of each day on which there was an appeal: a walk may cross midnight."""
    opened = [datetime.fromisoformat(appeal["opened_at"]) for appeal in appeals]
    days = sorted({at.astimezone(MOSCOW).date() for at in opened})
    return [await chief.get(f"/reconciliation?day={day}") for day in days]
