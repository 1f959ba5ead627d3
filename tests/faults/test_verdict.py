"""The verdict itself: everything that can be wrong is said, and nothing else."""

import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.faults.callers import Pressed, Truth
from tests.faults.outside import Outside, SpoolRow
from tests.faults.telephones import Answer, Ring, answers_of, rings_of
from tests.faults.verdict import Expected, Verdict, blind_spans, compare
from tests.lab.harness import SippCall
from tests.lab.scenarios import DIALOG_MARK, RANG_MARK

T = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def at(second: float) -> str:
    return (T + timedelta(seconds=second)).isoformat()


def call(number: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"main-1.{number[-1]}",
        "from": {"e164": number},
        "outcome": "abandoned",
        "started_at": at(0),
        "pressed_at": at(2),
        "queue_entered_at": at(3.5),
        "answered_at": None,
        "ended_at": at(9),
        "appeal": 1,
        "recovered": False,
        "legs": [],
        "recordings": [{"id": 1, "state": "converted"}],
        **changes,
    }


def seen(**changes: Any) -> Outside:
    """One caller, +79110000001, and all is well."""
    well: dict[str, Any] = {
        "at": T + timedelta(seconds=70),
        "appeals": ({"caller": {"e164": "+79110000001"}},),
        "calls": (call("+79110000001"),),
        "windows": ({"from": at(1), "to": at(4)},),
        "orphans": 0,
        "spool": (SpoolRow("+79110000001", "1.1", frozenset({"recording", "ended"})),),
        "files": {"1.1": [Path("press3-q-20261121-120002-1.1.wav")]},
    }
    return Outside(**well | changes)


PRESS = Pressed(
    number="+79110000001",
    at=T + timedelta(seconds=2),
    sure=True,
    hung_up_at=T + timedelta(seconds=9),
)


def judge(look: Outside, *pressed: Pressed, whole: bool = True) -> Verdict:
    truth = Truth(callers=3, pressed=pressed or (PRESS,))
    blind = [T + timedelta(seconds=3)]
    return compare(Expected(truth=truth, blind_at=blind, spool_is_whole=whole), look)


def test_nothing_is_said_when_all_is_well() -> None:
    verdict = judge(seen())
    assert verdict.differences == ()
    assert (verdict.pressed, verdict.appeals, verdict.spool, verdict.windows) == (1, 1, 1, 1)


ANSWER = Answer(
    number="+79110000001",
    extension="101",
    at=T + timedelta(seconds=5),
    over_at=T + timedelta(seconds=9),
)


def answered(**changes: Any) -> dict[str, Any]:
    """The caller's call when 101 took it."""
    leg = {"extension": "101", "rang_at": at(4), "answered_at": at(5), "ended_at": at(9)}
    well = {"outcome": "answered", "answered_at": at(5), "legs": [{**leg, "outcome": "answered"}]}
    return call("+79110000001", **well | changes)


def judge_answered(
    row: dict[str, Any],
    *answers: Answer,
    whole: bool = True,
    late_s: float | None = None,
    blind_at: float = 3,
) -> tuple[str, ...]:
    """Return what is said of `row` when telephones answered so."""
    truth = Truth(callers=1, pressed=(PRESS,), answers=answers)
    windows = ({"from": at(blind_at - 1), "to": at(blind_at + 1)},)
    expected = Expected(
        truth=truth,
        blind_at=[T + timedelta(seconds=blind_at)],
        spool_is_whole=whole,
        late=lambda one, other: timedelta(seconds=late_s or 0),
        exact=late_s is not None,
    )
    return compare(expected, seen(calls=(row,), windows=windows)).differences


LOSER = replace(ANSWER, extension="102", over_at=ANSWER.at + timedelta(seconds=0.1))
LONG_AGO = -60  # a fault that touched no call


def test_an_answered_call_is_told_as_the_telephone_saw_it() -> None:
    assert judge_answered(answered(), ANSWER) == ()
    assert judge_answered(answered(), LOSER, ANSWER) == ()
    assert judge_answered(answered(pressed_at=at(2.08)), ANSWER, late_s=0, blind_at=LONG_AGO) == ()


