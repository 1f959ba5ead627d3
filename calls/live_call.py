"""One call while it lives: who the customer is, who rings and talks, the queue, the press, the end.

A live call turns what the tracker finds in the channel graph into facts. It speaks only once it has
`arrived`, that is, once it is known to be a call worth keeping; until then it only remembers.
"""

from datetime import datetime

from calls.facts import (
    CallArrived,
    CallEnded,
    CallerNamed,
    ComplaintRequested,
    Direction,
    EndedBy,
    Fact,
    HeldBy,
    MenuKeyPressed,
    OperatorAnswered,
    OperatorLeft,
    OperatorRang,
    OperatorStoppedRinging,
    Outcome,
    Party,
    QueueLeftReason,
    RecordingStarted,
    RecordingStopped,
    Resumed,
    RingStop,
    StateLost,
    Transferred,
)
from calls.graph import Chan
from calls.hang_ups import HangUps
from calls.outcomes import unanswered_outcome
from calls.rings import Ring, Rings
from calls.triggers import Press
from calls.waiting import Waiting

__all__ = ["LiveCall"]


class LiveCall:
    """The state of one call. Facts go to `out`, in order."""

    def __init__(self, pbx: str, first: str, started_at: datetime, out: list[Fact]) -> None:
        self.id = f"{pbx}-{first}"
        self.pbx = pbx
        self.first = first
        self.started_at = started_at
        self.channels: dict[str, Chan] = {}
        self.customer: Chan | None = None
        self.direction: Direction | None = None
        self.rings = Rings()
        self.waiting = Waiting(self.id, self.rings, out)
        self.ended = False
        self.answered = False
        self.dial_status = ""
        self.broken = False
        self._clock = started_at
        self._out = out
        self._queue_asked: str | None = None
        self._presses: set[datetime] = set()
        self._transferers: set[str] = set()
        self._transferred_at: datetime | None = None
        self._hang_ups = HangUps()

    @property
    def arrived(self) -> bool:
        return self.direction is not None

    @property
    def speaks(self) -> bool:
        return self.arrived and not self.ended

    @property
    def rings_outside(self) -> bool:
        """Whether an outside telephone that is dialled rings for the caller: a mobile, not the customer.

        A program may call the customer first: who is dialled while the customer is on the line, and
        nobody talks to them yet, is no second customer.
        """
        if self.direction == "out":
            first = self.customer
            return self.answered or (
                first is not None and first.lifted and first.bridge is not None
            )
        return self.direction == "in" or (self.arrived and self.waiting.begun)

    def tick(self, at: datetime) -> datetime:
        """Return `at`, never earlier than what this call has seen: reordered events make no negative times."""
        self._clock = max(self._clock, at)
        return self._clock

    # -- who ------------------------------------------------------------------------------------

    def take(self, chan: Chan) -> None:
        self.channels[chan.uniqueid] = chan
        chan.live_call = self

    def arrive(
        self, direction: Direction, customer: Chan, caller: Party, to: Party, at: datetime
    ) -> None:
        """The call is worth keeping. What rings or records already is told now."""
        self.direction, self.customer = direction, customer
        self._out.append(
            CallArrived(
                call=self.id,
                at=self.started_at,
                pbx=self.pbx,
                uniqueid=self.first,
                linkedid=self.first,
                direction=direction,
                caller=caller,
                to=to,
            )
        )
        self.tell_pending(at)

    def named(self, caller: Party, at: datetime) -> None:
        """The caller is somebody else by the dialplan's word; once people saw him he stays who he was."""
        seen = self._presses or self.waiting.begun or self.rings.begun
        if self.speaks and not seen:
            self._out.append(CallerNamed(call=self.id, at=at, caller=caller))

    def tell_pending(self, at: datetime) -> None:
        """Tell what the channels did before they belonged to a call worth keeping."""
        if not self.speaks:
            return
        self.waiting.tell_pending(at)
        for chan in tuple(self.channels.values()):
            if chan.ringing:
                self.rang(chan, at)
            for path, began_at in chan.recordings.items():
                self._say_recording(chan, path, began_at)

    # -- the press ------------------------------------------------------------------------------

    def pressed(self, press: Press) -> None:
        if self.ended or press.at in self._presses:
            return
        self._queue_asked = press.queue or self._queue_asked
        first = not self._presses
        self._presses.add(press.at)
        if not first:
            self._out.append(
                MenuKeyPressed(call=self.id, at=press.at, digit=press.digit, context=press.menu)
            )
            return
        self._out.append(
            ComplaintRequested(
                call=self.id,
                at=press.at,
                uniqueid=press.uniqueid,
                key=press.key,
                evidence="unverified",
                menu=press.menu,
                queue=self.waiting.queue or press.queue,
            )
        )

    # -- ringing and talking --------------------------------------------------------------------

    def rang(self, chan: Chan, at: datetime) -> None:
        """A device of an operator, or an outside telephone, begins to ring."""
        if chan.rung or self.ended:
            return
        chan.ringing = True
        if not self.arrived or not chan.telephone:
            return
        chan.rung = True
        self._hang_ups.call_goes_on()
        if chan.dialled_by is not None:
            self.waiting.moved_on(chan.dialled_by, at)
        ring, number = self.rings.start(chan, at)
        if number is not None:
            self._out.append(OperatorRang(call=self.id, at=at, **ring.leg_fields, round=number))

    def rings_at(self, chan: Chan) -> bool:
        """Return whether `chan` is a device of a ringing that has not stopped."""
        ring = self.rings.of(chan)
        return ring is not None and not ring.stopped

    def why_taken_back(self, chan: Chan) -> RingStop | None:
        """Return why the PBX took the ringing of `chan` back, by what happened since; None: not known yet."""
        ring = self.rings.of(chan)
        if ring is None:
            return "unknown"
        if self.rings.answered_since(ring.began_at):
            return "elsewhere"
        if self._transferred_at is not None and self._transferred_at >= ring.began_at:
            return "transferred"
        return "abandoned" if self.gave_up else None

    def device_answered(self, chan: Chan, at: datetime) -> None:
        """A telephone was lifted. An outside one only counts with the contact: a voice box lifts too."""
        if chan.outside is not None:
            return
        chan.ringing, chan.rung = False, True
        ring = self.rings.of(chan)
        if ring is not None and self.speaks:
            self.stop(ring, "answered", at)

    def device_ended(self, chan: Chan, reason: RingStop, at: datetime) -> None:
        """A device rings no more; the last one of a ringing ends it."""
        chan.ringing, chan.rung = False, True
        ring = self.rings.of(chan)
        if ring is None or ring.stopped:
            return
        ring.note(reason)
        del ring.devices[chan.uniqueid]
        if not ring.devices:
            self.stop(ring, ring.reason, at)

    def stop(self, ring: Ring, reason: RingStop, at: datetime) -> None:
        if self.rings.stop(ring, reason, at):
            at = max(at, ring.began_at)
            self._out.append(
                OperatorStoppedRinging(call=self.id, at=at, **ring.leg_fields, reason=reason)
            )

    def contact(self, chan: Chan, at: datetime) -> None:
        """Customer and operator hear each other."""
        if not self.speaks or not chan.telephone:
            return
        ring = self.rings.of_operator(chan) or self.rings.talk_of(chan.telephone)
        if ring is None:
            ring = self.rings.open_silently(chan, at)
        ring.devices[chan.uniqueid] = chan
        if ring.talking:
            return
        self._hang_ups.call_goes_on()
        self.stop(ring, "answered", at)
        self.waiting.end_all("answered", at)  # the wait is over, though its end fell into a gap
        ring.talking, self.answered = True, True
        ring.answered_at = self.rings.last_answer_at = at
        chan.ringing, chan.rung = False, True
        self._out.append(OperatorAnswered(call=self.id, at=at, **ring.leg_fields))

    def out_of_talk(self, chan: Chan, at: datetime) -> None:
        """An operator's channel is gone, or he has hung up: was it the last by which he took part?"""
        ring = self.rings.of(chan)
        if ring is None or ring.answered_at is None or not self.speaks:
            return
        del ring.devices[chan.uniqueid]
        if not any(device.kind != "local" for device in ring.devices.values()):
            self._left(ring, at)

    def asked_to_hang_up(self, chan: Chan, at: datetime) -> None:
        """The party at `chan` hangs up: is that the end of the call, and whose doing?"""
        ring = self.rings.of(chan)
        talked = ring is not None and ring.talking
        self.out_of_talk(chan, at)
        if chan is self.customer:
            if self.direction != "out" or self.answered:
                self._hang_ups.note("caller", at)
            return
        was_ours = talked or (self.direction == "out" and chan.kind == "operator")
        if was_ours and not self.rings.anybody_talks() and chan.uniqueid not in self._transferers:
            self._hang_ups.note("operator", at)

    def _left(self, ring: Ring, at: datetime) -> None:
        if not ring.left:
            ring.left = True
            self._out.append(OperatorLeft(call=self.id, at=at, **ring.leg_fields))
            self.rings.forget_finished()

    def held(self, chan: Chan, hold: bool, at: datetime) -> None:
        ring = self.rings.of(chan)
        if ring is None or not ring.talking or ring.held == hold:
            return
        ring.held = hold
        kind = HeldBy if hold else Resumed
        self._out.append(kind(call=self.id, at=at, **ring.leg_fields))

    def transferred(self, fact: Transferred, transferer: Chan, sent: Chan) -> None:
        """Told once per transferring channel: attended transfers announce themselves twice over Local."""
        if self.speaks and transferer.uniqueid not in self._transferers:
            self._transferers.add(transferer.uniqueid)
            if fact.kind == "blind":  # what a consultation rings goes on to ring for the customer
                self._transferred_at = fact.at
            self.waiting.sent_on(sent, fact.at)
            self._out.append(fact)

    # -- the queue ------------------------------------------------------------------------------

    @property
    def gave_up(self) -> bool:
        """Whether the caller asked for the hang-up."""
        return self.customer is not None and self.customer.hangup_requested

    def joined_queue(self, chan: Chan, queue: str, at: datetime) -> None:
        if not self.ended:
            self._hang_ups.call_goes_on()
            self.waiting.join(chan, queue, at, told=self.speaks)

    def picked_up(self, chan: Chan, at: datetime) -> None:
        """Another telephone took over the ringing of `chan`."""
        chan.ringing = False
        self.rings.last_answer_at = at
        ring = self.rings.of(chan)
        if ring is not None and self.speaks:
            self.stop(ring, "elsewhere", at)

    def taken_over(self, at: datetime) -> None:
        """A telephone that did not ring takes the call: whose ringing is taken back now lost it."""
        self.rings.last_answer_at = at

    def refused_by_queue(self, reason: QueueLeftReason, at: datetime) -> None:
        if self.speaks:
            self.waiting.refused(self._queue_asked, reason, at)

    # -- recordings -----------------------------------------------------------------------------

    def recording_started(self, chan: Chan, path: str, at: datetime) -> None:
        if chan.begins_recording(path, at) and self.speaks:
            self._say_recording(chan, path, at)

    def _say_recording(self, chan: Chan, path: str, at: datetime) -> None:
        if path not in chan.told_recordings:
            chan.told_recordings.add(path)
            self._out.append(
                RecordingStarted(call=self.id, at=at, path=path, uniqueid=chan.uniqueid)
            )

    def recordings_stopped(self, chan: Chan, at: datetime) -> None:
        paths = chan.ends_recording()
        if self.speaks:
            for path, began_at in paths.items():
                at = max(at, began_at)
                self._out.append(
                    RecordingStopped(call=self.id, at=at, path=path, uniqueid=chan.uniqueid)
                )

    # -- the end --------------------------------------------------------------------------------

    def handed_over(self, at: datetime) -> None:
        """The call goes on as a part of another one."""
        for ring in self.rings.ringing():
            self.stop(ring, "transferred", at)
        self._hang_ups.note("operator", at)
        self.end(at, hung_up=False)

    def lost(self, at: datetime, reason: str) -> None:
        """The PBX forgot the call: what is missing from now on is missing for a reason."""
        if self.speaks:
            self._out.append(StateLost(call=self.id, at=at, reason=reason))
            self.broken = True
            self.end(at, hung_up=False, lost=True)

    def end(
        self, at: datetime, *, hung_up: bool, lost: bool = False, unheard: bool = False
    ) -> None:
        """Close the call: everything that is open ends now. `hung_up`: the caller asked for it.

        `lost` means that the end was not seen, so that no reason is made up. `unheard`: this PBX has
        not reported a hang-up of anybody's yet, so that this caller's may be missing too.
        """
        if not self.speaks:
            return
        for ring in self.rings.ringing():
            self.stop(ring, "unknown" if lost else ring.reason_at_the_end(self.gave_up), at)
        self.waiting.over(at, lost=lost)
        for ring in self.rings:
            if ring.answered_at is not None:
                self._left(ring, at)
        for chan in tuple(self.channels.values()):
            self.recordings_stopped(chan, at)
        # Only a caller who hangs up makes Dial() take a ringing back.
        unknown = lost or (unheard and self.rings.last_reason == "abandoned")
        ended_by = self._hang_ups.ended_by(self.customer, lost=unknown)
        outcome = self._outcome(hung_up, ended_by)
        self._out.append(CallEnded(call=self.id, at=at, outcome=outcome, ended_by=ended_by))
        self.ended = True

    def _outcome(self, hung_up: bool, ended_by: EndedBy | None) -> Outcome:
        if self.answered:
            return "answered"
        if self.broken:
            return "failed"
        return unanswered_outcome(
            self.direction,
            dial_status=self.dial_status,
            queue=self.waiting.last_reason,
            ring=self.rings.last_reason,
            hung_up=hung_up,
            ended_by=ended_by,
        )
