"""The fold: what is told twice is told once, whoever tells it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from calls.facts import (
    CallArrived,
    CallEnded,
    ComplaintRequested,
    HeldBy,
    MenuKeyPressed,
    OperatorAnswered,
    OperatorLeft,
    OperatorRang,
    OperatorStoppedRinging,
    QueueEntered,
    QueueLeft,
    RecordingStarted,
    Resumed,
    StateLost,
)
from calls.numbers import NumberRules
from calls.story import CallStory, fold, same_file
from tests.calls.builders import START
from tests.calls.traces import facts_of

CALL = "main-1.0"
PARTY = NumberRules().party("+79110000001")


def at(seconds: float) -> dict[str, Any]:
    return {"call": CALL, "at": START + timedelta(seconds=seconds)}


ARRIVED = CallArrived(
    call=CALL, at=START, pbx="main", uniqueid="1.0", linkedid="1.0",
    direction="in", caller=PARTY, to=PARTY,
)  # fmt: skip
PRESSED = ComplaintRequested(
    call=CALL, at=START, uniqueid="1.0", key="press3/x", evidence="unverified", menu="main", queue=None
)  # fmt: skip


def told(*facts: object) -> CallStory:
    story = fold(None, ARRIVED)
    for fact in facts:
        story = fold(story, fact)  # type: ignore[arg-type]
    assert story is not None
    return story


def test_a_story_begins_with_the_arrival() -> None:
    with pytest.raises(ValueError, match="CallArrived"):
        fold(None, PRESSED)


@pytest.mark.parametrize(
    "trace", ["answered-22", "blind-transfer-22", "pressed-twice-22", "on-hold-16"]
)
def test_told_twice_is_told_once(trace: str) -> None:
    story = None
    for fact in facts_of(trace):
        story = fold(story, fact)
    for fact in facts_of(trace):
        assert fold(story, fact) is story


def test_who_was_found_ringing_began_nobody_knows_when() -> None:
    """Nor does anybody know the call's first ring then, whoever rings later."""
    found = OperatorRang(**at(5), leg="1.1", extension="101", round=1, recovered=True)
    story = told(
        PRESSED,
        found,
        OperatorRang(**at(7), leg="1.2", extension="102", round=1),
        OperatorStoppedRinging(**at(9), leg="1.1", extension="101", reason="answered"),
        OperatorAnswered(**at(9.1), leg="1.1", extension="101"),
    )
    assert [leg.rang_at for leg in story.legs] == [None, at(7)["at"]]
    assert (story.first_ring_at, story.answered_at) == (None, at(9.1)["at"])
    assert fold(story, found) is story


def test_a_ring_that_was_heard_stays_the_first_though_another_was_found() -> None:
    story = told(
        PRESSED,
        OperatorRang(**at(5), leg="1.1", extension="101", round=1),
        OperatorRang(**at(30), leg="1.2", extension="102", round=1, recovered=True),
    )
    assert [leg.rang_at for leg in story.legs] == [at(5)["at"], None]
    assert story.first_ring_at == at(5)["at"]


@pytest.mark.parametrize(
    "fact",
    [
        OperatorAnswered(**at(9.4), leg="PJSIP/101-00000001", extension="101", recovered=True),
        QueueEntered(**at(1.1), queue="q", recovered=True),
        QueueLeft(**at(9.3), queue="q", reason="abandoned", recovered=True),
        RecordingStarted(**at(0.5), path="2026/a.wav", uniqueid="1.0", recovered=True),
        MenuKeyPressed(**at(3.3), digit="3", context="press3-menu", recovered=True),
        OperatorRang(**at(5), leg="1.1", extension="101", round=1),
        OperatorStoppedRinging(**at(9.5), leg="1.1", extension="101", reason="elsewhere"),
        CallEnded(**at(61), outcome="abandoned", recovered=True),
    ],
)
def test_the_spool_tells_what_the_events_told_in_slightly_other_words(fact: object) -> None:
    story = told(
        PRESSED,
        RecordingStarted(**at(0.4), path="/var/spool/asterisk/monitor/2026/a.wav", uniqueid="1.0"),
        QueueEntered(**at(1), queue="q"),
        MenuKeyPressed(**at(3), digit="3", context="ivr-7"),
        OperatorRang(**at(5), leg="1.1", extension="101", round=1),
        OperatorStoppedRinging(**at(9), leg="1.1", extension="101", reason="answered"),
        QueueLeft(**at(9), queue="q", reason="answered"),
        OperatorAnswered(**at(9.1), leg="1.1", extension="101"),
        OperatorLeft(**at(60), leg="1.1", extension="101"),
        CallEnded(**at(60), outcome="answered"),
    )
    assert fold(story, fact) is story  # type: ignore[arg-type]
    assert not story.recovered


def test_evidence_only_grows() -> None:
    story = told(
        PRESSED, replace(PRESSED, evidence="verified_live"), replace(PRESSED, evidence="verified")
    )
    assert story.evidence == "verified"
    assert fold(story, replace(PRESSED, evidence="unverified")) is story
    assert story.pressed_at == START


def test_who_was_talked_to_was_answered() -> None:
    story = told(
        OperatorAnswered(**at(5), leg="PJSIP/101-1", extension="101", recovered=True),
        CallEnded(**at(60), outcome="abandoned"),
    )
    assert story.outcome == "answered"
    assert story.recovered
    assert story.legs[0].rang_at is None
    assert story.legs[0].ended_at == story.ended_at


