"""From AMI events to facts: what happened in which call. Pure; the same events give the same facts.

The rules, one handler an event type, over `calls.switchboard` (channels and what belongs together)
and `calls.live_call` (one call). They are told in words in `docs/call-model.md`.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from ami.events import (
    AgentCalled,
    AgentConnect,
    AttendedTransfer,
    BlindTransfer,
    BridgeEnter,
    BridgeLeave,
    ChannelEvent,
    DialBegin,
    DialEnd,
    DtmfEnd,
    Event,
    Hangup,
    HangupRequested,
    Hold,
    LocalBridge,
    MixMonitorStop,
    NewCallerid,
    Newchannel,
    Newexten,
    Newstate,
    Pickup,
    Press3Pressed,
    QueueCallerJoin,
    QueueCallerLeave,
    Rename,
    Unhold,
    UnparkedCall,
    VarSet,
)
from calls.employees import EmployeeCalls
from calls.facts import Fact
from calls.graph import Chan
from calls.keep import KeepRules
from calls.live import LiveChannel, as_channel
from calls.numbers import NumberRules
from calls.queue_events import QueueEvents
from calls.switchboard import Switchboard, born_at
from calls.transfers import Transfers
from calls.triggers import TriggerRules
from calls.uniqueids import uniqueids

__all__ = ["Tracker"]

_HOLDING = "holding_bridge"


class Tracker:
    """The calls of one PBX. `feed` events in the order of the link; facts come back in order.

    Late, doubled, reordered and missing events are taken as they come: none raises, none brings a
    dead channel back to life. `of_employees`: calls between employees are worth keeping at once, as
    they are to the listener behind `EmployeeCalls`.
    """

    def __init__(
        self,
        pbx: str,
        rules: TriggerRules,
        numbers: NumberRules,
        keep: KeepRules | None = None,
        *,
        of_employees: bool = False,
    ) -> None:
        keep = keep or KeepRules()
        self._employees: EmployeeCalls[Tracker] | None = None
        if keep.internal and not of_employees:
            listener = Tracker(pbx, rules, numbers, keep, of_employees=True)
            self._employees = EmployeeCalls(listener, self._is_kept)
            keep = replace(keep, internal=False)
        self._rules = rules
        self._numbers = numbers
        self._out: list[Fact] = []
        self._board = Switchboard(pbx, numbers, keep, self._out)
        self._graph = self._board.graph
        transfers = Transfers(self._board)
        self._queues = QueueEvents(self._board, numbers)
        self._handlers: dict[type[Event], Callable[[Any], None]] = {
            Newchannel: self._on_newchannel,
            Newstate: self._on_channel,
            NewCallerid: self._on_new_callerid,
            Newexten: self._on_menu,
            DtmfEnd: self._on_menu,
            Press3Pressed: self._on_menu,
            Rename: self._on_rename,
            LocalBridge: self._on_local_bridge,
            DialBegin: self._on_dial_begin,
            DialEnd: self._on_dial_end,
            BridgeEnter: self._on_bridge_enter,
            BridgeLeave: self._on_bridge_leave,
            HangupRequested: self._on_hangup_requested,
            Hangup: self._on_hangup,
            Hold: self._on_hold,
            Unhold: self._on_hold,
            Pickup: transfers.pickup,
            BlindTransfer: transfers.blind,
            AttendedTransfer: transfers.attended,
            UnparkedCall: transfers.unparked,
            QueueCallerJoin: self._queues.joined,
            QueueCallerLeave: self._queues.left,
            AgentCalled: self._queues.called,
            AgentConnect: self._queues.connected,
            VarSet: self._on_varset,
            MixMonitorStop: self._on_mixmonitor_stop,
        }

    # -- the outside ----------------------------------------------------------------------------

    def feed(self, event: Event) -> list[Fact]:
        """Return what `event` adds to the calls of this PBX."""
        handler = self._handlers.get(type(event))
        if handler is None:
            return []
        handler(event)
        told = self._told()
        return told if self._employees is None else [*told, *self._employees.feed(event)]

    def call_of(self, event: Event) -> str | None:
        """Return the call that an event, already fed, belongs to; None when it belongs to none."""
        for uniqueid in uniqueids(event):
            if (call := self._call_of(uniqueid)) is not None:
                return call
        return None

    def calls_of(self, event: Event) -> set[str]:
        """Return every call that the channels of an event, already fed, belong to."""
        return {call for uniqueid in uniqueids(event) if (call := self._call_of(uniqueid))}

    def _call_of(self, uniqueid: str) -> str | None:
        chan = self._graph.get(uniqueid)
        return chan.live_call.id if chan else self._graph.call_of_dead(uniqueid)

    def _is_kept(self, event: Event) -> bool:
        return any(self._graph.is_kept(uniqueid) for uniqueid in uniqueids(event))

    def open_calls(self) -> set[str]:
        """Return the ids of the calls that have arrived and not ended."""
        return {live_call.id for live_call in self._board.live_calls.values() if live_call.speaks}

    def restarted(self, at: datetime) -> list[Fact]:
        """The PBX restarted after `at`: every channel seen until then is gone, its call ended.

        Channels seen later are of its new life and are left alone.
        """
        gone = [chan for chan in self._graph.channels.values() if chan.seen_at <= at]
        for live_call in dict.fromkeys(chan.live_call for chan in gone):
            live_call.lost(live_call.tick(at), "pbx_restarted")
        for chan in gone:
            self._board.drop(chan)
        return _recovered([*self._told(), *self._of_employees(lambda each: each.restarted(at))])

    def end_missing(self, alive: Collection[str], at: datetime) -> list[Fact]:
        """Close what ended unseen. `alive`: uniqueids of the PBX's channel list, asked for at `at` (PBX time).

        Channels seen later than `at` are younger than the list and are left alone.
        """
        there = frozenset(alive)
        for chan in tuple(self._graph.channels.values()):
            if chan.uniqueid not in there and chan.seen_at <= at:
                self._board.gone(chan, at, cause=0, lost=True)
        return _recovered(
            [*self._told(), *self._of_employees(lambda each: each.end_missing(there, at))]
        )

    def join(self, channels: Iterable[LiveChannel], at: datetime) -> list[Fact]:
        """Take up the PBX's list, asked for at `at`: who rings or talks now, begun or answered in a gap.

        Channels seen later than `at` are left to their events.
        """
        channels = list(channels)
        found: list[tuple[Chan, LiveChannel]] = []
        for row in sorted(channels, key=lambda row: (born_at(row.uniqueid, at), row.uniqueid)):
            known = self._graph.get(row.uniqueid)
            if known is not None and known.seen_at > at:
                continue
            chan = self._board.see(as_channel(row), at)
            if chan is not None:
                found.append((chan, row))
        for chan, row in found:
            self._board.listed(chan, at)
            self._found(chan, row, at)
        return _recovered(
            [*self._told(), *self._of_employees(lambda each: each.join(channels, at))]
        )

    def _of_employees(self, do: "Callable[[Tracker], list[Fact]]") -> list[Fact]:
        if self._employees is None:
            return []
        return self._employees.hold(do(self._employees.listener))

    def _found(self, chan: Chan, row: LiveChannel, at: datetime) -> None:
        if not row.bridge_id:
            self._graph.leave(chan)
            if row.state == "Ringing" and chan.kind == "operator":
                chan.live_call.rang(chan, chan.live_call.tick(at))
        elif chan.bridge != row.bridge_id:
            self._graph.enter(chan, row.bridge_id)
            self._board.bridged(chan, at)

    def _told(self) -> list[Fact]:
        told = self._out[:]
        self._out.clear()
        return told

    # -- channels -------------------------------------------------------------------------------

    def _on_newchannel(self, event: Newchannel) -> None:
        if self._board.see(event.channel, event.at, born=True) is not None:
            self._on_menu(event)

    def _on_channel(self, event: ChannelEvent) -> None:
        chan = self._board.see(event.channel, event.at)
        if chan is None:
            return
        if event.channel.state == "Up" and chan.outside is not None:
            chan.lifted = True  # Dial() with a subroutine says so only when that has ended
        if chan.place != (event.channel.context, event.channel.exten):
            # it was elsewhere in between: reaching the menu's key again is a new press
            chan.place = ("", "")

    def _on_new_callerid(self, event: NewCallerid) -> None:
        self._on_channel(event)
        chan = self._graph.get(event.channel.uniqueid)
        if chan is not None:
            self._board.named(chan, event.channel, event.at)

    def _on_menu(self, event: Newchannel | Newexten | DtmfEnd | Press3Pressed) -> None:
        chan = self._board.see(event.channel, event.at)
        if chan is None:
            return
        press = self._rules.press(event, chan.place)
        if not isinstance(event, DtmfEnd):
            chan.place = (event.channel.context, event.channel.exten)
        elif event.direction == "Received":
            chan.live_call.waiting.key_pressed(chan, event.digit, chan.live_call.tick(event.at))
        if press is None or not (press.key is not None or _may_press(chan)):
            return
        if isinstance(event, DtmfEnd) and (
            chan.bridge is not None or chan.live_call.waiting.holds_caller
        ):
            return  # a key to whom he talks or to the queue's music is not one to the menu
        if not chan.live_call.arrived:
            self._board.arrive(chan, event.at)
        chan.live_call.pressed(press)

    def _on_rename(self, event: Rename) -> None:
        chan = self._graph.get(event.uniqueid)
        if chan is not None:
            self._graph.rename(chan, event.new_name)

    def _on_local_bridge(self, event: LocalBridge) -> None:
        one, two = self._board.see(event.one, event.at), self._board.see(event.two, event.at)
        if one is not None and two is not None and one is not two:
            self._graph.pair(one, two)
            self._board.link(one, two, event.at)

    def _on_hangup_requested(self, event: HangupRequested) -> None:
        self._board.hears_hang_ups = True
        chan = self._graph.get(event.channel.uniqueid)
        if chan is not None:
            chan.hangup_requested = True
            for live_call in (chan.live_call, chan.guest_of):
                if live_call is not None:
                    live_call.asked_to_hang_up(chan, live_call.tick(event.at))

    def _on_hangup(self, event: Hangup) -> None:
        chan = self._graph.get(event.channel.uniqueid)
        if chan is not None:
            place = (event.channel.context, event.channel.exten)
            chan.live_call.waiting.seen_in(chan, place, chan.live_call.tick(event.at))
            self._board.gone(chan, event.at, cause=event.cause)
        elif not self._graph.is_dead(event.channel.uniqueid):
            self._graph.bury(event.channel.uniqueid)

    # -- dialling and talking -------------------------------------------------------------------

    def _on_dial_begin(self, event: DialBegin) -> None:
        source = self._board.see(event.source, event.at) if event.source is not None else None
        dest = self._board.see(event.dest, event.at)
        if dest is None:
            return
        if source is None:
            self._board.ring_back(dest, event.at)
        self._board.dial(source, dest, event, event.at)

    def _on_dial_end(self, event: DialEnd) -> None:
        dest = self._graph.get(event.dest.uniqueid)
        if dest is None:
            return
        at = dest.live_call.tick(event.at)
        if event.forward:
            self._board.forwarded(dest, at)
        elif event.status == "ANSWER":
            self._answered(dest, at)
        elif event.status == "CANCEL":
            self._board.taken_back(dest, at)
        else:
            self._refused(dest, event.status)

    def _answered(self, dest: Chan, at: datetime) -> None:
        """A telephone was lifted. Behind a Local the Local's own answer counts: another may be faster."""
        live_call = dest.live_call
        dest.lifted = True
        if dest.kind == "local":
            dest.end_status = dest.end_status or "ANSWER"
            for chan in self._graph.behind(dest):
                if chan.lifted and chan.kind != "local" and not self._graph.unanswered_local(chan):
                    live_call.device_answered(chan, at)
        elif dest.kind == "external" and dest.outside is None:
            if live_call.direction == "out" and not live_call.answered:
                live_call.customer = dest
        elif not self._graph.unanswered_local(dest):
            live_call.device_answered(dest, at)

    def _refused(self, dest: Chan, status: str) -> None:
        """The reason is told at the hang-up that follows at once: only its cause knows a declined call."""
        if dest.kind == "external" and dest.live_call.direction == "out":
            dest.live_call.dial_status = status
        for chan in self._graph.behind(dest):
            if not (
                chan.lifted and chan.outside
            ):  # lifted and not accepted says nothing of the telephone
                chan.end_status = chan.end_status or status

    def _on_bridge_enter(self, event: BridgeEnter) -> None:
        chan = self._board.see(event.channel, event.at)
        if chan is None:
            return
        if event.technology == _HOLDING:
            self._graph.leave(chan)
        else:
            self._graph.enter(chan, event.bridge_id)
            self._board.bridged(chan, event.at)
        # after the contact: a queue whose member talks to the caller was not left in vain
        chan.live_call.waiting.moved_on(chan, chan.live_call.tick(event.at), talks=True)

    def _on_bridge_leave(self, event: BridgeLeave) -> None:
        chan = self._graph.get(event.channel.uniqueid)
        if chan is not None and chan.bridge == event.bridge_id:
            self._graph.leave(chan)

    def _on_hold(self, event: Hold | Unhold) -> None:
        chan = self._graph.get(event.channel.uniqueid)
        if chan is not None and chan.live_call.speaks:
            chan.live_call.held(chan, isinstance(event, Hold), chan.live_call.tick(event.at))

    # -- variables and recorders ----------------------------------------------------------------

    def _on_varset(self, event: VarSet) -> None:
        if event.variable == "MIXMONITOR_FILENAME" and event.value:
            chan = self._board.see(event.channel, event.at)
            if chan is not None:
                chan.live_call.recording_started(chan, event.value, chan.live_call.tick(event.at))
        elif event.variable == "QUEUESTATUS":
            self._queues.result(event)

    def _on_mixmonitor_stop(self, event: MixMonitorStop) -> None:
        chan = self._graph.get(event.channel.uniqueid)
        if chan is not None and chan.loses_recorder():
            chan.live_call.recordings_stopped(chan, chan.live_call.tick(event.at))


def _may_press(chan: Chan) -> bool:
    """Keys of feature codes come from operators: only the caller of a call presses in its menu."""
    live_call = chan.live_call
    if live_call.arrived:
        return chan is live_call.customer
    return chan.kind == "external" or chan.uniqueid == live_call.first


def _recovered(facts: list[Fact]) -> list[Fact]:
    return [replace(fact, recovered=True) for fact in facts]
