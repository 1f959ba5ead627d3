"""Files nobody told us of: found, linked by uniqueid, guessed by number and time, or left orphans."""

import os
from datetime import datetime, timedelta
from pathlib import Path

from recordings import sweep
from recordings.model import RecordingState
from recordings.settings import PathMap
from tests.recordings.at_hand import AT, Desk, add_call, ended, started, story
from tests.recordings.sounds import write_wav
from tests.waiting import until

S = RecordingState
OLD = AT - timedelta(minutes=5)
FREEPBX = "2026/11/21/in-74951234567-89161112233-20261121-115500-{uniqueid}.wav"


def put(path: Path, changed_at: datetime = OLD) -> Path:
    write_wav(path, 1)
    os.utime(path, (changed_at.timestamp(),) * 2)
    return path


async def _call(desk: Desk, uniqueid: str, **values: object) -> str:
    times = {"started_at": OLD - timedelta(minutes=1), "ended_at": OLD}
    return await add_call(desk.writer, uniqueid, **{**times, **values})  # type: ignore[arg-type]


async def test_the_uniqueid_in_the_name_links_and_the_sound_is_converted(desk: Desk) -> None:
    call = await _call(desk, "1763735700.12")
    put(desk.root / FREEPBX.format(uniqueid="1763735700.12"))
    async with desk.working() as worker:
        (row,) = await desk.reach(S.CONVERTED)
        assert worker.counters.swept == 1
    assert (row.call_id, row.pbx, row.guessed, row.duration_s) == (call, "main", False, 1.0)
    assert [message.data["call"] for message in await desk.messages()] == [call]


async def test_our_own_names_and_the_uniqueid_of_a_leg(desk: Desk) -> None:
    call = await _call(desk, "1763735700.12", leg="1763735701.13")
    put(desk.root / "press3-1763735700.12.wav")
    put(desk.root / "q-5000-x-20261121-115500-1763735701.13.wav")
    async with desk.working():
        rows = await desk.reach(S.CONVERTED, S.CONVERTED)
    assert {row.call_id for row in rows} == {call}


async def test_a_uniqueid_that_begins_with_a_systemname(desk: Desk) -> None:
    """`-` and `_` may stand in the systemname."""
    await _call(desk, "my-pbx_1-1763735700.12")
    call = await _call(desk, "my-pbx_2-1763735700.12")
    put(desk.root / "press3-q-1-20261121-115500-my-pbx_2-1763735700.12.wav")
    async with desk.working():
        (row,) = await desk.reach(S.CONVERTED)
    assert (row.call_id, row.guessed) == (call, False)


async def test_a_file_that_the_pbx_renamed_is_the_one_that_is_missing(desk: Desk) -> None:
    call = await _call(desk, "1763735700.12")
    told = story(call, ended_at=AT)
    await desk.tell(told, started(call, "own/draft-1763735700.12.wav"), ended(call))
    async with desk.working() as worker:
        await desk.reach(S.MISSING)
        put(desk.root / "kept/done-1763735700.12.wav", desk.clock() - timedelta(seconds=10))
        assert await worker.sweeper.look_for_orphans(early=True) == 1
        (row,) = await desk.reach(S.CONVERTED)
    assert (row.call_id, row.started_at, row.error) == (call, AT, None)
    assert row.remote_path.endswith("kept/done-1763735700.12.wav")


async def test_a_file_beside_one_that_is_there_is_another_recording(desk: Desk) -> None:
    call = await _call(desk, "1763735700.12")
    put(desk.root / "a-1763735700.12.wav")
    await desk.tell(story(call, ended_at=AT), started(call, "a-1763735700.12.wav"), ended(call))
    put(desk.root / "b-1763735700.12.wav")
    async with desk.working():
        rows = await desk.reach(S.CONVERTED, S.CONVERTED)
    assert {Path(row.remote_path).name[0] for row in rows} == {"a", "b"}