ANSWERED_CASES: dict[str, tuple[dict[str, Any], tuple[Answer, ...], str]] = {
    "nobody took it": (answered(), (), "answered, but no telephone answered him"),
    "a false missed": (call("+79110000001"), (ANSWER,), "abandoned, but 101 answered"),
    "another telephone": (
        answered(),
        (replace(ANSWER, extension="102"),),
        "101 answered, but 102 answered",
    ),
    "the loser of two": (
        answered(),
        (replace(LOSER, extension="101"), replace(ANSWER, extension="102")),
        "101 answered, but 102 answered",
    ),
    "two legs answered": (answered(legs=answered()["legs"] * 2), (ANSWER,), "2 answered, not 1"),
    "no leg answered": (answered(legs=[]), (ANSWER,), "0 answered, not 1"),
    "answered at another time": (
        answered(answered_at=at(8.5)),
        (ANSWER,),
        "answered at 2026-11-21 12:00:05+00:00, stored is",
    ),
    "no time of the answer": (answered(answered_at=None), (ANSWER,), "nothing is stored"),
}


@pytest.mark.parametrize("name", ANSWERED_CASES)
def test_what_is_wrong_with_an_answer_is_said(name: str) -> None:
    row, answers, sentence = ANSWERED_CASES[name]
    said = judge_answered(row, *answers)
    assert any(sentence in each for each in said), said


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"pressed_at": at(2.3)}, "pressed"),
        ({"ended_at": at(9.2)}, "hung up"),
        ({"answered_at": at(5.2)}, "answered"),
    ],
)
def test_a_call_that_no_fault_touched_is_held_to_the_promised_150_ms(
    changes: dict[str, Any], what: str
) -> None:
    row = answered(**{"pressed_at": at(2.08)} | changes)
    (said,) = judge_answered(row, ANSWER, late_s=0, blind_at=LONG_AGO)
    assert f"{what} at" in said
    assert judge_answered(row, ANSWER, late_s=0.1, blind_at=LONG_AGO) == (), "the PBX was late"
    assert judge_answered(row, ANSWER, late_s=0) == (), "a fault touched it"


def test_an_answer_in_the_second_of_a_kill_may_be_forgotten() -> None:
    row = call("+79110000001")
    assert judge_answered(row, ANSWER, whole=False, blind_at=7) == ()
    (said,) = judge_answered(row, ANSWER, whole=False, blind_at=9.5)
    assert "abandoned, but 101 answered" in said


def test_who_hung_up_unanswered_has_given_up() -> None:
    (said,) = judge(seen(calls=(call("+79110000001", outcome="no_answer"),))).differences
    assert "no_answer, but he hung up unanswered" in said


def test_a_telephone_s_logs_tell_whom_it_answered(tmp_path: Path) -> None:
    log = tmp_path / "phone101.log"
    rows = [
        (5.0, "R", "CSeq:7 INVITE", "INVITE sip:101@127.0.0.1 SIP/2.0"),
        (5.1, "S", "CSeq:7 INVITE", "SIP/2.0 180 Ringing"),
        (5.4, "S", "CSeq:7 INVITE", "SIP/2.0 200 OK"),
        (5.9, "S", "CSeq:7 INVITE", "SIP/2.0 200 OK"),
        (6.0, "R", "CSeq:7 ACK", "ACK sip:127.0.0.1 SIP/2.0"),
        (9.0, "R", "CSeq:8 BYE", "BYE sip:127.0.0.1 SIP/2.0"),
        (9.1, "S", "CSeq:8 BYE", "SIP/2.0 200 OK"),
    ]
    log.write_text(
        "".join(
            f"2026-11-21\t12:00\t{T.timestamp() + s}\t{way}\tc-1\t{cseq}\t{line}\n"
            for s, way, cseq, line in rows
        )
    )
    dialog = ("dialog", "c-1", "sip:x", "<sip:101@x>", '"Ivan" <sip:+79110000001@x>;tag=1')
    log.with_suffix(".dialogs").write_text(DIALOG_MARK.join(dialog) + "\n")
    process = subprocess.Popen(["true"])
    process.wait()
    took = replace(ANSWER, at=T + timedelta(seconds=5.4))
    assert answers_of("101", SippCall(process, log)) == [took]


