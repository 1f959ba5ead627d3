"""What the operators' telephones say of a caller, and whether press3 tells the same of his call.

`stories` is pure, a part of the verdict: the telephones' own logs are the measure.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from tests.faults.outside import when
from tests.lab.harness import SippCall
from tests.lab.scenarios import RANG_MARK

__all__ = [
    "Answer",
    "Experiment",
    "Late",
    "Ring",
    "answers_of",
    "nobody_late",
    "rings_of",
    "stories",
    "touched",
]

Json: TypeAlias = dict[str, Any]

_RANG = re.compile(RANG_MARK + r"(\S+) .*?<sip:(\+?[0-9]+)@")
_CALLER = re.compile(r"<sip:(\+?[0-9]+)@")
# Of several telephones that answer at one moment all but one are hung up at once; and who is hung up at
# once by his caller may or may not have been given to him.
_TALKED = timedelta(seconds=1)
# A killed PBX may have kept nothing of its last second; a busy machine stretches it.
_FORGETS = timedelta(seconds=3)
_NEAR = timedelta(seconds=3)
_EXACT = timedelta(milliseconds=150)  # the promise of stored times
_TONE = timedelta(milliseconds=80)  # a key sent as INFO is taken when its tone is over
_AROUND = timedelta(seconds=3)  # a fault so near to a call may have touched it


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One telephone's 200 to one caller, which the PBX acknowledged; `over_at` is the BYE, if one came."""

    number: str
    extension: str
    at: datetime
    over_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Ring:
    """One INVITE at a telephone; `over_at` is its end: answered, refused, cancelled. None: it rang on."""

    number: str
    extension: str
    at: datetime
    over_at: datetime | None


Late: TypeAlias = Callable[[datetime, datetime], timedelta]


def nobody_late(one: datetime, other: datetime) -> timedelta:
    return timedelta(0)


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """`blind` are spans in which press3 heard nothing; `whole` is false when the PBX was killed.

    `late` says what the machine withheld between two moments. Unless `exact`, times are not held to the
    promised 150 ms, for the callers' side does not know them so well.
    """

    blind: Sequence[tuple[datetime, datetime]]
    whole: bool = True
    late: Late = nobody_late
    exact: bool = False


def rings_of(extension: str, telephone: SippCall) -> list[Ring]:
    """Read a telephone's logs: for whom it rang, since when and how long."""
    notes = telephone.notes.read_text(errors="replace") if telephone.notes.exists() else ""
    callers = dict(_RANG.findall(notes))
    began: dict[str, datetime] = {}
    over: dict[str, datetime] = {}
    for at, way, call_id, request, line in _messages(telephone):
        if (way, request) == ("R", "INVITE"):
            began.setdefault(call_id, at)
        elif (way, request) == ("R", "CANCEL") or (
            (way, request) == ("S", "INVITE") and line.removeprefix("SIP/2.0 ")[0] in "23456"
        ):
            over.setdefault(call_id, at)
    return [
        Ring(number=number, extension=extension, at=began[call_id], over_at=over.get(call_id))
        for call_id, number in callers.items()
        if call_id in began
    ]


def answers_of(extension: str, telephone: SippCall) -> list[Answer]:
    """Read a telephone's logs: whom it answered, when, and when that was over."""
    callers = {each.call_id: _CALLER.search(each.remote) for each in telephone.dialogs}
    took: dict[str, datetime] = {}
    over: dict[str, datetime] = {}
    for at, way, call_id, request, line in _messages(telephone):
        if request == "BYE":
            over.setdefault(call_id, at)
        elif (way, request, line[:11]) == ("S", "INVITE", "SIP/2.0 200"):
            took.setdefault(call_id, at)
    return [
        Answer(number=caller[1], extension=extension, at=took[call_id], over_at=over.get(call_id))
        for call_id, caller in callers.items()
        if caller and call_id in took
    ]


def _messages(telephone: SippCall) -> Iterator[tuple[datetime, str, str, str, str]]:
    """Yield time, direction, Call-ID, request (of CSeq) and first line of each message."""
    log = telephone.log.read_text(errors="replace") if telephone.log.exists() else ""
    for row in (line.split("\t") for line in log.splitlines()):
        if len(row) >= 7:
            at = datetime.fromtimestamp(float(row[2]), UTC)
            yield at, row[3], row[4], row[5].split()[-1], row[6]


def stories(
    answers: Sequence[Answer],
    pressed: Mapping[str, tuple[datetime, datetime | None]],
    calls: Sequence[Json],
    experiment: Experiment,
) -> Iterator[str]:
    """Yield how calls differ from what their callers (`pressed`: key and hang-up) and telephones did."""
    of_number: dict[str, list[Answer]] = {}
    for each in answers:
        of_number.setdefault(each.number, []).append(each)
    for number, count in Counter(call["from"]["e164"] for call in calls).items():
        if number is not None and count > 1:
            yield f"double row: {count} calls of {number}, who called once"
    for call in calls:
        number = call["from"]["e164"]
        if call["pressed_at"] and call["appeal"] is None:
            yield f"{call['id']}: pressed, but the call has no appeal"
        yield from _answered(call, of_number.get(number, []), experiment)
        if number in pressed:
            yield from _outcome(call, of_number.get(number, []), pressed[number][1])
            yield from _exact(call, pressed[number], experiment)


