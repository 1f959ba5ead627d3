"""The queues in which one call waits. Pure.

A queue may ring another queue as its member (`Local/606@…`). The second stay is within the same wait;
the first ends as the caller's wait ends.
"""

from datetime import datetime

from calls.facts import Fact, QueueEntered, QueueLeft, QueueLeftReason
from calls.graph import Chan
from calls.queues import QueueStay
from calls.rings import Rings

__all__ = ["Waiting"]


class Waiting:
    """The open stays of one call. Facts go to `out`; none is emitted until `tell_pending`."""

    def __init__(self, call: str, rings: Rings, out: list[Fact]) -> None:
        self.last_reason: QueueLeftReason | None = None
        self._call = call
        self._rings = rings
        self._out = out
        self._stays: list[QueueStay] = []

    @property
    def queue(self) -> str | None:
        """The queue that holds the caller, the outer one of several."""
        return next((stay.queue for stay in self._stays), None)

    @property
    def begun(self) -> bool:
        return bool(self._stays) or self.last_reason is not None

    @property
    def holds_caller(self) -> bool:
        return any(stay.left_at is None for stay in self._stays)

    def join(self, chan: Chan, queue: str, at: datetime, *, told: bool) -> None:
        """`told` False: the call is not one worth keeping yet."""
        before = next((stay for stay in self._stays if stay.chan == chan.uniqueid), None)
        if before is not None and before.left_at is None and before.queue == queue:
            return
        if before is not None:
            self._leave(before, "timeout", at)
        stay = QueueStay(queue=queue, chan=chan.uniqueid, joined_at=at, inner=bool(self._stays))
        self._stays.append(stay)
        if told:
            self.tell_pending(at)

    def key_pressed(self, chan: Chan, digit: str, at: datetime) -> None:
        """Remember a key of the caller's: it may lead out of the queue."""
        for stay in self._of(chan):
            if stay.left_at is None:
                stay.key, stay.key_at = digit, at

    def give_up(self) -> list[QueueStay]:
        """Return the open stays, for the call that this one becomes a part of."""
        stays, self._stays = self._stays, []
        return stays

    def take_over(self, stays: list[QueueStay]) -> None:
        self._stays += stays

    def tell_pending(self, at: datetime) -> None:
        """Emit the stays that began before the call was worth keeping: from now on the caller waits there."""
        for stay in self._stays:
            if not stay.told:
                stay.told, stay.joined_at = True, max(at, stay.joined_at)
                self._out.append(QueueEntered(call=self._call, at=stay.joined_at, queue=stay.queue))

    def connected(self, chan: Chan, queue: str, member: Chan | None, at: datetime) -> None:
        """The queue says that a member answered.

        A Local may do so by itself, and ring or queue afterwards.
        """
        for stay in self._of(chan, queue):
            if member is None or member.kind != "local" or self._answered(stay):
                self._leave(stay, "answered", at)
            else:
                stay.member = member.uniqueid

    def left(
        self, chan: Chan, queue: str, place: tuple[str, str], at: datetime, *, gave_up: bool
    ) -> None:
        """QueueCallerLeave says that, not why.

        QueueCallerAbandon comes for three reasons, so it is not asked.
        """
        for stay in self._of(chan, queue):
            if stay.left_at is not None:
                continue
            stay.left_at, stay.left_in = at, place
            if self._answered(stay):
                self._leave(stay, "answered", at)
            elif gave_up:
                self._leave(stay, "abandoned", at)

    def end_all(self, reason: QueueLeftReason, at: datetime) -> None:
        """Every wait is over for this reason."""
        for stay in tuple(self._stays):
            self._leave(stay, reason, at)

    def sent_on(self, chan: Chan, at: datetime) -> None:
        """A transfer takes `chan` elsewhere."""
        for stay in self._of(chan):
            self._leave(stay, "transferred", at)

    def over(self, at: datetime, *, lost: bool) -> None:
        """The call ends.

        A queue that was left for another reason has said so by now: QUEUESTATUS, or a place beyond it.
        """
        for stay in tuple(self._stays):
            answered = self._answered(stay)
            self._leave(stay, "answered" if answered else "unknown" if lost else "abandoned", at)

    def refused(self, queue: str | None, reason: QueueLeftReason, at: datetime) -> None:
        """The queue took nobody in: entered and left at once, when we know which queue it was."""
        if self._stays:
            return
        self.last_reason = reason
        if queue is not None:
            self._out.append(QueueEntered(call=self._call, at=at, queue=queue))
            self._out.append(QueueLeft(call=self._call, at=at, queue=queue, reason=reason))

    def result(self, chan: Chan, reason: QueueLeftReason, at: datetime, *, gave_up: bool) -> None:
        """The PBX itself says why the queue was left."""
        for stay in self._of(chan):
            if stay.left_at is None:
                continue
            stay.key_at = None  # the PBX's word goes before
            given_up_for_another = stay.inner and reason == "abandoned" and not gave_up
            talked_to_nobody = stay.member is not None and reason == "answered"
            self._leave(stay, "timeout" if given_up_for_another or talked_to_nobody else reason, at)

    def seen_in(self, chan: Chan, place: tuple[str, str], at: datetime) -> None:
        """The dialplan is at `place` with the channel."""
        for stay in self._of(chan):
            if place not in (stay.left_in, ("", "")) and place[1] != "h":
                self._moved_on(stay, at)

    def moved_on(self, chan: Chan, at: datetime, *, talks: bool = False) -> None:
        """The channel does something else after the queue: then its party had not hung up.

        An inner queue that `talks` was answered; the caller may not hear it yet.
        """
        for stay in self._of(chan):
            if not (stay.inner and talks):
                self._moved_on(stay, at)

    def gone(self, chan: Chan, at: datetime, *, gave_up: bool) -> None:
        """A channel ends: a member that had answered by itself, or an inner queue's own Local half."""
        for stay in tuple(self._stays):
            if stay.member == chan.uniqueid and not gave_up:
                stay.member = None
                self._moved_on(stay, at)
            elif stay.inner and stay.chan == chan.uniqueid:
                self._leave(stay, "abandoned" if gave_up else "timeout", at)

    def _moved_on(self, stay: QueueStay, at: datetime) -> None:
        if stay.left_at is not None and stay.member is None:
            self._leave(stay, "timeout", at)

    def _of(self, chan: Chan, queue: str = "") -> list[QueueStay]:
        """Return the stays of the channel; a transfer may have put another into its place in `queue`."""
        if not self._stays:  # asked of nearly every event of a call, and nearly always so
            return []
        found = [stay for stay in self._stays if stay.chan == chan.uniqueid]
        if found or not queue:
            return found
        return [stay for stay in self._stays if stay.queue == queue]

    def _answered(self, stay: QueueStay) -> bool:
        return self._rings.answered_since(stay.joined_at)

    def _leave(self, stay: QueueStay, reason: QueueLeftReason, at: datetime) -> None:
        key = None
        if reason == "timeout" and self._answered(stay):
            reason = "answered"
        elif reason == "timeout" and (key := stay.left_by_key()) is not None:
            reason = "key"
        self._stays.remove(stay)
        if not stay.told:
            return
        if not stay.inner:
            self.last_reason = reason
        left_at = at if stay.member is not None else stay.left_at or at
        at = max(left_at, stay.joined_at)
        self._out.append(
            QueueLeft(call=self._call, at=at, queue=stay.queue, reason=reason, key=key)
        )
