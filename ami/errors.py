"""One error tree of the Asterisk link: what went wrong, whose fault it is, the data of it.

`fault` says who has to act: `us` (a bug or a limit of press3), `pbx` (what Asterisk sent or is
configured to allow), `network` (the line between). The text is built once, here.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

__all__ = [
    "ActionFailed",
    "ActionTimeout",
    "AmbiguousField",
    "AmiError",
    "BadField",
    "EventError",
    "FrameTooLong",
    "IncompleteList",
    "LinkDownError",
    "LogUnreadable",
    "LoginRefused",
    "MissingField",
    "ReplyTooLong",
    "SpoolUnread",
    "TooManyActions",
    "UnsafeValue",
    "Untrusted",
]

SHOWN_FRAME_BYTES = 2000


class AmiError(Exception):
    """Root of everything this package raises on purpose."""

    fault: ClassVar[Literal["us", "pbx", "network"]] = "pbx"


class FrameTooLong(AmiError):
    """The stream broke a limit of `ami.wire`: nothing after it can be trusted, the session ends."""

    def __init__(self, what: Literal["line", "message"], limit_bytes: int) -> None:
        self.what = what
        self.limit_bytes = limit_bytes
        super().__init__(f"AMI {what} longer than {limit_bytes} bytes")


class EventError(AmiError):
    """One event can't be understood. The session goes on; `frame` is the whole event."""

    def __init__(self, event: str, header: str, problem: str, frame: bytes) -> None:
        self.event = event
        self.header = header
        self.frame = frame
        super().__init__(f"event {event}: {header} {problem} in {frame[:SHOWN_FRAME_BYTES]!r}")


class MissingField(EventError):
    """A header that the event can't do without is absent or empty."""

    def __init__(self, event: str, header: str, frame: bytes) -> None:
        super().__init__(event, header, "is missing", frame)


class BadField(EventError):
    """A header's value is not what Asterisk writes there."""

    def __init__(self, event: str, header: str, value: str, frame: bytes) -> None:
        self.value = value
        super().__init__(event, header, f"has the bad value {value[:100]!r}", frame)


class AmbiguousField(EventError):
    """A header came twice with different values: bytes of a caller's name may pose as a header."""

    def __init__(self, event: str, header: str, frame: bytes) -> None:
        super().__init__(event, header, "came twice", frame)


class UnsafeValue(AmiError):
    """An outgoing header would break out of its line or not fit into Asterisk's."""

    fault = "us"

    def __init__(self, header: str, problem: str) -> None:
        self.header = header
        super().__init__(f"AMI header {header[:100]!r} {problem}")


class TooManyActions(AmiError):
    """More actions wait for a reply than the link allows at once."""

    fault = "us"

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"{limit} AMI actions already wait for a reply")


class LinkDownError(AmiError):
    """There is no session, or it ended before the reply. Whether the action was done is unknown."""

    fault = "network"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"AMI link is down: {reason}")


class ActionTimeout(AmiError):
    """No reply in time. Whether the action was done is unknown; it is never sent again."""

    fault = "network"

    def __init__(self, action: str, timeout_s: float) -> None:
        self.action = action
        self.timeout_s = timeout_s
        super().__init__(f"no reply to AMI action {action} in {timeout_s:g} s")


class ActionFailed(AmiError):
    """Asterisk answered `Response: Error`; `message` is its own text."""

    def __init__(self, action: str, message: str) -> None:
        self.action = action
        self.message = message
        super().__init__(f"AMI action {action} failed: {message}")


class Untrusted(AmiError):
    """There can be no TLS with the PBX as configured here."""

    fault = "us"


class LoginRefused(AmiError):
    """Asterisk knows us not, or gives us too few rights to serve: configuration must change."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(f"AMI login refused: {message}")


class ReplyTooLong(AmiError):
    """The list that answers an action is longer than the link keeps."""

    def __init__(self, action: str, limit_bytes: int) -> None:
        self.action = action
        self.limit_bytes = limit_bytes
        super().__init__(f"the reply to AMI action {action} is longer than {limit_bytes} bytes")


class SpoolUnread(AmiError):
    """Minutes of the spool that can't be read, though the PBX answers; all others were read."""

    def __init__(self, minutes: Sequence[str]) -> None:
        self.minutes = tuple(minutes)
        super().__init__(f"the presses of {', '.join(minutes)} (UTC minutes) can't be read")


class IncompleteList(AmiError):
    """A list had fewer sound items than Asterisk counted: absence from it proves nothing."""

    def __init__(self, action: str, received: int, expected: int) -> None:
        self.action = action
        self.received = received
        self.expected = expected
        super().__init__(f"AMI action {action} gave {received} sound items of {expected}")


class LogUnreadable(AmiError):
    """A log file of the PBX can't be read now; `path` as configured."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        super().__init__(f"{path} can't be read: {problem}")
