"""What the queues of a PBX say: who waits where, whom they ring, who answers. Pure."""

from ami.events import AgentCalled, AgentConnect, QueueCallerJoin, QueueCallerLeave, VarSet
from calls.graph import Chan
from calls.numbers import NumberRules, dialled_user, resource
from calls.queues import QUEUE_REFUSALS, QUEUE_RESULTS
from calls.switchboard import Switchboard

__all__ = ["QueueEvents"]


class QueueEvents:
    """Handlers of the events of app_queue."""

    def __init__(self, board: Switchboard, numbers: NumberRules) -> None:
        self._board = board
        self._graph = board.graph
        self._numbers = numbers

    def joined(self, event: QueueCallerJoin) -> None:
        chan = self._board.see(event.channel, event.at)
        if chan is None:
            return
        chan.queues = True
        chan.live_call.joined_queue(chan, event.queue, chan.live_call.tick(event.at))
        if (
            not chan.live_call.arrived
            and self._board.waits_for_somebody(chan, event.queue)
            and not self._board.consults(chan)
        ):
            self._board.arrive(chan, event.at, queue=event.queue)

    def left(self, event: QueueCallerLeave) -> None:
        chan = self._graph.get(event.channel.uniqueid)
        if chan is not None:
            place = (event.channel.context, event.channel.exten)
            chan.queues = False
            live_call, at = chan.live_call, chan.live_call.tick(event.at)
            live_call.waiting.left(chan, event.queue, place, at, gave_up=live_call.gave_up)

    def called(self, event: AgentCalled) -> None:
        """A member rings: an employee, whatever its name is, unless its interface is an outside number."""
        caller = self._board.see(event.channel, event.at)
        dest = self._board.see(event.dest, event.at)
        if dest is None:
            return
        member = event.interface or dest.name
        extension = self._numbers.extension(member)
        if extension is None and dest.kind == "external":
            dest.outside = self._outside(member, dest)
        if dest.outside is None:
            self._graph.make_operator(dest, extension or resource(member))
        self._board.dial(caller, dest, None, event.at)

    def connected(self, event: AgentConnect) -> None:
        chan = self._board.see(event.channel, event.at)
        if chan is not None:
            member = self._graph.get(event.dest.uniqueid)
            at = chan.live_call.tick(event.at)
            chan.live_call.waiting.connected(chan, event.queue, member, at)

    def result(self, event: VarSet) -> None:
        """QUEUESTATUS: why Queue() came back."""
        chan = self._graph.get(event.channel.uniqueid)
        if chan is None or event.value not in QUEUE_RESULTS:
            return
        live_call, at, why = (
            chan.live_call,
            chan.live_call.tick(event.at),
            QUEUE_RESULTS[event.value],
        )
        if event.value in QUEUE_REFUSALS:
            live_call.refused_by_queue(why, at)
        live_call.waiting.result(chan, why, at, gave_up=live_call.gave_up)

    def _outside(self, member: str, dest: Chan) -> str | None:
        """Return the number of a member such as `PJSIP/89110000001@trunk`; None for any other."""
        dialled = dialled_user(member.partition("/")[2], resource=resource(dest.name))
        return self._numbers.outsider(dialled).e164 if dialled else None
