"""From an event at the AMI socket to the browser's socket: `appeal.opened` and `pop.shown`.

    python -m bench.latency [--quick] [--rate 200 …] [--operators 1000] [--asterisk 1 5 20]

press3 runs as its user runs it (`press3 serve`, SQLite, a process of its own). This process plays the PBX
and the screens, so both ends of the measured way have one clock. `--rate`: presses a second from a fake
AMI peer, with so many operators connected, in five runs of 10 s; each call rings one of them a second later
and ends after another; every run has its own p50 and p99, shown are the least, the median and the greatest
of the runs. `--asterisk`: calls a second on the real Asterisk, one run; there the event is timed at a second
AMI session beside press3's, so the dialplan's fixed time is not part of the way: it has a row of its own. A
p99 of fewer than 100 calls would be the slowest of them: it is left out. CPU: of the press3 process, while
calls come. The limit: 4 KiB made durable (fdatasync), then a pop's 600 bytes through a loopback socket.
"""

import argparse
import asyncio
import gc
import os
import resource
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.fake_calls import FakeCalls, Measured
from bench.screens import LightScreen, hire, light_screens
from press3.config.settings import load
from press3.demo.tree import get_tree
from tests.e2e.desk import Desk, PbxSide, Screen, open_desk
from tests.fakes.ami_peer import AmiPeer
from tests.lab.harness import QUICK, LabMenu, SippCall, start_lab
from tests.lab.scenarios import Bye, Key, TelephoneHabit, Wait
from tests.waiting import until

__all__: list[str] = []

OPERATORS = tuple(str(number) for number in range(201, 221))
FIRST_EXTENSION = 2000
# More telephones than the calls keep busy, one ringing at a time: a queue whose callers all leave after the
# same wait, because nobody is free, rings for hardly any of them.
QUEUE = """
[bench]
strategy = rrmemory
timeout = 4
retry = 1
autofill = yes
ringinuse = no
""" + "".join(f"member => PJSIP/{name}\n" for name in OPERATORS)
TARGET_MS = "p50 ≤ 8, p99 ≤ 25"
RUN_S = 10
ENOUGH_FOR_P99 = 100


@dataclass(frozen=True)
class Run:
    """What one run took, in ms and sorted, of the calls that were made."""

    took: list[float]
    made: int

    @property
    def p50(self) -> float:
        return statistics.median(self.took)

    @property
    def p99(self) -> float:
        return self.took[min(len(self.took) - 1, int(len(self.took) * 0.99))]


def row(what: str, runs: Sequence[Run], target: str) -> str:
    """Return the row of a way: what its runs say."""
    told, made = sum(len(run.took) for run in runs), sum(run.made for run in runs)
    p50 = _spread([run.p50 for run in runs])
    p99 = _spread([run.p99 for run in runs if len(run.took) >= ENOUGH_FOR_P99])
    worst = max(run.took[-1] for run in runs)
    return f"| {what} | {told} of {made} | {p50} | {p99} | {worst:.1f} | {target} |"


def _spread(figures: list[float]) -> str:
    if not figures:
        return "–"
    median = f"{statistics.median(figures):.1f}"
    return median if len(figures) == 1 else f"{min(figures):.1f} / {median} / {max(figures):.1f}"


