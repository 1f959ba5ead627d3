"""An experiment's site: a real PBX, press3 beside it, callers, and the verdict at the end."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ivr.menu import Prompts
from tests import withheld
from tests.e2e.desk import PbxSide, open_desk
from tests.fakes.tcp_proxy import TcpProxy
from tests.faults.callers import Callers, SipCallers, Truth
from tests.faults.outside import PressesOf, look, queue_entries
from tests.faults.report import note
from tests.faults.screens import Tab, snapshots, unlike, unshown, watching
from tests.faults.service import Service
from tests.faults.taken import files
from tests.faults.telephones import answers_of, rings_of
from tests.faults.verdict import Expected, Verdict, blind_spans, compare
from tests.lab.harness import QUICK, Lab, LabMenu, SippCall
from tests.lab.scenarios import TelephoneHabit

__all__ = ["FAULTS", "LINKED_S", "Site", "open_site"]

FAULTS = LabMenu(
    menu=replace(
        QUICK,
        members=("PJSIP/101", "PJSIP/102"),
        prompts=Prompts(
            greeting=("hello",), invalid=("beep",), registering=(), accepted=("beep",), nobody=()
        ),
    ),
    files=files(),
)
LINKED_S = 60  # the promise: a recording is linked, or its absence explained, so soon
# One that hangs on a frozen press3 notices it by its ping, after 40 s.
_SCREENS_BACK_S = 60
_STAYS_RED_S = 20  # without a protection the verdict is expected not to come right
# Who hangs up at once leaves no file: it is listed as missing after so long, not after a minute.
_SOON_MISSING = "missing_after_s = 5\n"


@dataclass
class Site:
    """`service` may be killed, `lab.pbx` too, `line` (when there is one) broken; `blind_at` notes when.

    `presses_of` reads the PBX's own record of presses; None: AstDB.
    """

    lab: Lab
    service: Service
    line: TcpProxy | None
    seed: int
    report: Path | None = None
    settles_s: float = 200  # for everything that an experiment leaves behind, recordings too
    blind_at: list[datetime] = field(default_factory=list)
    mended_at: datetime | None = None  # when the last fault outside of press3 and its line was over
    callers: list[Callers] = field(default_factory=list)
    telephones: list[tuple[str, SippCall]] = field(default_factory=list)
    tabs: list[Tab] = field(default_factory=list)
    windows: Sequence[dict[str, Any]] = ()
    presses_of: PressesOf | None = None

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    @asynccontextmanager
    async def calling(
        self,
        callers: Callers | None = None,
        *,
        per_second: float = 2,
        telephones: Sequence[str] = ("101", "102"),
    ) -> AsyncIterator[Callers]:
        """Let callers call inside the block, each on a SIPp unless others are given.

        At its end wait until the last has hung up.
        """
        if callers is None:
            callers = SipCallers(self.lab, self.seed + len(self.callers), per_second)
        self.callers.append(callers)
        async with AsyncExitStack() as plugged:
            for name in telephones:
                habit = TelephoneHabit(ring_s=0.3)
                telephone = await plugged.enter_async_context(self.lab.telephone(name, habit))
                self.telephones.append((name, telephone))
            callers.start()
            try:
                yield callers
            finally:
                await callers.stop()

    def blind(self) -> None:
        """Note that press3 can't hear the PBX at this moment."""
        self.blind_at.append(datetime.now(UTC))

    def mended(self) -> None:
        """Note that something else than press3 and its line is well again."""
        self.mended_at = datetime.now(UTC)

    @property
    def well_at(self) -> datetime | None:
        """The end of the last fault: from there recordings have a minute for what they missed."""
        ends = [self.mended_at, self.service.served_at if self.blind_at else None]
        return max((each for each in ends if each), default=None)

    @property
    def truth(self) -> Truth:
        answers = [each for name, phone in self.telephones for each in answers_of(name, phone)]
        return sum((callers.truth for callers in self.callers), Truth(answers=tuple(answers)))

    async def verdict(
        self,
        *,
        truth: Truth | None = None,
        spool_is_whole: bool = True,
        deadline_s: float | None = None,
    ) -> Verdict:
        """Look again and again until nothing differs or the deadline has passed; return the last verdict.

        press3 must be running and nobody may talk any more.
        """
        await self.lab.quiet()
        expected = Expected(
            truth=truth or self.truth,
            blind_at=self.blind_at,
            spool_is_whole=spool_is_whole,
            # whose clock was stepped, or who was killed and born again, is not held to 150 ms
            late=withheld.between,
            exact=truth is None and spool_is_whole,
            well_at=self.well_at,
        )
        began, unsettled_s = time.perf_counter(), 0.0
        while True:
            seen = await look(self.service, self.lab, self.presses_of)
            self.windows = seen.windows
            found = compare(expected, seen)
            settled_s = time.perf_counter() - began
            unsettled_s = max(unsettled_s, found.unsettled_s)
            if not found.differences or settled_s > (deadline_s or self.settles_s):
                return replace(found, settled_s=settled_s, unsettled_s=unsettled_s)
            await asyncio.sleep(0.5)

    async def screens(self) -> list[str]:
        """Say what is wrong at the screens that stood open all the time; they may still be coming back.

        To be asked after the verdict, which sees the blind windows.
        """
        rings = [each for name, phone in self.telephones for each in rings_of(name, phone)]
        blind = blind_spans(self.blind_at, self.windows)
        deadline = time.perf_counter() + _SCREENS_BACK_S
        while True:
            wrong = unlike(self.tabs, await snapshots(self.service))
            wrong += unshown(rings, self.tabs, blind)
            if not wrong or time.perf_counter() > deadline:
                return wrong
            await asyncio.sleep(0.5)

    async def conclude(
        self,
        experiment: str,
        *,
        spool_is_whole: bool = True,
        recordings_s: float = LINKED_S,
        **measured: object,
    ) -> Verdict:
        """Judge, write the result down, and fail with all that helps to find the cause if anything differs.

        `recordings_s`: so soon after the hang-up, or the fault, each is linked or explained.
        `measured` goes into the report: how often, how fast.
        """
        verdict = await self.verdict(spool_is_whole=spool_is_whole)
        wrong = [
            *verdict.differences,
            *self.service.tracebacks(),
            *verdict.too_late(recordings_s),
            *(each for callers in self.callers if spool_is_whole for each in callers.too_few()),
            *await self.screens(),
        ]
        if self.report is not None:
            rates = [each.pressed_per_second for each in self.callers]
            measured["pressed_per_s"] = [round(each, 2) for each in rates if each is not None]
            note(self.report, experiment, self, verdict, wrong=wrong, **measured)
        assert not wrong, f"seed {self.seed}: {verdict}\n{wrong[0]}\n{self.service.last_words()}"
        return verdict


