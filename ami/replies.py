"""Replies to actions: what proves something, and when a reply is whole. Pure.

A caller's name and number are a stranger's bytes. They may hold line breaks and so look like headers
or like whole messages, even like the end of a list. So a message counts as a reply only by the
random ActionID we sent, it is an event or a response by its first line alone, and the end of a list
must look exactly like one and agree with the number of its items. Asterisk writes a list in one go:
a foreign message in the middle is the rest of a row that its own content broke.
"""

import re
from collections.abc import Iterator
from enum import Enum

from ami.errors import ActionFailed, AmbiguousField, AmiError, IncompleteList, ReplyTooLong
from ami.wire import decode, event_type

__all__ = ["LIST_LIMIT_BYTES", "Reply", "Until", "Waiting", "action_ids"]

LIST_LIMIT_BYTES = 64 * 1024 * 1024

_ACTION_ID = re.compile(rb"\r\nActionID: ?([0-9a-f]{32})(?=\r\n|$)", re.IGNORECASE)
_END_HEADERS = frozenset(
    {"event", "actionid", "eventlist", "listitems", "items"}
    | {"listextensions", "listpriorities", "listcontexts"}  # of ShowDialPlan
)


def action_ids(frame: bytes) -> Iterator[str]:
    """Every ActionID of ours that a message carries; a caller can't guess one that is pending."""
    for found in _ACTION_ID.finditer(frame):
        yield found[1].decode()


class Reply:
    """One message in answer to an action: headers in order, looked up in any case. Immutable."""

    __slots__ = ("_first", "frame", "headers")

    def __init__(self, frame: bytes) -> None:
        self.frame = frame
        self.headers = tuple(decode(frame))
        self._first = {name.lower(): value for name, value in reversed(self.headers)}

    def get(self, name: str, default: str = "") -> str:
        """The first value of a header."""
        return self._first.get(name.lower(), default)

    def get_all(self, name: str) -> list[str]:
        """All values of a header that repeats (`Output`, `ChanVariable`)."""
        return [value for each, value in self.headers if each.lower() == name.lower()]

    def one(self, name: str) -> str:
        """The value of an identity. Raises AmbiguousField when it came twice, differently."""
        if len(set(self.get_all(name))) > 1:
            raise AmbiguousField(self.event or "reply", name, self.frame)
        return self.get(name)

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._first

    def __repr__(self) -> str:
        return f"Reply({self.headers!r})"

    @property
    def event(self) -> str:
        """The event's name, empty for a response."""
        return event_type(self.frame).decode("utf-8", "replace")

    @property
    def response(self) -> str:
        """`Success`, `Error`, …; empty for an event, even one with a Response header in it."""
        name, value = self.headers[0]
        return value.strip() if name.lower() == "response" else ""


class Until(Enum):
    """What makes an answer whole."""

    RESPONSE = "its response"
    LIST = "the end of the list"
    EVENT = "one event of a name"


class Waiting:
    """One action in flight: takes the messages with its ActionID until the answer is whole.

    `replies` is the answer so far: the response, or the items of the list, or the event.
    """

    def __init__(self, action: str, until: Until, event: str = "") -> None:
        self.broken_rows = 0
        self._spoiled = False
        self._id_first = False  # known from the first row on
        self._row_open = False  # the last row may still turn out to be broken
        self.action = action
        self.until = until
        self.replies: list[Reply] = []
        self._event = event
        self._accepted = False
        self._size_bytes = 0

    def add(self, frame: bytes) -> bool:
        """Take a message; True when the answer is whole. Raises AmiError when it will never be."""
        reply = Reply(frame)
        if reply.response:
            return self._add_response(reply)
        return bool(reply.event) and self._accepted and self._add_event(reply)

    def foreign(self) -> bool:
        """A message without our ActionID came; True when it shows that a row of our list is broken.

        Where rows begin with the ActionID (CoreShowChannels) that is the row before, and it is taken
        away: its caller hides only himself. Where they end with it, no row is safe.
        """
        if self.until is not Until.LIST or not self._accepted:
            return False
        if not self._id_first:
            self._spoiled = True
        elif self._row_open:
            self.replies.pop()
            self.broken_rows += 1
            self._row_open = False
        return True

    def _add_response(self, reply: Reply) -> bool:
        if self._accepted:
            return False
        if reply.response == "Error":
            raise ActionFailed(self.action, reply.get("Message"))
        self._accepted = True
        if self.until is Until.RESPONSE:
            self.replies.append(reply)
            return True
        return self.until is Until.LIST and reply.get("EventList").lower() != "start"

    def _add_event(self, reply: Reply) -> bool:
        if self.until is Until.EVENT:
            if reply.event == self._event:
                self.replies.append(reply)
            return reply.event == self._event
        if _is_end(reply):
            self._check_count(reply)
            return True
        self._size_bytes += len(reply.frame)
        if self._size_bytes > LIST_LIMIT_BYTES:
            raise ReplyTooLong(self.action, LIST_LIMIT_BYTES)
        self.replies.append(reply)
        self._id_first = reply.headers[1][0].lower() == "actionid"
        self._row_open = True
        return False

    def _check_count(self, end: Reply) -> None:
        counted, received = end.get("ListItems"), len(self.replies) + self.broken_rows
        if self._spoiled:
            raise IncompleteList(self.action, received, received + 1)
        if self.action == "DBGetTree" and counted == "1":
            return  # Asterisk 16 says 1 whatever the number
        if counted.isdecimal() and int(counted) != received:
            raise IncompleteList(self.action, received, int(counted))


def _is_end(reply: Reply) -> bool:
    names = {name.lower() for name, _ in reply.headers}
    if not names <= _END_HEADERS:
        return False
    if reply.get("EventList").lower() == "cancelled":
        raise _cancelled(reply)
    return reply.get("EventList").lower() == "complete"


def _cancelled(reply: Reply) -> AmiError:
    return ActionFailed(reply.event, "the PBX cancelled the list")
