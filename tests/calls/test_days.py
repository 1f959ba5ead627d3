"""A local day as a pair of moments: the service's side and the screen's say the same, zone by zone."""

import json
import subprocess
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

import hatch_build
from calls import days

# Zone, day, its first moment in UTC, its hours.
TABLE = [
    ("Europe/Moscow", "2026-11-29", "2026-11-28T21:00", 24),
    ("Europe/Moscow", "2014-10-26", "2014-10-25T20:00", 25),
    ("Europe/Berlin", "2026-07-15", "2026-07-14T22:00", 24),
    ("Europe/Berlin", "2026-11-29", "2026-11-28T23:00", 24),
    ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00", 23),
    ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00", 25),
    ("America/New_York", "2026-03-08", "2026-03-08T05:00", 23),
    ("America/New_York", "2026-11-01", "2026-11-01T04:00", 25),
    ("Asia/Kathmandu", "2026-11-29", "2026-11-28T18:15", 24),
    ("Australia/Lord_Howe", "2026-04-05", "2026-04-04T13:00", 24.5),
    ("Australia/Lord_Howe", "2026-10-04", "2026-10-03T13:30", 23.5),
    # Midnight does not exist: the day begins at 01:00.
    ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00", 23),
    ("America/Sao_Paulo", "2018-11-03", "2018-11-03T03:00", 24),
    ("Asia/Beirut", "2026-03-29", "2026-03-28T22:00", 23),
    ("Africa/Cairo", "2026-04-24", "2026-04-23T22:00", 23),
    # The hour before midnight comes twice: the day before has 25.
    ("America/Sao_Paulo", "2018-02-17", "2018-02-17T02:00", 25),
    ("Asia/Beirut", "2026-10-24", "2026-10-23T21:00", 25),
    ("Africa/Cairo", "2026-10-29", "2026-10-28T21:00", 25),
    # Midnight comes twice: the first counts.
    ("America/Havana", "2026-11-01", "2026-11-01T04:00", 25),
    # A whole day that was left out.
    ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00", 0),
    ("Pacific/Apia", "2011-12-29", "2011-12-29T10:00", 24),
    ("Pacific/Kiritimati", "2026-11-29", "2026-11-28T10:00", 24),
    ("Etc/GMT+12", "2026-11-29", "2026-11-29T12:00", 24),
]

_SCREEN = """
import { readFileSync } from 'node:fs'
import { dayStart, addDays, dayIn } from './web/ui/src/time.ts'
const asked = JSON.parse(readFileSync(0, 'utf8'))
const told = asked.map(([zone, day]) => {
  const [from, to] = [dayStart(day, zone), dayStart(addDays(day, 1), zone)].map((text) => Date.parse(text))
  return [from, to, dayIn(from, zone)]
})
console.log(JSON.stringify(told))
"""


@pytest.mark.parametrize(("zone", "day", "start", "hours"), TABLE)
def test_a_day_begins_and_ends_with_the_offsets_of_its_own_midnights(
    zone: str, day: str, start: str, hours: float
) -> None:
    found = days.bounds(date.fromisoformat(day), ZoneInfo(zone))
    begin = datetime.fromisoformat(start).replace(tzinfo=UTC)
    assert found == (begin, begin + timedelta(hours=hours))


def test_today_is_the_day_of_the_zone() -> None:
    now = datetime(2026, 11, 28, 22, 30, tzinfo=UTC)
    assert days.day_at(now, ZoneInfo("Europe/Moscow")) == date(2026, 11, 29)
    assert days.day_at(now, ZoneInfo("Europe/Berlin")) == date(2026, 11, 28)


def _every_day(year: int) -> list[str]:
    first = date(year, 1, 1)
    return [(first + timedelta(days=n)).isoformat() for n in range(366)]


def test_the_screen_makes_the_same_moments_of_a_day() -> None:
    """Each row of the table, and each day of two years in each of its zones."""
    zones = sorted({row[0] for row in TABLE})
    asked = [[zone, day] for zone, day, *_ in TABLE]
    asked += [[zone, day] for zone in zones for year in (2018, 2026) for day in _every_day(year)]
    wheel = hatch_build._node_wheel()
    assert wheel is not None  # it reads TypeScript as it is, which the system's may be too old for
    said = subprocess.run(
        [wheel / "bin/node", "--no-warnings", "--input-type=module", "-e", _SCREEN],
        input=json.dumps(asked),
        capture_output=True, text=True, check=True, cwd=hatch_build.ROOT,
    )  # fmt: skip
    differing = []
    for (zone, day), (begin_ms, end_ms, there) in zip(asked, json.loads(said.stdout), strict=True):
        wanted = days.bounds(date.fromisoformat(day), ZoneInfo(zone))
        told = tuple(datetime.fromtimestamp(ms / 1000, UTC) for ms in (begin_ms, end_ms))
        left_out = wanted[0] == wanted[1]
        if told != wanted or (there != day and not left_out):
            differing.append((zone, day, told, wanted, there))
    assert differing == []
