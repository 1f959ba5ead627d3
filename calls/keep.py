"""Which calls are kept, in which direction they go, and who is at their ends. Pure."""

import re
from dataclasses import dataclass, field

from ami.events import DialBegin
from calls.facts import Party
from calls.graph import Chan
from calls.live_call import LiveCall
from calls.numbers import NumberRules, dialled_user, resource

__all__ = ["KeepRules", "Parties"]


@dataclass(frozen=True, slots=True)
class KeepRules:
    """Kept is every call with an external party, and every call in a watched queue.

    `queues` None watches all queues. `internal` keeps calls between employees too. `ignore` is a
    regular expression of channel names that are nobody (test loops, paging devices).
    """

    queues: frozenset[str] | None = None
    internal: bool = False
    ignore: str | None = None
    _pattern: re.Pattern[str] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        pattern = re.compile(self.ignore) if self.ignore else None
        object.__setattr__(self, "_pattern", pattern)

    def ignores(self, name: str) -> bool:
        return self._pattern is not None and self._pattern.search(name) is not None

    def watches(self, queue: str) -> bool:
        return self.queues is None or queue in self.queues


class Parties:
    """Who calls whom, from the channels of a call."""

    def __init__(self, numbers: NumberRules) -> None:
        self._numbers = numbers

    def caller(self, chan: Chan) -> Party:
        """Return the party of an incoming or originating channel; an operator is an extension."""
        if chan.extension:
            return self._numbers.ours(chan.extension, chan.caller_name)
        read = self._numbers.outsider if chan.kind == "external" else self._numbers.party
        return read(chan.number, chan.caller_name)

    def dialled(self, chan: Chan) -> Party:
        """Return what an incoming channel dialled."""
        return self._numbers.ours(chan.exten)

    def originator(self, live_call: LiveCall, customer: Chan) -> Party:
        """Return the party that placed an outgoing call.

        The operator who talks in it, else any operator in it, else the extension that a program named,
        else its first channel's caller id.
        """
        others = [chan for chan in live_call.channels.values() if chan is not customer]
        operators = [chan for chan in others if chan.kind == "operator"]
        found = [
            *(chan for chan in operators if chan.bridge is not None),
            *operators,
            *(chan for chan in others if chan.extension is not None),
            *others,
        ]
        return self.caller(found[0]) if found else self._numbers.ours("")

    def called(self, customer: Chan, event: DialBegin | None) -> Party:
        """Return the number an outgoing call goes to: as dialled by a person, else as sent to the trunk.

        What a person dialled within the house is not where a forwarding sends the call. A prefix that
        one of both has more than the other is no part of the number.
        """
        source = customer.dialled_by
        typed = dialled_user(source.exten) if source else ""
        sent = dialled_user(event.dial_string, resource=resource(customer.name)) if event else ""
        number = _wanted(typed, sent, self._numbers) or dialled_user(customer.number)
        return self._numbers.outsider(number or customer.number)

    def outside_telephone(self, chan: Chan) -> str:
        """Return the number of an outside telephone that rings for a caller: E.164, or what there is of it.

        What follow-me dials is in the names of the Locals above it too (`FMGL-89110000001#`).
        """
        typed, source = "", chan.dialled_by
        while source is not None and not typed:
            typed = dialled_user(source.exten.removeprefix("FMGL-"))
            source = source.half.dialled_by if source.is_second and source.half else None
        sent = dialled_user(chan.dial_string, resource=resource(chan.name))
        # Sent with a trunk's prefix it is what was typed; but what the caller dialled is not where it goes.
        number = typed if typed and sent.endswith(typed) else sent or typed
        party = self._numbers.outsider(number or dialled_user(chan.number))
        return party.e164 or party.raw or resource(chan.name)


def _wanted(typed: str, sent: str, numbers: NumberRules) -> str:
    if not (typed and sent):
        return typed or sent
    if typed.endswith(sent):
        return sent
    if sent.endswith(typed):
        return typed
    if numbers.is_public(sent) and not numbers.is_public(typed):
        return sent
    return typed
