"""What a log adds: only in a gap an entry into the queue is a press; the place survives a restart."""

from datetime import UTC, datetime, timedelta

import pytest

from ami.spool import SpoolPress
from calls.history import Gap
from press3.log_follower import came_in_gap

SINCE = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
GAPS: list[Gap] = [(SINCE, SINCE + timedelta(minutes=10))]


def entry(entered_s: float, *, called_s: float | None = None) -> SpoolPress:
    """A call that entered the queue `entered_s` after the gap began, having called `called_s` after it."""
    called = SINCE + timedelta(seconds=entered_s if called_s is None else called_s)
    return SpoolPress(
        key=None,
        uniqueid=f"{called.timestamp():.0f}.1",
        linkedid="",
        pressed_at=SINCE + timedelta(seconds=entered_s),
        number="+79110000001",
        name="",
        did="",
        menu="",
        queue="600",
        timed_by="queue_entry",
    )


@pytest.mark.parametrize(
    ("call", "unseen"),
    [
        (entry(-30), False),  # heard
        (entry(-1), True),  # queue_log cuts the fraction off
        (entry(300), True),
        (entry(300, called_s=-60), True),  # called before, pressed within
        (entry(610, called_s=590), True),  # pressed within, prompts lasted
        (entry(610), False),  # called after it: heard
        (entry(700, called_s=590), False),  # an operator sent him there
    ],
)
def test_an_entry_into_the_queue_is_a_press_only_when_the_key_was_not_heard(
    call: SpoolPress, unseen: bool
) -> None:
    assert came_in_gap(call, GAPS) is unseen
    assert not came_in_gap(call, [])
