"""Which call a test call is, on a PBX where others call too: facts and stored marks in, sentences out. Pure."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from ami.events import Newchannel
from ami.spool import SpoolPress
from calls.facts import CallArrived, Fact
from press3.doctor.findings import Finding
from press3.doctor.watched_call import WatchedCall

__all__ = ["WatchedCalls"]


@dataclass
class WatchedCalls:
    """The calls that begin after `begun`, of `caller` if that is given (digits of the number).

    The first of them in which 3 is pressed is `chosen`; of the others only the arrival and the end
    are told. `there` are the ids of the channels found at the beginning: they are of older calls.
    """

    begun: datetime
    zone: ZoneInfo
    there: frozenset[str] = frozenset()
    owner: Callable[[str], str | None] = lambda extension: None
    caller: str = ""
    chosen: WatchedCall | None = None
    untimed: bool = False
    unasked: str = ""
    born: set[str] = field(default_factory=set)
    _calls: dict[str, WatchedCall] = field(default_factory=dict)
    _untold: dict[str, list[str]] = field(default_factory=dict)
    _met: set[str | None] = field(default_factory=set)

    def notice(self, event: Newchannel) -> None:
        """Remember a channel that came to be while we listen, unless it is one more of an older call."""
        uniqueid, linkedid = event.channel.uniqueid, event.channel.linkedid
        begins = linkedid in ("", uniqueid) or linkedid in self.born
        if begins and uniqueid not in self.there:
            self.born.add(uniqueid)

    def hear(self, facts: Iterable[Fact]) -> Iterator[str]:
        """Take what events told; yield what is worth saying."""
        for fact in facts:
            if isinstance(fact, CallArrived):
                yield from self._arrived(fact)
            elif (watched := self._calls.get(fact.call)) is not None:
                was_over = watched.is_over
                self._untold[fact.call] += watched.hear([fact])
                yield from self._follow(watched, fact.call)
                if self.chosen is None and watched.is_over and not was_over:
                    yield f"  the call from {watched.number} is over, and no 3 was seen in it"

    def _arrived(self, fact: CallArrived) -> Iterator[str]:
        ours = fact.direction == "in" and self._is_caller(fact.caller.raw)
        if not ours or fact.uniqueid not in self.born or self.chosen is not None:
            return
        self._calls[fact.call] = watched = self._new()
        self._untold[fact.call] = []
        yield from watched.hear([fact])

    def _is_caller(self, number: str) -> bool:
        return not self.caller or _digits(number).endswith(_digits(self.caller))

    def _new(self) -> WatchedCall:
        return WatchedCall(begun=self.begun, zone=self.zone, owner=self.owner)

    def _follow(self, watched: WatchedCall, call: str) -> Iterator[str]:
        """Tell what was held back of `watched`, if it is the call that is followed from now on."""
        if self.chosen is None and watched.was_pressed:
            self.chosen = watched
            if len(self._calls) > 1:
                yield f"  I follow the call from {watched.number}: the first in which 3 was pressed"
        if watched is self.chosen:
            yield from self._untold[call]
            self._untold[call].clear()

    def read(self, press: SpoolPress) -> Iterator[str]:
        """Take what AstDB keeps of a press; one that no event told of counts too.

        The event may only be on its way: such a press counts when it is met again.
        """
        if self.chosen is not None:
            if self.chosen.key is not None or self._belongs(press, self.chosen):
                yield from self.chosen.read(press)
            return
        watched = self._unheard(press)
        if watched is None:
            return
        if press.key not in self._met:
            self._met.add(press.key)
            return
        told = list(watched.read(press))
        if watched.call is None:
            self.chosen = watched
            yield from told
        else:
            self._untold[watched.call] += told
            yield from self._follow(watched, watched.call)

    def _unheard(self, press: SpoolPress) -> WatchedCall | None:
        """Return the call of a press that no event told of; a new one when none told of the call either."""
        if press.pressed_at < self.begun or {press.uniqueid, press.linkedid} & self.there:
            return None
        for watched in self._calls.values():
            if self._belongs(press, watched):
                return watched
        return self._new() if not self._calls and self._is_caller(press.number) else None

    def _belongs(self, press: SpoolPress, watched: WatchedCall) -> bool:
        if watched.call is None:
            return watched.press is not None and watched.press.key == press.key
        return watched.call.endswith((f"-{press.uniqueid}", f"-{press.linkedid}"))

    @property
    def has_begun(self) -> bool:
        """Whether any call has come."""
        return bool(self._calls) or self.chosen is not None

    @property
    def is_undecided(self) -> bool:
        """Whether a call still goes on in which 3 may be pressed."""
        return self.chosen is None and any(not each.is_over for each in self._calls.values())

    @property
    def is_decided(self) -> bool:
        """Whether there is nothing to wait for: a call is followed, or the caller asked for has hung up."""
        hung_up = bool(self.caller and self._calls) and not self.is_undecided
        return self.chosen is not None or hung_up

    def missing(self, waited: timedelta, *, channels_unheard: bool) -> list[Finding]:
        """Return what did not come, what that means and what to do.

        `channels_unheard`: channels came to be of which no event told.
        """
        told_of = self.chosen or next(iter(self._calls.values()), None) or self._new()
        return replace(
            told_of,
            others=max(0, len(self._calls) - 1),
            untimed=self.untimed,
            unasked=self.unasked,
            channels_unheard=channels_unheard,
        ).missing(waited)


def _digits(number: str) -> str:
    return "".join(c for c in number if c.isdigit())
