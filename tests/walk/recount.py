"""The recount: what a call must look like, from everybody's logs but press3's, and where it differs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from tests.walk.logs import CallerLog, Cdr, QueueLine, Ringing
from tests.walk.plan import Caller

__all__ = ["Difference", "Evidence", "Given", "differences", "table"]

Json: TypeAlias = dict[str, Any]

_NEAR = timedelta(milliseconds=150)
_RACE = timedelta(milliseconds=300)
_SECOND = timedelta(seconds=1.05)  # whole seconds of CDR and queue_log, either way
_ONE_RING = timedelta(milliseconds=300)  # both devices of an operator begin together
_FLEETING = timedelta(milliseconds=50)
_ROUND = timedelta(seconds=2)  # the queue's ring_s in a walk
_TRANSFERS = {"BLINDTRANSFER": "blind", "ATTENDEDTRANSFER": "attended"}
_WAV_HEADER_BYTES = 44
_WITHHELD = "anonymous"
# The word of CONTRACT for what a telephone did; the later one of two devices' words counts.
_REFUSED = {"486": "busy", "603": "rejected", "480": "failed"}
_WEIGHT = ("failed", "no_answer", "busy", "rejected", "gave_up", "elsewhere", "answered")


@dataclass(frozen=True)
class Difference:
    """`excused`: only a time differs, by no more than the promise and what the machine was measured late."""

    text: str
    excused: bool = False


@dataclass(frozen=True)
class Talk:
    """Who talked to the customer. `since`: null for who never heard him."""

    extension: str
    since: datetime | None
    until: datetime | None


@dataclass(frozen=True, kw_only=True)
class Given:
    """What reached the colleague of one caller. `own`: how a call of the colleague's own went."""

    colleague: str
    ringings: Sequence[Ringing]
    own: CallerLog | None


Late: TypeAlias = Callable[[datetime, datetime], timedelta]
"""How late the machine was, as measured, between what was seen at one moment and stored as of another."""


def _nobody_late(seen: datetime, stored: datetime) -> timedelta:
    return timedelta(0)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Everything that others say of one caller. `files` are the sizes of his recordings on the PBX's disk."""

    caller: Caller
    log: CallerLog
    ringings: Sequence[Ringing]
    queue: Sequence[QueueLine]
    cdr: Cdr
    files: Sequence[int]
    given: Given | None = None
    late: Late = _nobody_late

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
    def picked_up_at(self) -> datetime | None:
        """Asterisk answers who picks up first, and takes the ringing from the others when he has it.

        Who came when nothing rang any more was declined (603) and has nobody.
        """
        own = self.given.own if self.given is not None else None
        if self.caller.kind != "is picked up" or own is None or own.answered_at is None:
            return None
        since = own.called_at
        overs = [each.over_at for each in self.ringings if each.over_at is not None]
        return min((at for at in overs if at >= since), default=None)

    @property
    def transfers(self) -> list[str]:
        """By queue_log; Asterisk 16 leaves consultations out, there the telephones tell who stayed."""
        logged = [_TRANSFERS[line.event] for line in self.queue if line.event in _TRANSFERS]
        return logged or ["attended"] * self._left_together

    @property
    def _left_together(self) -> bool:
        """The colleague lifted while the operator was there, who then left before him."""
        asked = self.given.ringings if self.given is not None else ()
        return any(
            each.answered_at is not None
            and each.over_at is not None
            and talk.over_at is not None
            and each.answered_at < talk.over_at < each.over_at
            for each in asked
            for talk in self.answers[:1]
        )

    @property
    def talks(self) -> list[Talk]:
        """With whom the customer talked, or nearly: a colleague who was only asked never heard him."""
        talks = [Talk(each.extension, each.answered_at, each.over_at) for each in self.answers]
        if self.given is None:
            return talks
        for each in self.given.ringings:
            if each.answered_at is not None:
                talks.append(Talk(each.extension, self._handed_at(each), each.over_at))
        own = self.given.own
        if own is not None and own.answered_at is not None:
            since = self.picked_up_at or own.answered_at
            talks.append(Talk(self.given.colleague, since, own.ended_at))
        return talks

    def _handed_at(self, lifted: Ringing) -> datetime | None:
        if "attended" in self.transfers:
            return self.answers[0].over_at  # when the operator left them alone
        return lifted.answered_at if "blind" in self.transfers else None

    @property
    def close_race(self) -> bool:
        """He hung up in the very moment in which a telephone did something: nobody can tell who was first."""
        acts = [each.answered_at or each.refused_at for each in self.ringings]
        return any(_at_once(at, self.log.ended_at) for at in acts)

    @property
    def outcome(self) -> str:
        if self.answers or self.picked_up_at is not None:
            return "answered"
        last = self.queue[-1].event if self.queue else ""
        if last in ("EXITWITHTIMEOUT", "EXITEMPTY"):
            return "no_answer"
        return "abandoned" if self.log.hung_up or self.ringings else "closed"

    def near(
        self, what: str, stored: str | None, truth: datetime | None, within: timedelta = _NEAR
    ) -> Iterator[Difference]:
        """Say when a stored time is off by more than the promise, and by how much the machine was late."""
        if (stored is None) != (truth is None):
            yield Difference(f"{what} {stored}, was {truth}")
        elif stored is not None and truth is not None:
            at = datetime.fromisoformat(stored)
            off = abs(at - truth)
            if off > within:
                late = self.late(truth, at)
                yield Difference(
                    f"{what} off by {(at - truth).total_seconds():+.3f} s, machine late by {late}",
                    excused=off <= within + late,
                )

    def rings(self) -> list[tuple[str, datetime, str]]:
        """(extension, since when, outcome): the devices of one operator ring as one."""
        found: list[list[Ringing]] = []
        asked = self.given.ringings if self.given is not None else ()
        lasting = [each for each in (*self.ringings, *asked) if not each.fleeting]
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
        asked = self.given is not None and ringing in self.given.ringings
        if ringing in self.answers or (asked and ringing.answered_at is not None):
            return "answered"
        taken = [self.picked_up_at, *(each.answered_at for each in self.answers)]
        if not asked and any(_outlived(ringing, at) for at in taken):
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