@asynccontextmanager
async def open_site(
    lab: Lab,
    folder: Path,
    *,
    seed: int,
    report: Path | None = None,
    without: str | None = None,
    through_proxy: bool = False,
    database_url: str = "",
    more: str = "",
    start: bool = True,
    soon_missing: bool = True,
    observed: str | None = None,
) -> AsyncIterator[Site]:
    """Run press3 beside `lab`; `through_proxy` puts a line between them that can be broken.

    `more` is added to its configuration file, whose last section is [recordings]; `soon_missing`:
    a recording that is not there is said to be missing after 5 s, not after the default's 50.
    `observed` is the queue that an observed menu leads to: queue_log, which press3 reads too, is then
    the PBX's record of presses.
    """
    queue_log = f'queue_log = "{lab.directory}/log/queue_log"' if observed else ""
    async with TcpProxy(lab.ports.ami) as line:
        port = line.port if through_proxy else lab.ports.ami
        async with open_desk(
            replace(PbxSide.of(lab), port=port),
            folder,
            database_url=database_url,
            asterisk=queue_log,
            more=(_SOON_MISSING if soon_missing else "") + more,
            start=start,
            make=lambda config, http: Service(config, http, without=without),
        ) as service:
            assert isinstance(service, Service)
            site = Site(lab, service, line if through_proxy else None, seed, report)
            site.settles_s = _STAYS_RED_S if without else site.settles_s
            site.presses_of = queue_entries(observed) if observed else None
            async with AsyncExitStack() as open_tabs:
                if start:
                    tabs = watching(lambda: site.service, service._http)
                    site.tabs = await open_tabs.enter_async_context(tabs)
                yield site
