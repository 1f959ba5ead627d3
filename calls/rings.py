"""The telephones that ring in one call: each ringing starts once and stops once, with its reason.

One `Ring` is one ringing of one operator, however many devices and Local halves take part in it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypedDict

from calls.facts import RingStop
from calls.graph import Chan

__all__ = ["Ring", "Rings", "reason_of_end"]

# What tells more wins when several devices of one ringing ended differently.
_WEIGHT: dict[RingStop, int] = {
    "unknown": 0,
    "failed": 1,
    "no_answer": 2,
    "busy": 3,
    "rejected": 4,
    "transferred": 5,
    "forwarded": 5,
    "abandoned": 5,
    "elsewhere": 6,
    "answered": 7,
}
_BY_STATUS: dict[str, RingStop] = {
    "BUSY": "busy",
    "CHANUNAVAIL": "failed",
    "CONGESTION": "failed",
    "NOANSWER": "no_answer",
}
_BUSY, _REJECTED, _ELSEWHERE = 17, 21, 26
_BY_CAUSE: dict[int, RingStop] = {_BUSY: "busy", _REJECTED: "rejected", _ELSEWHERE: "elsewhere"}


def reason_of_end(status: str, cause: int) -> RingStop | None:
    """Return why a device stopped, from DialEnd's status and Hangup's cause; None when they do not tell.

    A declined call ends with the status of a busy or silent one; only the cause knows better.
    """
    if cause == _REJECTED or status in ("", "CANCEL"):
        return _BY_CAUSE.get(cause)
    if status == "NOANSWER" and cause == _BUSY:
        return "busy"
    return _BY_STATUS.get(status, "no_answer")


class LegFields(TypedDict):
    """The fields of `calls.facts.LegFact`."""

    leg: str
    extension: str | None
    number: str | None


@dataclass(slots=True, eq=False)
class Ring:
    """`leg` is the first ringing channel. `talking` from the contact until the operator is out.

    An outside telephone has no `extension` but a `number`.
    """

    leg: str
    extension: str | None
    number: str | None
    began_at: datetime
    devices: dict[str, Chan] = field(default_factory=dict)
    reason: RingStop = "unknown"
    stopped: bool = False
    answered_at: datetime | None = None
    talking: bool = False
    left: bool = False
    held: bool = False

    @classmethod
    def of(cls, chan: Chan, at: datetime, *, stopped: bool = False) -> "Ring":
        number = None if chan.extension else chan.outside
        return cls(
            leg=chan.uniqueid,
            extension=chan.extension,
            number=number,
            began_at=at,
            devices={chan.uniqueid: chan},
            stopped=stopped,
        )

    @property
    def telephone(self) -> str:
        return self.extension or self.number or ""

    @property
    def leg_fields(self) -> "LegFields":
        """What the facts of this telephone say of it."""
        return {"leg": self.leg, "extension": self.extension, "number": self.number}

    def note(self, reason: RingStop) -> None:
        if _WEIGHT[reason] > _WEIGHT[self.reason]:
            self.reason = reason

    def reason_at_the_end(self, gave_up: bool) -> RingStop:
        """Return why it rings no more when the call ends before its devices do.

        `gave_up`: the caller hangs up. A dialling that ended without an answer says so; a device that
        was lifted and not talked to is a voice box, or a call that was not accepted.
        """
        if gave_up:
            return "abandoned"
        told = [reason_of_end(chan.end_status, 0) for chan in self.devices.values()]
        lifted = any(chan.lifted for chan in self.devices.values())
        return next((why for why in told if why), "no_answer" if lifted else "abandoned")

    @property
    def over(self) -> bool:
        return self.left or (self.stopped and self.answered_at is None)


class Rings:
    """The ringings of one call. Finished ones are forgotten; their number per extension is kept."""

    def __init__(self) -> None:
        self._rings: list[Ring] = []
        self._rounds: dict[str, int] = {}
        self.last_reason: RingStop | None = None
        self.last_answer_at: datetime | None = None

    def __iter__(self) -> Iterator[Ring]:
        return iter(tuple(self._rings))

    @property
    def begun(self) -> bool:
        """Whether a telephone ever rang."""
        return bool(self._rounds)

    def start(self, chan: Chan, at: datetime) -> tuple[Ring, int | None]:
        """Add a ringing device; return its ring and the round's number when the ringing is new."""
        telephone = chan.telephone
        for ring in self._rings:
            if ring.telephone == telephone and not ring.stopped:
                ring.devices[chan.uniqueid] = chan
                return ring, None
        ring = Ring.of(chan, at)
        self._rings.append(ring)
        self._rounds[telephone] = self._rounds.get(telephone, 0) + 1
        return ring, self._rounds[telephone]

    def open_silently(self, chan: Chan, at: datetime) -> Ring:
        """Keep an operator who takes part without having rung (pickup, own outbound call)."""
        ring = Ring.of(chan, at, stopped=True)
        self._rings.append(ring)
        return ring

    def of(self, chan: Chan) -> Ring | None:
        """Return the ringing or talk that `chan` takes part in."""
        for ring in self._rings:
            if chan.uniqueid in ring.devices:
                return ring
        return None

    def of_operator(self, chan: Chan) -> Ring | None:
        """Return the ring of `chan`, or one of the same operator that was answered but not yet talked to."""
        found = self.of(chan)
        if found is not None:
            return found
        for ring in self._rings:
            unspoken = ring.answered_at is not None and not ring.talking
            if unspoken and ring.telephone == chan.telephone:
                return ring
        return None

    def ringing(self) -> list[Ring]:
        return [ring for ring in self._rings if not ring.stopped]

    def talk_of(self, telephone: str) -> Ring | None:
        """Return the talk that the operator takes part in, by whatever line."""
        for ring in self._rings:
            if ring.telephone == telephone and ring.talking:
                return ring
        return None

    def anybody_talks(self) -> bool:
        return any(ring.talking and not ring.left for ring in self._rings)

    def answered_since(self, at: datetime) -> bool:
        return self.last_answer_at is not None and self.last_answer_at >= at

    def stop(self, ring: Ring, reason: RingStop, at: datetime) -> bool:
        """Mark `ring` stopped; False when it had stopped before."""
        if ring.stopped:
            return False
        ring.stopped, ring.reason = True, reason
        self.last_reason = reason
        if reason == "answered":
            ring.answered_at = self.last_answer_at = at
        self.forget_finished()
        return True

    def forget_finished(self) -> None:
        self._rings = [ring for ring in self._rings if not ring.over]