async def test_number_and_time_make_a_visible_guess(desk: Desk) -> None:
    call = await _call(desk, "1763735700.12")
    await _call(desk, "1763735700.99", number="+79990000000")
    put(desk.root / "note-89161112233.wav")
    async with desk.working():
        (row,) = await desk.reach(S.CONVERTED)
    assert (row.call_id, row.guessed) == (call, True)


async def test_a_uniqueid_of_another_call_is_never_guessed_away(desk: Desk) -> None:
    """Number and time fit, as with what the operator recorded when he called the same person back."""
    await _call(desk, "1763735700.12")
    for name in ("out-89161112233-1763735690.290.wav", FREEPBX.format(uniqueid="1763735690.291")):
        put(desk.root / name)
    async with desk.working():
        rows = await desk.reach(S.ORPHAN, S.ORPHAN)
    assert [(row.call_id, row.guessed) for row in rows] == [(None, False)] * 2


async def test_a_recording_of_another_call_stays_an_orphan_when_looked_at_again(desk: Desk) -> None:
    await _call(desk, "1.1", number="+79990000000")
    put(desk.root / "out-89161112233-1763735690.290.wav")
    async with desk.working():
        await desk.reach(S.ORPHAN)
        await _call(desk, "1763735700.12")  # its number and time fit, its uniqueid does not
        desk.clock.forward(70)

        async def again() -> bool:
            return (await desk.row()).attempts >= 1

        await until(again, what="a second look")
    row = await desk.row()
    assert (row.state, row.call_id) == (S.ORPHAN, None)


async def test_an_unknown_file_is_an_orphan_until_its_call_is_known(desk: Desk) -> None:
    await _call(desk, "1.1", number="+79990000000")
    put(desk.root / FREEPBX.format(uniqueid="1763735700.12"))
    async with desk.working():
        (row,) = await desk.reach(S.ORPHAN)
        assert row.call_id is None
        assert (row.error or "").startswith("no_call: ")
        call = await _call(desk, "1763735700.12")  # learned late, from the spool
        (row,) = await desk.reach(S.CONVERTED)
    assert (row.call_id, row.guessed, row.error) == (call, False, None)


async def test_after_a_day_an_orphan_stays_one(desk: Desk) -> None:
    await _call(desk, "1.1", number="+79990000000")
    put(desk.root / "x.wav")
    async with desk.working():
        await desk.reach(S.ORPHAN)
        desk.clock.forward(25 * 3600)

        async def left() -> bool:
            return (await desk.row()).next_try_at is None

        await until(left, what="no more tries")
    assert (await desk.row()).state == S.ORPHAN


async def test_what_is_known_or_expected_is_no_orphan(desk: Desk) -> None:
    call = await _call(desk, "1.1")
    put(desk.root / "known.wav")
    async with desk.working() as worker:
        await desk.tell(story(call), started(call, "known.wav"), ended(call))
        await desk.reach(S.CONVERTED)
        assert await worker.sweeper.look_for_orphans() == 0
        worker.sweeper._swept_until = None
        (desk.root / "known.wav").rename(desk.root / "known.mp3")  # as a post command does
        assert await worker.sweeper.look_for_orphans() == 0
    assert len(await desk.rows()) == 1


async def test_a_file_that_no_look_has_reached_yet_is_expected_and_no_orphan(desk: Desk) -> None:
    call = await _call(desk, "1.1")
    put(desk.root / "a.wav")
    await desk.tell(story(call), started(call, "a.wav"))
    async with desk.sessions() as session:
        found = sweep.scan(desk.settings, OLD - timedelta(days=1), AT, most=10)
        assert len(found) == 1
        assert await sweep.unknown(session, found, desk.settings) == []


async def test_a_sweep_twice_adds_once(desk: Desk) -> None:
    await _call(desk, "1.1")
    put(desk.root / "x.wav")
    async with desk.working() as worker:
        await desk.reach(S.ORPHAN)
        worker.sweeper._swept_until = None
        assert await worker.sweeper.look_for_orphans() == 0


