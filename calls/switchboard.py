"""Channels and the calls they make up: taking channels up, bundling them, letting them go. Pure.

Channels belong together when one was made for the other (linkedid), by Local halves, dialling, a
shared bridge, pickup, transfer or parking. Two calls worth keeping never melt into one; a bundle of
channels that is not (yet) a call worth keeping joins the call that it meets.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from ami.events import Channel, DialBegin
from calls.facts import Direction, Fact, RingStop
from calls.graph import Chan, Graph
from calls.keep import KeepRules, Parties
from calls.live_call import LiveCall
from calls.numbers import NumberRules
from calls.rings import reason_of_end

__all__ = ["Switchboard", "born_at"]

_EPOCH = re.compile(r"(?:^|-)([0-9]{9,11})\.[0-9]+$")
_OLDEST = timedelta(days=2)


def born_at(uniqueid: str, seen_at: datetime) -> datetime:
    """Return when the channel was made, as its uniqueid says (whole seconds); `seen_at` if it does not."""
    found = _EPOCH.search(uniqueid)
    if found is None:
        return seen_at
    born = datetime.fromtimestamp(int(found.group(1)), UTC)
    return born if seen_at - _OLDEST < born <= seen_at else seen_at


class Switchboard:
    """All living channels of a PBX, each in exactly one live call. Facts go to `out`."""

    def __init__(self, pbx: str, numbers: NumberRules, keep: KeepRules, out: list[Fact]) -> None:
        self.graph = Graph(numbers)
        self.live_calls: dict[str, LiveCall] = {}
        self.hears_hang_ups = False
        self._pbx = pbx
        self._numbers = numbers
        self._keep = keep
        self._parties = Parties(numbers)
        self._out = out

    # -- channels come and go -------------------------------------------------------------------

    def see(self, channel: Channel, at: datetime, *, born: bool = False) -> Chan | None:
        """Return the channel, taken up if it is new to us; None when it is dead or nameless."""
        chan = self.graph.get(channel.uniqueid)
        if chan is None:
            if not channel.uniqueid or self.graph.is_dead(channel.uniqueid):
                return None
            chan = self._adopt(channel, at, born=born)
        else:
            chan.seen_at = max(chan.seen_at, at)
            if not chan.number:
                chan.number, chan.caller_name = channel.caller_number, channel.caller_name
        if not chan.settled:
            self._look_at(chan, channel, born=born)
        if not chan.live_call.arrived:
            self._arrive_incoming(chan, at, wait_for_number=born)
        return chan

    def _look_at(self, chan: Chan, channel: Channel, *, born: bool) -> None:
        """Decide whose channel it is, when it comes in: in state Ring, by whatever states before.

        Its number may come one event later than itself.
        """
        if channel.state == "Ring" and channel.exten and not chan.was_dialled:
            if not chan.incoming:
                chan.incoming, chan.exten = True, channel.exten
            chan.context = chan.context or channel.context
            if chan.number or not born:
                self.graph.entered(chan)

    def named(self, chan: Chan, channel: Channel, at: datetime) -> None:
        """The dialplan set the caller id of `chan`: routes rewrite numbers and look up names."""
        chan.number, chan.caller_name = channel.caller_number, channel.caller_name
        if chan.kind == "operator" and chan.settled and not chan.was_dialled:
            chan.extension = self.graph.sides.shows(chan.name, chan.number) or chan.extension
        live_call = chan.live_call
        if live_call.direction in ("in", "internal") and chan is live_call.customer:
            live_call.named(self._parties.caller(chan), live_call.tick(at))

    def gone(self, chan: Chan, at: datetime, *, cause: int, lost: bool = False) -> None:
        """The channel hung up; `lost`: it was found missing, so that no reason is made up."""
        live_call = chan.live_call
        if chan.guest_of is not None:
            chan.guest_of.out_of_talk(chan, chan.guest_of.tick(at))
        at = live_call.tick(at)
        if live_call.speaks:
            if live_call.rings_at(chan):
                live_call.device_ended(chan, "unknown" if lost else _reason(chan, cause), at)
            live_call.out_of_talk(chan, at)
            live_call.waiting.gone(chan, at, gave_up=live_call.gave_up)
            live_call.recordings_stopped(chan, at)
            if _ends_with(live_call, chan):
                unheard = not self.hears_hang_ups
                live_call.end(at, hung_up=chan.hangup_requested, lost=lost, unheard=unheard)
        self.drop(chan)

    def drop(self, chan: Chan) -> None:
        """Forget the channel, and its call when it was the last."""
        live_call = chan.live_call
        live_call.channels.pop(chan.uniqueid, None)
        self.graph.remove(chan)
        if not live_call.channels:
            self.live_calls.pop(live_call.id, None)

    def _adopt(self, channel: Channel, at: datetime, *, born: bool) -> Chan:
        """Take up a channel: at its birth, or in the middle when its beginning fell into a gap."""
        since = at if born else born_at(channel.uniqueid, at)
        chan = self.graph.add(channel, at, born_at=since, born=born)
        if self._keep.ignores(chan.name):
            chan.kind, chan.extension = "inner", None
        self._live_call_for(channel, since).take(chan)
        return chan

    def _live_call_for(self, channel: Channel, since: datetime) -> LiveCall:
        linked = channel.linkedid or channel.uniqueid
        parent = self.graph.get(linked)
        if parent is not None and parent.uniqueid != channel.uniqueid:
            return parent.live_call
        known = self.live_calls.get(f"{self._pbx}-{linked}")
        if known is not None:
            return known
        first = channel.uniqueid if self.graph.is_dead(linked) else linked
        started = since if first == channel.uniqueid else born_at(first, since)
        live_call = LiveCall(self._pbx, first, started, self._out)
        self.live_calls[live_call.id] = live_call
        return live_call

    # -- what belongs together ------------------------------------------------------------------

    def link(self, one: Chan, two: Chan, at: datetime) -> None:
        """The two channels are in one call. Leftovers of an ended call move on to the living one."""
        a, b = one.live_call, two.live_call
        if a is b or (a.ended and b.ended):
            return
        if a.speaks and b.speaks:
            for chan, target in ((one, b), (two, a)):
                if self._came_to_take_over(chan):
                    self._move([chan], target)
                    return
            return
        if a.ended or b.ended:
            target, moved = (b, [one]) if a.ended else (a, [two])
        else:
            target, source = (b, a) if b.arrived else (a, b)
            moved = list(source.channels.values())
            target.waiting.take_over(source.waiting.give_up())
        self._move(moved, target)
        target.tell_pending(target.tick(at))

    def _came_to_take_over(self, chan: Chan) -> bool:
        """Return whether an employee at `chan` called nobody: to pick a ringing up, to fetch a caller."""
        live_call = chan.live_call
        alone = live_call.direction == "internal" and len(live_call.channels) == 1
        return (
            self._keep.internal and alone and not live_call.rings.begun and not live_call.answered
        )

    def link_all(self, chans: Iterable[Chan | None], at: datetime) -> None:
        there = [chan for chan in chans if chan is not None]
        for chan in there[1:]:
            self.link(there[0], chan, at)

    def _move(self, chans: Iterable[Chan], target: LiveCall) -> None:
        for chan in chans:
            old = chan.live_call
            old.channels.pop(chan.uniqueid, None)
            if not old.channels:
                self.live_calls.pop(old.id, None)
            target.take(chan)

    # -- calls worth keeping --------------------------------------------------------------------

    def arrive(self, chan: Chan, at: datetime, *, queue: str = "") -> None:
        """`chan` is the caller of a call worth keeping."""
        direction: Direction = "in" if chan.kind == "external" else "internal"
        to = self._numbers.ours(chan.exten or queue)
        live_call = chan.live_call
        live_call.arrive(direction, chan, self._parties.caller(chan), to, live_call.tick(at))

    def waits_for_somebody(self, chan: Chan, queue: str) -> bool:
        """Return whether a call worth keeping begins with `chan` in `queue`.

        A Local half that no caller is behind is a program's: it looks for an agent, and the customer
        is called afterwards.
        """
        if chan.kind == "local" and not any(
            each.incoming and each.kind in ("external", "operator")
            for each in chan.live_call.channels.values()
        ):
            return False
        return chan.kind == "external" or self._keep.watches(queue)

    def _arrive_incoming(self, chan: Chan, at: datetime, *, wait_for_number: bool) -> None:
        if chan.was_dialled or not chan.incoming or (wait_for_number and not chan.number):
            return
        if self._comes_of_unseen(chan):
            return
        if chan.kind == "external" or (chan.kind == "operator" and self._keep.internal):
            self.arrive(chan, at)

    def _comes_of_unseen(self, chan: Chan) -> bool:
        """Return whether `chan` was made for a channel that lives, as far as is known, and was not seen yet.

        Its own birth and dialling were lost: it may be who that channel called. A press, a queue, or the
        PBX's list, in which that channel is missing, shows that it is a caller.
        """
        first = chan.live_call.first
        return first != chan.uniqueid and not self.graph.is_known(first)

    def listed(self, chan: Chan, at: datetime) -> None:
        """The PBX lists `chan`, and not the channel that it was made for if that was never seen: it is dead."""
        if self._comes_of_unseen(chan):
            self.graph.bury(chan.live_call.first, chan.live_call.id)
            if not chan.live_call.arrived:
                self._arrive_incoming(chan, at, wait_for_number=False)

    def _arrive_outgoing(self, dest: Chan, event: DialBegin | None, at: datetime) -> None:
        """An external party is dialled: worth keeping. He is the customer until another answers."""
        live_call = dest.live_call
        if not live_call.arrived:
            caller = self._parties.originator(live_call, dest)
            to = self._parties.called(dest, event)
            live_call.arrive("out", dest, caller, to, live_call.tick(at))
        elif live_call.direction == "out" and not live_call.answered:
            live_call.customer = dest

    def _arrive_connected(self, live_call: LiveCall, parties: list[Chan], at: datetime) -> None:
        """A program connects two employees: the one whom it called first calls the other."""
        there = [each for each in live_call.channels.values() if each in parties]
        operators = [each for each in there if each.kind == "operator" and each.extension]
        others = [each for each in operators if each.extension != operators[0].extension]
        if others and not live_call.arrived and not live_call.ended:
            first, other = operators[0], self._numbers.ours(others[0].extension or "")
            caller = self._parties.caller(first)
            first.ringing, first.rung = False, True  # it rang for the program
            live_call.arrive("internal", first, caller, other, live_call.tick(at))

    # -- dialling -------------------------------------------------------------------------------

    def dial(self, source: Chan | None, dest: Chan, event: DialBegin | None, at: datetime) -> None:
        """`source` (None: Originate) dials `dest`: an operator's telephone rings, or an outside one."""
        if source is not None and not source.was_dialled:
            self.graph.entered(source)
        if dest.was_dialled:
            # A transfer while it rings: the end of the first dialling was none of the ringing.
            for chan in self.graph.behind(dest):
                chan.end_status = chan.end_status if chan.lifted else ""
        # Who called by themselves and is dialled now picked a ringing up, though no event says so.
        takes_over = dest.incoming and dest.settled and not dest.was_dialled
        self.graph.dial(source, dest, event)
        if source is not None:
            self._link_dialled(source, dest, at)
        if dest.kind == "external":
            if not dest.live_call.rings_outside:
                self._arrive_outgoing(dest, event, at)
                return
            dest.outside = dest.outside or self._parties.outside_telephone(dest)
        if source is not None and takes_over:
            dest.live_call.taken_over(dest.live_call.tick(at))
            return
        # A Local is no telephone: what it dials rings.
        if dest.kind != "local" and dest.telephone and not _called_off(source):
            dest.live_call.rang(dest, dest.live_call.tick(at))

    def ring_back(self, dest: Chan, at: datetime) -> None:
        """Nobody's channel dials `dest`: it may be the operator who hung up on a consultation in vain.

        Asterisk rings him again for the customer. It keeps the channel he hung up until he answers;
        any other is gone within milliseconds.
        """
        for chan in self.graph.channels.values():
            his = chan.kind == "operator" and chan.extension == dest.extension
            if his and chan.hangup_requested and chan.live_call.speaks:
                self.link(chan, dest, at)
                return

    def taken_back(self, dest: Chan, at: datetime) -> None:
        """The PBX takes the ringing of `dest` back, and does not say why.

        What happened before tells why: an answer, a transfer, the caller's hang-up. If nothing did, the
        hang-up of the device, which follows at once, tells: Asterisk may end the losers of a pickup or of
        an answer first and announce the winner afterwards, but their cause says it already.
        """
        for chan in self.graph.behind(dest):
            why = reason_of_end(chan.end_status, 0) or chan.live_call.why_taken_back(chan)
            if why is not None:
                chan.live_call.device_ended(chan, why, at)
            chan.ringing, chan.rung = False, True
            chan.end_status = chan.end_status or "CANCEL"

    def forwarded(self, dest: Chan, at: datetime) -> None:
        """The telephone sends the call on; where to is dialled next."""
        for chan in self.graph.behind(dest):
            chan.live_call.device_ended(chan, "forwarded", at)

    def picked_up(self, target: Chan, at: datetime) -> None:
        """Another telephone took over the ringing of `target`, or of what rings behind it."""
        for chan in self.graph.behind(target):
            chan.live_call.picked_up(chan, chan.live_call.tick(at))

    def absorb(self, consultation: Chan, into: Chan, at: datetime) -> None:
        """An operator hands the customer over to whom a second line calls, or has called, outside.

        That call was one of its own until now; what it rings from here on rings for the customer. One
        that was answered stays a call, for two calls worth keeping never melt into one; but whom it
        reached takes part in the customer's as well.
        """
        ours, customers = consultation.live_call, into.live_call
        both = ours is not customers and ours.speaks and customers.speaks
        if not both or ours.direction != "out":
            return
        at = ours.tick(at)
        if ours.answered and ours.customer is not None:
            ours.customer.outside = self._parties.outside_telephone(ours.customer)
            ours.customer.guest_of = customers
            return
        ringing = [chan for chan in ours.channels.values() if _still_rings(chan)]
        ours.handed_over(at)
        self._move(tuple(ours.channels.values()), customers)
        for chan in ringing:
            if chan.kind == "external":
                chan.outside = self._parties.outside_telephone(chan)
            chan.rung = False
            customers.rang(chan, customers.tick(at))

    def consults(self, chan: Chan) -> bool:
        """Return whether the operator at `chan` talks to a customer by another line meanwhile."""
        return chan.kind == "operator" and any(
            live_call.speaks
            and live_call is not chan.live_call
            and live_call.rings.talk_of(chan.telephone)
            for live_call in self.live_calls.values()
        )

    def _link_dialled(self, source: Chan, dest: Chan, at: datetime) -> None:
        live_call = source.live_call
        if live_call.ended and not dest.live_call.arrived:
            # What a leftover of an ended call dials is no call of its own.
            self._move([dest], live_call)
            return
        live_call.waiting.moved_on(source, live_call.tick(at))
        self.link(source, dest, at)

    # -- who hears whom -------------------------------------------------------------------------

    def bridged(self, chan: Chan, at: datetime) -> None:
        """`chan` entered a talk: its hearers are in its call, and a customer may have met an operator."""
        group = [chan, *self.graph.heard_by(chan)]
        parties = [each for each in group if each.kind != "inner"]
        for other in parties:
            self.link(chan, other, at)
        if self._keep.internal:
            self._arrive_connected(chan.live_call, parties, at)
        for live_call in dict.fromkeys(each.live_call for each in parties):
            customer = live_call.customer
            if not live_call.speaks or customer not in parties or len(parties) < 2:
                continue
            at = live_call.tick(at)
            for other in parties:
                if other is customer or live_call not in (other.live_call, other.guest_of):
                    continue
                called = other.was_dialled or not other.incoming  # not: found after a gap
                if other.kind == "external" and called and live_call.rings_outside:
                    other.outside = other.outside or self._parties.outside_telephone(other)
                if other.outside is not None or other.kind == "operator":
                    live_call.contact(other, at)


def _reason(chan: Chan, cause: int) -> RingStop:
    """Return why the ringing device `chan` stopped: at its hang-up all is known that ever will be."""
    why = reason_of_end(chan.end_status, cause) or chan.live_call.why_taken_back(chan)
    # Lifted, and no talk came of it: a voice box, or a call that was not accepted.
    return why or ("no_answer" if chan.lifted else "abandoned")


def _still_rings(chan: Chan) -> bool:
    return chan.was_dialled and chan.kind in ("external", "operator") and not chan.end_status


def _called_off(source: Chan | None) -> bool:
    """A Local whose ringing was taken back still dials what is behind it: that rings for nobody."""
    return source is not None and source.is_second and source.rung


def _ends_with(live_call: LiveCall, chan: Chan) -> bool:
    if live_call.direction != "out" and live_call.customer is not None:
        return chan is live_call.customer
    return not any(
        other is not chan and other.kind in ("external", "operator")
        for other in live_call.channels.values()
    )
