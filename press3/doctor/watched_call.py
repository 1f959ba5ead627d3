"""What is seen of a test call, step by step: facts and stored marks in, sentences out. Pure."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

from ami.spool import SpoolPress
from calls.facts import (
    CallArrived,
    CallEnded,
    ComplaintRequested,
    Fact,
    OperatorAnswered,
    OperatorRang,
    OperatorStoppedRinging,
    QueueEntered,
    RecordingStarted,
)
from press3.doctor.findings import Finding, fail, warn

__all__ = ["STEPS", "StepName", "WatchedCall"]

StepName: TypeAlias = Literal[
    "arrived", "pressed", "kept", "recorded", "grew", "queued", "rang", "answered", "ended"
]
STEPS: tuple[StepName, ...] = (
    "arrived", "pressed", "kept", "recorded", "grew", "queued", "rang", "answered", "ended",
)  # fmt: skip
_STOPPED = {
    "answered": "was answered",
    "elsewhere": "stops: another answered",
    "no_answer": "stops: not answered in time",
    "rejected": "refused the call",
    "busy": "is busy",
    "failed": "can't be reached",
    "abandoned": "stops: the caller hung up",
    "transferred": "stops: the call was transferred",
    "forwarded": "sends the call on",
}
_BY_READ = (
    "its class is missing in read= of the AMI user, or an eventfilter keeps it back: press3 doctor"
)


@dataclass
class WatchedCall:
    """One call, of which nothing was pressed before `begun`.

    `owner` names the employee of an extension, None when it is nobody's. Times are the PBX's,
    shown in `zone`. `others` is how many calls came besides. `unasked` is why AstDB, asked last
    whether 3 was pressed, did not answer.
    """

    begun: datetime
    zone: ZoneInfo
    owner: Callable[[str], str | None] = lambda extension: None
    call: str | None = None
    number: str = ""
    key: str | None = None
    is_observed: bool = False
    paths: list[str] = field(default_factory=list)
    press: SpoolPress | None = None
    channels_unheard: bool = False
    untimed: bool = False
    others: int = 0
    unasked: str = ""
    ownerless: set[str] = field(default_factory=set)
    seen: dict[StepName, datetime] = field(default_factory=dict)

    def hear(self, facts: Iterable[Fact]) -> Iterator[str]:
        """Take what events told; yield what is worth saying."""
        for fact in facts:
            if isinstance(fact, CallArrived) and self.call is None:
                self.call, self.number = fact.call, fact.caller.raw or "no number"
                yield self._saw("arrived", fact.at, f"a call arrived from {self.number}")
            elif fact.call == self.call:
                yield from self._hear(fact)

    def _hear(self, fact: Fact) -> Iterator[str]:
        match fact:
            case ComplaintRequested():
                self.key, self.is_observed = fact.key, fact.key is None
                yield self._saw("pressed", fact.at, "3 was pressed")
            case RecordingStarted():
                self.paths.append(fact.path)
                yield self._saw("recorded", fact.at, f"the PBX records to {fact.path}")
            case QueueEntered():
                yield self._saw("queued", fact.at, f"the caller waits in queue {fact.queue}")
            case OperatorRang():
                yield self._saw("rang", fact.at, self._rings(fact.telephone))
            case OperatorStoppedRinging() if fact.reason in _STOPPED:
                yield self._line(fact.at, f"telephone {fact.telephone} {_STOPPED[fact.reason]}")
            case OperatorAnswered():
                yield self._saw("answered", fact.at, f"{fact.telephone} talks with the caller")
            case CallEnded():
                yield self._saw("ended", fact.at, f"the call is over: {fact.outcome}")

    def _rings(self, extension: str) -> str:
        owner = self.owner(extension)
        if owner is not None:
            return f"telephone {extension} rings: the card is shown to {owner}"
        self.ownerless.add(extension)
        return f"telephone {extension} rings: it is nobody's, so no card is shown"

    def read(self, press: SpoolPress) -> Iterator[str]:
        """Take what AstDB keeps of a press; one that no event told of counts too."""
        if self.key not in (None, press.key):
            return
        first = self.press is None
        self.press = press
        if first:
            heard = "" if "pressed" in self.seen else ", though no event told of it"
            yield self._saw("kept", press.pressed_at, f"the press is kept as {press.key}{heard}")
        for each in press.recordings:
            if each.path not in self.paths:
                self.paths.append(each.path)

    def grew(self, at: datetime, path: str, size_bytes: int) -> str:
        """The recording is there and grows."""
        return self._saw("grew", at, f"the recording grows: {size_bytes >> 10} KiB in {path}")

    @property
    def was_pressed(self) -> bool:
        return "pressed" in self.seen or self.press is not None

    @property
    def is_over(self) -> bool:
        return "ended" in self.seen or (self.press is not None and self.press.ended_at is not None)

    def _saw(self, step: StepName, at: datetime, said: str) -> str:
        self.seen.setdefault(step, at)
        return self._line(at, said)

    def _line(self, at: datetime, said: str) -> str:
        return f"  {at.astimezone(self.zone):%H:%M:%S}.{at.microsecond // 1000:03} {said}"

    def missing(self, waited: timedelta) -> list[Finding]:
        """Return what did not come, what that means and what to do."""
        steps = [step for step in STEPS if step not in self.seen]
        if self.press is None and "pressed" not in self.seen:
            steps = steps[:1]  # nothing else could come
        found = [why for step in steps if (why := self._why_missing(step, waited)) is not None]
        if self.untimed:
            advice = "in manager.conf [general]: timestampevents = yes, then: manager reload"
            found.append(fail("events carry no time of the PBX", advice))
        for extension in sorted(self.ownerless):
            advice = f"press3 user add LOGIN --role operator --extension {extension}"
            found.append(warn(f"telephone {extension} belongs to no employee", advice))
        return found

    def _why_missing(self, step: StepName, waited: timedelta) -> Finding | None:
        return {
            "arrived": lambda: self._no_call(waited),
            "pressed": self._no_press,
            "kept": self._not_kept,
            "recorded": self._not_recorded,
            "grew": self._no_file,
            "queued": self._not_queued,
            "rang": self._nobody_rang,
            "answered": self._nobody_answered,
            "ended": self._not_ended,
        }[step]()

    def _no_call(self, waited: timedelta) -> Finding:
        if self.press is not None or self.channels_unheard:
            return fail("a call was on the PBX, but no event told of it", f"Newchannel: {_BY_READ}")
        return fail(
            f"no call came in {waited.total_seconds():.0f} s",
            "does the number you called lead to this Asterisk ([[asterisk]] host, port)? With --from, "
            "is that the number the PBX sees?",
        )

    def _no_press(self) -> Finding:
        if self.press is not None:
            return fail(
                "the press is in AstDB, but its event did not come: it is seen a minute late",
                f"UserEvent: {_BY_READ}",
            )
        came = f"{self.others + 1} calls came" if self.others else "the call came"
        if self.unasked:
            return fail(
                f"{came}, but no event told of a 3, and AstDB did not say whether one was pressed: "
                f"{self.unasked}",
                "does the PBX answer, and has the account write = reporting? press3 doctor",
            )
        return fail(
            f"{came}, but no 3 was seen",
            "was 3 pressed, in the menu? Then key 3 of that menu does not lead to press3-complaint: let "
            "it do Goto(press3-complaint,s,1)",
        )

    def _not_kept(self) -> Finding | None:
        if self.is_observed:
            return warn(
                "the menu is only observed: this press would be lost while press3 is away",
                "let key 3 do Goto(press3-complaint,s,1)",
            )
        return fail(
            "the press is not in AstDB: it would be lost while press3 is away",
            "is the PBX's disk full, or astdb.sqlite3 not writable for Asterisk?",
        )

    def _not_recorded(self) -> Finding | None:
        if self.press is not None and self.press.recordings:
            advice = f"VarSet of MIXMONITOR_FILENAME: {_BY_READ}"
            return fail("it is recorded, but no event says where", advice)
        if self.is_observed:
            return warn("no recording was seen", "does the PBX record this queue?")
        return fail("nothing was recorded", "is app_mixmonitor.so loaded on the PBX?")

    def _no_file(self) -> Finding | None:
        if not self.paths:
            return None  # said already
        return fail(
            f"the recording {self.paths[0]} was not seen growing here",
            "is that folder in [recordings] roots or [[recordings.map]], and readable? press3 doctor",
        )

    def _not_queued(self) -> Finding:
        if self.press is not None and self.press.entered_at is not None:
            return fail(
                "the caller entered the queue, but no event told of it",
                f"QueueCallerJoin: {_BY_READ}",
            )
        return fail(
            "the caller did not come to a queue",
            "did he hang up before the announcement was over? Else: is the queue there (press3 doctor)?",
        )

    def _nobody_rang(self) -> Finding:
        if self.press is not None and self.press.answered:
            return fail("somebody answered, but no event told who rang", f"DialBegin: {_BY_READ}")
        return fail(
            "no telephone rang",
            "has the queue a member who is logged in, not paused and registered (queue show)? Does "
            "[calls] interface know his telephone?",
        )

    def _nobody_answered(self) -> Finding:
        if self.press is not None and self.press.answered:
            return fail("it was answered, but no event told of it", f"BridgeEnter: {_BY_READ}")
        return warn("nobody answered", "to see this step too, answer the next test call")

    def _not_ended(self) -> Finding:
        if self.press is not None and self.press.ended_at is not None:
            return fail("the call is over, but no event told of it", f"Hangup: {_BY_READ}")
        return warn("the call still goes on", "hang up, to see the end too")
