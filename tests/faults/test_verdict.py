"""The verdict itself: everything that can be wrong is said, and nothing else."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.faults.callers import Pressed, Truth
from tests.faults.outside import Outside, SpoolRow
from tests.faults.verdict import Expected, Verdict, compare

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
        "legs": [],
        "recordings": [{"id": 1, "state": "converted"}],
        **changes,
    }


def seen(**changes: Any) -> Outside:
    """One caller, +79110000001, and all is well."""
    well: dict[str, Any] = {
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


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "no appeal": ({"appeals": ()}, "lost: +79110000001 pressed at"),
    "two appeals": ({"appeals": seen().appeals * 2}, "doubled"),
    "a stranger's appeal": (
        {"appeals": (*seen().appeals, {"caller": {"e164": "+79110000009"}})},
        "invented",
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
