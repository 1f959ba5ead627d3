"""The life of a recording, told with real files, a real worker process and both databases."""

import asyncio
import json
import os
import shutil
import signal
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from recordings import audio
from recordings.access import (
    audio_file,
    audio_root,
    log_listening,
    of_calls,
    peaks_file,
)
from recordings.errors import WorkerDied
from recordings.model import Recording, RecordingState
from recordings.settings import PathMap
from tests.recordings.at_hand import AT, Desk, add_call, ended, started, stopped, story
from tests.recordings.sounds import unclosed, write_gsm, write_wav
from tests.waiting import until

S = RecordingState


async def test_from_the_first_byte_to_the_browser(desk: Desk) -> None:
    call = await add_call(desk.writer, "1.1")
    path = desk.root / "2026/11/21/a.wav"
    async with desk.working() as worker:
        await desk.tell(story(call), started(call, str(path)))
        unclosed(write_wav(path, 1))
        await desk.reach(S.FOUND)
        write_wav(path, 3)
        await desk.tell(story(call), ended(call))
        (row,) = await desk.reach(S.CONVERTED)
        assert worker.counters.converted == 1
    waited_s = (desk.clock() - (row.stop_seen_at or AT)).total_seconds()
    assert waited_s <= 2  # of waiting; the rest of the promised 5 s is for the conversion
    assert (row.duration_s, row.media_type, row.error) == (3.0, "audio/mpeg", None)
    assert row.size_bytes == path.stat().st_size
    assert len(row.sha256 or "") == 64
    (message,) = await desk.messages()
    assert (message.type, message.audience) == ("recording.ready", {"for": call})
    assert message.data == {"recording": row.id, "call": call, "appeal": 7}


async def test_what_the_web_needs(desk: Desk) -> None:
    row = await _converted(desk)
    data_dir = desk.settings.data_dir
    async with desk.sessions() as session:
        sound = await audio_file(session, row.id, data_dir=data_dir)
        peaks = await peaks_file(session, row.id, data_dir=data_dir)
        assert sound is not None
        assert peaks is not None
        assert sound.path.read_bytes()
        assert sound.path.is_relative_to(data_dir)
        assert len(json.loads(peaks.path.read_text())["peaks"]) == 20
        assert await audio_file(session, row.id + 1, data_dir=data_dir) is None
        assert list(await of_calls(session, [str(row.call_id), "none"])) == [row.call_id]


async def test_a_growing_file_is_never_taken_for_final(desk: Desk) -> None:
    """The call is over, the recorder still writes: more bytes at every look."""
    call = await add_call(desk.writer, "1.1")
    path = write_wav(desk.root / "a.wav", 1)
    async with desk.working():
        await desk.tell(story(call), started(call, "a.wav"), ended(call))
        for seconds in range(2, 5):
            size = path.stat().st_size
            await until(lambda size=size: _seen(desk, size), what="this size was seen")
            assert (await desk.row()).state == S.FOUND
            write_wav(path, seconds)
            desk.clock.forward(1.5)
        (row,) = await desk.reach(S.CONVERTED)
    assert row.duration_s == 4


async def test_a_stable_file_is_not_final_while_the_call_lasts(desk: Desk) -> None:
    call = await add_call(desk.writer, "1.1")
    write_wav(desk.root / "a.wav", 1)
    async with desk.working():
        await desk.tell(story(call), started(call, "a.wav"))
        await desk.reach(S.FOUND)
        looks = (await desk.row()).seen_at
        for _ in range(3):
            desk.clock.forward(11)
            await until(lambda seen=looks: _looked_after(desk, seen))
            looks = (await desk.row()).seen_at
        assert (await desk.row()).state == S.FOUND
        await desk.tell(story(call), stopped(call, "a.wav"))
        await desk.reach(S.CONVERTED)


async def test_an_open_header_is_given_time_and_then_repaired(desk: Desk) -> None:
    call = await add_call(desk.writer, "1.1")
    path = unclosed(write_wav(desk.root / "a.wav", 2))
    before = path.read_bytes()
    async with desk.working():
        await desk.tell(story(call), started(call, "a.wav"), ended(call))
        (row,) = await desk.reach(S.CONVERTED)
    assert row.duration_s == 2
    assert (desk.clock() - AT).total_seconds() >= desk.settings.timing.unclosed_for_s
    assert path.read_bytes() == before


