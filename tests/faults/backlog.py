"""A PBX that has been alone for a while: presses put straight into its database, as the dialplan writes them."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

from tests.lab.harness import Lab

__all__ = ["fill_spool"]


async def fill_spool(
    lab: Lab, presses: int, *, over: timedelta, until: datetime | None = None
) -> None:
    """Stop the PBX, add `presses` spread over the time before `until` (now), and start it again."""
    until = until or datetime.now(UTC) - timedelta(minutes=2)
    await lab.pbx.stop()
    with closing(sqlite3.connect(lab.directory / "lib/astdb.sqlite3")) as astdb:
        for n in range(presses):
            at = until - over * ((presses - n) / presses)
            astdb.executemany("INSERT INTO astdb (key, value) VALUES (?, ?)", _rows(n, at))
        astdb.commit()
    await lab.pbx.start()


def _rows(n: int, at: datetime) -> list[tuple[str, str]]:
    """One answered call of 20 s: the press and its marks."""
    uniqueid = f"{at.timestamp():.0f}.{n}"
    press = f"/press3/{at:%Y%m%d%H%M}/{uniqueid}-{100_000 + n}"

    def mark(after_s: float) -> str:
        return f"{at.timestamp() + after_s:.3f}"

    row = f"2|{uniqueid}|{uniqueid}|{mark(0)}|+7912{n:07d}|Ivan|74951234567|main|press3"
    return [
        (press, row),
        (f"{press}/recording", f"{mark(0.1)}|/nowhere/{uniqueid}.wav"),
        (f"{press}/enter", f"{mark(1.3)}|press3"),
        (f"{press}/answered", f"{mark(5)}|PJSIP/101-{n:08x}"),
        (f"{press}/queue", mark(20) + "|"),
        (f"{press}/ended", mark(20)),
    ]
