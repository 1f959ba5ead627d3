"""From what the PBX says to rows: one per file, several per call, none told twice."""

from datetime import timedelta

from recordings.model import Recording, RecordingState
from recordings.settings import Timing
from tests.recordings.at_hand import AT, Desk, add_call, ended, started, stopped, story

S = RecordingState
LATER = AT + timedelta(seconds=30)


async def test_a_recording_is_expected_at_once(desk: Desk) -> None:
    call = await add_call(desk.writer, "1.1")
    await desk.tell(story(call), started(call, "/rec/a.wav"))
    row = await desk.row()
    assert (row.pbx, row.call_id, row.remote_path, row.state) == (
        "main", call, "/rec/a.wav", S.EXPECTED,
    )  # fmt: skip
    assert (row.started_at, row.stopped_at, row.next_try_at) == (AT, None, AT)


async def test_a_fact_told_twice_changes_nothing(desk: Desk) -> None:
    call = await add_call(desk.writer, "1.1")
    for _ in range(2):
        await desk.tell(
            story(call), started(call, "/rec/a.wav"), stopped(call, "/rec/a.wav", LATER)
        )
    row = await desk.row()
    assert (row.started_at, row.stopped_at) == (AT, LATER)


async def test_several_recordings_of_a_call_stop_one_by_one_and_with_the_call(desk: Desk) -> None:
    call = await add_call(desk.writer, "1.1")
    told = story(call)
    await desk.tell(told, started(call, "a.wav"), started(call, "b.wav"))
    desk.clock.forward(5)
    await desk.tell(told, stopped(call, "a.wav", LATER))
    first, second = await desk.rows()
    assert (first.stopped_at, first.stop_seen_at) == (LATER, desk.clock())
    assert second.stopped_at is None
    await desk.tell(told, ended(call, LATER))
    assert [row.stopped_at for row in await desk.rows()] == [LATER, LATER]


async def test_a_recording_learned_after_the_call_has_stopped(desk: Desk) -> None:
    call = await add_call(desk.writer, "1.1")
    await desk.tell(story(call, ended_at=LATER), started(call, "a.wav"))
    row = await desk.row()
    assert (row.stopped_at, row.stop_seen_at) == (LATER, AT)


async def test_appending_to_the_same_file_reopens_it(desk: Desk) -> None:
    call = await add_call(desk.writer, "1.1")
    told = story(call)
    await desk.tell(told, started(call, "a.wav"), stopped(call, "a.wav", LATER))
    await _put(desk, state=S.CONVERTED, next_try_at=None)
    await desk.tell(told, started(call, "a.wav", LATER + timedelta(seconds=5)))
    row = await desk.row()
    assert (row.state, row.started_at, row.stopped_at) == (S.EXPECTED, AT, None)


async def test_a_file_overwritten_by_another_call_keeps_both_rows(desk: Desk) -> None:
    one, two = await add_call(desk.writer, "1.1"), await add_call(desk.writer, "2.1")
    await desk.tell(story(one), started(one, "same.wav"), ended(one))
    await _put(desk, state=S.CONVERTED, audio_path="kept.mp3")
    await desk.tell(story(two), started(two, "same.wav", LATER))
    old, new = await desk.rows()
    assert (old.call_id, old.state, old.audio_path) == (one, S.CONVERTED, "kept.mp3")
    assert (new.call_id, new.remote_path, new.state) == (two, "same.wav", S.EXPECTED)


async def test_a_file_overwritten_before_it_was_converted_is_missing_and_says_why(
    desk: Desk,
) -> None:
    one, two = await add_call(desk.writer, "1.1"), await add_call(desk.writer, "2.1")
    await desk.tell(story(one), started(one, "same.wav"))
    await desk.tell(story(two), started(two, "same.wav", LATER))
    old, _ = await desk.rows()
    assert old.state == S.MISSING
    assert (old.error or "").startswith("overwritten: ")
    assert old.next_try_at is None


async def test_one_name_on_two_pbxs_is_two_recordings(desk: Desk) -> None:
    one = await add_call(desk.writer, "1.1")
    two = await add_call(desk.writer, "1.1", pbx="branch")
    await desk.tell(story(one), started(one, "a.wav"))
    await desk.tell(story(two), started(two, "a.wav"))
    assert [row.pbx for row in await desk.rows()] == ["main", "branch"]


async def test_an_orphan_found_first_is_adopted(desk: Desk) -> None:
    call = await add_call(desk.writer, "1.1")
    await _add(desk, pbx="", remote_path="/rec/a.wav", state=S.ORPHAN, path="/rec/a.wav")
    await desk.tell(story(call), started(call, "/rec/a.wav"))
    row = await desk.row()
    assert (row.call_id, row.state, row.guessed) == (call, S.EXPECTED, False)


async def test_a_wrong_guess_gives_way_to_the_pbx(desk: Desk) -> None:
    one, two = await add_call(desk.writer, "1.1"), await add_call(desk.writer, "2.1")
    await _add(desk, pbx="main", remote_path="a.wav", state=S.CONVERTED, call_id=one, guessed=True)
    await desk.tell(story(two), started(two, "a.wav"))
    row = await desk.row()
    assert (row.call_id, row.guessed, row.state) == (two, False, S.EXPECTED)


async def test_the_end_of_a_call_does_not_stir_what_is_done(desk: Desk) -> None:
    call = await add_call(desk.writer, "1.1")
    await _add(desk, pbx="main", remote_path="a.wav", state=S.CONVERTED, call_id=call)
    await desk.tell(story(call), ended(call))
    row = await desk.row()
    assert (row.state, row.next_try_at) == (S.CONVERTED, None)


def test_an_absence_is_explained_within_the_promised_minute() -> None:
    timing = Timing()
    assert timing.missing_after_s + timing.poll_every_s <= 60


async def _put(desk: Desk, **values: object) -> None:
    async def work(session: object) -> None:
        row = await session.get_one(Recording, (await desk.row()).id)  # type: ignore[attr-defined]
        for name, value in values.items():
            setattr(row, name, value)

    await desk.writer.run(work)


async def _add(desk: Desk, **values: object) -> None:
    async def work(session: object) -> None:
        session.add(Recording(**{"guessed": False, "attempts": 0, **values}))  # type: ignore[attr-defined]

    await desk.writer.run(work)
