"""The PBX's time between two Ping replies, and of events that carry none."""

from datetime import UTC, datetime, timedelta

from ami.pbx_clock import PbxClock, epoch_time

TOLD = datetime(2026, 11, 21, 18, 33, 43, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_time_goes_on_from_what_was_told() -> None:
    clock = PbxClock()
    assert (clock.now(5.0), clock.of_event(5.0)) == (None, None)
    clock.set(TOLD, 10.0)
    assert clock.now(12.5) == TOLD + 2.5 * SECOND


def test_a_late_reply_turns_no_events_round_but_a_clock_set_back_counts() -> None:
    clock = PbxClock()
    clock.set(TOLD, 0.0)
    assert clock.of_event(5.0) == TOLD + 5 * SECOND
    clock.set(TOLD + 4.7 * SECOND, 5.0)  # 0.3 s on its way
    assert clock.of_event(5.1) == TOLD + 5 * SECOND
    assert clock.of_event(5.4) == TOLD + 5.1 * SECOND
    clock.set(TOLD - 3600 * SECOND, 6.0)
    assert clock.of_event(6.0) == TOLD - 3600 * SECOND


def test_what_is_no_time_is_none() -> None:
    assert epoch_time("1795286023.5") == datetime.fromtimestamp(1795286023.5, UTC)
    assert [epoch_time(text) for text in ("", "x", "1e400", "nan")] == [None] * 4
