"""The sound side of one caller: A-law, and keys as RFC 4733 events, as real telephones send them.

Used beside a SIPp caller who offers this port (`lab.call(…, rtp_port=sound.port)`). It learns where
to send from the first packet that Asterisk sends, as a telephone behind a router does.
"""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import cast

__all__ = ["RtpSide", "rtp_side"]

PACKET_S, PACKET_SAMPLES = 0.02, 160
ALAW, EVENTS = 8, 101
SILENCE = b"\xd5" * PACKET_SAMPLES
SSRC = 0x50335033
_HEARD_S = 30
_LAST_PACKETS = 3  # RFC 4733 §2.5.1.4: the end of an event is sent three times


class RtpSide(asyncio.DatagramProtocol):
    """One RTP stream. `heard` packets came from Asterisk."""

    def __init__(self) -> None:
        self.heard = 0
        self._transport: asyncio.DatagramTransport | None = None
        self._peer: asyncio.Future[tuple[str, int]] = asyncio.get_running_loop().create_future()
        self._sequence = self._time = 0
        self._keys: asyncio.Queue[tuple[str, float, asyncio.Future[datetime]]] = asyncio.Queue()

    @property
    def port(self) -> int:
        assert self._transport is not None
        return int(self._transport.get_extra_info("sockname")[1])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.heard += 1
        if not self._peer.done():
            self._peer.set_result(addr)

    async def key(self, digit: str, *, lasts_s: float = 0.1) -> datetime:
        """Press a key; return when it was let go (the first packet that says so)."""
        released: asyncio.Future[datetime] = asyncio.get_running_loop().create_future()
        self._keys.put_nowait((digit, lasts_s, released))
        async with asyncio.timeout(_HEARD_S):  # who never hears Asterisk must not wait for ever
            return await released

    async def speak(self) -> None:
        """Send silence and the keys pressed, for ever: a telephone always sends something."""
        await self._peer
        while True:
            if self._keys.empty():
                self._send(ALAW, SILENCE)
                self._time += PACKET_SAMPLES
                await asyncio.sleep(PACKET_S)
            else:
                await self._press(*self._keys.get_nowait())

    async def _press(
        self, digit: str, lasts_s: float, released: "asyncio.Future[datetime]"
    ) -> None:
        """All packets of an event carry the time of its beginning; the last say that it is over."""
        event = "0123456789*#".index(digit)
        packets = max(round(lasts_s / PACKET_S), 1)
        for n in range(1, packets + 1):
            self._event(event, n, over=False, marker=n == 1)
            await asyncio.sleep(PACKET_S)
        released.set_result(datetime.now(UTC))
        for _ in range(_LAST_PACKETS):
            self._event(event, packets, over=True)
        self._time += (packets + 1) * PACKET_SAMPLES

    def _event(self, event: int, packets: int, *, over: bool, marker: bool = False) -> None:
        flags = (0x80 if over else 0) | 10  # volume -10 dBm0
        body = struct.pack("!BBH", event, flags, packets * PACKET_SAMPLES)
        self._send(EVENTS, body, marker=marker)

    def _send(self, kind: int, payload: bytes, *, marker: bool = False) -> None:
        assert self._transport is not None
        head = struct.pack(
            "!BBHII", 0x80, kind | (0x80 if marker else 0), self._sequence, self._time, SSRC
        )
        self._transport.sendto(head + payload, self._peer.result())
        self._sequence = (self._sequence + 1) % 2**16


@asynccontextmanager
async def rtp_side() -> AsyncIterator[RtpSide]:
    """Open a port and speak from it as soon as Asterisk is heard."""
    loop = asyncio.get_running_loop()
    _, side = await loop.create_datagram_endpoint(RtpSide, local_addr=("127.0.0.1", 0))
    speaking = asyncio.create_task(side.speak(), name="rtp side")
    try:
        yield side
    finally:
        speaking.cancel()
        await asyncio.gather(speaking, return_exceptions=True)
        assert side._transport is not None
        side._transport.close()
