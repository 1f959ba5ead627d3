"""press3 as a process that is killed again and again: each start has a log of its own."""

import asyncio
import json
import os
import re
import sys
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from tests import withheld
from tests.e2e.desk import Desk
from tests.waiting import until

__all__ = ["Service", "Start"]

_ROOT = Path(__file__).parents[2]
_MARK = "FAULTS_SERVICE"  # in the environment of every process of ours: what a kill left behind is found
_READY_S = 90
_SHOWN_STARTS = 3
# A child of ours that was just being born when its parent was killed finds nobody to tell it what to do.
_ORPHANED = re.compile(
    r"Traceback \(most recent call last\):\n(?:  .*\n)*  File .*, in spawn_main\n(?:  .*\n)*"
    r"EOFError: Ran out of input\n"
)


@dataclass
class Start:
    """One start: seconds from the spawn until it accepted connections, and until it served its PBX.

    `withheld_s` are those of the latter that the machine withheld.
    """

    log: Path
    spawned: float = field(default_factory=time.perf_counter)
    spawned_at: float = field(default_factory=time.time)
    ready_s: float | None = None
    serving_s: float | None = None
    withheld_s: float = 0

    @property
    def own_s(self) -> float | None:
        """Until it served, on a machine where nobody takes the processor from it."""
        return None if self.serving_s is None else self.serving_s - self.withheld_s


class Service(Desk):
    """`press3 serve`. `without` names what is switched off in the process under test (`without.py`)."""

    def __init__(
        self, config: Path, http: aiohttp.ClientSession, *, without: str | None = None
    ) -> None:
        super().__init__(config, http)
        self.starts: list[Start] = []
        self.served_at: datetime | None = None  # when it was last seen to hear its PBXs again
        self.prefix: tuple[
            str, ...
        ] = ()  # `env NAME=VALUE`, `setpriv …`: how the next start is run
        self._without = without
        self._mark = uuid.uuid4().hex

    async def start(self) -> None:
        await self.come_up()
        await self.serving()

    async def come_up(self) -> None:
        """Start it and wait until it accepts connections; the PBX another may serve."""
        await self.spawn()
        await self.ready()

    async def spawn(self) -> None:
        """Start the process and wait for nothing."""
        start = Start(self.config.with_name(f"{self.config.stem}-{len(self.starts) + 1:04d}.log"))
        self.starts.append(start)
        self.log = start.log
        with start.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self._command(),
                "serve",
                "-c",
                str(self.config),
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                cwd=_ROOT,
                env=os.environ | {_MARK: self._mark},
            )

    async def ready(self) -> None:
        """Wait for the ready line of this start; return at once when it was read before."""
        start = self.starts[-1]
        if start.ready_s is not None:
            return
        assert self.process is not None
        assert self.process.stdout is not None
        try:
            line = (await asyncio.wait_for(self.process.stdout.readline(), _READY_S)).decode()
        except TimeoutError:
            line = f"(nothing in {_READY_S} s)"
        assert line.startswith("press3 ready http="), f"{line!r}; {self.last_words()}"
        start.ready_s = time.perf_counter() - start.spawned
        self.url = line.split()[2].removeprefix("http=")
        self._people.clear()

    async def serving(self, *, deadline_s: float = 30) -> float:
        """Wait until it hears its PBXs itself; return the seconds since the start."""

        async def hears() -> bool:
            status, body = await self.readyz()  # content, too, while another serves the PBX
            return status == 200 and all(
                link["state"] == "up" for link in json.loads(body)["links"]
            )

        await until(hears, deadline_s=deadline_s, what=f"serving; {self.last_words()}")
        self.served_at = datetime.now(UTC)
        start = self.starts[-1]
        if start.serving_s is None and self.process is not None:
            start.serving_s = time.perf_counter() - start.spawned
            start.withheld_s = withheld.since(start.spawned_at)
        return start.serving_s or 0

    async def readyz(self) -> tuple[int, str]:
        """Return status and body of /readyz; 0 when nobody answers."""
        try:
            async with self._http.get(self.url + "/readyz") as answer:
                return answer.status, await answer.text()
        except aiohttp.ClientError as error:
            return 0, str(error)

    async def kill9(self) -> None:
        """Kill without warning; one that ended by itself before is a fault, and its log says which."""
        assert self.process is not None
        assert self.process.returncode is None, (
            f"press3 ended by itself with {self.process.returncode}; {self.last_words()}"
        )
        await super().kill9()

    def last_words(self) -> str:
        """Return the end of the log of the last starts, for failures."""
        shown = []
        for start in self.starts[-_SHOWN_STARTS:]:
            lines = start.log.read_text(errors="replace").splitlines()[-15:]
            shown.append("\n".join([f"--- {start.log.name}", *lines]))
        return "\n".join(shown)

    def log_tail(self) -> str:
        return self.last_words()

    def tracebacks(self) -> list[str]:
        """Return the logs of starts that hold a traceback, each from its traceback on."""
        texts = (
            (start.log, _ORPHANED.sub("", start.log.read_text(errors="replace")))
            for start in self.starts
        )
        return [
            f"{log.name}: {text[text.index('Traceback') :][:3000]}"
            for log, text in texts
            if "Traceback" in text
        ]

    def left_behind(self) -> list[int]:
        """Return the living processes of starts that were killed: there must be none."""
        assert self.process is not None
        return [pid for pid in self._processes() if not _descends(pid, self.process.pid)]

    def _processes(self) -> list[int]:
        wanted = f"{_MARK}={self._mark}".encode()
        found = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit() and wanted in _environment(folder).split(b"\0"):
                found.append(int(folder.name))
        return found

    def _command(self) -> tuple[str, ...]:
        if self._without is None:
            return (*self.prefix, sys.executable, "-m", "press3")
        return (*self.prefix, sys.executable, "-m", "tests.faults.without", self._without)


def _descends(pid: int, ancestor: int) -> bool:
    """Whether `pid` is `ancestor` or a child of its, or ended while we looked."""
    while pid > 1 and pid != ancestor:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return True
    return pid == ancestor


def _environment(folder: Path) -> bytes:
    try:
        return (folder / "environ").read_bytes()
    except OSError:  # ended just now, or not ours
        return b""
