"""AMI on the wire: bytes in, whole messages out; headers in, bytes out. Pure: no I/O, no clock.

A message is lines ended by CR LF and closed by an empty line. The decoder never looks into text: a
message stays bytes until somebody wants it, and then it is decoded as a whole, so that a letter
split between two TCP segments is still a letter.

Source: Asterisk `main/manager.c`; the banner is `Asterisk Call Manager/<version>` CR LF, once.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from ami.errors import FrameTooLong, UnsafeValue

__all__ = [
    "ACTION_LINE_LIMIT_BYTES",
    "LINE_LIMIT_BYTES",
    "MESSAGE_LIMIT_BYTES",
    "FrameDecoder",
    "decode",
    "encode_action",
    "event_type",
    "text_of",
    "unescape",
]

LINE_LIMIT_BYTES = 64 * 1024
MESSAGE_LIMIT_BYTES = 1024 * 1024
# With its end; Asterisk refuses a longer one as "line too long" (measured on 16.28 and 22.10).
ACTION_LINE_LIMIT_BYTES = 1024
ACTION_HEADERS_LIMIT = 128

_EOL = b"\r\n"
_END = b"\r\n\r\n"
_BANNER = b"Asterisk Call Manager/"


class FrameDecoder:
    """Cuts a byte stream into messages. Work is linear however small the pieces are.

    `banner` is the protocol version from the greeting, None until it came.
    """

    def __init__(
        self,
        *,
        line_limit_bytes: int = LINE_LIMIT_BYTES,
        message_limit_bytes: int = MESSAGE_LIMIT_BYTES,
    ) -> None:
        self.banner: str | None = None
        self._line_limit = line_limit_bytes
        self._message_limit = message_limit_bytes
        # So short a message breaks no limit, whatever is in it.
        self._short = min(line_limit_bytes, message_limit_bytes)
        self._pending = bytearray()
        self._open_line_at = 0  # where in _pending its last, unfinished line begins
        self._at_start = True

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next piece of the stream; return the messages it completes, without their end.

        Raises FrameTooLong; the decoder is useless afterwards, as is the stream.
        """
        pending = self._pending
        # The end may lie across the seam between two pieces.
        if _END not in data and not (pending and _END in bytes(pending[-3:]) + data[:3]):
            self._keep(data)
            return []
        whole = bytes(pending) + data if pending else data
        self._pending = bytearray()
        self._open_line_at = 0
        messages = whole.split(_END)
        self._keep(messages.pop())
        if self._at_start:
            self._take_banner(messages)
        if len(whole) > self._short and max(map(len, messages)) > self._short:
            self._check_sizes(messages)
        # An empty message, and one behind stray empty lines, sort before all that begin with a letter.
        if min(messages) < b" ":
            messages = [stripped for each in messages if (stripped := _without_stray(each))]
        return messages

    def _keep(self, data: bytes) -> None:
        pending = self._pending
        seam = max(len(pending) - 1, 0)
        pending += data
        line_end = pending.rfind(_EOL, seam)
        if line_end >= 0:
            self._check_lines(bytes(pending[self._open_line_at : line_end]))
            self._open_line_at = line_end + 2
        # Part of the end may be there already: it counts against no limit.
        if len(pending) - self._open_line_at > self._line_limit + len(_EOL):
            raise FrameTooLong("line", self._line_limit)
        if len(pending) > self._message_limit + len(_END):
            raise FrameTooLong("message", self._message_limit)

    def _take_banner(self, messages: list[bytes]) -> None:
        self._at_start = False
        first = messages[0].lstrip(_EOL)
        if first.startswith(_BANNER):
            greeting, _, messages[0] = first.partition(_EOL)
            self.banner = greeting[len(_BANNER) :].decode("ascii", "replace").strip()

    def _check_sizes(self, messages: list[bytes]) -> None:
        for message in messages:
            if len(message) > self._message_limit:
                raise FrameTooLong("message", self._message_limit)
            self._check_lines(message)

    def _check_lines(self, lines: bytes) -> None:
        if len(lines) <= self._line_limit:
            return
        if max(map(len, lines.split(_EOL))) > self._line_limit:
            raise FrameTooLong("line", self._line_limit)


