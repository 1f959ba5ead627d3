"""Calls that change hands: pickup, blind and attended transfer, a parked call taken back. Pure."""

from datetime import datetime
from typing import Literal

from ami.events import AttendedTransfer, BlindTransfer, Pickup, UnparkedCall
from calls.facts import Transferred
from calls.graph import Chan
from calls.switchboard import Switchboard

__all__ = ["Transfers"]


class Transfers:
    """Handlers of the events by which a call changes hands."""

    def __init__(self, board: Switchboard) -> None:
        self._board = board
        self._graph = board.graph

    def pickup(self, event: Pickup) -> None:
        taker = self._board.see(event.channel, event.at)
        target = self._graph.get(event.target.uniqueid)
        if taker is None or target is None:
            return
        self._board.link(target, taker, event.at)
        self._board.picked_up(target, event.at)

    def blind(self, event: BlindTransfer) -> None:
        by = self._board.see(event.transferer, event.at)
        sent = self._board.see(event.transferee, event.at) if event.transferee else None
        if by is None or event.result != "Success":
            return
        if sent is not None:
            self._board.link(sent, by, event.at)
        live_call = (sent or by).live_call
        at = live_call.tick(event.at)
        if live_call.direction == "internal" and sent is not None and live_call.customer is by:
            live_call.customer = sent  # an employee hands over whom they called: the call goes on
        self._tell("blind", by, sent or by, event.exten, at)

    def attended(self, event: AttendedTransfer) -> None:
        if event.result != "Success":
            return
        original = self._board.see(event.original, event.at)
        second = self._board.see(event.second, event.at)
        sent = self._board.see(event.transferee, event.at) if event.transferee else None
        target = self._board.see(event.target, event.at) if event.target else None
        first = sent or original
        if second is not None and first is not None:
            # The telephone may hand over by either of its lines.
            if (first.live_call.direction, second.live_call.direction) == ("out", "in"):
                first, second_line = second, first
            else:
                second_line = second
            self._board.absorb(second_line, first, event.at)
        self._board.link_all((sent, original, second, target), event.at)
        by = original or second
        if by is None:
            return
        to = self._target(second, target, (original, second)) or event.second.connected_number
        at = by.live_call.tick(event.at)
        self._tell("attended", by, sent or by, to, at)

    def _target(self, second: Chan | None, target: Chan | None, by: tuple[Chan | None, ...]) -> str:
        """Return who the customer is handed to: the other end of the consultation, talking or ringing.

        Of a queue or group that rings several, what the consultation dialled.
        """
        near = [] if target is None else [target, *self._graph.heard_by(target)]
        far = [] if second is None else self._graph.behind(second)[1:]
        talking, ringing = (
            {chan.telephone or chan.number for chan in chans if _is_ours(chan, by)}
            for chans in (near, far)
        )
        for telephones in (talking, ringing):
            if len(telephones) == 1:
                return telephones.pop()
        if target is not None and target.kind == "external":
            return target.number
        dialled = target if target is not None and target.kind == "local" else second
        return dialled.exten if dialled is not None and dialled.exten != "s" else ""

    def _tell(
        self, kind: Literal["blind", "attended"], by: Chan, sent: Chan, to: str, at: datetime
    ) -> None:
        live_call = sent.live_call if sent.live_call.speaks else by.live_call
        fact = Transferred(
            call=live_call.id, at=at, kind=kind, from_extension=by.extension or by.number, to=to
        )
        live_call.transferred(fact, by, sent)

    def unparked(self, event: UnparkedCall) -> None:
        parkee = self._board.see(event.parkee, event.at)
        if parkee is not None and event.retriever is not None:
            self._board.link_all((parkee, self._board.see(event.retriever, event.at)), event.at)


def _is_ours(chan: Chan, by: tuple[Chan | None, ...]) -> bool:
    return chan not in by and (chan.kind == "operator" or chan.outside is not None)
