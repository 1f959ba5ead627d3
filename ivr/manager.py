"""Render press3's AMI user: the least rights that suffice, and only the events that it reads."""

import re
from collections.abc import Iterable

from ami.parser import WANTED
from ivr.menu import AmiAccount, ObservedMenu

__all__ = ["render_manager"]

# Measured on 16.28 and 22.10: enough for all reading. Deleting would need `system` to write.
READ = "system,call,user,agent,cdr,dtmf,dialplan"
WRITE = "reporting"
# Asterisk drops a session whose socket stalls for this long; its default of 100 ms is one slow disk.
WRITE_TIMEOUT_MS = 5000

# These types come only for what we ask for: our own variables and events, the observed menus.
NARROWED = frozenset({"VarSet", "UserEvent", "Newexten"})
VARIABLES = ("MIXMONITOR_FILENAME", "QUEUESTATUS")
# The filter sees the whole event as one text; a name ends at the CR of its line.
END = "[[:cntrl:]]"


def render_manager(account: AmiAccount, observed: Iterable[ObservedMenu] = ()) -> str:
    """Return the text of manager_press3.conf: the general switches, the user, its filters."""
    filters = "".join(f"eventfilter = {pattern}\n" for pattern in _filters(observed))
    permits = "".join(f"permit = {_network(address)}\n" for address in account.permit)
    return (
        "[general](+)\n"
        "; every event carries the PBX's own time: the reaction times stand on it\n"
        "timestampevents = yes\n"
        "\n"
        f"[{account.username}]\n"
        f"secret = {account.secret}\n"
        "deny = 0.0.0.0/0.0.0.0\n"
        "deny = ::/0\n"
        f"{permits}"
        f"read = {READ}\n"
        f"write = {WRITE}\n"
        f"writetimeout = {WRITE_TIMEOUT_MS}\n"
        f"{filters}"
    )


def _network(address: str) -> str:
    if "/" in address:
        return address
    return f"{address}/128" if ":" in address else f"{address}/255.255.255.255"


def _filters(observed: Iterable[ObservedMenu]) -> list[str]:
    """Whitelist in the regular-expression form, which every version from 16 to 22 understands."""
    plain = sorted({name.decode() for name in WANTED} - NARROWED)
    filters = [
        f"^Event: ({'|'.join(plain)}){END}",
        f"^Event: VarSet{END}.*{END}Variable: ({'|'.join(VARIABLES)}){END}",
        f"^Event: UserEvent{END}.*{END}UserEvent: Press3(Store)?{END}",
    ]
    contexts = "|".join(sorted({re.escape(menu.context) for menu in observed}))
    if contexts:
        filters.append(f"^Event: Newexten{END}.*{END}Context: ({contexts}){END}")
    return filters
