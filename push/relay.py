"""From the outbox to the screens, in order of `seq`: by rows, or from hand to hand when nothing is between."""

import asyncio
from collections.abc import Sequence

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from push.bus import Bus
from push.hub import Hub
from store import outbox
from store.outbox import Message

__all__ = ["Relay"]

log = structlog.get_logger(__name__)

_PAGE = 500


class Relay:
    """Woken by `bus`; looks by itself every `poll_s`, so a bell that never rings only costs time."""

    def __init__(
        self,
        sessions: async_sessionmaker[AsyncSession],
        hub: Hub,
        bus: Bus,
        *,
        poll_s: float = 1.0,
    ) -> None:
        self._sessions = sessions
        self._hub = hub
        self._bell = bus.subscribe(self._carried)
        self._poll_s = poll_s
        self._reading_since_s: float | None = None

    def still_s(self, now_s: float) -> float:
        """Return for how many seconds the reading of the outbox has hung, at a monotonic time; 0 when it does not."""
        return 0.0 if self._reading_since_s is None else now_s - self._reading_since_s

    async def run(self) -> None:
        """Deliver for ever, beginning with what is committed from now on."""
        while True:
            self._reading_since_s = asyncio.get_running_loop().time()
            try:
                await self._until_level()
            except SQLAlchemyError as error:  # it comes back, and must find its screens served
                log.error(
                    "outbox cannot be read, trying again", retry_s=self._poll_s, error=str(error)
                )
            self._reading_since_s = None
            await self._next()

    async def _next(self) -> None:
        """Wait until there may be something to read: what was carried by hand needs no reading."""
        while True:
            seq = await self._bell.wait(self._poll_s)
            if seq is None or self._hub.position is None or seq > self._hub.position:
                return

    def _carried(self, messages: Sequence[Message]) -> None:
        """Deliver at once what follows directly on what was delivered; anything else is read in order."""
        if self._hub.position is None or messages[0].seq != self._hub.position + 1:
            return
        try:
            self._hub.deliver(messages)
        except (
            KeyError,
            TypeError,
            ValueError,
        ):  # the writer calls us, and must not die of a message
            log.exception("a message can't be told; the relay will meet it in the rows")

    async def _until_level(self) -> None:
        """Deliver everything that is committed."""
        if (position := self._hub.position) is None:
            async with self._sessions() as session:
                position = await outbox.last_seq(session)
            self._hub.begin(position)
        full = True
        while full:
            async with self._sessions() as session:
                messages = await outbox.read_after(session, position, _PAGE)
            self._hub.deliver(messages)  # which knows what was carried meanwhile
            position = messages[-1].seq if messages else position
            full = len(messages) == _PAGE
