"""Values that are fine one by one and contradict each other, or can't be meant. Pure.

A value that may hold a password (what somebody wrote as a host) is never shown.
"""

import ipaddress
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from press3.config.faults import Fault, Place, named

if TYPE_CHECKING:  # which calls us
    from press3.config.settings import Settings

__all__ = ["contradictions"]

_EVERYWHERE = frozenset({"0.0.0.0", "::"})
_HOST = re.compile(r"[^\s/@:]+")


def contradictions(settings: "Settings") -> Iterator[Fault]:
    """Yield what `settings` can't mean, each with its place."""
    yield from _names(settings)
    yield from _hosts(settings)
    yield from _recordings(settings)
    http, push = settings.http, settings.push
    shared = http.host == push.host or not _EVERYWHERE.isdisjoint({http.host, push.host})
    if push.port and push.port == http.port and shared:
        yield named(
            ("push", "port"),
            f"{push.port} is [http] port too; choose another, or leave it out: push is /ws then",
        )
    deadlines = settings.deadlines
    if "due_soon_h" in deadlines.model_fields_set and deadlines.due_soon_h >= deadlines.resolve_h:
        yield named(
            ("deadlines", "due_soon_h"),
            f"{deadlines.due_soon_h:g} must be less than resolve_h, "
            f"which is {deadlines.resolve_h:g}",
        )


def _names(settings: "Settings") -> Iterator[Fault]:
    names = [pbx.name for pbx in settings.asterisk]
    for n, name in enumerate(names):
        if name in names[:n]:
            yield named(
                ("asterisk", n, "name"),
                f"two [[asterisk]] have the same name, {name!r}; it is the identity of its calls: "
                "give this one another",
            )
    for n, rule in enumerate(settings.recordings.map):
        if rule.asterisk not in names:
            known = ", ".join(map(repr, names)) or "none"
            yield named(
                ("recordings", "map", n, "asterisk"),
                f"no [[asterisk]] has the name {rule.asterisk!r}; there is: {known}",
            )


def _hosts(settings: "Settings") -> Iterator[Fault]:
    hosts: list[tuple[Place, str]] = [
        (("http", "host"), settings.http.host),
        (("push", "host"), settings.push.host),
        *((("asterisk", n, "host"), pbx.host) for n, pbx in enumerate(settings.asterisk)),
    ]
    for place, host in hosts:
        if not (_HOST.fullmatch(host) or _is_address(host)):
            yield named(
                place,
                "must be a host's name or address and nothing else, such as '127.0.0.1': "
                "no blank, http://, user, password or port",
            )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _recordings(settings: "Settings") -> Iterator[Fault]:
    folders: list[tuple[Place, str, bool]] = [
        (("recordings", "roots"), str(root), root.is_absolute())
        for root in settings.recordings.roots
    ]
    for n, rule in enumerate(settings.recordings.map):
        for key, side in (("remote", rule.remote), ("local", rule.local)):
            folders.append((("recordings", "map", n, key), str(side), side.is_absolute()))
    for place, path, is_absolute in folders:
        if not is_absolute:
            yield named(place, f"{path!r} must be a whole path, one that begins with /")
