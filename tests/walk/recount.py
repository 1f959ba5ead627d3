"""The recount: what a call must look like, from everybody's logs but press3's, and where it differs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from tests.walk.logs import CallerLog, Cdr, QueueLine, Ringing
from tests.walk.plan import Caller

__all__ = ["Difference", "Evidence", "differences", "table"]

Json: TypeAlias = dict[str, Any]

_NEAR = timedelta(milliseconds=150)
_RACE = timedelta(milliseconds=300)
_SECOND = timedelta(seconds=1.05)  # whole seconds of CDR and queue_log, either way
_ONE_RING = timedelta(milliseconds=300)  # both devices of an operator begin together
_FLEETING = timedelta(milliseconds=50)
_WAV_HEADER_BYTES = 44
_WITHHELD = "anonymous"
# The word of CONTRACT for what a telephone did; the later one of two devices' words counts.
_REFUSED = {"486": "busy", "603": "rejected", "480": "failed"}
_WEIGHT = ("failed", "no_answer", "busy", "rejected", "gave_up", "elsewhere", "answered")


@dataclass(frozen=True)
class Difference:
    """`off_s`: only a time differs, by so much; the caller's clock and the PBX's run on one machine."""

    text: str
    off_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Everything that others say of one caller. `files` are the sizes of his recordings on the PBX's disk."""

    caller: Caller
    log: CallerLog
    ringings: Sequence[Ringing]
    queue: Sequence[QueueLine]
    cdr: Cdr
    files: Sequence[int]

    @property
    def pressed(self) -> bool:
        return any(line.event == "PRESS3" for line in self.queue)

    @property
    def answers(self) -> list[Ringing]:
        """Who lifted the receiver and got the call: of two at once the queue connects one."""
        connected = {_extension(line.agent) for line in self.queue if line.event == "CONNECT"}
        lifted = [each for each in self.ringings if each.answered_at is not None]
        got_it = [each for each in lifted if each.extension in connected]
        longest: dict[str, Ringing] = {}  # of two devices the one that was not put down at once
        for each in sorted(got_it, key=_lasted):
            longest[each.extension] = each
        return sorted(longest.values(), key=lambda ringing: ringing.rang_at)

    @property
    def close_race(self) -> bool:
        """He hung up in the very moment in which a telephone did something: nobody can tell who was first."""
        acts = [each.answered_at or each.refused_at for each in self.ringings]
        return any(_at_once(at, self.log.ended_at) for at in acts)

    @property
    def outcome(self) -> str:
        if self.answers:
            return "answered"
        last = self.queue[-1].event if self.queue else ""
        return "no_answer" if last in ("EXITWITHTIMEOUT", "EXITEMPTY") else "abandoned"

    def rings(self) -> list[tuple[str, datetime, str]]:
        """(extension, since when, outcome): the devices of one operator ring as one."""
        found: list[list[Ringing]] = []
        lasting = [each for each in self.ringings if not each.fleeting]
        for ringing in sorted(lasting, key=lambda each: each.rang_at):
            for group in found:
                same = group[0].extension == ringing.extension
                if same and ringing.rang_at - group[0].rang_at < _ONE_RING:
                    group.append(ringing)
                    break
            else:
                found.append([ringing])
        return [(g[0].extension, g[0].rang_at, self._outcome_of(g)) for g in found]

    def _outcome_of(self, group: Sequence[Ringing]) -> str:
        word = max((self._word(ringing) for ringing in group), key=_WEIGHT.index)
        return "no_answer" if word == "gave_up" else word

    def _word(self, ringing: Ringing) -> str:
        if ringing in self.answers:
            return "answered"
        if any(_outlived(ringing, each) for each in self.answers):
            return "elsewhere"  # also who refused when it was too late
        if ringing.end in _REFUSED:
            return _REFUSED[ringing.end]
        return "gave_up" if ringing.went_on_at(self.log.ended_at) else "no_answer"


def _extension(agent: str) -> str:
    """`Local/101@both-devices/n` and `PJSIP/101` are 101."""
    return agent.partition("/")[2][:3]


def _lasted(ringing: Ringing) -> timedelta:
    since, until = ringing.answered_at, ringing.over_at
    return timedelta.max if since is None or until is None else until - since


def _outlived(ringing: Ringing, answer: Ringing) -> bool:
    """It rang when the other was answered; a refusal counts when it came before that."""
    too_late = ringing.refused_at is None or (
        answer.answered_at is not None and ringing.refused_at >= answer.answered_at
    )
    return too_late and ringing.went_on_at(answer.answered_at)


def _at_once(one: datetime | None, other: datetime | None) -> bool:
    return one is not None and other is not None and abs(one - other) < _RACE


def differences(
    evidence: Evidence, calls: Sequence[Json], appeals: Sequence[Json]
) -> Iterator[Difference]:
    """Say every way in which press3 (`calls` to his number, `appeals` of them) differs from the evidence."""
    if len(calls) != 1:
        yield Difference(f"{len(calls)} calls")
        return
    (call,) = calls
    yield from _who(evidence, call)
    yield from _press(evidence, call, appeals)
    if evidence.close_race:
        return
    yield from _course(evidence, call)
    yield from _queue(evidence, call)
    yield from _legs(evidence, call)
    yield from _sound(evidence, call)


def _sound(evidence: Evidence, call: Json) -> Iterator[Difference]:
    """Who hung up in the moment of the recorder's start left a header and no sound: that can't be converted."""
    states = [each["state"] for each in call["recordings"]]
    with_sound = sum(size > _WAV_HEADER_BYTES for size in evidence.files)
    if (len(states), states.count("converted")) != (len(evidence.files), with_sound):
        yield Difference(f"recordings {states}, on disk {list(evidence.files)} bytes")


