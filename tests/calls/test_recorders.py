"""Recorders of one channel: several at once, stopped and resumed. Which one stopped is never said."""

import pytest

from ami.events import MixMonitorStop
from calls.facts import RecordingStarted, RecordingStopped
from tests.calls.builders import Line, Pbx

OURS, OWN = "/rec/press3-1.wav", "/rec/own-1.gsm"


@pytest.fixture
def pbx() -> Pbx:
    return Pbx()


def loses_a_recorder(line: Line) -> None:
    line.pbx.say(MixMonitorStop, channel=line.shown)


def test_one_of_two_stops_and_both_are_taken_to_run(pbx: Pbx) -> None:
    ivan = pbx.incoming("+79110000001")
    ivan.records(OWN)
    ivan.records(OURS)
    loses_a_recorder(ivan)
    assert pbx.of(RecordingStopped) == []
    pbx.wait(10)
    ivan.hangs_up()
    assert {each.path for each in pbx.of(RecordingStopped)} == {OWN, OURS}
    assert {each.stopped_at for each in pbx.story.recordings} == {pbx.story.ended_at}


def test_both_stop(pbx: Pbx) -> None:
    ivan = pbx.incoming("+79110000001")
    ivan.records(OWN)
    ivan.records(OURS)
    loses_a_recorder(ivan)
    loses_a_recorder(ivan)
    assert {each.path for each in pbx.of(RecordingStopped)} == {OWN, OURS}


def test_one_of_two_is_paused_twice(pbx: Pbx) -> None:
    ivan = pbx.incoming("+79110000001")
    ivan.records(OURS)
    ivan.records(OWN)
    for _ in range(2):
        loses_a_recorder(ivan)
        ivan.records(OWN)
    assert pbx.of(RecordingStopped) == []


def test_a_recorder_that_appends_after_a_pause_runs_again(pbx: Pbx) -> None:
    ivan = pbx.incoming("+79110000001")
    ivan.records(OURS)
    pbx.wait(5)
    loses_a_recorder(ivan)
    pbx.wait(5)
    ivan.records(OURS)
    assert [each.stopped_at for each in pbx.story.recordings] == [None]
    pbx.wait(5)
    ivan.hangs_up()
    assert len(pbx.of(RecordingStarted)) == len(pbx.of(RecordingStopped)) == 2
    (recording,) = pbx.story.recordings
    assert recording.stopped_at == pbx.story.ended_at
