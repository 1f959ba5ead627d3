"""What press3 tells of a call, compared with what the people on both sides of it logged.

Shared by the stories: one appeal with one call, its outcome, times, legs, pops and recordings.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from tests.e2e.desk import Screen
from tests.e2e.office import Json, Office, When, near, reasons, seconds, seen
from tests.lab.ami_tap import AmiTap
from tests.lab.harness import Truth

__all__ = [
    "LegSeen",
    "answered",
    "check_answered",
    "check_legs",
    "check_pops",
    "check_rings",
    "check_transfer",
    "check_unanswered",
    "recorded",
    "unanswered",
]


async def answered(
    office: Office,
    number: str,
    *,
    pressed: When,
    contact: When,
    ended: When,
    recovered: bool = False,
) -> Json:
    """Return the caller's one appeal, whose one call was answered, after checking its times."""
    appeal = await office.appeal(number)
    check_answered(
        appeal, number, pressed=pressed, contact=contact, ended=ended, recovered=recovered
    )
    return appeal


def check_answered(
    appeal: Json, raw: str, *, pressed: When, contact: When, ended: When, recovered: bool = False
) -> None:
    """Check the one call of an appeal, which was answered. `raw` is the caller's number as shown."""
    (call,) = appeal["calls"]
    _check_call(appeal, call, raw, "answered", recovered)
    assert near(call["pressed_at"], pressed), (call["pressed_at"], pressed)
    assert near(call["answered_at"], contact), (call["answered_at"], contact)
    assert near(call["ended_at"], ended), (call["ended_at"], ended)
    times = appeal["times"]
    waited_s = seconds(call["pressed_at"], call["answered_at"])
    assert times["wait_s"] == times["first_contact_s"] == pytest.approx(waited_s, abs=0.001)
    rang_s = seconds(call["first_ring_at"], call["answered_at"])
    assert times["ring_s"] == pytest.approx(rang_s, abs=0.001)
    assert times["abandoned_after_s"] is None


async def unanswered(
    office: Office, number: str, outcome: str, *, pressed: When, ended: When
) -> Json:
    """Return the caller's one appeal, whose one call nobody answered, after checking its times."""
    appeal = await office.appeal(number)
    check_unanswered(appeal, number, outcome, pressed=pressed, ended=ended)
    return appeal


def check_unanswered(appeal: Json, raw: str, outcome: str, *, pressed: When, ended: When) -> None:
    """Check the one call of an appeal: nobody answered it. `raw` is the caller's number as shown."""
    (call,) = appeal["calls"]
    _check_call(appeal, call, raw, outcome, recovered=False)
    assert (appeal["phase"], call["answered_at"], call["transfers"]) == ("received", None, [])
    assert near(call["pressed_at"], pressed), (call["pressed_at"], pressed)
    assert near(call["ended_at"], ended), (call["ended_at"], ended)
    times = appeal["times"]
    gone_s = seconds(call["pressed_at"], call["ended_at"]) if outcome == "abandoned" else None
    assert times["abandoned_after_s"] == pytest.approx(gone_s, abs=0.001)
    assert [times[name] for name in ("wait_s", "ring_s", "first_contact_s")] == [None] * 3


def _check_call(appeal: Json, call: Json, raw: str, outcome: str, recovered: bool) -> None:
    told = (appeal["verified"], call["outcome"], call["direction"], call["from"]["raw"])
    assert told == ("verified", outcome, "in", raw)
    assert (call["appeal"], call["recovered"]) == (appeal["number"], recovered)


@dataclass(frozen=True)
class LegSeen:
    """A leg as the telephone's own log tells it; null where CALL must be null too."""

    extension: str
    outcome: str
    rang_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None


