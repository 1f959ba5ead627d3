"""Which lines of a PBX are read by a guess? For the doctor: events in, lines and how they were read out. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ami.events import Channel, DialBegin, Event, Newchannel, Newstate
from calls.numbers import NumberRules, resource
from calls.sides import Sides

__all__ = ["Doubt", "doubts"]

# `named_like_a_telephone`: a trunk whose name is an extension; `outside_number`: an employee's telephone
# that shows a public number; `by_its_number`: a telephone that is one by the number it shows alone;
# `by_a_guess`: the same, out of a context that is nobody's.
Kind = Literal["named_like_a_telephone", "outside_number", "by_its_number", "by_a_guess"]
_NOT_LINES = ("Local/", "Message/", "AsyncGoto/", "Surrogate/")


@dataclass(frozen=True, slots=True)
class Doubt:
    """`line` is technology and name (`PJSIP/211553`); `context` where it entered, empty when it was dialled."""

    kind: Kind
    line: str
    context: str
    extension: str | None = None


def doubts(numbers: NumberRules, events: Iterable[Event]) -> list[Doubt]:
    """Return each line that `events` show to be read otherwise than by its name, once and in their order."""
    sides, found = Sides(numbers), dict[Doubt, None]()
    dialled: set[str] = set()
    entered: set[str] = set()
    for event in events:
        if isinstance(event, DialBegin):
            dialled.add(event.dest.uniqueid)
            doubt = _dialled(numbers, sides, event)
        elif isinstance(event, Newchannel | Newstate) and _enters(event.channel, dialled | entered):
            entered.add(event.channel.uniqueid)
            doubt = _entering(numbers, sides, event.channel)
        else:
            continue
        if doubt is not None:
            found[doubt] = None
    return list(found)


def _enters(channel: Channel, known: set[str]) -> bool:
    return (
        channel.state == "Ring"
        and bool(channel.exten)
        and channel.uniqueid not in known
        and not channel.name.startswith(_NOT_LINES)
    )


def _entering(numbers: NumberRules, sides: Sides, channel: Channel) -> Doubt | None:
    name, number, context = channel.name, channel.caller_number, channel.context
    side = sides.entering(name, number=number, context=context)
    by_name = numbers.extension(name)
    if side.is_outside:
        return None if by_name is None else Doubt("named_like_a_telephone", _line(name), context)
    if by_name is not None:
        shows_public = numbers.is_public(number) and number not in (by_name, resource(name))
        return Doubt("outside_number", _line(name), context, by_name) if shows_public else None
    sure = numbers.is_phone_context(context) or number == resource(name)
    return Doubt("by_its_number" if sure else "by_a_guess", _line(name), context, side.extension)


def _dialled(numbers: NumberRules, sides: Sides, event: DialBegin) -> Doubt | None:
    name = event.dest.name
    if name.startswith(_NOT_LINES):
        return None
    side = sides.dialled(
        name,
        dial_string=event.dial_string,
        number=event.dest.caller_number,
        dialled_from=event.source.exten if event.source else "",
        context=event.dest.context,
    )
    by_name = numbers.extension(name)
    if side.is_outside:
        return None if by_name is None else Doubt("named_like_a_telephone", _line(name), "")
    return None if by_name is not None else Doubt("by_its_number", _line(name), "", side.extension)


def _line(name: str) -> str:
    return f"{name.partition('/')[0]}/{resource(name)}"
