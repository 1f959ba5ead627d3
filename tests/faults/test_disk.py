"""The data folder's disk full, and freed: loud, nothing lost, well again by itself."""

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ci import skip
from tests.faults.conftest import OpenSite
from tests.faults.moments import is_in_state, more_presses
from tests.waiting import until

pytestmark = pytest.mark.asterisk

_SIZE_MIB = 24
CONVERTED_S = 300  # a conversion that found no room is tried again ever later


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own. Without root the test runs elsewhere (mark `as_root`), and needs none here."""
    if os.geteuid() != 0:
        yield tmp_path
        return
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE_MIB}m", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, text=True)
    if mounted.returncode:
        skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Leave not a byte free; return the file that has it all."""
    hog = disk / "hog"
    with hog.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            _write_until_full(file.fileno(), size)
    return hog


def _write_until_full(fd: int, size: int) -> None:
    try:
        while os.write(fd, bytes(size)):
            pass
    except OSError as full:
        if full.errno != errno.ENOSPC:
            raise


@pytest.mark.as_root
async def test_a_full_disk_is_loud_and_costs_nothing_but_time(
    small_disk: Path, open_a_site: OpenSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRESS3_SERVICE__DATA_DIR", str(small_disk))
    site = await open_a_site("22")
    assert (small_disk / "press3.db").exists()
    async with site.calling() as callers:
        await more_presses(callers, 3)
        hog = fill(small_disk)
        await is_in_state(site.service, "stuck")
        status, body = await site.service.readyz()
        assert (status, "disk full" in body) == (503, True), body
        assert "disk is full" in site.service.log.read_text()
        chief = await site.service.person("chief")  # signed in before: reading goes on
        (link,) = (await chief.get("/links"))["items"]
        assert link["state"] == "stuck"
        await more_presses(callers, 6)
        await site.service.kill9()  # and nobody is there to remember
        site.blind()
        await site.service.spawn()
        await site.service.ready()  # it accepts connections; serving it can't be
        await until(lambda: "disk is full" in site.service.log.read_text(), deadline_s=30)
        await more_presses(callers, 2)
        hog.unlink()
        site.mended()
        await is_in_state(site.service, "up")
        await more_presses(callers, 2)
    await site.conclude(
        "data folder full, press3 killed on it, freed", times=1, recordings_s=CONVERTED_S
    )