def check_legs(call: Json, *seen: LegSeen) -> None:
    """Compare the legs of a call, in any order of ringing, with what the telephones saw."""
    stored = sorted(call["legs"], key=lambda leg: (leg["extension"], leg["rang_at"] or ""))
    wanted = sorted(seen, key=lambda leg: leg.extension)
    told = [(leg["extension"], leg["outcome"]) for leg in stored]
    assert told == [(leg.extension, leg.outcome) for leg in wanted], call["legs"]
    for leg, truth in zip(stored, wanted, strict=True):
        for name in ("rang_at", "answered_at", "ended_at"):
            at: datetime | None = getattr(truth, name)
            if at is None:
                assert leg[name] is None, (name, leg)
            else:
                assert near(leg[name], at), (name, leg, at.isoformat())


def check_rings(calls: Sequence[Json], extension: str, phone: Truth) -> None:
    """Compare the rings of several calls at once at a telephone that was cancelled in all of them."""
    legs = [leg for call in calls for leg in call["legs"]]
    told = [(leg["extension"], leg["outcome"], leg["answered_at"]) for leg in legs]
    assert told == [(extension, "no_answer", None)] * len(calls), legs
    for name, what in (("rang_at", "INVITE"), ("ended_at", "CANCEL")):
        stored, truth = sorted(leg[name] for leg in legs), seen(phone, what, "R")
        for at, really in zip(stored, truth, strict=True):
            assert near(at, really), (name, at, really.isoformat())


def check_transfer(call: Json, kind: str, frm: str, to: str, at: datetime) -> None:
    (transfer,) = call["transfers"]
    assert (transfer["kind"], transfer["from"], transfer["to"]) == (kind, frm, to)
    assert near(transfer["at"], at), (transfer, at.isoformat())


def check_pops(screen: Screen, call: Json, *why: str) -> None:
    """The screen showed this call's one pop, round after round, and withdrew it each time: `why`."""
    pops = [pop for pop in screen.of("pop.shown") if pop["call"] == call["id"]]
    assert [pop["round"] for pop in pops] == list(range(1, len(why) + 1)), pops
    assert len({pop["pop_id"] for pop in pops}) == min(len(why), 1)
    for pop in pops:
        assert (pop["appeal"], pop["caller"]) == (call["appeal"], call["from"])
        assert reasons(screen, pop["pop_id"]) == list(why)


async def recorded(office: Office, pbx: AmiTap, number: str) -> list[Json]:
    """Return what became of all the caller's recordings, compared with the PBX's disk and spool.

    Each of which the PBX told is a file that plays, or one without sound, or none; the last two with a
    reason.
    """
    (call,) = await office.calls(number)
    uniqueid = call["id"].removeprefix("main-")
    of_call = {"Variable": "MIXMONITOR_FILENAME", "Uniqueid": uniqueid}
    told = lambda: {event.get("Value") for event in pbx.all("VarSet", **of_call)}  # noqa: E731
    call = await office.call_when(
        number,
        lambda call: (
            len(call["recordings"]) == len(told()) and all(map(_settled, call["recordings"]))
        ),
    )
    marks = {
        value.partition("|")[2]
        for key, value in (await office.lab.spool()).items()
        if key.endswith("/recording") and f"/{uniqueid}-" in key
    }
    assert marks <= told(), "the dialplan marks what it records"
    files = set(office.lab.monitor.rglob(f"*{uniqueid}*"))
    assert files <= {Path(path) for path in told()}
    found: list[Json] = call["recordings"]
    assert len([each for each in found if each["state"] != "missing"]) == len(files), found
    silent = [each for each in found if each["state"] == "linked"]
    assert len(silent) == len([path for path in files if path.stat().st_size <= NO_SOUND_BYTES])
    return found


NO_SOUND_BYTES = 60  # the head of a WAV file


def _settled(recording: Json) -> bool:
    """Whether nothing more is to come: it plays, or says why it never will."""
    if recording["state"] == "converted":
        return recording["reason"] is None
    return recording["state"] in ("linked", "missing") and recording["reason"] is not None
