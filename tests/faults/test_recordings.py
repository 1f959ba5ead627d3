"""Recordings in trouble: out of reach, cut, empty, no sound at all, very long, gone in mid-conversion."""

import json
import os
import subprocess
import sys
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from appeals.card import view
from recordings.access import audio_root
from recordings.model import RecordingState
from store.writer import Writer
from tests.faults.conftest import OpenSite
from tests.faults.moments import more_presses
from tests.faults.service import Service
from tests.recordings.at_hand import Desk, add_call, ended, started, story
from tests.recordings.sounds import unclosed, write_wav
from tests.waiting import until

S = RecordingState
_ROOT = Path(__file__).parents[2]
_MAY_GROW_KIB = 8_192  # of 172,800 KiB that the three hours are


# -- the folder can't be read ---------------------------------------------------------------------


# press3 as somebody who can be refused, also when the tests are run by root
_RIGHTS = "-dac_override,-dac_read_search"
REFUSABLE = ("setpriv", f"--bounding-set={_RIGHTS}", f"--inh-caps={_RIGHTS}")


async def states(service: Service) -> list[tuple[str, str | None]]:
    """Return state and reason of every recording, as a supervisor sees them."""
    chief = await service.person("chief")
    calls = (await chief.get("/calls?limit=200"))["items"]
    return [(each["state"], each["reason"]) for call in calls for each in call["recordings"]]


@pytest.mark.asterisk
@pytest.mark.as_root  # somebody who can be refused, and an Asterisk that is not
async def test_a_folder_out_of_reach_is_no_missing_recording_and_is_read_when_it_is_back(
    open_a_site: OpenSite,
) -> None:
    site = await open_a_site("22")
    await site.service.stop()
    site.blind()
    service = site.service
    service.prefix = REFUSABLE
    folder = site.lab.monitor
    folder.chmod(0)
    try:
        await service.start()
        await service.serving()
        async with site.calling() as callers:
            await more_presses(callers, 8)
        await site.lab.quiet()
        unreachable = lambda told: len(told) >= 6 and {each[0] for each in told} == {"unreachable"}  # noqa: E731

        async def told() -> list[tuple[str, str | None]] | None:
            found = await states(service)
            assert not [each for each in found if each[0] == "missing"], found
            return found if unreachable(found) else None

        found = await until(told, deadline_s=30, what="all recordings are unreachable")
        assert {reason for _, reason in found or ()} == {"root"}
        assert "can't be read: Permission denied" in service.log.read_text()
    finally:
        folder.chmod(0o755)
        site.mended()
    async with site.calling() as callers:
        await more_presses(callers, 2)  # the first that is found tells of all the others
    await site.conclude("recordings folder out of reach", times=1)  # within a minute of the chmod


# -- files as faults leave them, with the real ffmpeg ---------------------------------------------


@pytest.fixture
def desk(tmp_path: Path, writer: Writer, sessions: async_sessionmaker[AsyncSession]) -> Desk:
    (tmp_path / "monitor").mkdir()
    return Desk(writer, sessions, tmp_path)


sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def seen_by_people(desk: Desk, call: str) -> tuple[str, str | None, float | None]:
    """Return state, reason and length of the call's recording as REST tells them."""
    async with desk.sessions() as session:
        (told,) = await view.calls(session, [call])
    (recording,) = told["recordings"]
    return recording["state"], recording["reason"], recording["duration_s"]


@asynccontextmanager
async def recorded(desk: Desk, name: str) -> AsyncIterator[str]:
    """Let a call be over whose recording is `name`, with a worker at it."""
    call = await add_call(desk.writer, "1.1")
    async with desk.working():
        await desk.tell(story(call), started(call, name), ended(call))
        yield call


def cut(path: Path) -> None:
    """A copy that broke off: the header promises 10 s, 3 are there."""
    write_wav(path, 10)
    os.truncate(path, 44 + 3 * 16_000)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("this is no sound\n" * 500)


def header_only(path: Path) -> None:
    """A recorder that was killed before it wrote a sample."""
    write_wav(path, 0)
    unclosed(path)