async def test_several_recordings_of_one_call(desk: Desk) -> None:
    call = await add_call(desk.writer, "1.1")
    for name in ("a.wav", "b.wav"):
        write_wav(desk.root / name, 1)
    write_gsm(desk.root / "c.gsm", 1)
    async with desk.working():
        names = ("a.wav", "b.wav", "c.gsm")
        await desk.tell(story(call), *(started(call, name) for name in names), ended(call))
        await desk.reach(S.CONVERTED, S.CONVERTED, S.CONVERTED)
    assert len(await desk.messages()) == 3


async def test_two_pbxs_that_name_their_files_alike_have_each_its_own(desk: Desk) -> None:
    """Equal uniqueids in the same second make equal names below the same remote folder."""
    remote = Path("/var/spool/asterisk/monitor")
    desk.maps = tuple(
        PathMap(asterisk=pbx, remote=remote, local=desk.folder / pbx) for pbx in ("main", "branch")
    )
    for seconds, each in enumerate(desk.maps, 1):
        write_wav(each.local / "1.1.wav", seconds)
    async with desk.working():
        for pbx in ("main", "branch"):
            call = await add_call(desk.writer, "1.1", pbx=pbx)
            await desk.tell(story(call), started(call, f"{remote}/1.1.wav"), ended(call))
        rows = await desk.reach(S.CONVERTED, S.CONVERTED)
    told = {row.pbx: (row.call_id, row.path, row.duration_s) for row in rows}
    assert told == {
        "main": ("main-1.1", str(desk.folder / "main/1.1.wav"), 1),
        "branch": ("branch-1.1", str(desk.folder / "branch/1.1.wav"), 2),
    }
    assert len({row.audio_path for row in rows}) == 2


async def test_no_file_is_missing_with_an_explanation_within_a_minute(desk: Desk) -> None:
    call = await add_call(desk.writer, "1.1")
    async with desk.working() as worker:
        await desk.tell(story(call), started(call, "a.wav"))
        desk.clock.forward(600)
        await until(lambda: _due_later(desk), what="a look while the call lasts")
        assert (await desk.row()).state == S.EXPECTED
        hung_up_at = desk.clock()
        await desk.tell(story(call), ended(call))
        (row,) = await desk.reach(S.MISSING)
        assert worker.counters.missing == 1
    assert 50 <= (desk.clock() - hung_up_at).total_seconds() <= 60
    assert (row.error or "").startswith("absent: no ")


async def test_a_call_nobody_answered_explains_its_phantom_recording(desk: Desk) -> None:
    call = await add_call(desk.writer, "1.1", ended_at=AT, answered=False)
    async with desk.working():
        await desk.tell(story(call), started(call, "a.wav"), ended(call))
        (row,) = await desk.reach(S.MISSING)
    assert (row.error or "").startswith("never_answered: ")


async def test_a_file_that_comes_late_is_taken_all_the_same(desk: Desk) -> None:
    call = await add_call(desk.writer, "1.1")
    async with desk.working():
        await desk.tell(story(call), started(call, "a.wav"), ended(call))
        await desk.reach(S.MISSING)
        write_wav(desk.root / "a.wav", 1)
        (row,) = await desk.reach(S.CONVERTED)
    assert row.error is None


async def test_an_unreadable_root_is_unreachable_and_never_missing(desk: Desk) -> None:
    call = await add_call(desk.writer, "1.1")
    write_wav(desk.root / "a.wav", 1)
    elsewhere = desk.root.rename(desk.folder / "unmounted")
    async with desk.working():
        await desk.tell(story(call), started(call, "a.wav"), ended(call))
        (row,) = await desk.reach(S.UNREACHABLE)
        assert (row.error or "").startswith("root: ")
        attempts = row.attempts
        desk.clock.forward(3600)
        await until(lambda: _tried(desk, attempts + 1))
        assert (await desk.row()).state == S.UNREACHABLE
        elsewhere.rename(desk.root)
        (row,) = await desk.reach(S.CONVERTED)
    assert row.error is None


async def test_a_path_out_of_the_roots_is_refused(desk: Desk) -> None:
    call = await add_call(desk.writer, "1.1")
    write_wav(desk.folder / "secret.wav", 1)
    async with desk.working() as worker:
        await desk.tell(story(call), started(call, "../secret.wav"), ended(call))
        (row,) = await desk.reach(S.UNREACHABLE)
        assert worker.counters.refused == 1
    assert (row.error or "").startswith("refused: ")
    assert row.path is None