def _who(evidence: Evidence, call: Json) -> Iterator[Difference]:
    caller = evidence.caller
    if call["from"]["raw"] not in (caller.number, "" if caller.number == _WITHHELD else None):
        yield Difference(f"from {call['from']['raw']!r}, he is {caller.number!r}")
    if (call["from"]["name"] or "") != caller.name:
        yield Difference(f"name {call['from']['name']!r}, his is {caller.name!r}")
    if call["direction"] != "in":
        yield Difference(f"direction {call['direction']}")
    if call["id"] != f"main-{evidence.cdr.uniqueid}":
        yield Difference(f"call {call['id']}, CDR {evidence.cdr.uniqueid}")


def _press(evidence: Evidence, call: Json, appeals: Sequence[Json]) -> Iterator[Difference]:
    if (call["pressed_at"] is not None) != evidence.pressed:
        yield Difference(f"pressed at {call['pressed_at']}, queue_log: {evidence.pressed}")
    if len(appeals) != evidence.pressed:
        yield Difference(f"{len(appeals)} appeals, queue_log: {evidence.pressed}")
    if not evidence.pressed or call["pressed_at"] is None:
        return
    key_at = evidence.log.keys[-1 if "another key" in evidence.caller.kind else 0]
    yield from _near("pressed_at", call["pressed_at"], key_at)
    for appeal in appeals:
        if appeal["verified"] != "verified":
            yield Difference(f"appeal {appeal['number']} is {appeal['verified']}")


def _course(evidence: Evidence, call: Json) -> Iterator[Difference]:
    if call["outcome"] != evidence.outcome:
        yield Difference(f"outcome {call['outcome']}, was {evidence.outcome}")
    yield from _near("started_at", call["started_at"], evidence.log.called_at)
    yield from _near("ended_at", call["ended_at"], evidence.log.ended_at)
    yield from _near("started_at and CDR", call["started_at"], evidence.cdr.started_at, _SECOND)
    if evidence.answers or not evidence.cdr.dialled:  # else CDR ends with the last telephone
        yield from _near("ended_at and CDR", call["ended_at"], evidence.cdr.ended_at, _SECOND)
    first = evidence.answers[0].answered_at if evidence.answers else None
    yield from _near("answered_at", call["answered_at"], first)


def _queue(evidence: Evidence, call: Json) -> Iterator[Difference]:
    entered = [line.at for line in evidence.queue if line.event == "ENTERQUEUE"]
    left = [
        line.at
        for line in evidence.queue
        if line.event in ("CONNECT", "ABANDON", "EXITWITHTIMEOUT", "EXITEMPTY")
    ]
    first = entered[0] if entered else None
    yield from _near("queue_entered_at", call["queue_entered_at"], first, _SECOND)
    yield from _near("queue_left_at", call["queue_left_at"], left[-1] if left else None, _SECOND)
    connected = any(line.event == "CONNECT" for line in evidence.queue)
    if connected != (call["outcome"] == "answered"):
        yield Difference(f"outcome {call['outcome']}, queue_log CONNECT: {connected}")


def _legs(evidence: Evidence, call: Json) -> Iterator[Difference]:
    rings = evidence.rings()
    legs = [leg for leg in call["legs"] if leg["rang_at"] is not None and not _fleeting(leg)]
    told = sorted((leg["extension"], str(leg["outcome"])) for leg in legs)
    was = sorted((extension, outcome) for extension, _, outcome in rings)
    if told != was:
        yield Difference(f"rings {told}, telephones say {was}")
        return
    in_time = sorted(legs, key=lambda leg: (leg["extension"], leg["rang_at"]))
    for leg, (extension, at, _) in zip(in_time, sorted(rings), strict=True):
        yield from _near(f"rang_at of {extension}", leg["rang_at"], at)
    answered = [leg for leg in legs if leg["answered_at"] is not None]
    for leg, ringing in zip(answered, evidence.answers, strict=False):
        name = f"{leg['extension']} answered_at"
        yield from _near(name, leg["answered_at"], ringing.answered_at)
        yield from _near(f"{leg['extension']} ended_at", leg["ended_at"], ringing.over_at)


def _fleeting(leg: Json) -> bool:
    """Dialled and taken back before the telephone was reached: its log may know nothing of it."""
    if leg["answered_at"] is not None or leg["ended_at"] is None:
        return False
    ended, rang = (datetime.fromisoformat(leg[key]) for key in ("ended_at", "rang_at"))
    return ended - rang < _FLEETING


def _near(
    what: str, stored: str | None, truth: datetime | None, within: timedelta = _NEAR
) -> Iterator[Difference]:
    if (stored is None) != (truth is None):
        yield Difference(f"{what} {stored}, was {truth}")
    elif stored is not None and truth is not None:
        off = datetime.fromisoformat(stored) - truth
        if abs(off) > within:
            yield Difference(
                f"{what} off by {off.total_seconds():+.3f} s", abs(off.total_seconds())
            )


def table(rows: Mapping[str, Sequence[Difference]]) -> str:
    """A readable table: who, and every difference on a line of its own."""
    width = max(map(len, rows), default=0)
    return "\n".join(
        f"{who if n == 0 else '':<{width}}  {each.text}"
        for who, texts in rows.items()
        for n, each in enumerate(texts)
    )
