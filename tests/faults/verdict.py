"""The verdict after every experiment: callers' presses = appeals = presses in the spool, and all the rest.

`compare` is pure: what callers did and what was seen go in, plain sentences about every difference
come out. Nothing in it trusts press3: the callers' logs and the PBX's own files are the measure.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from tests.faults.callers import Pressed, Truth
from tests.faults.outside import Outside, when
from tests.faults.telephones import Experiment, Late, nobody_late, stories

__all__ = ["Expected", "Verdict", "blind_spans", "compare"]

Json: TypeAlias = dict[str, Any]

# Between the key on the caller's side and the press in the PBX lies the menu, on a busy machine too.
_NEAR = timedelta(seconds=3)
_HAS_ITS_STATE = frozenset({"linked", "converted", "missing"})
_SHOWN = 12
_MAY_BE_OVERTAKEN = 0.01  # of the keys, and always one


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What the experiment itself knows.

    `blind_at`: moments at which press3 could not hear the PBX; a blind window must cover each.
    `spool_is_whole`: false when the PBX was killed, whose database commits once a second: then a
    press may be known by its event alone, and one that nobody confirmed to the caller may be gone.
    `late`, `exact`: see `telephones.Experiment`. `well_at`: the end of the last fault; recordings of calls that
    were over by then have their minute from there.
    """

    truth: Truth
    blind_at: Sequence[datetime] = ()
    spool_is_whole: bool = True
    late: Late = nobody_late
    exact: bool = False
    well_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Counts, and every difference as a sentence; none is what the promise says."""

    callers: int
    pressed: int
    sure: int
    appeals: int
    spool: int
    recordings: int
    windows: int
    differences: tuple[str, ...]
    settled_s: float = 0
    unsettled_s: float = (
        0  # how long after the hang-up, or the fault, a recording still has no state
    )
    lost: int = 0
    doubled: int = 0
    invented: int = 0
    ghosts: int = 0
    overtaken: int = 0

    def too_late(self, recordings_s: float) -> list[str]:
        """Say so when a recording was neither linked nor explained so long after the hang-up."""
        if self.unsettled_s <= recordings_s:
            return []
        return [
            f"a recording without a state {self.unsettled_s:.1f} s after ({recordings_s} allowed)"
        ]

    def __str__(self) -> str:
        counts = (
            f"{self.callers} callers, {self.pressed} pressed 3 ({self.sure} must be registered, "
            f"{self.overtaken} were overtaken by their hang-up), "
            f"{self.appeals} appeals, {self.spool} presses in the spool, {self.recordings} recordings, "
            f"{self.windows} blind windows; lost {self.lost}, doubled {self.doubled}, "
            f"invented {self.invented}, ghost calls {self.ghosts}; settled in {self.settled_s:.1f} s"
        )
        shown = [*self.differences[:_SHOWN]]
        if len(self.differences) > _SHOWN:
            shown.append(f"… and {len(self.differences) - _SHOWN} more")
        return "\n  ".join([counts, *shown])


def compare(expected: Expected, seen: Outside) -> Verdict:
    """Return the verdict on one look."""
    truth = expected.truth
    numbers = Counter(appeal["caller"]["e164"] for appeal in seen.appeals)
    spool = Counter(row.number for row in seen.spool)
    lost = truth.sure - numbers.keys()
    doubled = [number for number, count in numbers.items() if count > 1]
    invented = numbers.keys() - truth.possible
    recordings = list(_recordings(expected, seen))
    ghosts = [call["id"] for call in seen.calls if call["outcome"] == "in_progress"]
    differences = [
        *(f"lost: {_who(press)}: no appeal" for press in truth.pressed if press.number in lost),
        *_each("doubled: more than one appeal", doubled),
        *_each("invented: an appeal, but the caller never pressed", invented),
        *_each("ghost: the call is over, press3 says in progress", ghosts),
        *_spool(expected, numbers, spool),
        *(sentence for sentence, _ in recordings),
        *_overtaken(truth),
        *_windows(expected.blind_at, seen.windows),
        *_times(expected, seen.calls),
        *_stories(expected, seen),
    ]
    return Verdict(
        callers=truth.callers,
        pressed=len(truth.pressed),
        sure=len(truth.sure),
        appeals=len(seen.appeals),
        spool=len(seen.spool),
        recordings=sum(len(call["recordings"]) for call in seen.calls),
        windows=len(seen.windows),
        differences=tuple(differences),
        lost=len(lost),
        doubled=len(doubled),
        invented=len(invented),
        ghosts=len(ghosts),
        unsettled_s=max((_age(call, expected, seen) for _, call in recordings if call), default=0),
        overtaken=sum(press.overtaken for press in truth.pressed),
    )


def _who(press: Pressed) -> str:
    stayed = f", hung up {press.hung_up_at - press.at} later" if press.hung_up_at else ""
    return f"{press.number} pressed at {press.at.isoformat()}{stayed}"


def _each(what: str, whom: Iterable[str]) -> list[str]:
    return [f"{what}: {each}" for each in sorted(whom)]


def _overtaken(truth: Truth) -> Iterator[str]:
    """A key that the dialplan did not come to is rare: many of them would hide a loss."""
    overtaken = [press for press in truth.pressed if press.overtaken]
    if len(overtaken) > max(1, len(truth.pressed) * _MAY_BE_OVERTAKEN):
        yield f"{len(overtaken)} keys overtaken by their hang-up: {_who(overtaken[0])}, …"


def _spool(expected: Expected, appeals: Counter[str], spool: Counter[str]) -> list[str]:
    twice = [number for number, count in spool.items() if count > 1]
    found = _each("in the spool twice", twice)
    found += _each("in the spool, but no appeal", spool.keys() - appeals.keys())
    if expected.spool_is_whole:
        found += _each("an appeal, but not in the spool", appeals.keys() - spool.keys())
    return found


def _age(call: Json, expected: Expected, seen: Outside) -> float:
    """Seconds from the hang-up, or from the last fault's end when that was later, to this look.

    Without what the machine withheld.
    """
    ended_at = when(call["ended_at"]) or seen.at
    since = max(ended_at, expected.well_at or ended_at)
    return (seen.at - since - expected.late(since, seen.at)).total_seconds()


def _recordings(expected: Expected, seen: Outside) -> Iterator[tuple[str, Json | None]]:
    """Every recording is linked or listed as missing; every file on the PBX belongs to its call.

    Yield what is wrong, with the call that it concerns.

    Of a press that died with the PBX within its second the file alone may be left: nobody's, and
    listed so.
    """
    by_uniqueid = {call["id"].partition("-")[2]: call for call in seen.calls}
    alone = 0
    for uniqueid, files in seen.files.items():
        call = by_uniqueid.get(uniqueid)
        if call is None and not expected.spool_is_whole:
            alone += len(files)
            continue
        linked = [each for each in call["recordings"] if each["state"] != "missing"] if call else []
        if len(linked) < len(files):
            yield f"recording {files[0].name}: linked {len(linked)} of {len(files)}", call
    for row in seen.spool:
        call = by_uniqueid.get(row.uniqueid)
        if call and "recording" in row.marks and not call["recordings"]:
            yield f"recording of {call['id']}: begun by the PBX, not listed", call
    for call in seen.calls:
        for recording in call["recordings"]:
            if recording["state"] not in _HAS_ITS_STATE:
                still = recording["state"]
                yield f"recording {recording['id']} of {call['id']}: still {still}", call
    if not alone and seen.orphans:
        yield f"{seen.orphans} recordings belong to no call", None
    elif seen.orphans < alone:
        yield f"{alone} files of no call, {seen.orphans} of them listed", None


def _windows(blind_at: Sequence[datetime], windows: Sequence[Json]) -> Iterator[str]:
    spans = [(when(each["from"]), when(each["to"])) for each in windows]
    for since, until in spans:
        if since is None or until is None:
            yield f"a blind window is still open: from {since}"
        elif until < since:
            yield f"a blind window ends before it begins: {since} – {until}"
    for at in blind_at:
        if not any(since and until and since <= at <= until for since, until in spans):
            yield f"no blind window covers {at.isoformat()}"


def _times(expected: Expected, calls: Sequence[Json]) -> Iterator[str]:
    by_number = {press.number: press for press in expected.truth.pressed}
    for call in calls:
        yield from _order(call)
        press = by_number.get(call["from"]["e164"])
        if press is not None:
            yield from _near(call, press, expected.late)


def _stories(expected: Expected, seen: Outside) -> Iterator[str]:
    called = {call["from"]["e164"] for call in seen.calls}
    missing = {appeal["caller"]["e164"] for appeal in seen.appeals} - called
    yield from _each("an appeal, but no call", missing)
    experiment = Experiment(
        blind=blind_spans(expected.blind_at, seen.windows),
        whole=expected.spool_is_whole,
        late=expected.late,
        exact=expected.exact,
    )
    pressed = {press.number: (press.at, press.hung_up_at) for press in expected.truth.pressed}
    yield from stories(expected.truth.answers, pressed, seen.calls, experiment)


def blind_spans(
    blind_at: Sequence[datetime], windows: Sequence[Json]
) -> list[tuple[datetime, datetime]]:
    """Return when press3 heard nothing: by the experiment, and by its own blind windows that are closed."""
    told = [(when(each["from"]), when(each["to"])) for each in windows]
    return [
        *((at, at) for at in blind_at),
        *((since, until) for since, until in told if since and until),
    ]


def _order(call: Json) -> Iterator[str]:
    names = ("started_at", "pressed_at", "queue_entered_at", "answered_at", "ended_at")
    yield from _ascending(call["id"], [(name, when(call[name])) for name in names])
    for leg in call["legs"]:
        steps = [(name, when(leg[name])) for name in ("rang_at", "answered_at", "ended_at")]
        yield from _ascending(f"{call['id']}, telephone {leg['extension']}", steps)


def _ascending(whose: str, steps: Iterable[tuple[str, datetime | None]]) -> Iterator[str]:
    before, earliest = "", None
    for name, at in steps:
        if at is None:
            continue
        if earliest is not None and at < earliest:
            yield f"times of {whose}: {name} {at} before {before} {earliest}"
        before, earliest = name, at


def _near(call: Json, press: Pressed, late: Late) -> Iterator[str]:
    """The press is when the caller pressed; its end, when he hung up himself, when he hung up."""
    for what, stored, truth in (
        ("pressed", when(call["pressed_at"]), press.at),
        ("hung up", when(call["ended_at"]), press.hung_up_at),
    ):
        if not stored or not truth or not call["pressed_at"]:
            continue
        if abs(stored - truth) > _NEAR and abs(stored - truth) > _NEAR + late(truth, stored):
            yield f"times of {call['id']}: {what} at {truth}, stored is {stored}"