def _answered(call: Json, answers: Sequence[Answer], experiment: Experiment) -> Iterator[str]:
    legs = [leg for leg in call["legs"] if leg["outcome"] == "answered"]
    sure = [each for each in answers if _talked(each, experiment) and not _late(each, answers)]
    if call["outcome"] == "answered" and not answers:
        yield f"outcome of {call['id']}: answered, but no telephone answered him"
    elif call["outcome"] not in ("answered", "in_progress") and sure:
        yield f"outcome of {call['id']}: {call['outcome']}, but {_told(sure[0])}"
    if call["outcome"] != "answered":
        return
    if len(legs) != 1:
        yield f"legs of {call['id']}: {len(legs)} answered, not 1"
        return
    (leg,) = legs
    mine = [each for each in answers if each.extension == leg["extension"]]
    if not mine or (sure and sure[0].extension != leg["extension"]):
        yield f"legs of {call['id']}: {leg['extension']} answered, but {_told(*(sure or answers))}"
        return
    for what, stored in (
        ("answered", call["answered_at"]),
        ("its leg answered", leg["answered_at"]),
    ):
        yield from _near(call, what, stored, mine[0].at, _allowed(call, mine[0], experiment))


def _talked(answer: Answer, experiment: Experiment) -> bool:
    """Whether the answer lasted so long that press3 must know it."""
    until = answer.over_at
    if not experiment.whole:
        killed = [since for since, _ in experiment.blind if since > answer.at]
        until = min([*killed, *([until] if until else [])], default=None)
    return until is not None and until - answer.at > (_TALKED if experiment.whole else _FORGETS)


def _late(answer: Answer, answers: Sequence[Answer]) -> bool:
    """Whether another telephone answered the same ringing and was the one taken: it was hung up after.

    A busy PBX takes a second and more to hang up on the one that it did not take.
    """
    over_at = answer.over_at
    return over_at is not None and any(
        other.extension != answer.extension
        and other.at < over_at
        and (other.over_at is None or other.over_at > over_at)
        for other in answers
    )


def _told(*answers: Answer) -> str:
    said = [f"{each.extension} answered {each.number} at {each.at.isoformat()}" for each in answers]
    return ", ".join(said) or "no telephone did"


def _outcome(call: Json, answers: Sequence[Answer], hung_up_at: datetime | None) -> Iterator[str]:
    """Who pressed, was answered by nobody, and hung up himself has given up."""
    over = call["outcome"] not in ("abandoned", "answered", "in_progress")
    if call["pressed_at"] and hung_up_at and not answers and over:
        yield f"outcome of {call['id']}: {call['outcome']}, but he hung up unanswered"


def _exact(
    call: Json, pressed: tuple[datetime, datetime | None], experiment: Experiment
) -> Iterator[str]:
    """The key and the hang-up of a call that no fault touched, by the promise."""
    key, hung_up_at = pressed
    if not experiment.exact or hung_up_at is None or not call["pressed_at"]:
        return
    if touched(key, hung_up_at, experiment.blind):
        return
    for what, stored, truth in (
        ("pressed", call["pressed_at"], key + _TONE),
        ("hung up", call["ended_at"], hung_up_at),
    ):
        yield from _near(call, what, stored, truth, _within(stored, truth, experiment))


def _allowed(call: Json, answer: Answer, experiment: Experiment) -> timedelta:
    over_at = answer.over_at
    rough = not experiment.exact or over_at is None or call["recovered"]
    if rough or touched(answer.at, over_at or answer.at, experiment.blind):
        return _within(call["answered_at"], answer.at, experiment, _NEAR)
    return _within(call["answered_at"], answer.at, experiment)


def _within(
    stored: str | None, truth: datetime, experiment: Experiment, promised: timedelta = _EXACT
) -> timedelta:
    return promised + experiment.late(truth, when(stored) or truth)


def touched(since: datetime, until: datetime, blind: Sequence[tuple[datetime, datetime]]) -> bool:
    """Whether a fault came so near that it may have touched what lasted `since` … `until`."""
    return any(one <= until + _AROUND and other >= since - _AROUND for one, other in blind)


def _near(
    call: Json, what: str, stored: str | None, truth: datetime, within: timedelta
) -> Iterator[str]:
    at = when(stored)
    if at is None:
        yield f"times of {call['id']}: {what} at {truth}, nothing is stored"
    elif abs(at - truth) > within:
        yield f"times of {call['id']}: {what} at {truth}, stored is {at} ({within} allowed)"
