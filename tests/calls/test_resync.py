"""What a gap left out comes back from the spool and from the list of living channels, once."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from ami.queue_log import calls_in, parse_line
from ami.spool import SpoolAnswer, SpoolPress, SpoolRecording
from calls.facts import CallEnded, Fact, QueueEntered, QueueLeft
from calls.numbers import NumberRules
from calls.resync import from_channels, from_spool
from calls.story import CallStory, fold
from tests.calls.builders import START, stories_of
from tests.calls.traces import facts_of

NUMBERS = NumberRules()
UNIQUEID = f"{int(START.timestamp()) - 6}.0"


def seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


PRESS = SpoolPress(
    key=f"press3/202611211430/{UNIQUEID}-123456",
    uniqueid=UNIQUEID,
    linkedid=UNIQUEID,
    pressed_at=START,
    number="+79110000001",
    name="Пётр",
    did="74951234567",
    menu="main",
    queue="complaints",
)
WHOLE = replace(
    PRESS,
    entered_at=START + seconds(2),
    answered=(SpoolAnswer(at=START + seconds(9), channel="PJSIP/101-0000002a"),),
    recordings=(SpoolRecording(at=START, path="2026/11/21/a.wav"),),
    again=(START + seconds(1),),
    ended_at=START + seconds(69),
)


def recover(press: SpoolPress, story: CallStory | None = None) -> tuple[list[Fact], CallStory]:
    facts = from_spool(story, press, pbx="main", numbers=NUMBERS)
    for fact in facts:
        story = fold(story, fact)
    assert story is not None
    return facts, story


def names(facts: list[Fact]) -> list[str]:
    return [type(fact).__name__ for fact in facts]


def test_a_whole_call_that_nobody_watched() -> None:
    facts, story = recover(WHOLE)
    assert names(facts) == [
        "CallArrived",
        "ComplaintRequested",
        "MenuKeyPressed",
        "RecordingStarted",
        "QueueEntered",
        "OperatorAnswered",
        "OperatorLeft",
        "QueueLeft",
        "RecordingStopped",
        "CallEnded",
    ]
    assert all(fact.recovered for fact in facts)
    assert (story.id, story.evidence, story.outcome) == (f"main-{UNIQUEID}", "verified", "answered")
    assert story.started_at == START - seconds(6), "the uniqueid tells when he called"
    assert (story.caller.e164, story.caller.name, story.to.e164) == (
        "+79110000001",
        "Пётр",
        "+74951234567",
    )
    assert story.legs[0].extension == "101"
    assert story.queue_left_at == START + seconds(9)
    assert story.recovered


@pytest.mark.parametrize("press", [PRESS, WHOLE, replace(WHOLE, answered=())])
def test_applied_twice_it_gives_nothing(press: SpoolPress) -> None:
    _, story = recover(press)
    assert from_spool(story, press, pbx="main", numbers=NUMBERS) == []


@pytest.mark.parametrize(
    ("status", "reason", "outcome"),
    [
        ("TIMEOUT", "timeout", "no_answer"),
        ("FULL", "empty", "no_answer"),
        ("JOINEMPTY", "empty", "no_answer"),
        ("LEAVEEMPTY", "empty", "no_answer"),
        ("", "abandoned", "abandoned"),
    ],
)
def test_why_the_queue_was_left(status: str, reason: str, outcome: str) -> None:
    left = START + seconds(30)
    _, story = recover(replace(WHOLE, answered=(), queue_left=(left, status)))
    assert (story.stays[0].reason, story.outcome) == (reason, outcome)
    assert story.queue_left_at == left


def test_queue_comes_back_after_the_talk_but_was_left_at_the_answer() -> None:
    _, story = recover(replace(WHOLE, queue_left=(START + seconds(60), "CONTINUE")))
    assert (story.stays[0].reason, story.queue_left_at) == ("answered", START + seconds(9))


def test_gave_up_while_nobody_watched() -> None:
    _, story = recover(replace(WHOLE, answered=()))
    assert (story.outcome, story.stays[0].reason) == ("abandoned", "abandoned")


def test_a_call_that_still_goes_on() -> None:
    _, story = recover(replace(WHOLE, ended_at=None))
    assert story.ended_at is None
    assert story.answered_at == START + seconds(9)


def test_marks_that_come_one_after_the_other_make_the_same_story() -> None:
    marks = (
        PRESS,
        replace(PRESS, again=WHOLE.again),
        replace(PRESS, again=WHOLE.again, recordings=WHOLE.recordings),
        replace(WHOLE, answered=(), ended_at=None),
        replace(WHOLE, ended_at=None),
        WHOLE,
    )
    story: CallStory | None = None
    for press in marks:
        _, story = recover(press, story)
    assert story == recover(WHOLE)[1]
    assert all(a is not b for a, b in pairwise(marks))


def test_the_younger_marks_are_left_to_the_events() -> None:
    facts = from_spool(None, WHOLE, pbx="main", numbers=NUMBERS, settled_before=START + seconds(5))
    assert "OperatorAnswered" not in names(facts)
    assert "QueueEntered" in names(facts)
    assert from_spool(None, WHOLE, pbx="main", numbers=NUMBERS, settled_before=START) == []


@pytest.mark.parametrize(
    "trace", ["answered-22", "answered-16", "second-round-22", "gave-up-22", "queue-timeout-16"]
)
@pytest.mark.parametrize("cut", [0.2, 0.5, 0.8])
def test_press3_was_stopped_in_the_middle(trace: str, cut: float) -> None:
    """Half of the call by events, the rest by the spool: the same times and outcome as by events alone."""
    facts = facts_of(trace)
    whole = next(iter(stories_of(facts).values()))
    heard = facts[: max(1, int(len(facts) * cut))]
    half = next(iter(stories_of(heard).values()))
    _, story = recover(spool_of(whole), half)
    assert story.id == whole.id
    assert (story.outcome, story.ended_at, story.pressed_at) == (
        whole.outcome,
        whole.ended_at,
        whole.pressed_at,
    )
    assert story.answered_at == whole.answered_at
    assert story.queue_left_at is not None
    assert whole.queue_left_at is not None
    assert abs(story.queue_left_at - whole.queue_left_at) < seconds(0.15)
    assert len(story.recordings) == 1
    assert all(leg.ended_at is not None for leg in story.legs)


def spool_of(story: CallStory) -> SpoolPress:
    """What the dialplan writes of a call that goes as `story`."""
    assert story.pressed_at is not None
    assert story.queue_left_at is not None
    stay = story.stays[-1]
    status = {"timeout": "TIMEOUT"}.get(str(stay.reason), "")
    return SpoolPress(
        key=story.press_key or "",
        uniqueid=story.press_uniqueid or "",
        linkedid=story.uniqueid,
        pressed_at=story.pressed_at,
        number=story.caller.raw,
        name=story.caller.name or "",
        did=story.to.raw,
        menu="main",
        queue=stay.queue,
        entered_at=stay.entered_at,
        answered=tuple(
            SpoolAnswer(at=leg.answered_at, channel=f"PJSIP/{leg.extension}-0000002a")
            for leg in story.legs
            if leg.answered_at is not None
        ),
        queue_left=(story.queue_left_at, status) if status else None,
        recordings=tuple(
            SpoolRecording(at=r.started_at, path=r.path.split("/monitor/")[-1])
            for r in story.recordings
        ),
        ended_at=story.ended_at,
    )


def test_the_whole_call_was_heard_and_the_spool_adds_only_evidence() -> None:
    whole = next(iter(stories_of(facts_of("answered-22")).values()))
    facts, story = recover(spool_of(whole), whole)
    assert names(facts) == ["ComplaintRequested"]
    assert story.evidence == "verified"
    assert not story.recovered


def test_the_press_itself_fell_into_the_gap() -> None:
    arrived = facts_of("answered-22")[:1]
    story = next(iter(stories_of(arrived).values()))
    press = replace(
        WHOLE,
        uniqueid=story.uniqueid,
        linkedid=story.uniqueid,
        pressed_at=story.started_at + seconds(1),
    )
    facts, story = recover(replace(press, answered=(), ended_at=None), story)
    assert facts[0].recovered
    assert story.recovered


def test_calls_whose_channels_are_gone_have_ended() -> None:
    story = recover(replace(WHOLE, answered=(), ended_at=None))[1]
    facts = from_channels([story], frozenset(), START + seconds(100))
    assert names(facts) == ["QueueLeft", "RecordingStopped", "CallEnded"]
    assert all(fact.recovered for fact in facts)
    for fact in facts:
        story = fold(story, fact) or story
    assert from_channels([story], frozenset(), START + seconds(200)) == []


def test_calls_whose_channels_live_go_on() -> None:
    story = recover(replace(WHOLE, ended_at=None))[1]
    assert from_channels([story], {UNIQUEID}, START + seconds(100)) == []
    assert from_channels([story], frozenset(), START - seconds(100)) == [], "younger than the list"


def test_the_spool_corrects_a_call_that_was_given_up_for_lost() -> None:
    """The channel list ended the call before its marks were read: he had been answered after all."""
    half = recover(replace(PRESS, entered_at=WHOLE.entered_at))[1]
    for fact in from_channels([half], frozenset(), START + seconds(100)):
        half = fold(half, fact) or half
    assert half.outcome == "abandoned"
    facts, story = recover(WHOLE, half)
    assert story.outcome == "answered"
    assert story.answered_at == START + seconds(9)
    assert story.ended_at == START + seconds(100)
    assert all(leg.ended_at is not None for leg in story.legs)
    assert all(recording.stopped_at is not None for recording in story.recordings)
    assert from_spool(story, WHOLE, pbx="main", numbers=NUMBERS) == []
    assert names(facts) == [
        "MenuKeyPressed",
        "RecordingStarted",
        "OperatorAnswered",
        "RecordingStopped",
    ]


def test_only_what_happened_in_the_blind_window_is_recovered() -> None:
    """The login was between the press and the answer: who talked then was heard, the press was not."""
    login = START + seconds(5)
    facts = from_spool(None, WHOLE, pbx="main", numbers=NUMBERS, blind_until=login)
    assert {fact.at <= login for fact in facts} == {True, False}
    assert [fact.recovered for fact in facts] == [fact.at <= login for fact in facts]


def test_what_the_sweep_adds_to_a_call_that_was_heard_is_not_recovered() -> None:
    _, heard = recover(PRESS)
    heard = replace(heard, recovered=False)
    facts = from_spool(heard, WHOLE, pbx="main", numbers=NUMBERS, blind_until=START - seconds(60))
    assert "CallEnded" in names(facts)
    assert not any(fact.recovered for fact in facts)


# -- from queue_log and the CDR -----------------------------------------------------------------

LOGGED = replace(
    PRESS,
    key=None,
    pressed_at=START + seconds(1),
    timed_by="queue_entry",
    entered_at=START + seconds(1),
    answered=(SpoolAnswer(at=START + seconds(9), channel="Anna", uniqueid="1.5"),),
    ended_at=START + seconds(60),
)


def test_a_queue_entry_of_a_known_press_is_evidence_and_no_second_press() -> None:
    _, known = recover(replace(PRESS, key=None))
    known = replace(known, evidence="verified_live")
    facts, story = recover(replace(LOGGED, entered_at=None, answered=(), ended_at=None), known)
    assert names(facts) == ["ComplaintRequested"]
    assert (story.pressed_at, story.evidence, story.keys) == (START, "verified", ())


def test_an_answer_is_known_by_its_channel_whatever_the_queue_calls_the_operator() -> None:
    by_event = replace(WHOLE.answered[0], channel="PJSIP/101-0000002a", uniqueid="1.5")
    _, known = recover(replace(PRESS, entered_at=START + seconds(2), answered=(by_event,)))
    for uniqueid in ("1.5", "1.6"):  # 1.6: another half of the same wire, at the same moment
        told = replace(LOGGED.answered[0], uniqueid=uniqueid)
        facts, story = recover(replace(LOGGED, answered=(told,), ended_at=None), known)
        assert "OperatorAnswered" not in names(facts)
        assert [leg.extension for leg in story.legs] == ["101"]


def test_who_was_given_back_by_a_queue_that_no_stay_tells_of_was_not_served() -> None:
    left = replace(
        LOGGED, entered_at=None, answered=(), queue_left=(START + seconds(30), "TIMEOUT")
    )
    _, story = recover(left)
    assert story.outcome == "no_answer"
    _, story = recover(replace(left, queue_left=None))
    assert story.outcome == "abandoned"


def test_back_in_the_queue_after_a_talk_he_was_not_answered_again() -> None:
    """Sent on to a queue and gone in a gap: the talk was before."""
    story = next(iter(stories_of(facts_of("answered-22")).values()))
    again = QueueEntered(call=story.id, at=story.ended_at, queue="q2")  # type: ignore[arg-type]
    waiting = fold(replace(story, ended_at=None, outcome=None), again)
    assert waiting is not None
    for fact in from_channels([waiting], frozenset(), again.at + seconds(9)):
        waiting = fold(waiting, fact)
    assert waiting is not None
    assert [stay.reason for stay in waiting.stays] == ["answered", "abandoned"]
    assert waiting.stays[1].left_at == again.at + seconds(9)


@pytest.mark.parametrize("heard", [("pressed",), ("pressed", "entered"), ("called",)])
def test_what_queue_log_tells_in_whole_seconds_came_after_what_was_heard_in_that_second(
    heard: tuple[str, ...],
) -> None:
    """press3 was killed within the second: the key was heard in ms, queue_log knows the second alone."""
    call = f"main-{UNIQUEID}"
    arrived, requested = recover(PRESS)[0][:2]
    story = fold(None, replace(arrived, at=START + seconds(0.2), recovered=False))
    if "pressed" in heard:
        story = fold(story, replace(requested, at=START + seconds(0.37), recovered=False))
    if "entered" in heard:
        entered = QueueEntered(call=call, at=START + seconds(0.39), queue="complaints")
        story = fold(story, entered)
    told = replace(
        PRESS,
        key=None,
        timed_by="queue_entry",
        entered_at=START,
        answered=(SpoolAnswer(at=START, channel="PJSIP/101", uniqueid="1.1"),),
        ended_at=START + seconds(9),
    )
    _, story = recover(told, story)
    times = [story.started_at, story.pressed_at, story.queue_entered_at, story.answered_at]
    assert times == sorted(time for time in times if time is not None)
    before = recover(replace(told, entered_at=START - seconds(2)), fold(None, arrived))[1]
    assert before.queue_entered_at == START - seconds(2), "two seconds are none that were cut off"


@pytest.mark.parametrize(
    ("status", "reason", "outcome"),
    [("LEAVEEMPTY", "empty", "no_answer"), ("ABANDON", "abandoned", "abandoned")],
)
def test_a_queue_left_in_the_second_of_the_press_is_left_with_its_reason(
    status: str, reason: str, outcome: str
) -> None:
    """The key was heard in ms; queue_log tells entry and exit by the second alone, before the key."""
    arrived, requested = recover(PRESS)[0][:2]
    story = fold(None, replace(arrived, at=START + seconds(0.2), recovered=False))
    story = fold(story, replace(requested, at=START + seconds(0.4), recovered=False))
    told = replace(PRESS, key=None, timed_by="queue_entry", entered_at=START)
    _, left = recover(replace(told, queue_left=(START, status)), story)
    assert [(stay.left_at, stay.reason) for stay in left.stays] == [(left.pressed_at, reason)]
    ends = from_channels([left], alive=(), at=START + seconds(9))
    assert [fact.outcome for fact in ends if isinstance(fact, CallEnded)] == [outcome]


def test_an_exact_mark_of_an_earlier_stay_is_none_of_the_new_one() -> None:
    """AstDB keeps it, in ms, while he waits anew in the same second."""
    story = recover(replace(PRESS, entered_at=START))[1]
    again = QueueEntered(call=story.id, at=START + seconds(0.6), queue="complaints")
    left = QueueLeft(call=story.id, at=START + seconds(0.3), queue="complaints", reason="timeout")
    story = fold(fold(story, left), again) or story
    assert [stay.reason for stay in story.stays] == ["timeout", None]
    marked = replace(PRESS, entered_at=START, queue_left=(START + seconds(0.3), "TIMEOUT"))
    assert recover(marked, story)[1].stays == story.stays


# -- several queues of one call -----------------------------------------------------------------


def logged(*lines: str) -> SpoolPress:
    """The call that lines of queue_log tell of, each `seconds after START|queue|agent|EVENT|data`."""
    records = []
    for line in lines:
        after, rest = line.split("|", 1)
        epoch = int(START.timestamp()) + int(after)
        records.append(parse_line(f"{epoch}|{UNIQUEID}|{rest}".encode()))
    (call,) = calls_in(records, {"600"})
    return call


STORY = (
    "0|500|NONE|ENTERQUEUE||79110000001|2",
    "30|500|NONE|EXITWITHKEY|3|2|2|30",
    "31|600|NONE|ENTERQUEUE||79110000001|1",
    "40|600|PJSIP/101|CONNECT|9|1795262416.4|4",
    "70|600|PJSIP/101|BLINDTRANSFER|700|internal|9|30|1",
    "70|700|NONE|ENTERQUEUE||79110000001|1",
    "75|700|Anna | Desk 3|CONNECT|5|1795262416.9|4",
    "100|700|Anna | Desk 3|COMPLETEAGENT|5|25|1",
)


def test_the_story_of_a_call_in_three_queues() -> None:
    _, story = recover(logged(*STORY))
    assert [
        (stay.queue, stay.entered_at - START, stay.left_at and stay.left_at - START, stay.reason)
        for stay in story.stays
    ] == [
        ("500", seconds(0), seconds(30), "key"),
        ("600", seconds(31), seconds(40), "answered"),
        ("700", seconds(70), seconds(75), "answered"),
    ]
    assert story.stays[0].key == "3"
    assert (story.pressed_at, story.queue_wait_s) == (START + seconds(31), 44)
    assert [(leg.extension, leg.answered_at, leg.ended_at) for leg in story.legs] == [
        ("101", START + seconds(40), START + seconds(70)),
        ("Anna | Desk 3", START + seconds(75), START + seconds(100)),
    ]
    (transfer,) = story.transfers
    assert (transfer.kind, transfer.from_extension, transfer.to) == ("blind", "101", "700")
    assert (story.outcome, story.ended_at) == ("answered", START + seconds(100))


@pytest.mark.parametrize("cut", range(1, len(STORY)))
def test_a_story_that_is_told_in_two_parts_is_the_same(cut: int) -> None:
    """The second part tells the whole file, as a reading does."""
    _, part = recover(replace(logged(*STORY[: max(3, cut)]), ended_at=None))
    _, story = recover(logged(*STORY), part)
    assert story == recover(logged(*STORY))[1]
    assert recover(logged(*STORY), story)[0] == []


def test_queues_changed_within_two_seconds_are_two_stays() -> None:
    quick = (STORY[0], "1|500|NONE|EXITWITHKEY|3|2|2|1", "1|600|NONE|ENTERQUEUE||79110000001|1")
    assert [stay.queue for stay in recover(logged(*quick))[1].stays] == ["500", "600"]
    back = (*quick, "2|600|NONE|EXITEMPTY|1|1|1", "2|600|NONE|ENTERQUEUE||79110000001|1")
    _, story = recover(logged(*back))
    assert [stay.reason for stay in story.stays] == ["key", "empty", None]
    assert recover(logged(*back), story)[0] == []


def test_stays_that_were_heard_to_the_millisecond_are_not_told_again() -> None:
    _, story = recover(logged(*STORY[:2], STORY[2]))
    heard = tuple(
        replace(
            stay,
            entered_at=stay.entered_at + seconds(0.7),
            left_at=stay.left_at and stay.left_at + seconds(0.9),
        )
        for stay in story.stays
    )
    facts, story = recover(logged(*STORY), replace(story, stays=heard))
    assert "QueueEntered" not in names(facts)[:1]
    assert [stay.queue for stay in story.stays] == ["500", "600", "700"]
    assert story.stays[0] == heard[0]


def test_the_pbx_started_anew_while_the_caller_waited() -> None:
    epoch = int(START.timestamp())
    lines = (
        f"{epoch}|{UNIQUEID}|600|NONE|ENTERQUEUE||79110000001|1",
        f"{epoch + 9}|NONE|600|PJSIP/101|PAUSE|",
        f"{epoch + 60}|NONE|NONE|NONE|QUEUESTART|",
    )
    (call,) = calls_in([parse_line(line.encode()) for line in lines], {"600"})
    _, story = recover(call)
    assert (story.outcome, story.lost, story.ended_at) == (
        "failed",
        "pbx_restarted",
        START + seconds(9),
    )


@pytest.mark.parametrize(
    ("answer", "telephone"),
    [
        (SpoolAnswer(at=START, channel="PJSIP/trunk-00000009", dialled="PJSIP/101&PJSIP/89110000009@trunk"), (None, "+79110000009")),
        (SpoolAnswer(at=START, channel="Local/89110000009@from-internal/n"), (None, "+79110000009")),
        (SpoolAnswer(at=START, channel="PJSIP/101-00000009", dialled="PJSIP/101"), ("101", None)),
        (SpoolAnswer(at=START, channel="Anna"), ("Anna", None)),
    ],
)  # fmt: skip
def test_whose_telephone_answered(
    answer: SpoolAnswer, telephone: tuple[str | None, str | None]
) -> None:
    ended = replace(LOGGED, answered=(answer,), ended_at=START + seconds(9), ended_by="operator")
    facts, story = recover(ended)
    assert [(leg.extension, leg.number) for leg in story.legs] == [telephone]
    assert (story.outcome, story.ended_by) == ("answered", "operator")
    assert recover(ended, story)[0] == [], facts


@pytest.mark.parametrize("second", ["102", "101"])
@pytest.mark.parametrize("uniqueids", [("1.5", "1.9"), ("", "")])
def test_two_operators_who_answer_within_two_seconds_are_two(
    second: str, uniqueids: tuple[str, str]
) -> None:
    """Sent on at once: the first talk is over when the second begins. 1.4 tells no uniqueid."""
    call = logged(
        "0|600|NONE|ENTERQUEUE||79110000001|1",
        f"5|600|PJSIP/101|CONNECT|5|{uniqueids[0]}|1",
        "6|600|PJSIP/101|BLINDTRANSFER|700|internal|5|1|1",
        "6|700|NONE|ENTERQUEUE||79110000001|1",
        f"6|700|PJSIP/{second}|CONNECT|0|{uniqueids[1]}|0",
        f"9|700|PJSIP/{second}|COMPLETECALLER|0|3|1",
    )
    _, story = recover(call)
    assert [(leg.extension, leg.answered_at, leg.ended_at) for leg in story.legs] == [
        ("101", START + seconds(5), START + seconds(6)),
        (second, START + seconds(6), START + seconds(9)),
    ]
    assert recover(call, story)[0] == []
