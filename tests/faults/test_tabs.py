"""What is said of the screens that stood open through an experiment, and nothing else."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.faults.screens import Tab, unlike, unshown
from tests.faults.telephones import Ring

T = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NUMBER = "+79110000001"
LONG_AGO = -60  # a fault that touched no call


def told(*events: tuple[int, str, dict[str, Any]]) -> Tab:
    """A tab that began with an empty snapshot and heard these."""
    tab = Tab("op101")
    tab.welcome({"seq": 1, "snapshot": {"pops": [], "calls": []}})
    for seq, kind, data in events:
        tab.hear(
            {"seq": seq, "type": kind, "at": (T + timedelta(seconds=seq)).isoformat(), "data": data}
        )
    return tab


SHOWN = (2, "pop.shown", {"pop_id": "p1", "caller": {"e164": NUMBER}})
GONE = (3, "pop.withdrawn", {"pop_id": "p1", "reason": "abandoned"})
LOST, RESTORED = (4, "link.lost", {"pbx": "main"}), (5, "link.restored", {"pbx": "main"})
EMPTY: dict[str, Any] = {"op101": {"pops": [], "calls": []}}


def test_nothing_is_said_of_a_screen_that_was_told_all_in_order() -> None:
    tab = told(SHOWN, GONE, LOST, RESTORED)
    assert unlike([tab], EMPTY) == []
    tab.welcome({"seq": 5, "snapshot": None})  # it came back, and missed nothing
    assert unlike([tab], EMPTY) == []
    assert (tab.shown, tab.welcomed) == ({"p1"}, 2)


SCREEN_CASES: dict[str, tuple[tuple[tuple[int, str, dict[str, Any]], ...], str]] = {
    "a pop that stays": ((SHOWN,), "still shows p1"),
    "told twice": ((SHOWN, SHOWN, GONE), "told 2 after 2"),
    "told out of order": ((GONE, SHOWN, (6, *GONE[1:])), "told 2 after 3"),
    "lost and not back": ((LOST,), "the link went link.lost"),
    "back and never lost": ((RESTORED,), "the link went link.restored"),
    "lost twice": ((LOST, (5, *LOST[1:]), (6, *RESTORED[1:])), "link.lost, link.lost"),
}


@pytest.mark.parametrize("name", SCREEN_CASES)
def test_what_is_wrong_at_a_screen_is_said(name: str) -> None:
    events, sentence = SCREEN_CASES[name]
    (said,) = unlike([told(*events)], EMPTY)
    assert sentence in said


RING = Ring(
    number=NUMBER,
    extension="101",
    at=T + timedelta(seconds=4),
    over_at=T + timedelta(seconds=5),
)
UNSHOWN_CASES: dict[str, tuple[Ring, tuple[tuple[int, str, dict[str, Any]], ...], float, bool]] = {
    "its card came": (RING, (SHOWN, GONE), LONG_AGO, False),
    "no card at all": (RING, (), LONG_AGO, True),
    "another caller's card": (replace(RING, number="+79110000002"), (SHOWN,), LONG_AGO, True),
    "it still rings": (replace(RING, over_at=None), (), LONG_AGO, True),
    "at a telephone whose screen is not open": (replace(RING, extension="102"), (), LONG_AGO, False),
    "before the link was lost": (RING, (), 7.9, False),
    "long before the link was lost": (RING, (), 8.1, True),
    "after the link came back": (RING, (), 1.1, False),
    "long after the link came back": (RING, (), 0.9, True),
}  # fmt: skip


@pytest.mark.parametrize("name", UNSHOWN_CASES)
def test_a_ringing_without_its_card_is_said(name: str) -> None:
    ring, events, blind_s, is_said = UNSHOWN_CASES[name]
    moment = T + timedelta(seconds=blind_s)
    said = unshown([ring], [told(*events)], [(moment, moment)])
    assert len(said) == is_said
    assert all(f"op101: no card of {ring.number}, who rang at 101" in each for each in said)


def test_a_card_that_only_a_snapshot_showed_counts() -> None:
    tab = Tab("op101")
    tab.welcome({"seq": 9, "snapshot": {"pops": [SHOWN[2]], "calls": []}})
    assert unshown([RING], [tab], []) == []


def test_a_pop_on_a_new_screen_after_all_calls_is_said() -> None:
    (said,) = unlike([told()], {"op101": {"pops": [{"pop_id": "p9"}], "calls": []}})
    assert said == "op101: a new screen shows p9"
