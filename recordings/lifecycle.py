"""The life of a recording, as data and pure decisions. Everything that waits is a row with a time.

expected → found → final → linked → converted, and beside the way:

- `missing`: the roots can be read and the file is not there, some time after the recorder stopped.
  Looked for again for a day, because copies from another machine may come late.
- `unreachable`: we can't know (no readable root, a path outside the roots, no permission). Retried for
  ever and never called missing.
- `orphan`: a file without a call. Its call is looked for again for a day.
- Broken sound (empty, cut to nothing, not audio) stays `linked` with an `error`: the file exists and
  belongs to its call, there is just nothing to play. It is tried a few times, then left.

`error` is `<code>: <text>`, its code one of `recordings.errors.Code`. An attempt to convert is counted
before it is made, so that a file whose conversion takes press3 itself down does so a few times only;
`given_up` says that it won't be tried again.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from recordings.errors import BrokenAudio, RecordingError
from recordings.files import Absent, Look, OutOfReach, Present
from recordings.model import Recording, RecordingState
from recordings.settings import Timing

__all__ = [
    "LONGEST_PAUSE",
    "TRANSITIONS",
    "IllegalStep",
    "Step",
    "after_failure",
    "after_look",
    "before_attempt",
    "changed_meanwhile",
    "check",
]

S = RecordingState

_LOOKED_FOR = frozenset({S.EXPECTED, S.FOUND, S.FINAL, S.MISSING, S.UNREACHABLE})
TRANSITIONS: dict[RecordingState, frozenset[RecordingState]] = {
    S.EXPECTED: _LOOKED_FOR - {S.FINAL},
    S.FOUND: _LOOKED_FOR,
    S.FINAL: _LOOKED_FOR | {S.LINKED},
    S.LINKED: (_LOOKED_FOR - {S.FINAL}) | {S.LINKED, S.CONVERTED, S.ERASED},
    S.CONVERTED: frozenset({S.EXPECTED, S.ERASED}),  # expected: the PBX appends to the same file
    S.MISSING: frozenset({S.MISSING, S.FOUND, S.UNREACHABLE, S.EXPECTED}),
    S.UNREACHABLE: _LOOKED_FOR - {S.FINAL},
    S.ORPHAN: frozenset({S.ORPHAN, S.FOUND, S.EXPECTED, S.ERASED}),
    S.ERASED: frozenset(),
}

_WHILE_RECORDING_S = 10.0
_SOON_S = 10.0  # after a hang-up a file mostly comes at once
_LATE_S = (15.0, 60.0, 300.0, 900.0)
_OUT_OF_REACH_S = (5.0, 10.0, 30.0, 60.0)
_BROKEN_S = (5.0, 30.0, 120.0)  # then left as it is
_OUR_FAULT_S = (1.0, 5.0, 30.0, 300.0, 900.0)
# What waits longer than any of these (orphans apart) was told so by a clock since set back: it is due.
LONGEST_PAUSE = timedelta(seconds=1_000)
_MOST_TRIES = 8  # a file that kills every worker must not do so for ever
_MACHINES_FAULTS = frozenset({"disk_full", "disk", "no_ffmpeg"})  # no file causes them: waited for


class IllegalStep(Exception):
    """A step that TRANSITIONS does not know: a bug, nothing was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What becomes of a recording. `again_s`: when to look again, 0 at once, None never."""

    to: RecordingState
    again_s: float | None
    error: str | None = None
    attempts: int = 0
    changes: dict[str, Any] = field(default_factory=dict)


def check(before: RecordingState, to: RecordingState) -> None:
    """Raise IllegalStep unless a recording may go from `before` to `to`."""
    if to not in TRANSITIONS[before]:
        raise IllegalStep(f"no way from {before} to {to}")


def after_look(
    recording: Recording, look: Look, now: datetime, timing: Timing, *, answered: bool = True
) -> Step:
    """Decide what a look at the disk means; `answered` is whether anybody ever answered the call."""
    match look:
        case OutOfReach():
            return _out_of_reach(recording, look)
        case Absent():
            return _absent(recording, look, now, timing, answered)
        case Present():
            return _present(recording, look, now, timing)


def _out_of_reach(recording: Recording, look: OutOfReach) -> Step:
    tried = recording.attempts if recording.state == S.UNREACHABLE else 0
    return Step(
        to=S.UNREACHABLE,
        again_s=_pick(_OUT_OF_REACH_S, tried),
        error=f"{look.code}: {look.detail}",
        attempts=tried + 1,
    )


def _absent(
    recording: Recording, look: Absent, now: datetime, timing: Timing, answered: bool
) -> Step:
    if recording.seen_size_bytes is not None and recording.state != S.MISSING:
        return Step(
            to=S.MISSING, again_s=_LATE_S[0], error=f"vanished: {look.tried} was there, and is gone"
        )
    stop_seen_at = _not_later(recording.stop_seen_at, now) or _silent_since(
        recording.started_at, now, timing
    )
    if stop_seen_at is None:
        return _wait(recording, _WHILE_RECORDING_S)
    changes = {"stop_seen_at": stop_seen_at}
    waited_s = (now - stop_seen_at).total_seconds()
    if waited_s < timing.missing_after_s:
        often_s = 1.0 if waited_s < _SOON_S else 5.0
        return _wait(recording, min(often_s, timing.missing_after_s - waited_s), **changes)
    return _missing(recording, look, waited_s < timing.late_until_s, answered, changes)


def _missing(
    recording: Recording, look: Absent, may_come: bool, answered: bool, changes: dict[str, Any]
) -> Step:
    tried = recording.attempts if recording.state == S.MISSING else 0
    why = f"absent: no {look.tried}"
    if not answered:
        why = f"never_answered: nobody answered, so the recorder had nothing to write; no {look.tried}"
    if recording.state == S.MISSING and recording.error is not None:
        why = recording.error
    again_s = _pick(_LATE_S, tried) if may_come else None
    return Step(to=S.MISSING, again_s=again_s, error=why, attempts=tried + 1, changes=changes)


def _wait(recording: Recording, again_s: float, **changes: Any) -> Step:
    if recording.state == S.MISSING:
        return Step(to=S.MISSING, again_s=again_s, error=recording.error, changes=changes)
    return Step(to=S.EXPECTED, again_s=again_s, changes=changes)


def _present(recording: Recording, look: Present, now: datetime, timing: Timing) -> Step:
    if recording.state in (S.FINAL, S.LINKED) and look.size_bytes == recording.seen_size_bytes:
        return Step(to=recording.state, again_s=0)
    # Attempts count on through FOUND and FINAL for a file that changes with each conversion.
    tried = recording.attempts if recording.state in (S.FOUND, S.FINAL, S.LINKED) else 0
    return replace(_settling(recording, look, now, timing), attempts=tried)


def _settling(recording: Recording, look: Present, now: datetime, timing: Timing) -> Step:
    seen = {"path": str(look.path), "seen_size_bytes": look.size_bytes, "seen_at": now}
    changed_at = datetime.fromtimestamp(look.changed_at, tz=now.tzinfo)
    stop_seen_at = _not_later(recording.stop_seen_at, now) or _silent_since(changed_at, now, timing)
    if stop_seen_at is None:
        return Step(to=S.FOUND, again_s=_WHILE_RECORDING_S, changes=seen)
    seen["stop_seen_at"] = stop_seen_at
    before = recording.seen_at if recording.state == S.FOUND else None
    grew = look.size_bytes != recording.seen_size_bytes
    if before is None or grew or not stop_seen_at <= before <= now:
        return Step(to=S.FOUND, again_s=timing.stable_for_s, changes=seen)
    wanted_s = timing.stable_for_s if look.closed else timing.unclosed_for_s
    left_s = wanted_s - (now - before).total_seconds()
    if left_s > 0:
        return Step(to=S.FOUND, again_s=left_s)
    return Step(to=S.FINAL, again_s=0, changes=seen)


def _not_later(at: datetime | None, now: datetime) -> datetime | None:
    """Return `at`, or `now` when that lies ahead: our clock was set back, and waiting begins again."""
    return None if at is None else min(at, now)


def _silent_since(last_sign: datetime | None, now: datetime, timing: Timing) -> datetime | None:
    """Return `now` when the recorder has given no sign for so long that it must have stopped."""
    if last_sign is None or (now - last_sign) < timedelta(seconds=timing.silent_after_s):
        return None
    return now


def before_attempt(recording: Recording) -> Step:
    """Count the attempt that is about to be made, or give up: the earlier ones may have had no end.

    A crash of the worker or of press3 leaves the count and nothing else; `again_s` is None to give up.
    """
    tried = recording.attempts
    if tried >= _MOST_TRIES:
        return _given_up(tried, recording.error or "worker_died: each attempt was cut off")
    trying = f"preparing: attempt {tried + 1}" if tried else None
    return Step(to=S.LINKED, again_s=0, error=trying, attempts=tried + 1)


def changed_meanwhile(recording: Recording, timing: Timing) -> Step:
    """Decide about a file that another one replaced, or that grew, while it was converted."""
    tried = recording.attempts + 1
    if tried >= _MOST_TRIES:
        return _given_up(tried, "growing: it changes each time it is converted")
    pause_s = max(timing.stable_for_s, _pick(_OUR_FAULT_S, recording.attempts))
    return Step(to=S.FOUND, again_s=pause_s, attempts=tried)


def after_failure(recording: Recording, error: RecordingError) -> Step:
    """Decide when a failed conversion is tried again: broken files a few times, our faults longer."""
    tried = recording.attempts
    if isinstance(error, BrokenAudio):
        again_s = _BROKEN_S[tried] if tried < len(_BROKEN_S) else None
        return Step(to=S.LINKED, again_s=again_s, error=str(error), attempts=tried + 1)
    if error.code in _MACHINES_FAULTS:
        counted = min(tried + 1, len(_OUR_FAULT_S))  # leaves attempts for what may come after
        return Step(
            to=S.LINKED, again_s=_pick(_OUR_FAULT_S, tried), error=str(error), attempts=counted
        )
    if tried + 1 >= _MOST_TRIES:
        return _given_up(tried + 1, str(error))
    return Step(
        to=S.LINKED, again_s=_pick(_OUR_FAULT_S, tried), error=str(error), attempts=tried + 1
    )


def _given_up(tried: int, last: str) -> Step:
    return Step(
        to=S.LINKED,
        again_s=None,
        error=f"given_up: after {tried} attempts; {last}",
        attempts=tried,
    )


def _pick(delays: tuple[float, ...], tried: int) -> float:
    return delays[min(tried, len(delays) - 1)]
