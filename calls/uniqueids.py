"""The channels that an event names. Pure."""

from dataclasses import fields
from functools import cache
from typing import Any, Final

from ami.events import Event

__all__ = ["uniqueids"]

_CHANNELS: Final = (
    "channel",
    "source",
    "dest",
    "one",
    "two",
    "transferee",
    "transferer",
    "original",
    "parkee",
    "second",
    "target",
    "retriever",
)


def uniqueids(event: Event) -> list[str]:
    """Return the uniqueid of every channel that `event` names."""
    kind: Any = type(event)  # mypy takes no type of a dataclass for hashable
    found = [
        channel.uniqueid
        for name in _channels_of(kind)
        if (channel := getattr(event, name)) is not None
    ]
    uniqueid = getattr(event, "uniqueid", None)
    return [*found, uniqueid] if uniqueid else found


@cache
def _channels_of(kind: Any) -> tuple[str, ...]:
    """Return which fields of such events are channels: asked of each event, the same for all of a kind."""
    names = {each.name for each in fields(kind)}
    return tuple(name for name in _CHANNELS if name in names)