def test_who_gets_the_caller_back_at_once_has_answered_twice() -> None:
    """A telephone that answers by itself, within the time in which two sources tell of one answer."""
    story = told(
        OperatorRang(**at(1), leg="1.1", extension="101", round=1),
        OperatorAnswered(**at(1.1), leg="1.1", extension="101"),
        OperatorLeft(**at(2), leg="1.1", extension="101"),
        OperatorRang(**at(2.2), leg="1.2", extension="101", round=2),
        OperatorAnswered(**at(2.3), leg="1.2", extension="101"),
    )
    assert [(leg.uniqueid, leg.ended_at is None) for leg in story.legs] == [
        ("1.1", False),
        ("1.2", True),
    ]
    assert [leg.answered_at for leg in story.legs] == [at(1.1)["at"], at(2.3)["at"]]


def test_nobody_rings_in_a_call_that_is_over() -> None:
    story = told(
        OperatorRang(**at(1), leg="1.1", extension="101", round=1),
        CallEnded(**at(2), outcome="abandoned"),
    )
    assert story.legs[0].outcome == "unknown"


def test_a_second_stay_in_the_queue() -> None:
    story = told(
        QueueEntered(**at(1), queue="q"),
        QueueLeft(**at(10), queue="q", reason="timeout"),
        QueueEntered(**at(20), queue="q"),
    )
    assert story.queue_entered_at == START + timedelta(seconds=1)
    assert story.queue_left_at is None
    assert [stay.reason for stay in story.stays] == ["timeout", None]
    assert story.queue_wait_s is None, "he waits"


def test_stays_in_queues_add_up_without_what_lies_between() -> None:
    story = told(
        QueueEntered(**at(1), queue="q"),
        QueueLeft(**at(10), queue="q", reason="timeout"),
        QueueEntered(**at(20), queue="other"),
        QueueLeft(**at(22.5), queue="other", reason="answered"),
    )
    assert story.queue_wait_s == 11.5
    assert told().queue_wait_s is None


def test_back_in_the_queue_at_once_is_a_second_stay() -> None:
    story = told(
        QueueEntered(**at(1), queue="q"),
        QueueLeft(**at(1.5), queue="q", reason="timeout"),
        QueueEntered(**at(2), queue="q"),
    )
    assert len(story.stays) == 2
    assert fold(story, QueueEntered(**at(0.9), queue="q", recovered=True)) is story


def test_an_earlier_stay_told_again_does_not_end_this_one() -> None:
    """The spool keeps why the queue was left; meanwhile he waits anew."""
    story = told(
        QueueEntered(**at(1), queue="q"),
        QueueLeft(**at(7), queue="q", reason="timeout"),
        QueueEntered(**at(9), queue="q"),
    )
    spool = QueueLeft(**at(6.999), queue="q", reason="timeout", recovered=True)
    assert fold(story, spool) is story


def test_an_earlier_hold_told_again_does_not_end_this_one() -> None:
    resumed = Resumed(**at(3), leg="1.1", extension="101")
    story = told(
        OperatorAnswered(**at(1), leg="1.1", extension="101"),
        HeldBy(**at(2), leg="1.1", extension="101"),
        resumed,
        HeldBy(**at(4), leg="1.1", extension="101"),
    )
    assert fold(story, resumed) is story


def test_the_end_is_never_before_what_the_spool_knows() -> None:
    """The PBX died after our last contact: he had entered the queue meanwhile."""
    story = told(
        QueueEntered(**at(9), queue="q", recovered=True),
        CallEnded(**at(4), outcome="failed", recovered=True),
    )
    assert story.ended_at == START + timedelta(seconds=9)


def test_nobody_waits_in_a_call_that_is_over() -> None:
    """The PBX died: the end is dated by our last contact, the spool knew that he entered after it."""
    story = told(
        QueueEntered(**at(9), queue="q", recovered=True),
        QueueLeft(**at(4), queue="q", reason="unknown", recovered=True),
        CallEnded(**at(4), outcome="failed", recovered=True),
    )
    assert story.stays[0].left_at == story.queue_left_at == story.ended_at


def test_nothing_records_in_a_call_that_is_over() -> None:
    story = told(
        RecordingStarted(**at(1), path="a.wav", uniqueid="1.1", recovered=True),
        CallEnded(**at(5), outcome="abandoned"),
    )
    assert story.recordings[0].stopped_at == story.ended_at


def test_what_is_missing_has_a_reason() -> None:
    story = told(StateLost(**at(1), reason="pbx_restarted"))
    assert story.lost == "pbx_restarted"


def test_times_never_run_backwards() -> None:
    story = told(
        OperatorRang(**at(5), leg="1.1", extension="101", round=1),
        OperatorAnswered(**at(4), leg="1.1", extension="101"),
        OperatorLeft(**at(3), leg="1.1", extension="101"),
    )
    leg = story.legs[0]
    assert leg.rang_at == leg.answered_at == leg.ended_at


def test_one_file_two_names() -> None:
    assert same_file("/var/spool/asterisk/monitor/a/b.wav", "a/b.wav")
    assert not same_file("/var/a/xb.wav", "b.wav")
