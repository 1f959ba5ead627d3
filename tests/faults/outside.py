"""What can be seen after an experiment: press3 through its REST, the PBX through its own files."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from ami.queue_log import parse_line
from tests.e2e.desk import Person
from tests.faults.service import Service
from tests.lab.harness import Lab

__all__ = ["Outside", "PressesOf", "SpoolRow", "look", "queue_entries", "spool_of", "when"]

Json: TypeAlias = dict[str, Any]
_ZONE = ZoneInfo("Europe/Moscow")  # the service's by default: its days are those of reconciliation


@dataclass(frozen=True, slots=True)
class SpoolRow:
    """A press as AstDB keeps it; `marks` are the names of what stands below it."""

    number: str
    uniqueid: str
    marks: frozenset[str]


# How the PBX's own record of presses is read.
PressesOf: TypeAlias = Callable[[Lab], tuple[SpoolRow, ...]]


@dataclass(frozen=True, kw_only=True)
class Outside:
    """One look at everything, begun `at`. `files` are the recordings on the PBX's disk, by uniqueid.

    `spool` is the PBX's own record of presses: AstDB, or for an observed menu queue_log.
    """

    at: datetime
    appeals: tuple[Json, ...]
    calls: tuple[Json, ...]
    windows: tuple[Json, ...]
    orphans: int
    spool: tuple[SpoolRow, ...]
    files: dict[str, list[Path]]


async def look(service: Service, lab: Lab, presses_of: PressesOf | None = None) -> Outside:
    """Read all lists to their last page, the PBX's record of presses (None: AstDB's file) and its folder."""
    at = datetime.now(UTC)
    chief = await service.person("chief")
    today = datetime.now(_ZONE).date()
    days = [await chief.get(f"/reconciliation?day={today - timedelta(days=n)}") for n in (1, 0)]
    differences = [each for day in days for each in day["differences"]]
    return Outside(
        at=at,
        appeals=tuple(await _all(chief, "/appeals?limit=200")),
        calls=tuple(await _all(chief, "/calls?limit=200")),
        windows=tuple(await _all(chief, "/blind-windows?limit=200")),
        orphans=sum(each["kind"] == "orphan_recording" for each in differences),
        spool=(presses_of or spool_of)(lab),
        files=_recordings(lab.monitor),
    )


async def _all(person: Person, path: str) -> list[Json]:
    items: list[Json] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await person.get(path + (f"&cursor={cursor}" if cursor else ""))
        items += page["items"]
        cursor = page["next"]
    return items


def spool_of(lab: Lab) -> tuple[SpoolRow, ...]:
    """Read the presses in AstDB's own file: what Asterisk has committed, and nothing else.

    From a copy: who reads the file itself locks it, and Asterisk, whose commit is refused then, gives
    up what was to be committed (seen on 16 and 22: 34 presses of one second gone).
    """
    with closing(sqlite3.connect(":memory:")) as astdb:
        astdb.deserialize(_between_commits(lab.directory / "lib/astdb.sqlite3"))
        rows = dict(astdb.execute("SELECT key, value FROM astdb WHERE key LIKE '/press3/%'"))
    marks: dict[str, set[str]] = {}
    for key in rows:
        parts = key.split("/")
        marks.setdefault("/".join(parts[:4]), set()).update(parts[4:5])
    return tuple(
        _spool_row(value, frozenset(marks[key])) for key, value in rows.items() if key in marks
    )


def queue_entries(queue: str) -> PressesOf:
    """Return a reader of who entered `queue` by the PBX's queue_log: of an observed menu nothing else is kept.

    An entry is a press where the key alone leads to that queue.
    """

    def read(lab: Lab) -> tuple[SpoolRow, ...]:
        lines = (lab.directory / "log/queue_log").read_bytes().splitlines()
        told = [parse_line(line) for line in lines]
        entries = [each for each in told if (each.queue, each.event) == (queue, "ENTERQUEUE")]
        return tuple(SpoolRow(each.value(1), each.uniqueid, frozenset()) for each in entries)

    return read


def _between_commits(file: Path) -> bytes:
    """Return the whole file as it was while nobody wrote: a journal stands beside it meanwhile."""
    journal, deadline = file.with_name(file.name + "-journal"), time.monotonic() + 10
    while True:
        before = journal.exists(), file.stat().st_mtime_ns
        content = file.read_bytes()
        after = journal.exists(), file.stat().st_mtime_ns
        if before == after == (False, before[1]):
            return content
        assert time.monotonic() < deadline, f"{file} is written without end"


def _spool_row(value: str, marks: frozenset[str]) -> SpoolRow:
    _, uniqueid, _, _, number, *_ = value.split("|")
    return SpoolRow(number, uniqueid, marks)


def _recordings(monitor: Path) -> dict[str, list[Path]]:
    """Find the press recordings, by the uniqueid that ends their name."""
    found: dict[str, list[Path]] = {}
    for file in monitor.rglob("press3-*.wav"):
        found.setdefault(file.stem.rpartition("-")[2], []).append(file)
    return found


def when(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
