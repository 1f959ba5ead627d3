"""panoramisk's connection as a pipe of bytes: the only file that imports it.

Measured on panoramisk 1.4 (MEASURES, DESIGN §4): it decodes each TCP chunk by itself, loses the rest
of a chunk when a callback raises, knows no timeouts, retries a refused login for ever in silence,
sends unanswered actions again after a reconnect (Originate too) and never notices a silent peer. So
it keeps what it does well, opening and closing the connection, and every byte goes through
`ami.session`. `tests/ami/test_panoramisk_faults.py` has one test for each of these faults.
"""

import asyncio
import ssl
from typing import Any

from panoramisk.ami_protocol import AMIProtocol
from panoramisk.manager import Manager

from ami.session import Session

__all__ = ["Pipe"]


class _Protocol(AMIProtocol):  # type: ignore[misc]  # panoramisk has no types
    """panoramisk's protocol: no decoding, no callbacks, no queue of actions."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._session.write = transport.write

    def data_received(self, data: bytes) -> None:
        self._session.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._session.end(f"connection lost: {exc}" if exc else "the PBX closed the connection")

    def close(self) -> None:
        """Drop the connection now: a graceful close would wait for a peer that may be dead."""
        self.closed = True
        self.transport.abort()


class Pipe(Manager):  # type: ignore[misc]  # panoramisk has no types
    """One connection for one session: no reconnecting, no login, no pinging of panoramisk's own."""

    def __init__(
        self, host: str, port: int, session: Session, context: ssl.SSLContext | None
    ) -> None:
        super().__init__(
            host=host,
            port=port,
            ssl=context or False,
            loop=asyncio.get_running_loop(),
            protocol_factory=lambda: _Protocol(session),
        )
        self._abandoned = False

    def connection_made(self, f: asyncio.Future[Any]) -> None:
        if f.cancelled() or f.exception() is not None:
            return
        _, self.protocol = f.result()
        if self._abandoned:
            self.protocol.close()

    def close(self) -> None:
        """Close it, also when it is only being opened."""
        self._abandoned = True
        super().close()