def _outlived(ringing: Ringing, answered_at: datetime | None) -> bool:
    """It rang when another was answered; a refusal counts when it came before that."""
    too_late = ringing.refused_at is None or (
        answered_at is not None and ringing.refused_at >= answered_at
    )
    return too_late and ringing.went_on_at(answered_at)


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
    yield from _talks(evidence, call)
    yield from _transfers(evidence, call)
    yield from _holds(evidence, call)
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
    yield from evidence.near("pressed_at", call["pressed_at"], key_at)
    for appeal in appeals:
        if appeal["verified"] != "verified":
            yield Difference(f"appeal {appeal['number']} is {appeal['verified']}")


def _course(evidence: Evidence, call: Json) -> Iterator[Difference]:
    if call["outcome"] != evidence.outcome:
        yield Difference(f"outcome {call['outcome']}, was {evidence.outcome}")
    yield from evidence.near("started_at", call["started_at"], evidence.log.called_at)
    yield from evidence.near("ended_at", call["ended_at"], evidence.log.ended_at)
    yield from evidence.near(
        "started_at and CDR", call["started_at"], evidence.cdr.started_at, _SECOND
    )
    if evidence.answers or not evidence.cdr.dialled:  # else CDR ends with the last telephone
        yield from evidence.near(
            "ended_at and CDR", call["ended_at"], evidence.cdr.ended_at, _SECOND
        )
    first = evidence.answers[0].answered_at if evidence.answers else evidence.picked_up_at
    yield from evidence.near("answered_at", call["answered_at"], first)


def _queue(evidence: Evidence, call: Json) -> Iterator[Difference]:
    entered = [line.at for line in evidence.queue if line.event == "ENTERQUEUE"]
    left = [
        line.at
        for line in evidence.queue
        if line.event in ("CONNECT", "ABANDON", "EXITWITHTIMEOUT", "EXITEMPTY")
    ]
    first = entered[0] if entered else None
    yield from evidence.near("queue_entered_at", call["queue_entered_at"], first, _SECOND)
    yield from evidence.near(
        "queue_left_at", call["queue_left_at"], left[-1] if left else None, _SECOND
    )
    connected = any(line.event == "CONNECT" for line in evidence.queue)
    if connected != (call["outcome"] == "answered"):
        yield Difference(f"outcome {call['outcome']}, queue_log CONNECT: {connected}")


