"""The table of states and the decisions that need no disk."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from recordings.errors import BrokenAudio, ConversionFailed, WorkerDied
from recordings.files import Absent, OutOfReach, Present
from recordings.lifecycle import (
    TRANSITIONS,
    IllegalStep,
    after_failure,
    after_look,
    before_attempt,
    changed_meanwhile,
    check,
)
from recordings.model import Recording, RecordingState
from recordings.settings import Timing
from tests.recordings.at_hand import AT

S = RecordingState
TIMING = Timing()
GONE = Absent(Path("/rec/a.wav"))


def recording(state: RecordingState, **values: object) -> Recording:
    plain: dict[str, object] = {"started_at": AT, "attempts": 0, "error": None}
    return Recording(state=state, **{**plain, **values})


def present(size_bytes: int = 10, *, changed_at: datetime = AT, closed: bool = True) -> Present:
    return Present(Path("/rec/a.wav"), size_bytes, changed_at.timestamp(), closed)


def later(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


def test_every_state_is_in_the_table_and_can_be_reached() -> None:
    assert set(TRANSITIONS) == set(S)
    reached = {to for states in TRANSITIONS.values() for to in states} | {S.EXPECTED, S.ORPHAN}
    assert reached == set(S)


def test_an_unknown_step_raises() -> None:
    with pytest.raises(IllegalStep, match="from erased to found"):
        check(S.ERASED, S.FOUND)
    with pytest.raises(IllegalStep):
        check(S.EXPECTED, S.CONVERTED)


@pytest.mark.parametrize(
    "state", [S.EXPECTED, S.FOUND, S.FINAL, S.LINKED, S.MISSING, S.UNREACHABLE]
)
@pytest.mark.parametrize("look", [GONE, present(), OutOfReach("root", "x")])
@pytest.mark.parametrize("stop_seen_at", [None, AT])
@pytest.mark.parametrize("seen", [None, 5, 10])
def test_whatever_a_look_finds_is_a_step_of_the_table(
    state: RecordingState,
    look: Absent | Present | OutOfReach,
    stop_seen_at: datetime | None,
    seen: int | None,
) -> None:
    for waited_s in (0, 2, 55, 90_000):
        row = recording(
            state, stop_seen_at=stop_seen_at, seen_size_bytes=seen, seen_at=AT if seen else None
        )
        step = after_look(row, look, later(waited_s), TIMING)
        check(state, step.to)
        assert isinstance(look, OutOfReach) or step.to != S.UNREACHABLE
        assert isinstance(look, Absent) or step.to != S.MISSING


def test_without_a_readable_root_it_is_never_missing_and_always_tried_again() -> None:
    row = recording(S.EXPECTED, stop_seen_at=AT)
    for attempt in range(20):
        step = after_look(row, OutOfReach("root", "gone"), later(attempt * 1e5), TIMING)
        assert (step.to, step.error) == (S.UNREACHABLE, "root: gone")
        assert step.again_s is not None
        assert 0 < step.again_s <= 300
        row = recording(S.UNREACHABLE, stop_seen_at=AT, attempts=step.attempts)


def test_the_first_look_after_the_stop_counts_not_one_before() -> None:
    """MixMonitor writes every two seconds: two equal sizes while it records mean nothing."""
    row = recording(S.FOUND, stop_seen_at=later(10), seen_size_bytes=10, seen_at=later(5))
    step = after_look(row, present(), later(11), TIMING)
    assert step.to == S.FOUND
    row = recording(S.FOUND, stop_seen_at=later(10), seen_size_bytes=10, seen_at=later(11))
    assert after_look(row, present(), later(11.5), TIMING).to == S.FOUND
    assert after_look(row, present(), later(12), TIMING).to == S.FINAL


def test_a_recorder_nobody_saw_stop_counts_as_stopped_after_hours_of_silence() -> None:
    row = recording(S.FOUND, seen_size_bytes=10, seen_at=AT)
    assert after_look(row, present(), later(3600), TIMING).changes.get("stop_seen_at") is None
    step = after_look(row, present(), later(6 * 3600), TIMING)
    assert step.changes["stop_seen_at"] == later(6 * 3600)
    missing = after_look(recording(S.EXPECTED), GONE, later(6 * 3600), TIMING)
    assert missing.changes["stop_seen_at"] == later(6 * 3600)


def test_a_missing_file_is_looked_for_during_a_day() -> None:
    row = recording(S.MISSING, stop_seen_at=AT, error="absent: x")
    assert after_look(row, GONE, later(3600), TIMING).again_s is not None
    step = after_look(row, GONE, later(25 * 3600), TIMING)
    assert (step.to, step.again_s, step.error) == (S.MISSING, None, "absent: x")


def test_a_file_that_grew_after_its_hash_goes_back() -> None:
    for state in (S.FINAL, S.LINKED):
        row = recording(state, stop_seen_at=AT, seen_size_bytes=5, seen_at=AT)
        assert after_look(row, present(10), later(9), TIMING).to == S.FOUND


def test_broken_files_are_given_up_and_our_faults_are_not() -> None:
    row = recording(S.LINKED, attempts=3)
    assert after_failure(row, BrokenAudio("empty", "x")).again_s is None
    row = recording(S.LINKED, attempts=1000)
    assert after_failure(row, ConversionFailed("disk_full", "x")).again_s == 900
    step = after_failure(row, WorkerDied("worker_died", "x"))
    assert (step.again_s, step.error) == (None, "given_up: after 1001 attempts; worker_died: x")


@pytest.mark.parametrize("left", [None, "preparing: attempt 3", "too_slow: x"])
def test_attempts_that_never_ended_are_counted_and_come_to_an_end(left: str | None) -> None:
    """A crash takes the whole process along: only what was stored before the work is left."""
    row, begun = recording(S.LINKED, error=left), 0
    while (step := before_attempt(row)).again_s is not None:
        begun += 1
        row.attempts, row.error = step.attempts, step.error
    assert begun == 8
    assert (step.error or "").startswith("given_up: after 8 attempts; ")


def test_a_full_disk_uses_up_no_attempts() -> None:
    row = recording(S.LINKED)
    for _ in range(1000):
        begun = before_attempt(row)
        assert begun.again_s == 0
        step = after_failure(row, ConversionFailed("disk_full", "x"))
        row.attempts, row.error = step.attempts, step.error


def test_a_file_that_changes_with_each_conversion_is_given_up() -> None:
    row = recording(S.LINKED, stop_seen_at=AT, seen_size_bytes=1)
    rounds = 0
    while (step := changed_meanwhile(row, TIMING)).again_s is not None:
        rounds += 1
        row = recording(S.FOUND, stop_seen_at=AT, seen_size_bytes=rounds, attempts=step.attempts)
        step = after_look(row, present(rounds + 1), later(rounds), TIMING)
        row = recording(
            S.LINKED, stop_seen_at=AT, seen_size_bytes=rounds + 1, attempts=step.attempts
        )
    assert rounds == 7
    assert (step.error or "").startswith("given_up: after 8 attempts; growing: ")
