"""What a test call is told as: each step in its words, and each missing one with what to do."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ami.spool import SpoolAnswer, SpoolPress, SpoolRecording
from calls.facts import (
    CallArrived,
    CallEnded,
    ComplaintRequested,
    Fact,
    OperatorAnswered,
    OperatorRang,
    Party,
    QueueEntered,
    RecordingStarted,
)
from press3.doctor.watched_call import StepName, WatchedCall

BEGUN = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
KEY = "press3/202611210900/1795251600.1-123456"
PATH = "/var/spool/asterisk/monitor/x.wav"
WAITED = timedelta(seconds=120)


def at(second: float) -> datetime:
    return BEGUN + timedelta(seconds=second)


def fact(kind: type[Any], second: float, **fields: Any) -> Fact:
    made: Fact = kind(call="main-1795251600.1", at=at(second), **fields)
    return made


def arrived(number: str = "+79110000001", call: str = "main-1795251600.1") -> CallArrived:
    caller = Party(raw=number, e164=number, name=None, kind="public")
    to = Party(raw="100", e164=None, name=None, kind="internal")
    return CallArrived(
        call=call, at=at(1), pbx="main", uniqueid=call[5:], linkedid=call[5:],
        direction="in", caller=caller, to=to,
    )  # fmt: skip


PRESSED = fact(
    ComplaintRequested, 3, uniqueid="1795251600.1", key=KEY, evidence="unverified", menu="main", queue="q"
)  # fmt: skip
HEARD: dict[StepName, Fact] = {
    "pressed": PRESSED,
    "recorded": fact(RecordingStarted, 3.1, uniqueid="1795251600.1", path=PATH),
    "queued": fact(QueueEntered, 4, queue="q"),
    "rang": fact(OperatorRang, 5, leg="1.2", extension="101", round=1),
    "answered": fact(OperatorAnswered, 6, leg="1.2", extension="101"),
    "ended": fact(CallEnded, 9, outcome="answered"),
}
KEPT = SpoolPress(
    key=KEY, uniqueid="1795251600.1", linkedid="1795251600.1", pressed_at=at(3), number="+79110000001",
    name="", did="100", menu="main", queue="q", entered_at=at(4),
    answered=(SpoolAnswer(at=at(6), channel="PJSIP/101-1"),),
    recordings=(SpoolRecording(at=at(3.1), path=PATH),), ended_at=at(9),
)  # fmt: skip


def story(**fields: Any) -> WatchedCall:
    return WatchedCall(
        begun=BEGUN, zone=ZoneInfo("Europe/Moscow"), owner={"101": "Anna"}.get, **fields
    )


def test_a_whole_call_is_told_in_order_and_nothing_is_missing() -> None:
    watched = story()
    said = [*watched.hear([arrived()]), *watched.hear([PRESSED]), *watched.read(KEPT)]
    said += watched.hear(each for step, each in HEARD.items() if step != "pressed")
    said.append(watched.grew(at(6), PATH, 65_536))
    assert [line.split(" ", 3)[3] for line in said] == [
        "a call arrived from +79110000001",
        "3 was pressed",
        f"the press is kept as {KEY}",
        f"the PBX records to {PATH}",
        "the caller waits in queue q",
        "telephone 101 rings: the card is shown to Anna",
        "101 talks with the caller",
        "the call is over: answered",
        f"the recording grows: 64 KiB in {PATH}",
    ]
    assert said[1].startswith("  12:00:03.000 "), "the PBX's time in the configured zone"
    assert (watched.is_over, watched.missing(WAITED)) == (True, [])


@pytest.mark.parametrize(
    ("silent", "words"),
    [
        ("pressed", "its event did not come: it is seen a minute late — UserEvent: its class"),
        ("recorded", "no event says where — VarSet of MIXMONITOR_FILENAME: its class"),
        ("queued", "entered the queue, but no event told of it — QueueCallerJoin"),
        ("rang", "somebody answered, but no event told who rang — DialBegin"),
        ("answered", "it was answered, but no event told of it — BridgeEnter"),
        ("ended", "the call is over, but no event told of it — Hangup"),
    ],
)
def test_what_the_pbx_kept_but_no_event_told_is_a_matter_of_rights(
    silent: StepName, words: str
) -> None:
    watched = story()
    list(watched.hear([arrived(), *(each for step, each in HEARD.items() if step != silent)]))
    list(watched.read(KEPT))
    watched.grew(at(6), PATH, 65_536)
    (found,) = watched.missing(WAITED)
    assert found.level == "fail"
    assert words in str(found)


def test_without_a_press_only_that_is_said() -> None:
    watched = story()
    list(watched.hear([arrived(), HEARD["ended"]]))
    (found,) = watched.missing(WAITED)
    assert "no 3 was seen — was 3 pressed, in the menu?" in str(found)


def test_without_a_call_only_that_is_said() -> None:
    (found,) = story().missing(WAITED)
    assert "no call came in 120 s" in str(found)
    (found,) = story(channels_unheard=True).missing(WAITED)
    assert "a call was on the PBX, but no event told of it — Newchannel" in str(found)


def test_a_telephone_of_nobody_and_events_without_time_are_said() -> None:
    watched = story(untimed=True)
    rang = fact(OperatorRang, 5, leg="1.2", extension="104", round=1)
    list(watched.hear([arrived(), PRESSED, rang]))
    said = [str(finding) for finding in watched.missing(WAITED)]
    assert any("press3 user add LOGIN --role operator --extension 104" in line for line in said)
    assert any("timestampevents = yes" in line for line in said)


def test_an_observed_menu_is_said_not_to_be_durable() -> None:
    watched = story()
    seen = ComplaintRequested(
        call="main-1795251600.1", at=at(3), uniqueid="1795251600.1", key=None,
        evidence="unverified", menu="ivr-7", queue=None,
    )  # fmt: skip
    list(watched.hear([arrived(), seen]))
    assert "only observed" in str(next(f for f in watched.missing(WAITED) if f.level == "warn"))
