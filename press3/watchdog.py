"""Notify systemd that press3 is ready and that its parts move on; one that stands still ends the notices.

systemd then kills and restarts press3: the PBX keeps what is pressed meanwhile. A database that
refuses is no standstill: press3 says so itself (`stuck`) and goes on when it is back.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from push.relay import Relay
from store.errors import StoreError
from store.writer import Writer
from telephony.serving import Telephony

__all__ = ["Notify", "Part", "Watchdog", "parts_of"]

log = structlog.get_logger(__name__)

_EVERY_S = 10.0  # where systemd does not say how often it wants to hear
_WRITER_S = 90.0  # a batch that hangs is given up by the writer itself after 60 s
_RELAY_S = 60.0
_PIPELINE_S = 300.0  # a batch may read a long gap from the PBX


class Notify:
    """systemd's side: the socket that `NOTIFY_SOCKET` names (sd_notify(3)); without one nothing is sent."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "").replace("@", "\0", 1)
        wanted_us = int(environment.get("WATCHDOG_USEC", "0") or "0")
        self.every_s = wanted_us / 3e6 if wanted_us else _EVERY_S

    @classmethod
    def of_this_process(cls) -> "Notify":
        return cls(os.environ)

    def send(self, state: str) -> None:
        """Send `state`, such as "READY=1". Never waits; a systemd that does not listen is logged."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
                sender.sendto(state.encode(), self._address)
        except OSError as error:
            log.warning("systemd can't be told", state=state, error=str(error))


@dataclass(frozen=True, kw_only=True)
class Part:
    """`still_s` returns for how many seconds the part has had work and not moved on, at a monotonic time."""

    name: str
    limit_s: float
    still_s: Callable[[float], float]


class _WriterProbe:
    """An empty work goes through the writer's queue; while it is under way, so is the writer."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._asked_s = 0.0
        self._probe: asyncio.Task[None] | None = None

    def still_s(self, now_s: float) -> float:
        if self._probe is None or self._probe.done():
            self._asked_s = now_s
            self._probe = asyncio.create_task(self._ask(), name="watchdog-writer")
        return now_s - self._asked_s

    async def _ask(self) -> None:
        try:
            await self._writer.run(_nothing)
        except StoreError as error:  # refused, and so alive
            log.debug("the writer refuses", error=str(error))


async def _nothing(session: AsyncSession) -> None:
    """Work that changes nothing."""


def parts_of(
    writer: Writer, relay: Relay, telephony: Callable[[], Sequence[Telephony]]
) -> tuple[Part, ...]:
    """Return the parts of the service that must move on for it to count as alive."""

    def pipelines(now_s: float) -> float:
        return max((each.still_s(now_s) for each in telephony()), default=0.0)

    return (
        Part(name="writer", limit_s=_WRITER_S, still_s=_WriterProbe(writer).still_s),
        Part(name="relay", limit_s=_RELAY_S, still_s=relay.still_s),
        Part(name="pipeline", limit_s=_PIPELINE_S, still_s=pipelines),
    )


class Watchdog:
    """`await run()` for ever: the loop turns and no part stands still, so systemd hears of it."""

    def __init__(self, notify: Notify, parts: Sequence[Part]) -> None:
        self._notify = notify
        self._parts = parts
        self.still: tuple[str, ...] = ()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self.look(loop.time())
            await asyncio.sleep(self._notify.every_s)

    def look(self, now_s: float) -> None:
        """Notify systemd, or log which part stands still (once for each standstill)."""
        still = tuple(part.name for part in self._parts if part.still_s(now_s) > part.limit_s)
        if still and still != self.still:
            log.error("a part of the service stands still; systemd is not told", parts=still)
        self.still = still
        if not still:
            self._notify.send("WATCHDOG=1")