@sqlite
@pytest.mark.parametrize(
    ("make", "state", "reason", "length_s"),
    [
        (cut, "converted", None, 3),
        (empty, "linked", "empty", None),
        (header_only, "linked", "empty", None),
        (text, "linked", "not_audio", None),
    ],
)
async def test_a_broken_file_says_what_it_is(
    desk: Desk, make: Any, state: str, reason: str | None, length_s: float | None
) -> None:
    make(desk.root / "a.wav")
    async with recorded(desk, "a.wav") as call:

        async def settled() -> bool:
            desk.pass_time(await desk.rows())
            row = await desk.row()
            return row.next_try_at is None

        await until(settled, deadline_s=30, what="nothing more is tried")
    assert await seen_by_people(desk, call) == (state, reason, length_s)


@sqlite
async def test_a_file_that_vanishes_in_mid_conversion_was_read_in_time(desk: Desk) -> None:
    """ffmpeg has it open: a name that goes takes no sound along. What is gone before is `vanished`."""
    write_long(desk.root / "a.wav", hours=0.5)
    async with recorded(desk, "a.wav") as call:
        await half_made(desk)
        (desk.root / "a.wav").unlink()
        await desk.reach(S.CONVERTED)
    assert await seen_by_people(desk, call) == ("converted", None, 1800)


@sqlite
async def test_a_file_cut_in_mid_conversion_is_converted_again_as_it_is(desk: Desk) -> None:
    write_long(desk.root / "a.wav", hours=0.5)
    async with recorded(desk, "a.wav") as call:
        await half_made(desk)
        write_wav(desk.root / "a.wav", 5)
        await until_converted_to(desk, call, 5)


async def until_converted_to(desk: Desk, call: str, length_s: float) -> None:
    async def there() -> bool:
        desk.pass_time(await desk.rows())
        return await seen_by_people(desk, call) == ("converted", None, length_s)

    await until(there, deadline_s=30, what=f"converted, {length_s} s long")


async def half_made(desk: Desk) -> None:
    """Wait until a conversion is on its way."""
    work = audio_root(desk.settings.data_dir) / "work"

    async def at_work() -> bool:
        desk.pass_time(await desk.rows())
        return any(each.stat().st_size for each in work.glob("*/job-*/audio"))

    await until(at_work, deadline_s=30, what="a half-made copy")


def write_long(path: Path, *, hours: float) -> None:
    """Write silence with one second of tone at its very end; the disk keeps only that."""
    tone = write_wav(path.with_name("tone.wav"), 1)
    seconds = round(hours * 3600)
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, 8000, seconds * 8000, "NONE", ""))
        out.writeframesraw(b"")
        out._ensure_header_written(0)  # type: ignore[attr-defined]
    with path.open("r+b") as file:
        file.truncate(44 + (seconds - 1) * 16_000)
        file.seek(0, os.SEEK_END)
        file.write(tone.read_bytes()[44:])
    tone.unlink()


_CONVERT = """
import json, resource, sys
from pathlib import Path
from recordings import audio
source, folder = Path(sys.argv[1]), Path(sys.argv[2])
job = audio.Job(source=source, audio=folder / "a.mp3", peaks=folder / "p.json",
    work=folder / "work", format="mp3", limit_s=900)
done = audio.convert(job)
most = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(json.dumps([done.duration_s, most]))
"""


def convert_apart(source: Path, folder: Path) -> tuple[float, list[int]]:
    """Convert in a process of its own; return the length and the most memory (KiB) of it and of ffmpeg."""
    folder.mkdir()
    command = [sys.executable, "-c", _CONVERT, str(source), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=_ROOT, check=True)
    length_s, most = json.loads(done.stdout)
    return length_s, most


@pytest.mark.faults_only
def test_three_hours_take_no_more_memory_than_a_minute(tmp_path: Path) -> None:
    write_long(tmp_path / "short.wav", hours=1 / 60)
    write_long(tmp_path / "long.wav", hours=3)
    short_s, short = convert_apart(tmp_path / "short.wav", tmp_path / "short")
    long_s, long = convert_apart(tmp_path / "long.wav", tmp_path / "long")
    assert (short_s, long_s) == (60, 10_800)
    grown = [after - before for before, after in zip(short, long, strict=True)]
    assert max(grown) <= _MAY_GROW_KIB, (short, long)
    peaks = json.loads((tmp_path / "long" / "p.json").read_text())
    loud = [n / peaks["rate"] for n, peak in enumerate(peaks["peaks"]) if peak > 50]
    assert loud, "the tone is at the end"
    assert min(loud) == pytest.approx(10_799, abs=1 / peaks["rate"])