async def test_files_still_written_and_files_older_than_us_are_left_alone(desk: Desk) -> None:
    await _call(desk, "1.1", started_at=AT - timedelta(hours=1))
    put(desk.root / "now.wav", AT - timedelta(seconds=10))
    put(desk.root / "ancient.wav", AT - timedelta(days=3))
    (desk.root / "notes.txt").write_text("no recording")
    (desk.root / "link.wav").symlink_to(desk.root / "ancient.wav")
    async with desk.working() as worker:
        await until(lambda: worker.sweeper._swept_until is not None, what="the first sweep")
        assert await desk.rows() == []
        desk.clock.forward(120)
        assert await worker.sweeper.look_for_orphans() == 1
    assert [Path(row.path or "").name for row in await desk.rows()] == ["now.wav"]


async def test_a_file_behind_a_map_belongs_to_that_pbx(desk: Desk) -> None:
    remote, local = Path("/var/spool/asterisk/monitor"), desk.folder / "branch"
    desk.maps = (PathMap(asterisk="branch", remote=remote, local=local),)
    await _call(desk, "1763735700.12")
    call = await _call(desk, "1763735700.12", pbx="branch")
    put(local / "press3-1763735700.12.wav")
    async with desk.working():
        (row,) = await desk.reach(S.CONVERTED)
    assert (row.pbx, row.call_id) == ("branch", call)
    assert row.remote_path == f"{remote}/press3-1763735700.12.wav"


async def test_a_file_is_never_linked_to_a_call_of_a_pbx_that_cannot_have_it(desk: Desk) -> None:
    """The name says another PBX's uniqueid: in the roots one with maps, behind a map one without."""
    local = desk.folder / "branch"
    desk.maps = (PathMap(asterisk="branch", remote=Path("/remote"), local=local),)
    await _call(desk, "1763735700.12", pbx="branch")
    await _call(desk, "1763735700.13")
    put(desk.root / "press3-1763735700.12.wav")
    put(local / "press3-1763735700.13.wav")
    async with desk.working():
        rows = await desk.reach(S.ORPHAN, S.ORPHAN)
        attempts = [row.attempts for row in rows]
        desk.clock.forward(3600)
        await until(lambda: _looked_again(desk, attempts), what="a second look for their calls")
        rows = await desk.reach(S.ORPHAN, S.ORPHAN)
    assert [row.call_id for row in rows] == [None, None]


async def _looked_again(desk: Desk, attempts: list[int]) -> bool:
    found = [row.attempts for row in await desk.rows()]
    return all(now > before for now, before in zip(found, attempts, strict=True))


async def test_one_uniqueid_on_two_pbxs_is_no_answer(desk: Desk) -> None:
    await _call(desk, "1763735700.12")
    await _call(desk, "1763735700.12", pbx="branch")
    put(desk.root / "press3-1763735700.12.wav")
    async with desk.working():
        await desk.reach(S.ORPHAN)


def test_a_long_scan_is_cut_and_goes_on_where_it_was(desk: Desk) -> None:
    for n in range(5):
        put(desk.root / f"{n}.wav", OLD + timedelta(seconds=n))
    since = OLD - timedelta(seconds=1)
    first = sweep.scan(desk.settings, since, AT, most=3)
    rest = sweep.scan(desk.settings, first[-1].changed_at, AT, most=3)
    assert [each.path.name for each in first + rest] == [f"{n}.wav" for n in range(5)]


def test_nested_roots_and_our_own_copies(desk: Desk, tmp_path: Path) -> None:
    from dataclasses import replace

    put(desk.root / "deep/a.wav")
    put(tmp_path / "data/recordings/2026/1-ab.mp3")
    settings = replace(desk.settings, roots=(tmp_path, desk.root))
    found = sweep.scan(settings, OLD - timedelta(seconds=1), AT, most=10)
    assert [each.path for each in found] == [desk.root / "deep/a.wav"]


def test_a_folder_that_is_gone_stops_nothing(desk: Desk) -> None:
    put(desk.root / "a.wav")
    desk.maps = (PathMap(asterisk="x", remote=Path("/r"), local=desk.folder / "not-mounted"),)
    assert len(sweep.scan(desk.settings, OLD - timedelta(seconds=1), AT, most=10)) == 1
