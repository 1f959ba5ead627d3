"""A walk on the real Asterisk: mixed calls at random, then press3 against everybody else's logs."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from calls import storage
from ivr.menu import Action, Prompts
from ivr.render import render
from press3.config.settings import load
from store.engine import create_engine
from tests import withheld
from tests.e2e.desk import Desk, Person, open_desk
from tests.lab.fixtures import Labs
from tests.lab.harness import PRESS3, QUICK, Lab, LabMenu, SippCall
from tests.lab.scenarios import moody_telephone_xml
from tests.timing import room
from tests.waiting import until
from tests.walk.hands import COLLEAGUES, DIALPLAN, Hands, hands
from tests.walk.logs import caller_log, cdr, lateness, queue_log, ringings
from tests.walk.plan import HANDED, HANDING, MOODS, TELEPHONES, TOKEN, Caller, mood_pattern, plan
from tests.walk.recount import Evidence, Given, Json, Late, differences, table
from tests.walk.sip_trace import begin_trace, end_trace

pytestmark = pytest.mark.asterisk

MOSCOW = ZoneInfo("Europe/Moscow")
AT_ONCE = 14  # callers on the line; each may ring four telephones, and RTP has 100 pairs of ports
# 101 has two devices, 103 is a FreePBX-style Local; the queue gives up after 6 s, into the menu.
_MENU = replace(
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
    queue_options="tk",
)
# Who hands callers over is rung though he talks: he has to do with several callers at once.
_QUEUE = render(_MENU, PRESS3)["queues_press3.conf"].replace(
    f"PJSIP/{HANDING}\n", f"PJSIP/{HANDING},0,,,yes\n"
)
MENU = LabMenu(
    menu=_MENU,
    phones=tuple((name, 1) for name in COLLEAGUES),
    files={
        "extensions_more.conf": DIALPLAN,
        "queues_press3.conf": _QUEUE,
        "cdr.conf": "[general]\nenable = yes\nunanswered = yes\n"
        "[csv]\nusegmtime = yes\nloguniqueid = yes\naccountlogs = no\n",
    },
)


@dataclass(frozen=True)
class Walk:
    lab: Lab
    desk: Desk
    phones: dict[str, SippCall]
    hands: Hands

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
                await self.hands.take_part(caller, sipp)
                await sipp.done(deadline_s=120)

        async with asyncio.TaskGroup() as calling:
            for caller in callers:
                calling.create_task(call(caller))
                await asyncio.sleep(rng.expovariate(per_second))
                await room()
        return logs

    def evidence(
        self, callers: list[Caller], logs: dict[str, Path], late: Late
    ) -> Iterator[Evidence]:
        by_hand = self._by_hand
        heard = [
            ringing
            for name, phone in self.phones.items()
            for ringing in ringings(name, phone.log, phone.notes, hands=by_hand)
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
                given=self._given(caller),
                late=late,
            )

    @property
    def _by_hand(self) -> list[Path]:
        return list(self.lab.directory.glob("*-within.log"))

    def _given(self, caller: Caller) -> Given | None:
        handed = self.hands.handed.get(caller.did)
        if handed is None:
            return None
        phone = self.hands.phones[handed.colleague]
        rang = ringings(handed.colleague, phone.log, phone.notes, hands=self._by_hand)
        return Given(
            colleague=handed.colleague,
            ringings=[each for each in rang if handed.since <= each.rang_at <= handed.until],
            own=caller_log(handed.own.log) if handed.own is not None else None,
        )


@asynccontextmanager
async def a_walk(lab: Lab, folder: Path) -> AsyncIterator[Walk]:
    (lab.directory / "log/cdr-csv").mkdir(exist_ok=True)
    async with open_desk(lab, folder) as desk, AsyncExitStack() as plugged_in:
        phones = {}
        for name in TELEPHONES:
            xml = moody_telephone_xml(MOODS, mood_pattern(name), TOKEN, lab.speech)
            phones[name] = await plugged_in.enter_async_context(lab.plugged_in(name, xml))
        at_hand = await plugged_in.enter_async_context(hands(lab, phones[HANDING]))
        yield Walk(lab, desk, phones, at_hand)


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
        await begin_trace(lab)
        logs = await walk.place(callers, 3.0, rng)
        await lab.quiet()
        messages = lateness(lab.directory.glob("*.log"), await end_trace(lab))

        def late(seen: datetime, stored: datetime) -> timedelta:
            return messages.of(seen) + withheld.between(seen, stored)

        chief = await walk.desk.person("chief")
        told = await with_holds(walk.desk, await settled(chief, calls))
        appeals = await everything(chief, "/appeals")
        found = {
            f"{each.caller.did} {each.caller.kind} ({each.caller.token})": list(
                differences(each, *of_number(each.caller.did, told, appeals))
            )
            for each in walk.evidence(callers, logs, late)
        }
        days = await reconciliations(chief, appeals)
    lab.close()
    wrong = {
        who: bad
        for who, all_of in found.items()
        if (bad := [each for each in all_of if not each.excused])
    }
    assert not wrong, f"seed {seed}: {len(wrong)} of {calls} calls differ\n{table(wrong)}"
    to_hand = [caller for caller in callers if HANDED.get(caller.kind) in ("7", "0")]
    print(f"{walk.hands.done} of {len(to_hand)} were handed on")
    assert walk.hands.done >= len(to_hand) * 0.5, "the kinds of a walk must happen"
    excused = {who: all_of for who, all_of in found.items() if all_of}
    print(f"{len(excused)} of {calls} calls have a time off because the machine was late")
    print(table(excused))
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


async def with_holds(desk: Desk, calls: list[Json]) -> list[Json]:
    """Add to each call when who held it: no REST tells that yet, the stored facts do."""
    engine = create_engine(load(desk.config).database_url)
    async with AsyncSession(engine) as session:
        for call in calls:
            story = await storage.load_story(session, call["id"])
            legs = story.legs if story is not None else ()
            call["holds"] = [
                (leg.extension, since.isoformat()) for leg in legs for since, _ in leg.holds
            ]
    await engine.dispose()
    return calls


async def reconciliations(chief: Person, appeals: list[Json]) -> list[Json]:
    """The reconciliation of each day on which there was an appeal: a walk may cross midnight."""
    opened = [datetime.fromisoformat(appeal["opened_at"]) for appeal in appeals]
    days = sorted({at.astimezone(MOSCOW).date() for at in opened})
    return [await chief.get(f"/reconciliation?day={day}") for day in days]