def _legs(evidence: Evidence, call: Json) -> Iterator[Difference]:
    rings = evidence.rings()
    legs = [leg for leg in call["legs"] if leg["rang_at"] is not None and not _fleeting(leg)]
    told = sorted((leg["extension"], str(leg["outcome"])) for leg in legs)
    was = sorted(
        (extension, _either(evidence, extension, outcome, told)) for extension, _, outcome in rings
    )
    if told != was:
        yield Difference(f"rings {told}, telephones say {was}")
        return
    in_time = sorted(legs, key=lambda leg: (leg["extension"], leg["rang_at"]))
    for leg, (extension, at, _) in zip(in_time, sorted(rings), strict=True):
        yield from evidence.near(f"rang_at of {extension}", leg["rang_at"], at)


def _either(
    evidence: Evidence, extension: str, outcome: str, told: Sequence[tuple[str, str]]
) -> str:
    """Who refused within the promised 150 ms of another's answer may have been first, or too late.

    So may a round of the queue that was over when its ringing was picked up.
    """
    if evidence.picked_up_at is not None and _had_its_round(evidence, extension):
        both = ("elsewhere", "no_answer")
        if outcome in both:
            return next((o for e, o in told if e == extension and o in both), outcome)
    taken = [each.answered_at for each in evidence.answers]
    refusals = [each for each in evidence.ringings if each.extension == extension]
    close = any(
        ringing.refused_at is not None and at is not None and abs(ringing.refused_at - at) <= _NEAR
        for ringing in refusals
        for at in taken
    )
    words = ("elsewhere", *_REFUSED.values())
    if close and outcome in words:
        return next((o for e, o in told if e == extension and o in words), outcome)
    return outcome


def _had_its_round(evidence: Evidence, extension: str) -> bool:
    return any(
        each.extension == extension
        and each.over_at is not None
        and each.over_at - each.rang_at >= _ROUND - _NEAR
        for each in evidence.ringings
    )


def _talks(evidence: Evidence, call: Json) -> Iterator[Difference]:
    told = sorted(
        (leg for leg in call["legs"] if leg["outcome"] == "answered"),
        key=lambda leg: leg["extension"],
    )
    was = sorted(evidence.talks, key=lambda talk: talk.extension)
    if [leg["extension"] for leg in told] != [talk.extension for talk in was]:
        yield Difference(f"talks {[leg['extension'] for leg in told]}, telephones say {was}")
        return
    for leg, talk in zip(told, was, strict=True):
        yield from evidence.near(f"{talk.extension} answered_at", leg["answered_at"], talk.since)
        yield from evidence.near(f"{talk.extension} ended_at", leg["ended_at"], talk.until)


def _holds(evidence: Evidence, call: Json) -> Iterator[Difference]:
    """`holds` of the call: (extension, since), from the stored facts.

    A feature code holds the customer too, which no telephone tells: such calls are not compared.
    """
    if evidence.given is not None:
        return
    was = sorted((each.extension, since) for each in evidence.answers for since in each.holds)
    told = sorted(call["holds"])
    if [extension for extension, _ in told] != [extension for extension, _ in was]:
        yield Difference(f"holds {told}, telephones say {was}")
        return
    for (extension, since), (_, at) in zip(told, was, strict=True):
        yield from evidence.near(f"{extension} held", since, at)


def _transfers(evidence: Evidence, call: Json) -> Iterator[Difference]:
    """By queue_log; it happened when the telephone of who gave him away was told to hang up, or did."""
    told = [(each["kind"], each["from"], each["to"]) for each in call["transfers"]]
    to = evidence.given.colleague if evidence.given is not None else ""
    was = [(kind, evidence.answers[0].extension, to) for kind in evidence.transfers]
    if told != was:
        yield Difference(f"transfers {told}, queue_log and telephones say {was}")
        return
    for each in call["transfers"]:
        yield from evidence.near("transfer", each["at"], evidence.answers[0].over_at)


def _fleeting(leg: Json) -> bool:
    """Dialled and taken back before the telephone was reached: its log may know nothing of it.

    One that declined was reached, though the PBX may tell of it late, and of both at once.
    """
    declined = leg["outcome"] in ("busy", "rejected")
    if leg["answered_at"] is not None or leg["ended_at"] is None or declined:
        return False
    ended, rang = (datetime.fromisoformat(leg[key]) for key in ("ended_at", "rang_at"))
    return ended - rang < _FLEETING


def table(rows: Mapping[str, Sequence[Difference]]) -> str:
    """A readable table: who, and every difference on a line of its own."""
    width = max(map(len, rows), default=0)
    return "\n".join(
        f"{who if n == 0 else '':<{width}}  {each.text}"
        for who, texts in rows.items()
        for n, each in enumerate(texts)
    )
