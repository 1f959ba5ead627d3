"""The channels that an event names. Pure."""

from ami.events import Event

__all__ = ["uniqueids"]


def uniqueids(event: Event) -> list[str]:
    """Return the uniqueid of every channel that `event` names."""
    found: list[str] = []
    for name in (
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
    ):
        channel = getattr(event, name, None)
        if channel is not None:
            found.append(channel.uniqueid)
    uniqueid = getattr(event, "uniqueid", None)
    return [*found, uniqueid] if uniqueid else found
