"""An outbox message as the finished WebSocket frame: built once, written to every screen as it is."""

import struct

from push.messages import encode
from store.outbox import Message

__all__ = ["frame_of", "text_frame"]

_FINAL_TEXT = 0x81
_SHORT, _MEDIUM = 126, 65_536


def frame_of(message: Message) -> bytes:
    """Return the frame of an outbox message."""
    return text_frame(encode(message))


def text_frame(text: bytes) -> bytes:
    """Return an unmasked, unfragmented text frame, as servers send them (RFC 6455 §5.2)."""
    length = len(text)
    if length < _SHORT:
        return struct.pack("!BB", _FINAL_TEXT, length) + text
    if length < _MEDIUM:
        return struct.pack("!BBH", _FINAL_TEXT, 126, length) + text
    return struct.pack("!BBQ", _FINAL_TEXT, 127, length) + text