def test_a_telephone_s_logs_tell_for_whom_it_rang(tmp_path: Path) -> None:
    log = tmp_path / "phone101.log"
    rows = [
        (5.0, "R", "c-1", "CSeq:7 INVITE", "INVITE sip:101@127.0.0.1 SIP/2.0"),
        (5.1, "S", "c-1", "CSeq:7 INVITE", "SIP/2.0 180 Ringing"),
        (5.4, "S", "c-1", "CSeq:7 INVITE", "SIP/2.0 200 OK"),
        (6.0, "R", "c-2", "CSeq:7 INVITE", "INVITE sip:101@127.0.0.1 SIP/2.0"),
        (6.3, "R", "c-2", "CSeq:7 CANCEL", "CANCEL sip:101@127.0.0.1 SIP/2.0"),
        (6.4, "S", "c-2", "CSeq:7 INVITE", "SIP/2.0 487 Request Terminated"),
        (7.0, "R", "c-3", "CSeq:7 INVITE", "INVITE sip:101@127.0.0.1 SIP/2.0"),
        (7.0, "S", "c-3", "CSeq:7 INVITE", "SIP/2.0 180 Ringing"),
    ]
    log.write_text(
        "".join(
            f"2026-11-21\t12:00\t{T.timestamp() + s}\t{way}\t{call}\t{cseq}\t{line}\n"
            for s, way, call, cseq, line in rows
        )
    )
    dialog = ("dialog", "c-1", "sip:x", "<sip:101@x>", '"Ivan" <sip:+79110000001@x>;tag=1')
    notes = [f'{RANG_MARK}c-{n} "Ivan" <sip:+7911000000{n}@x>;tag={n}' for n in (1, 2, 3)]
    log.with_suffix(".dialogs").write_text("\n".join([*notes, DIALOG_MARK.join(dialog), ""]))
    process = subprocess.Popen(["true"])
    process.wait()
    telephone = SippCall(process, log)
    second = timedelta(seconds=1)
    rang = {"extension": "101"}
    assert rings_of("101", telephone) == [
        Ring(number="+79110000001", at=T + 5 * second, over_at=T + 5.4 * second, **rang),
        Ring(number="+79110000002", at=T + 6 * second, over_at=T + 6.3 * second, **rang),
        Ring(number="+79110000003", at=T + 7 * second, over_at=None, **rang),
    ]
    assert [each.number for each in answers_of("101", telephone)] == ["+79110000001"]


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "no appeal": ({"appeals": ()}, "lost: +79110000001 pressed at"),
    "two appeals": ({"appeals": seen().appeals * 2}, "doubled"),
    "a stranger's appeal": (
        {"appeals": (*seen().appeals, {"caller": {"e164": "+79110000009"}})},
        "invented",
    ),
    "a second row for one call": (
        {"calls": (call("+79110000001"), call("+79110000001", id="main-1.5", recordings=[]))},
        "double row: 2 calls of +79110000001",
    ),
    "an appeal without a call": ({"calls": ()}, "an appeal, but no call: +79110000001"),
    "a press without an appeal": (
        {"calls": (call("+79110000001", appeal=None),)},
        "pressed, but the call has no appeal",
    ),
    "not in the spool": ({"spool": ()}, "an appeal, but not in the spool"),
    "in the spool twice": ({"spool": seen().spool * 2}, "in the spool twice"),
    "a ghost": ({"calls": (call("+79110000001", outcome="in_progress", ended_at=None),)}, "ghost"),
    "a file of nobody": (
        {"files": {"7.7": [Path("press3-q-7.7.wav")]}},
        "recording press3-q-7.7.wav: linked 0 of 1",
    ),
    "a file called missing": (
        {"calls": (call("+79110000001", recordings=[{"id": 1, "state": "missing"}]),)},
        "linked 0 of 1",
    ),
    "a recording nobody listed": (
        {"calls": (call("+79110000001", recordings=[]),), "files": {}},
        "begun by the PBX, not listed",
    ),
    "a recording half done": (
        {"calls": (call("+79110000001", recordings=[{"id": 1, "state": "found"}]),)},
        "still found",
    ),
    "an orphan": ({"orphans": 2}, "2 recordings belong to no call"),
    "no window": ({"windows": ()}, "no blind window covers"),
    "an open window": ({"windows": (*seen().windows, {"from": at(5), "to": None})}, "still open"),
    "a window backwards": (
        {"windows": (*seen().windows, {"from": at(5), "to": at(4)})},
        "ends before it begins",
    ),
    "answered before the press": (
        {"calls": (call("+79110000001", answered_at=at(1)),)},
        "answered_at",
    ),
    "a telephone answered before it rang": (
        {
            "calls": (
                call(
                    "+79110000001",
                    legs=[
                        {
                            "extension": "101",
                            "rang_at": at(5),
                            "answered_at": at(4),
                            "ended_at": at(6),
                            "outcome": "answered",
                        }
                    ],
                ),
            )
        },
        "telephone 101: answered_at",
    ),
    "pressed at another time": (
        {"calls": (call("+79110000001", started_at=at(-90), pressed_at=at(-60)),)},
        "pressed at",
    ),
    "ended at another time": ({"calls": (call("+79110000001", ended_at=at(99)),)}, "hung up at"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_wrong_is_said(name: str) -> None:
    changes, sentence = CASES[name]
    said = judge(seen(**changes)).differences
    assert any(sentence in each for each in said), said


def test_the_age_of_a_recording_without_a_state_is_told() -> None:
    """Its minute begins with the hang-up, or with the end of the last fault."""
    row = call("+79110000001", recordings=[{"id": 1, "state": "found"}])
    assert judge(seen()).unsettled_s == 0
    late = judge(seen(calls=(row,)))
    assert late.unsettled_s == 61
    assert late.too_late(60) == ["a recording without a state 61.0 s after (60 allowed)"]
    assert late.too_late(90) == []
    truth = Truth(callers=1, pressed=(PRESS,))
    well_at = T + timedelta(seconds=30)
    assert compare(Expected(truth=truth, well_at=well_at), seen(calls=(row,))).unsettled_s == 40
    withheld = Expected(truth=truth, late=lambda one, other: timedelta(seconds=7))
    assert compare(withheld, seen(calls=(row,))).unsettled_s == 54
    unlinked = call("+79110000001", recordings=[])
    assert judge(seen(calls=(unlinked,))).unsettled_s == 61


def test_spans_in_which_nothing_was_heard() -> None:
    windows = [{"from": at(1), "to": at(4)}, {"from": at(7), "to": None}]
    second = timedelta(seconds=1)
    assert blind_spans([T], windows) == [(T, T), (T + second, T + 4 * second)]


def test_a_press_nobody_acknowledged_may_be_there_or_not() -> None:
    unsure = Pressed(number=PRESS.number, at=PRESS.at, sure=False)
    assert judge(seen(), unsure).differences == ()
    nothing = seen(appeals=(), calls=(), spool=(), files={})
    assert judge(nothing, unsure).differences == ()


def test_a_file_that_alone_is_left_of_a_press_must_be_listed() -> None:
    files = {**seen().files, "7.7": [Path("press3-q-7.7.wav")]}
    (said,) = judge(seen(files=files), whole=False).differences
    assert said == "1 files of no call, 0 of them listed"
    assert judge(seen(files=files, orphans=1), whole=False).differences == ()


def test_after_a_kill_of_the_pbx_only_the_spool_may_lack_a_press() -> None:
    assert judge(seen(spool=()), whole=False).differences == ()
    kept = SpoolRow("+79110000002", "1.2", frozenset())
    (said,) = judge(seen(spool=(*seen().spool, kept)), whole=False).differences
    assert said == "in the spool, but no appeal: +79110000002"


def overtaken(count: int) -> list[Pressed]:
    hasty = {"at": T, "sure": False, "overtaken": True, "hung_up_at": T + timedelta(seconds=0.4)}
    return [Pressed(number=f"+7911100{n:04d}", **hasty) for n in range(count)]


def test_a_key_that_its_hang_up_overtook_need_not_be_registered_but_many_hide_a_loss() -> None:
    assert judge(seen(), PRESS, *overtaken(1)).differences == ()
    (said,) = judge(seen(), PRESS, *overtaken(2)).differences
    assert said.startswith("2 keys overtaken by their hang-up: +79111000000 pressed at")
    assert judge(seen(), PRESS, *overtaken(2)).overtaken == 2


def test_of_two_telephones_that_answer_the_one_hung_up_last_was_taken() -> None:
    slow = replace(
        ANSWER, extension="102", at=T + timedelta(seconds=3.9), over_at=T + timedelta(seconds=5.1)
    )
    look = seen(calls=(answered(),))
    truth = Truth(callers=3, pressed=(PRESS,), answers=(slow, ANSWER))
    assert compare(Expected(truth=truth), look).differences == ()
    alone = replace(slow, over_at=T + timedelta(seconds=5), at=T + timedelta(seconds=3))
    before = replace(ANSWER, at=T + timedelta(seconds=5.1))
    truth = Truth(callers=3, pressed=(PRESS,), answers=(alone, before))
    (said,) = compare(Expected(truth=truth), look).differences
    assert said.startswith("legs of main-1.1: 101 answered, but 102 answered")