@pytest.mark.parametrize(
    ("content", "code"), [(b"", "empty"), (b"not a recording at all" * 50, "not_audio")]
)
async def test_broken_sound_stays_linked_says_why_and_is_left_in_peace(
    desk: Desk, content: bytes, code: str
) -> None:
    call = await add_call(desk.writer, "1.1")
    (desk.root / "a.wav").write_bytes(content)
    async with desk.working() as worker:
        await desk.tell(story(call), started(call, "a.wav"), ended(call))

        async def left() -> bool:
            desk.pass_time(await desk.rows())
            row = await desk.row()
            return row.state == S.LINKED and row.next_try_at is None

        await until(left, what="no more tries")
        assert worker.counters.failed == 4
    row = await desk.row()
    assert (row.error or "").startswith(f"{code}: ")
    assert (row.call_id, row.size_bytes) == (call, len(content))
    assert await desk.messages() == []


async def test_a_file_that_vanishes_before_its_conversion(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = await add_call(desk.writer, "1.1")
    path = write_wav(desk.root / "a.wav", 1)
    async with desk.working() as worker:
        run = worker.pool.run

        async def run_without_file(function: object, *args: object) -> object:
            path.unlink(missing_ok=True)  # after the last look, before the worker opens it
            return await run(function, *args)  # type: ignore[arg-type]

        await until(lambda: worker.pool._executor is not None)
        monkeypatch.setattr(worker.pool, "run", run_without_file)
        await desk.tell(story(call), started(call, "a.wav"), ended(call))
        (row,) = await desk.reach(S.MISSING)
    assert (row.error or "").startswith("vanished: ")


async def test_a_killed_worker_process_is_replaced_and_the_recording_converted(desk: Desk) -> None:
    call = await add_call(desk.writer, "1.1")
    with (desk.root / "a.sln").open("wb") as file:
        file.truncate(600 * 16_000)  # long enough to be hit
    async with desk.working() as worker:
        await desk.tell(story(call), started(call, "a.sln"), ended(call))
        await desk.reach(S.LINKED)
        pid = await until(lambda: _busy_worker(worker.pool._executor))
        os.kill(pid, signal.SIGKILL)
        await until(lambda: worker.pool.deaths == 1)
        (row,) = await desk.reach(S.CONVERTED)
    assert (row.duration_s, row.error) == (600, None)


async def test_a_recording_that_takes_every_worker_along_is_given_up(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the OOM killer does, or kill -9: what is left is the count that was stored before."""
    call = await add_call(desk.writer, "1.1")
    write_wav(desk.root / "a.wav", 1)
    counts: list[int] = []

    async with desk.working() as worker:

        async def killed(function: object, *args: object) -> None:
            if function is audio.convert:
                counts.append((await desk.row()).attempts)
            raise WorkerDied("worker_died", "the worker process was killed")

        monkeypatch.setattr(worker.pool, "run", killed)
        await desk.tell(story(call), started(call, "a.wav"), ended(call))
        await until(lambda: _given_up(desk), deadline_s=60, what="the recording is given up")
    assert counts == [1, 2, 3, 4, 5, 6, 7, 8]


async def _given_up(desk: Desk) -> bool:
    row = await desk.row()
    desk.pass_time([row])
    return row.next_try_at is None and (row.error or "").startswith("given_up: ")


async def test_a_recording_that_takes_press3_along_is_given_up(desk: Desk) -> None:
    """Each start counts an attempt before the work, and is killed in it."""
    call = await add_call(desk.writer, "1.1")
    with (desk.root / "a.sln").open("wb") as file:
        file.truncate(3600 * 16_000)
    await desk.tell(story(call), started(call, "a.sln"), ended(call))
    for attempt in range(1, 9):
        async with desk.working() as worker:
            never = asyncio.Event()
            worker.pool.run = lambda *args, it=never: it.wait()  # type: ignore[method-assign]
            await until(lambda n=attempt: _attempted(desk, n), what=f"attempt {attempt}")
    async with desk.working():
        await until(lambda: _given_up(desk), what="no ninth attempt")


async def _attempted(desk: Desk, attempts: int) -> bool:
    row = await desk.row()
    desk.pass_time([row])
    return row.attempts >= attempts


async def test_a_restart_in_mid_conversion_begins_it_again_and_clears_up(desk: Desk) -> None:
    call = await add_call(desk.writer, "1.1")
    with (desk.root / "a.sln").open("wb") as file:
        file.truncate(600 * 16_000)
    work = audio_root(desk.settings.data_dir) / "work"
    async with desk.working() as worker:
        await desk.tell(story(call), started(call, "a.sln"), ended(call))
        await desk.reach(S.LINKED)
        await until(lambda: list(work.glob("*/job-*/audio")), what="a half-made copy")
        assert worker.pool._executor is not None
    (work / "999999999").mkdir()  # what a service left that was killed
    async with desk.working():
        await desk.reach(S.CONVERTED)
        assert list(work.glob("*/*")) == []
        assert not (work / "999999999").exists()
    assert len(await desk.messages()) == 1


@pytest.mark.parametrize("state", [S.EXPECTED, S.FOUND, S.FINAL, S.LINKED])
async def test_a_restart_takes_up_every_state(desk: Desk, state: RecordingState) -> None:
    call = await add_call(desk.writer, "1.1")
    path = write_wav(desk.root / "a.wav", 1)
    await desk.tell(story(call), started(call, "a.wav"), ended(call))

    async def left_at(session: object) -> None:
        row = await session.get_one(Recording, (await desk.row()).id)  # type: ignore[attr-defined]
        row.state, row.seen_at = state, AT
        row.path, row.seen_size_bytes = str(path), path.stat().st_size
        row.sha256 = "0" * 64 if state == S.LINKED else None

    await desk.writer.run(left_at)
    async with desk.working():
        await desk.reach(S.CONVERTED)
    assert len(await desk.messages()) == 1


async def test_a_stop_that_comes_between_look_and_write_is_not_lost(desk: Desk) -> None:
    """The worker read the row while the call lasted; its step must not overwrite the hang-up."""
    call = await add_call(desk.writer, "1.1")
    write_wav(desk.root / "a.wav", 1)
    await desk.tell(story(call), started(call, "a.wav"))
    async with desk.working() as worker:
        look = worker._look
        once = asyncio.Event()

        async def slow_look(*args: object) -> object:
            step = await look(*args)  # type: ignore[arg-type]
            if not once.is_set():
                once.set()
                await desk.tell(story(call), ended(call))
            return step

        worker._look = slow_look  # type: ignore[method-assign, assignment]
        await desk.reach(S.CONVERTED)
    assert (desk.clock() - AT).total_seconds() <= 2


async def test_appended_sound_is_converted_again(desk: Desk) -> None:
    first = await _converted(desk)
    call = str(first.call_id)
    later = desk.clock()
    async with desk.working():
        await desk.tell(story(call), started(call, "a.wav", later))
        write_wav(desk.root / "a.wav", 4)
        await desk.tell(story(call), stopped(call, "a.wav", later))
        (row,) = await desk.reach(S.CONVERTED)
        root = audio_root(desk.settings.data_dir)
        await until(
            lambda: not (root / str(first.audio_path)).exists(), what="the old copy is gone"
        )
    assert row.duration_s == 4
    assert (root / str(row.audio_path)).exists()


async def test_two_spellings_of_one_file_are_one_recording(desk: Desk) -> None:
    call = await add_call(desk.writer, "1.1")
    path = write_wav(desk.root / "a.wav", 1)
    async with desk.working():
        await desk.tell(story(call), started(call, "a.wav"), started(call, str(path)), ended(call))
        await desk.reach(S.CONVERTED)


async def test_without_ffmpeg_the_recording_waits(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = await add_call(desk.writer, "1.1")
    write_wav(desk.root / "a.wav", 1)
    with monkeypatch.context() as without:
        without.setenv("PATH", "/nowhere")
        without.setenv("IMAGEIO_FFMPEG_EXE", "/nowhere/ffmpeg")
        async with desk.working():
            await desk.tell(story(call), started(call, "a.wav"), ended(call))
            await desk.reach(S.LINKED)
            row = await until(lambda: _failed(desk), what="an attempt that failed")
    assert row.next_try_at is not None
    assert (row.error or "").startswith(("no_ffmpeg: ", "disk: "))


async def test_a_full_database_is_survived(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    call = await add_call(desk.writer, "1.1")
    write_wav(desk.root / "a.wav", 1)
    async with desk.working() as worker:
        worker._timing = type(worker._timing)(poll_every_s=0.02, rest_after_fault_s=0.05)
        with monkeypatch.context() as broken:

            async def full(work: object) -> object:
                raise OSError(28, "No space left on device")

            broken.setattr(worker._writer, "run", full)
            async with desk.sessions() as session:  # not through the writer, which is broken
                session.add(_expected(call))
                await session.commit()
            await until(lambda: worker.counters.faults >= 2, what="it failed and tried again")
        await desk.reach(S.CONVERTED)


async def test_listening_is_logged(desk: Desk) -> None:
    from people.model import Employee
    from recordings.model import Listening

    row = await _converted(desk)

    async def listen(session: object) -> int:
        who = Employee(login="o", name="O", role="operator", password_hash="-", created_at=AT)
        session.add(who)  # type: ignore[attr-defined]
        await session.flush()  # type: ignore[attr-defined]
        await log_listening(session, row.id, who.id, AT)  # type: ignore[arg-type]
        return who.id

    employee = await desk.writer.run(listen)
    async with desk.sessions() as session:
        logged = await session.get(Listening, 1)
    assert logged is not None
    assert (logged.recording_id, logged.employee_id, logged.at) == (row.id, employee, AT)


async def test_a_stop_that_comes_with_a_wake_is_a_stop(desk: Desk) -> None:
    async with desk.working() as worker:
        await until(lambda: worker._woken._waiters, what="it waits")  # type: ignore[attr-defined]
        worker.wake()
    # Leaving the block cancels and waits: a lost cancellation would hang here.


def test_the_worker_warms_up_with_a_real_ffmpeg() -> None:
    assert Path(audio.warm()).is_file()
    assert shutil.which(audio.warm())


def _expected(call: str) -> Recording:
    return Recording(
        pbx="main", call_id=call, remote_path="a.wav", state=S.EXPECTED, guessed=False,
        started_at=AT, stopped_at=AT, stop_seen_at=AT, next_try_at=AT, attempts=0,
    )  # fmt: skip


async def _converted(desk: Desk) -> Recording:
    call = await add_call(desk.writer, "1.1")
    write_wav(desk.root / "a.wav", 2)
    async with desk.working():
        await desk.tell(story(call), started(call, "a.wav"), ended(call))
        (row,) = await desk.reach(S.CONVERTED)
    desk.clock.forward(60)
    return row


async def _seen(desk: Desk, size: int) -> bool:
    return (await desk.row()).seen_size_bytes == size


async def _looked_after(desk: Desk, seen: object) -> bool:
    return (await desk.row()).seen_at != seen


async def _due_later(desk: Desk) -> bool:
    due = (await desk.row()).next_try_at
    return due is not None and due > desk.clock()


async def _failed(desk: Desk) -> Recording | None:
    row = await desk.row()
    return row if row.error else None


async def _tried(desk: Desk, attempts: int) -> bool:
    return (await desk.row()).attempts >= attempts


def _busy_worker(executor: object) -> int | None:
    """Return the worker process that has an ffmpeg under it."""
    for pid in getattr(executor, "_processes", None) or ():
        if Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            return int(pid)
    return None


@pytest.mark.parametrize("state", [S.EXPECTED, S.FOUND, S.LINKED])
async def test_a_clock_set_back_by_an_hour_delays_nothing(
    desk: Desk, state: RecordingState
) -> None:
    """Rows say when to look again; after the step that lies an hour ahead, as does what was seen."""
    call = await add_call(desk.writer, "1.1")
    write_wav(desk.root / "a.wav", 1)
    await desk.writer.run(lambda session: _add(session, _ahead(call, state, desk)))
    async with desk.working():

        async def converted() -> bool:
            row = await desk.row()
            desk.clock.forward(0.2)
            return row.state == S.CONVERTED

        began = desk.clock()
        await until(converted, deadline_s=30, what="converted all the same")
        assert (desk.clock() - began).total_seconds() < 60


def _ahead(call: str, state: RecordingState, desk: Desk) -> Recording:
    ahead = desk.clock() + timedelta(hours=1)
    row = _expected(call)
    row.state, row.next_try_at, row.stop_seen_at = state, ahead, ahead
    if state != S.EXPECTED:
        path = desk.root / "a.wav"
        row.path, row.seen_size_bytes, row.seen_at = str(path), path.stat().st_size, ahead
    return row


async def _add(session: AsyncSession, row: Recording) -> None:
    session.add(row)


async def test_a_folder_that_is_not_mounted_is_empty_and_unreachable(desk: Desk) -> None:
    """What an unmounted network folder leaves is a folder that can be read and holds nothing."""
    first_call = await add_call(desk.writer, "1.1")
    second_call = await add_call(desk.writer, "1.2")
    write_wav(desk.root / "a.wav", 1)
    async with desk.working():
        await desk.tell(story(first_call), started(first_call, "a.wav"), ended(first_call))
        await desk.reach(S.CONVERTED)
        write_wav(desk.root / "b.wav", 1)
        mounted = desk.root.rename(desk.folder / "elsewhere")
        desk.root.mkdir()
        await desk.tell(story(second_call), started(second_call, "b.wav"), ended(second_call))
        desk.clock.forward(120)  # long after an absent file would be called missing
        _, row = await desk.reach(S.CONVERTED, S.UNREACHABLE)
        assert "is it mounted?" in (row.error or "")
        desk.root.rmdir()
        mounted.rename(desk.root)
        await desk.reach(S.CONVERTED, S.CONVERTED)
