"""Which events an Asterisk AMI user gets: `read=` and `eventfilter=` as Asterisk applies them. Pure.

Asterisk matches each filter, a POSIX extended regular expression, against the whole text of an
event. Only inclusions: everything else is kept back. Only exclusions (`!`): everything else comes.
Both: first the inclusions, then the exclusions. Source: `main/manager.c`, and the documentation of
the AMI action Filter.
"""

import re
from collections.abc import Iterable, Sequence

from ami.parser import WANTED
from ivr.manager import NARROWED, VARIABLES

__all__ = ["CLASS_OF", "FOREIGN", "WithoutMeaning", "kept_back", "passes", "wanted_samples"]

# The class (`read=`) of a wanted event, where it is not `call`.
CLASS_OF = {
    "AgentCalled": "agent",
    "AgentConnect": "agent",
    "DTMFEnd": "dtmf",
    "FullyBooted": "system",
    "Newexten": "dialplan",
    "QueueCallerAbandon": "agent",
    "QueueCallerJoin": "agent",
    "QueueCallerLeave": "agent",
    "Shutdown": "system",
    "UserEvent": "user",
    "VarSet": "dialplan",
}
_POSIX = {
    "[:cntrl:]": r"\x00-\x1f\x7f",
    "[:space:]": r"\s",
    "[:blank:]": r" \t",
    "[:digit:]": r"0-9",
    "[:alpha:]": r"A-Za-z",
    "[:alnum:]": r"A-Za-z0-9",
    "[:upper:]": r"A-Z",
    "[:lower:]": r"a-z",
    "[:xdigit:]": r"0-9A-Fa-f",
    "[:print:]": r"\x20-\x7e",
}
_CHANNEL = (
    "Channel: PJSIP/trunk-00000001\r\nChannelState: 6\r\nChannelStateDesc: Up\r\n"
    "CallerIDNum: 101\r\nCallerIDName: <unknown>\r\nConnectedLineNum: <unknown>\r\n"
    "ConnectedLineName: <unknown>\r\nLanguage: en\r\nAccountCode: \r\nContext: {context}\r\n"
    "Exten: s\r\nPriority: 1\r\nUniqueid: 1795286023.1\r\nLinkedid: 1795286023.1\r\n"
)


class WithoutMeaning(Exception):
    """A filter can't be read as a regular expression here; Asterisk may read it otherwise."""


def passes(filters: Sequence[str], event: str) -> bool:
    """Whether Asterisk would let `event` through. Raises WithoutMeaning."""
    inclusions = [_compiled(line) for line in filters if not line.startswith("!")]
    exclusions = [_compiled(line[1:]) for line in filters if line.startswith("!")]
    if inclusions and not any(each.search(event) for each in inclusions):
        return False
    return not any(each.search(event) for each in exclusions)


def _compiled(pattern: str) -> re.Pattern[str]:
    for posix, python in _POSIX.items():
        pattern = pattern.replace(posix, python)
    try:
        return re.compile(pattern, re.DOTALL)
    except re.error as error:
        raise WithoutMeaning(f"{pattern!r}: {error}") from error


def wanted_samples(observed: Iterable[str]) -> dict[str, str]:
    """Return an example of every event that press3 reads: what it is called → its text.

    `observed` are the contexts of menus that are only watched.
    """
    found = {name: _event(name) for name in sorted(n.decode() for n in WANTED)}
    for name in NARROWED:
        del found[name]
    for variable in VARIABLES:
        found[f"VarSet {variable}"] = _event("VarSet", f"Variable: {variable}\r\nValue: x\r\n")
    for name in ("Press3", "Press3Store"):
        more = f"UserEvent: {name}\r\nKey: press3/202611211833/1795286023.1-123456\r\n"
        found[f"UserEvent {name}"] = _event("UserEvent", more)
    for context in observed:
        more = "Extension: 3\r\nApplication: Goto\r\nAppData: x\r\n"
        found[f"Newexten in {context}"] = _event("Newexten", more, context=context)
    return found


def _event(name: str, more: str = "", *, context: str = "press3-complaint") -> str:
    kind = CLASS_OF.get(name, "call")
    head = f"Event: {name}\r\nPrivilege: {kind},all\r\nTimestamp: 1795286023.100000\r\n"
    return head + _CHANNEL.format(context=context) + more


def kept_back(filters: Sequence[str], observed: Iterable[str]) -> list[str]:
    """Return which of the events that press3 reads do not come through `filters`."""
    return [name for name, event in wanted_samples(observed).items() if not passes(filters, event)]


# What no filter should let through: most of the traffic, and nothing in it is read.
FOREIGN = {
    "RTCPSent": "Event: RTCPSent\r\nPrivilege: reporting,all\r\n" + _CHANNEL.format(context="x"),
    "VarSet of any variable": _event("VarSet", "Variable: FOREIGN\r\nValue: x\r\n", context="x"),
    "Newexten of any context": _event("Newexten", "Application: NoOp\r\n", context="elsewhere"),
}