async def the_limit(folder: Path, times: int) -> Run:
    """Measure what nothing can beat: durable, then through a socket."""
    arrived = asyncio.Queue[float]()

    async def browser(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(4096):
            arrived.put_nowait(time.perf_counter())
        writer.close()

    took = []
    async with await asyncio.start_server(browser, "127.0.0.1", 0) as server:
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        file = os.open(folder / "limit", os.O_WRONLY | os.O_CREAT)
        for _ in range(times):
            began = time.perf_counter()
            os.write(file, b"x" * 4096)
            os.fdatasync(file)
            writer.write(b"x" * 600)
            took.append((await arrived.get() - began) * 1000)
        os.close(file)
        writer.close()
    return Run(sorted(took), times)


@asynccontextmanager
async def screens_of(desk: Desk) -> AsyncIterator[list[Screen]]:
    """Connect the supervisor's screen and one of every operator."""
    async with AsyncExitStack() as stack:
        people = ["chief", *(f"op{ext}" for ext in OPERATORS)]
        yield [
            await stack.enter_async_context((await desk.person(login)).screen()) for login in people
        ]


async def against_fake_peer(
    folder: Path, rate: int, runs: int, seconds: float, operators: int
) -> list[str]:
    """Measure at `rate` presses a second from a fake AMI peer, with `operators` connected."""
    many = [str(FIRST_EXTENSION + n) for n in range(operators)]
    what = f"fake AMI peer, {rate} presses/s, {operators} operators"
    async with AmiPeer() as peer:
        peer.clock = f"{time.time():.6f}"
        side = PbxSide(port=peer.port, username="press3", secret="s3cret", monitor=folder)
        async with open_desk(side, folder, start=False) as desk:
            await hire(load(desk.config).database_url, many)
            await desk.start()
            await desk.linked()
            async with (
                (await desk.person("chief")).screen() as chief,
                light_screens(desk.push_url, many) as screens,
            ):
                told = [chief, *screens]
                calls = FakeCalls(peer, Measured(), many)
                found = [
                    await _one_run(calls, told, desk, range(n * each, (n + 1) * each), rate)
                    for each in (int(rate * seconds),)
                    for n in range(runs)
                ]
    ways = [row(f"{what} → `{kind}`", [by[kind] for by, _ in found], TARGET_MS) for kind in KINDS]
    cpu_s = statistics.median(took_s for _, took_s in found)
    return [*ways, _cpu(what, cpu_s, seconds, rate)]


async def _one_run(
    calls: FakeCalls,
    told: Sequence[Screen | LightScreen],
    desk: Desk,
    numbers: range,
    rate: int,
) -> tuple[dict[str, Run], float]:
    """Let these calls come and go; return how long each message took, and the service's CPU seconds."""
    calls.measured = measured = Measured()
    cpu_s = await _press_ring_hang_up(calls, numbers, rate, desk)
    await until(
        lambda: all(_heard(told, kind) >= len(numbers) for kind in KINDS),
        deadline_s=30,
        what="every press and every ringing is told",
    )
    by_kind = {kind: Run(measured.took_ms(kind, told), len(numbers)) for kind in KINDS}
    for screen in told:
        screen.forget()
    return by_kind, cpu_s


def _heard(told: Sequence[Screen | LightScreen], kind: str) -> int:
    return len({e["data"]["call"] for s in told for e in s.events if e["type"] == kind})


async def _press_ring_hang_up(calls: FakeCalls, numbers: range, rate: int, desk: Desk) -> float:
    """Ring a second after the press, hang up a second after that; return the service's CPU meanwhile."""
    assert desk.process is not None
    before, began = _cpu_s(desk.process.pid), time.perf_counter()
    for step in range(len(numbers) + 2 * rate):
        await _at(began + step / rate)
        for late, do in ((0, calls.press), (rate, calls.ring), (2 * rate, calls.hang_up)):
            if 0 <= step - late < len(numbers):
                do(numbers[step - late])
    return _cpu_s(desk.process.pid) - before


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _cpu(what: str, cpu_s: float, seconds: float, rate: int) -> str:
    share, each_ms = cpu_s / seconds * 100, cpu_s / (seconds * rate) * 1000
    return f"| {what}: CPU of press3 | {share:.0f} % of a core | {each_ms:.2f} a call | | | |"


async def against_asterisk(folder: Path, rate: int, calls: int) -> list[str]:
    """Measure at `rate` calls a second on the real Asterisk 22."""
    measured = Measured()
    menu = LabMenu(
        menu=replace(QUICK, members=(), queue="bench"),
        files={"queues_more.conf": QUEUE},
        phones=tuple((name, 1) for name in OPERATORS),
    )
    lab = await start_lab(get_tree("22"), folder / f"pbx{rate}", menu)
    try:
        async with (
            open_desk(lab, folder, operators=OPERATORS) as desk,
            screens_of(desk) as screens,
            lab.tap() as tap,
            AsyncExitStack() as stack,
        ):
            for name in OPERATORS:
                habit = TelephoneHabit(ring_s=0.2, talk_s=0.3)
                await stack.enter_async_context(lab.telephone(name, habit))
            steps = [Wait(0.5), Key("3"), Wait(5), Bye()]
            caller = await lab.call(
                number="+7911[call_number]", steps=steps, calls=calls, per_second=rate
            )
            await caller.done(deadline_s=60 + calls / rate)
            await until(
                lambda: len(screens[0].of("call.ended")) >= calls,
                deadline_s=60,
                what="every call's end is told",
            )
            _note_tap(tap.events, measured)
            what = f"Asterisk 22, {rate} calls/s"
            return _rows(what, measured, screens) + _dialplan_rows(what, caller, tap.events)
    finally:
        lab.close()


def _note_tap(events: list[Any], measured: Measured) -> None:
    """The tap keeps wall time; bring it to the screens' clock."""
    offset = time.perf_counter() - datetime.now(UTC).timestamp()
    for event in events:
        at = event.at.timestamp() + offset
        if event.get("UserEvent") == "Press3":
            measured.note("appeal.opened", f"main-{event.get('Uniqueid')}", at)
        elif event.get("Event") == "DialBegin":
            measured.note("pop.shown", f"main-{event.get('Uniqueid')}", at)


KINDS = ("appeal.opened", "pop.shown")


def _dialplan_rows(what: str, caller: SippCall, events: list[Any]) -> list[str]:
    """The PBX's own time: from the key to the event, and from there through announcement and wait to the ring."""
    keys = sorted(
        at for at, way, line in caller.truth.messages if way == "S" and line.startswith("INFO")
    )
    pressed = {e.get("Uniqueid"): e.at for e in events if e.get("UserEvent") == "Press3"}
    rang: dict[str, datetime] = {}
    for event in events:
        if event.get("Event") == "DialBegin":
            rang.setdefault(event.get("Uniqueid"), event.at)
    ways = {
        "key → Press3": list(zip(keys, sorted(pressed.values()), strict=False)),
        "Press3 → DialBegin": [(pressed[u], at) for u, at in rang.items() if u in pressed],
    }
    return [_fixed_row(what, way, pairs) for way, pairs in ways.items() if pairs]


def _fixed_row(what: str, way: str, pairs: list[tuple[datetime, datetime]]) -> str:
    took = sorted((until - since).total_seconds() * 1000 for since, until in pairs)
    return row(f"{what}: the dialplan, {way}", [Run(took, len(took))], "not press3's")


def _rows(what: str, measured: Measured, screens: Sequence[Screen | LightScreen]) -> list[str]:
    made = {kind: sum(each == kind for each, _ in measured.sent) for kind in KINDS}
    return [
        row(f"{what} → `{kind}`", [Run(took, made[kind])], TARGET_MS)
        for kind in KINDS
        if (took := measured.took_ms(kind, screens))
    ]


async def _at(when: float) -> None:
    await asyncio.sleep(max(0.0, when - time.perf_counter()))


async def measure(rates: list[int], operators: int, asterisk: list[int], *, quick: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="press3-bench-") as name:
        limit = await the_limit(Path(name), 200 if quick else 2000)
        print(row("fdatasync and loopback alone", [limit], "the limit"), flush=True)
        runs, seconds = (2, 1) if quick else (5, RUN_S)
        for each in rates:
            for line in await against_fake_peer(Path(name), each, runs, seconds, operators):
                print(line, flush=True)
        for each in asterisk:
            calls = each * (6 if quick else 30)
            for line in await against_asterisk(Path(name), each, calls):
                print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few seconds of each")
    parser.add_argument("--rate", type=int, nargs="*", default=[200], help="presses/s of the peer")
    parser.add_argument("--operators", type=int, default=1000, help="screens connected meanwhile")
    parser.add_argument("--asterisk", type=int, nargs="*", default=[1, 5, 20], help="calls/s")
    chosen = parser.parse_args()
    print("| way | measured | p50 ms | p99 ms | max ms | target ms |")
    print("|---|---|---|---|---|---|")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    gc.disable()  # a collection here would count as the service's slowness
    asyncio.run(measure(chosen.rate, chosen.operators, chosen.asterisk, quick=chosen.quick))


if __name__ == "__main__":
    main()
