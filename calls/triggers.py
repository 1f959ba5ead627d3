"""When was 3 pressed? Typed events and rules in, presses out. Pure.

Two sources: the rendered dialplan says so itself (UserEvent Press3), and observed menus, where a
channel reaching an extension, or a key received on it, means the same.
"""

from dataclasses import dataclass
from datetime import datetime

from ami.events import ChannelEvent, DtmfEnd, Event, Newchannel, Newexten, Press3Pressed

__all__ = ["ObservedRule", "Press", "TriggerRules"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedRule:
    """`[[ivr.observe]]`: in `context`, reaching `exten` or pressing `digit` is the press."""

    context: str
    exten: str | None = None
    digit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """`key` is the AstDB key, null for an observed menu; `queue` where the menu sends the caller, if it says so."""

    uniqueid: str
    at: datetime
    key: str | None
    menu: str
    digit: str
    queue: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerRules:
    observed: tuple[ObservedRule, ...] = ()

    def press(self, event: Event, was_in: tuple[str, str]) -> Press | None:
        """Return the press that `event` tells of, or None.

        `was_in` is (context, exten) of the channel before the event: an extension of several
        priorities is reached once, not once per priority.
        """
        if isinstance(event, Press3Pressed):
            return Press(
                uniqueid=event.channel.uniqueid,
                at=event.pressed_at,
                key=event.key,
                menu=event.channel.context,
                digit="3",
                queue=event.queue or None,
            )
        if isinstance(event, Newexten | Newchannel | DtmfEnd):
            return self._observed(event, was_in)
        return None

    def _observed(self, event: ChannelEvent, was_in: tuple[str, str]) -> Press | None:
        for rule in self.observed:
            if rule.context == event.channel.context and _fires(rule, event, was_in):
                return Press(
                    uniqueid=event.channel.uniqueid,
                    at=event.at,
                    key=None,
                    menu=rule.context,
                    digit=rule.digit or rule.exten or "",
                )
        return None


def _fires(rule: ObservedRule, event: ChannelEvent, was_in: tuple[str, str]) -> bool:
    if isinstance(event, DtmfEnd):
        return event.direction == "Received" and rule.digit == event.digit
    here = (event.channel.context, event.channel.exten)
    return rule.exten == here[1] and here != was_in
