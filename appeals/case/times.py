"""The named reaction times, computed from stored facts and nothing else. Pure.

Every time is PBX time where the PBX knows it. An appeal opened by key 3 is opened at the press, not
when press3 learned of it: after a blind window `opened_at` is earlier than `registered_at`, and the
caller's waiting counts in full. `first_contact_s` and `take_s` count from that press.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

__all__ = ["CallTimes", "CaseTimes", "VisitTimes", "first_contact_after", "times"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTimes:
    """The call of the press.

    `answered_at` is the first human contact in it; `queue_wait_s` the sum of its stays in queues.
    """

    pressed_at: datetime | None
    queue_wait_s: float | None
    first_ring_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    outcome: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitTimes:
    """A stay in a stage; `left_at` None: it has not ended."""

    stage: str
    entered_at: datetime
    left_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseTimes:
    """The moments of a case; None: not yet."""

    opened_at: datetime
    first_contact_at: datetime | None
    taken_at: datetime | None
    resolved_at: datetime | None
    visits: Sequence[VisitTimes] = ()


def times(case: CaseTimes, call: CallTimes | None) -> dict[str, Any]:
    """Return CONTRACT `times`: seconds or null, never negative; a stage not left yet has null."""
    return {
        **(_call_times(call) if call else dict.fromkeys(_CALL_TIMES)),
        "first_contact_s": _between(case.opened_at, case.first_contact_at),
        "take_s": _between(case.opened_at, case.taken_at),
        "stages": [{"stage": v.stage, "s": _between(v.entered_at, v.left_at)} for v in case.visits],
        "resolution_s": _between(case.opened_at, case.resolved_at),
    }


_CALL_TIMES = ("queue_wait_s", "wait_s", "abandoned_after_s", "ring_s")


def _call_times(call: CallTimes) -> dict[str, float | None]:
    abandoned = call.outcome == "abandoned" and call.answered_at is None
    return {
        "queue_wait_s": call.queue_wait_s,
        "wait_s": _after(call.pressed_at, call.answered_at),
        "abandoned_after_s": _between(call.pressed_at, call.ended_at) if abandoned else None,
        "ring_s": _between(call.first_ring_at, call.answered_at),
    }


def first_contact_after(
    opened_at: datetime, answered: Sequence[datetime | None]
) -> datetime | None:
    """Return the first of the answers that is not before `opened_at`; None when there is none."""
    return min((at for at in answered if at is not None and at >= opened_at), default=None)


def _between(start: datetime | None, end: datetime | None) -> float | None:
    """Return the seconds from `start` to `end`, never below 0: PBX and host clocks differ."""
    if start is None or end is None:
        return None
    return round(max((end - start).total_seconds(), 0.0), 3)


def _after(start: datetime | None, end: datetime | None) -> float | None:
    """As `_between`, but null when the end lies before the start: that was another contact."""
    return _between(start, end) if start and end and end >= start else None
