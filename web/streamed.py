"""A body too large for memory, read piece by piece within limits of size and time.

It is read before the writer is asked. `Change.prepare` reads it: `async for piece in ask.stream`.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from aiohttp import web

from web.problems import ApiError

__all__ = ["Stream", "Streamed", "stream_of"]

_PIECE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """What a route takes: a body of one of `media_types`, at most `limit_bytes`.

    It comes within `limit_s` seconds, and no piece is `pause_s` seconds late.
    """

    media_types: tuple[str, ...]
    limit_bytes: int
    limit_s: float = 600
    pause_s: float = 30


class Stream:
    """The body of one request, to be read once: `async for piece in stream`.

    Raises ApiError on the way: `too-large`, `too-slow`, `malformed` (it ended early, or is not what its
    Content-Encoding says).
    """

    def __init__(self, request: web.Request, rule: Streamed) -> None:
        self._content = request.content
        self._rule = rule
        self._hash = hashlib.sha256()
        self.read_bytes = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        ends = asyncio.get_running_loop().time() + self._rule.limit_s
        while piece := await self._piece(ends):
            self.read_bytes += len(piece)
            if self.read_bytes > self._rule.limit_bytes:
                raise _too_large(self._rule)
            self._hash.update(piece)
            yield piece

    async def _piece(self, ends: float) -> bytes:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(min(ends, loop.time() + self._rule.pause_s)):
                return await self._content.read(_PIECE_BYTES)
        except TimeoutError:
            raise ApiError("too-slow", "The body did not come in time.") from None
        except web.RequestPayloadError:
            raise ApiError("malformed", "The body is not what its Content-Encoding says.") from None
        except ConnectionError:  # the answer goes nowhere, and it is no fault of ours
            raise ApiError("malformed", "The connection ended before the body did.") from None

    def digest(self) -> bytes:
        """Return the SHA-256 of the whole body.

        Raises:
            RuntimeError: it was not read to its end.
        """
        if not self._content.at_eof():
            raise RuntimeError("the body was not read to its end")
        return self._hash.digest()


def stream_of(request: web.Request, rule: Streamed) -> Stream:
    """Return the body of `request`.

    Raises:
        ApiError: `unsupported-media-type`, or `too-large` by the length that it announces.
    """
    if request.content_type not in rule.media_types:
        types = ", ".join(rule.media_types)
        detail = f"Content-Type is {request.content_type}; this address takes {types}."
        raise ApiError("unsupported-media-type", detail, {"todo": f"Send one of these: {types}."})
    if (request.content_length or 0) > rule.limit_bytes:
        raise _too_large(rule)
    return Stream(request, rule)


def _too_large(rule: Streamed) -> ApiError:
    return ApiError("too-large", f"At most {rule.limit_bytes} bytes are taken.")
