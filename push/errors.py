"""What can go wrong between a screen and us, whose fault it is, and the close code that says so.

4xxx codes are ours (RFC 6455 leaves them to applications); `CLOSE_CODES` is the whole table. The
text of an error is the close reason, so it says what happened in at most 123 bytes.
"""

from collections.abc import Mapping

__all__ = [
    "CLOSE_CODES",
    "BadMessage",
    "HelloTimeout",
    "PushError",
    "SessionEnded",
    "SlowReader",
    "TicketRefused",
    "TooManyConnections",
    "close_code",
    "close_reason",
]


class PushError(Exception):
    """A reason to close one screen's connection."""


class BadMessage(PushError):
    """The screen sent something that is not one of our messages."""


class TicketRefused(PushError):
    """The ticket is unknown, used or too old: get a new one with POST /api/v1/push-ticket."""

    def __init__(self) -> None:
        super().__init__("ticket refused: unknown, used or too old; get a new one")


class SessionEnded(PushError):
    """The person signed out, was disabled, or the session was revoked: sign in again."""

    def __init__(self) -> None:
        super().__init__("session ended; sign in again")


class HelloTimeout(PushError):
    """No hello came in time."""

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"no hello within {limit_s:g} s")


class SlowReader(PushError):
    """The screen did not read fast enough: reconnect with last_seq, nothing is lost."""

    def __init__(self) -> None:
        super().__init__("reads too slowly; reconnect with last_seq")


class TooManyConnections(PushError):
    """One person holds too many connections."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"more than {limit} connections of one person; close a tab")


CLOSE_CODES: Mapping[type[PushError], int] = {
    BadMessage: 4400,
    TicketRefused: 4401,
    SessionEnded: 4403,
    HelloTimeout: 4408,
    SlowReader: 4410,
    TooManyConnections: 4429,
}

_REASON_LIMIT_BYTES = (
    123  # RFC 6455 §5.5: a control frame's payload is 125 bytes, 2 of them the code
)


def close_code(error: PushError) -> int:
    """Return the close code of `error`."""
    return CLOSE_CODES[type(error)]


def close_reason(error: PushError) -> str:
    """Return the text of `error`, cut to what a close frame can carry."""
    return str(error).encode()[:_REASON_LIMIT_BYTES].decode(errors="ignore")