def _without_stray(message: bytes) -> bytes:
    """Take away empty lines before the message: line ends, never a lone CR or LF."""
    while message.startswith(_EOL):
        message = message[2:]
    return message


def event_type(message: bytes) -> bytes:
    """The event's name, or `b""` when the message is no event.

    Only the first line counts: an `Event:` further down may be a caller's name with a line break.
    """
    line = message.partition(_EOL)[0]
    if line.startswith(b"Event: "):
        return line[7:]
    name, colon, value = line.partition(b":")
    return value.strip() if colon and name.lower() == b"event" else b""


def text_of(message: bytes) -> str:
    """Decode a whole message: UTF-8, or else line by line UTF-8, CP1251, surrogate-escaped bytes.

    By line, because one caller's old PBX may put CP1251 beside our own UTF-8.
    """
    try:
        return message.decode()
    except UnicodeDecodeError:
        return "\r\n".join(map(_line_text, message.split(_EOL)))


def _line_text(line: bytes) -> str:
    """Asterisk 16 cuts a name after 79 bytes, in the middle of a letter too: what is left of it goes."""
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        whole = line[: error.start]
        if error.reason == "unexpected end of data" and not whole.isascii():
            return whole.decode()
    try:
        return line.decode("cp1251")
    except UnicodeDecodeError:
        return line.decode("utf-8", "surrogateescape")


def decode(message: bytes) -> list[tuple[str, str]]:
    """Every header in order, repeated ones too; one blank after the colon is not part of a value.

    A line without a colon is given with an empty name: nothing is dropped.
    """
    headers = []
    for line in text_of(message).split("\r\n"):
        name, colon, value = line.partition(":")
        headers.append((name, value.removeprefix(" ")) if colon else ("", line))
    return headers


_ESCAPE = re.compile(r"\\([abfnrtv\\'\"?])")
_ESCAPED = dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True))


def unescape(value: str) -> str:
    """Undo `ast_escape_c`: events and lists write names, and values of variables, as C does.

    Measured on 16.28 and 22.10: `O'Neil?` comes as `O\\'Neil\\?`. Getvar and AstDB do not.
    """
    if "\\" not in value:
        return value
    return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), value)


def encode_action(
    name: str,
    headers: Mapping[str, str | Sequence[str]] | Iterable[tuple[str, str]],
    action_id: str,
) -> bytes:
    """The bytes of an action. A sequence as value repeats its header (`Variable`).

    Raises UnsafeValue when a name or value would end its line, or Asterisk would cut it.
    """
    lines = [_action_line("Action", name), _action_line("ActionID", action_id)]
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    for header, value in pairs:
        if header.lower() in ("action", "actionid"):
            raise UnsafeValue(header, "is the link's own")
        values = (value,) if isinstance(value, str) else value
        lines.extend(_action_line(header, each) for each in values)
    if len(lines) > ACTION_HEADERS_LIMIT:
        raise UnsafeValue(name, f"is an action of more than {ACTION_HEADERS_LIMIT} headers")
    return b"".join(lines) + _EOL


def _action_line(name: str, value: str) -> bytes:
    if not name.replace("-", "").isalnum() or not name.isascii():
        raise UnsafeValue(name, "is no header name")
    if any(sign in value for sign in "\r\n\0"):
        raise UnsafeValue(name, "has a line break or NUL in its value")
    line = f"{name}: {value}\r\n".encode(errors="surrogateescape")
    if len(line) > ACTION_LINE_LIMIT_BYTES:
        raise UnsafeValue(name, f"is longer than {ACTION_LINE_LIMIT_BYTES} bytes")
    return line
