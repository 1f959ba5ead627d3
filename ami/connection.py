"""The supervised link to one Asterisk: connect, log in, ping, connect again, and never in silence.

The bytes come and go through `ami.pipe`; what they mean is `ami.session`'s.
"""

import asyncio
import os
import random as chance
import re
import ssl
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import structlog

from ami.errors import (
    ActionFailed,
    ActionTimeout,
    AmiError,
    IncompleteList,
    LinkDownError,
    LoginRefused,
    ReplyTooLong,
    Untrusted,
)
from ami.events import Event
from ami.inbox import EventArrived, EventBroken, Inbox, LinkDown, LinkItem, LinkUp
from ami.pbx_clock import PbxClock, epoch_time
from ami.pipe import Pipe
from ami.replies import Reply, Until
from ami.session import LinkCounters, Session
from ami.tls import TlsSettings, explain_tls_fault, tls_context

__all__ = [
    "AmiLink",
    "EventArrived",
    "EventBroken",
    "LinkCounters",
    "LinkDown",
    "LinkItem",
    "LinkSettings",
    "LinkState",
    "LinkUp",
    "Reply",
]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class LinkSettings:
    """Where the PBX is and how patient the link is. A dead line is noticed within
    `ping_every_s + ping_deadline_s`; a lost one is tried again after `retry_min_s` to `retry_max_s`,
    a refused login ever later, up to `refused_max_s`; while it stays lost, that is warned of every
    `remind_every_s`. The queue holds `queue_limit` events and
    `queue_limit_bytes`; when it is full the session is ended, not the reader waited for.
    """

    pbx: str
    host: str
    port: int
    username: str
    secret: str = field(repr=False)
    queue_limit: int = 20_000
    queue_limit_bytes: int = 64 * 1024 * 1024
    connect_timeout_s: float = 2
    ping_every_s: float = 5
    ping_deadline_s: float = 5
    action_timeout_s: float = 5
    retry_min_s: float = 0.5
    retry_max_s: float = 2
    refused_max_s: float = 30
    remind_every_s: float = 300
    tls: TlsSettings | None = None


class LinkState(StrEnum):
    """REFUSED: the PBX is there, but does not let us in or gives too few rights."""

    CONNECTING = "connecting"
    UP = "up"
    REFUSED = "refused"
    DOWN = "down"
    CLOSED = "closed"


class AmiLink:
    """One PBX: `run()` keeps a session alive, `next_batch()` gives what it says, `action()` asks it.

    The stream is LinkUp, its events, LinkDown, LinkUp, …; events of a session never come before its
    LinkUp. `counters` grow for the life of the process.
    """

    def __init__(
        self,
        settings: LinkSettings,
        *,
        now: Callable[[], datetime],
        random: Callable[[], float] = chance.random,
    ) -> None:
        self.settings = settings
        self.state = LinkState.CONNECTING
        self.state_since = now()
        self.state_reason = ""
        self.version = ""
        self.counters = LinkCounters()
        self._now = now
        self._random = random
        self._log = log.bind(pbx=settings.pbx)
        self._inbox = Inbox(limit=settings.queue_limit, limit_bytes=settings.queue_limit_bytes)
        self._session: Session | None = None
        self._pbx_clock = PbxClock()
        self._refusals = 0
        self._was_up = False
        self._warned_at_s: float | None = None
        self._worker: asyncio.Task[None] | None = None
        self._closing = False
        self._stopped = asyncio.Event()

    @property
    def pbx(self) -> str:
        """Return the name of the PBX."""
        return self.settings.pbx

    @property
    def waiting(self) -> int:
        """Return how many items `next_batch` could give at once."""
        return self._inbox.waiting

    def events_waiting(self, *names: bytes) -> Iterable[Event]:
        """Return the events of these AMI names that `next_batch` will give, in order."""
        return self._inbox.events_waiting(*names)

    async def run(self) -> None:
        """Connect, log in, ping and connect again until `close()`. No fault of the net ends it."""
        if self._closing:
            return
        if self._worker is not None:
            raise RuntimeError("a link runs once")
        self._worker = asyncio.create_task(
            self._keep_connected(), name=f"ami-session-{self.settings.pbx}"
        )
        try:
            await asyncio.wait({self._worker})
        finally:
            self._worker.cancel()
            try:
                with suppress(asyncio.CancelledError):
                    await self._worker
            finally:  # also when a fault of ours killed it: who waits for us must not wait for ever
                self._set_state(LinkState.CLOSED, "closed")
                self._inbox.close()
                self._stopped.set()

    async def close(self) -> None:
        """End the link for good; what it said can still be read. May be called twice, and any time."""
        self._closing = True
        if self._worker is None:
            self._set_state(LinkState.CLOSED, "closed")
            self._inbox.close()
            return
        self._worker.cancel()
        await self._stopped.wait()

    async def next_batch(self, max_items: int = 500) -> list[LinkItem]:
        """The next items in order, at least one. Raises LinkDownError once closed and read to the end."""
        return await self._inbox.take(max_items)

    async def action(
        self, name: str, *, timeout_s: float | None = None, **headers: str | Sequence[str]
    ) -> Reply:
        """Send an action once; return its response. A sequence repeats its header.

        Raises ActionFailed (`Response: Error`), ActionTimeout, LinkDownError, UnsafeValue.
        """
        (reply,) = await self._ask(name, headers, timeout_s, Until.RESPONSE)
        return reply

    async def action_list(
        self, name: str, *, timeout_s: float | None = None, **headers: str | Sequence[str]
    ) -> list[Reply]:
        """Send an action that answers with a list; return its items.

        Raises what `action` does, and IncompleteList, ReplyTooLong.
        """
        return await self._ask(name, headers, timeout_s, Until.LIST)

    async def action_event(
        self,
        name: str,
        event: str,
        *,
        timeout_s: float | None = None,
        **headers: str | Sequence[str],
    ) -> Reply:
        """Send an action whose outcome is an event with its ActionID (Originate: OriginateResponse)."""
        (reply,) = await self._ask(name, headers, timeout_s, Until.EVENT, event)
        return reply

    def pbx_now(self) -> datetime | None:
        """The PBX's clock now, by its last Ping reply and the time since; None before a login."""
        return self._pbx_clock.now(asyncio.get_running_loop().time())

    async def _ask(
        self,
        name: str,
        headers: dict[str, str | Sequence[str]],
        timeout_s: float | None,
        until: Until,
        event: str = "",
    ) -> list[Reply]:
        if self._session is None or self.state is not LinkState.UP:
            raise LinkDownError(self.state_reason or "not connected yet")
        return await self._session.ask(
            name,
            headers,
            timeout_s=self.settings.action_timeout_s if timeout_s is None else timeout_s,
            until=until,
            event=event,
        )

    async def _keep_connected(self) -> None:
        while True:
            try:
                await self._one_session()
            except LoginRefused as refused:
                self._refusals += 1
                self._set_state(LinkState.REFUSED, refused.message)
                self._log.error("the PBX refuses our login", reason=refused.message)
                delay_s = self._refused_delay_s()
            except (AmiError, OSError, TimeoutError) as fault:
                self._set_state(LinkState.DOWN, _reason(fault))
                self._warn_of_silence()
                delay_s = self._retry_delay_s()
            await self._inbox.has_room()
            await asyncio.sleep(delay_s)

    def _warn_of_silence(self) -> None:
        """Say at once that nothing is heard, and again every `remind_every_s` until a session begins."""
        now_s = asyncio.get_running_loop().time()
        said_at_s, every_s = self._warned_at_s, self.settings.remind_every_s
        if said_at_s is not None and now_s - said_at_s < every_s:
            return
        self._warned_at_s = now_s
        self._log.warning(
            "no connection to the PBX: its calls are not seen; it is tried again every few seconds",
            address=f"{self.settings.host}:{self.settings.port}",
            reason=self.state_reason,
            remedy="is Asterisk running there, manager.conf [general] enabled = yes, and are host and port "
            "those of [[asterisk]]? press3 doctor looks at all of it",
        )

    def _retry_delay_s(self) -> float:
        low, high = self.settings.retry_min_s, self.settings.retry_max_s
        return low + (high - low) * self._random()

    def _refused_delay_s(self) -> float:
        doubled = self.settings.retry_max_s * 2.0 ** min(self._refusals - 1, 20)
        return min(doubled, self.settings.refused_max_s) * (0.75 + 0.25 * self._random())

    async def _one_session(self) -> None:
        """Serve one session from connect to its end, which is always an exception."""
        session = Session(self._take_events, self.counters)
        context = await self._tls_context()
        pipe = Pipe(self.settings.host, self.settings.port, session, context)
        self._inbox.begin()
        try:
            async with asyncio.timeout(self.settings.connect_timeout_s):
                await pipe.connect()
            self._session = session
            self._announce(await self._log_in(session))
            await self._keep_alive(session)
        finally:
            self._session = None
            session.end("closed" if self._closing else "given up")
            down = LinkDown(at=self._now(), reason=session.lost.result(), pbx_now=self.pbx_now())
            self.counters.dropped += self._inbox.down(down)
            pipe.close()

    async def _tls_context(self) -> ssl.SSLContext | None:
        """Made anew for each session: whoever corrects the file need not restart press3."""
        if self.settings.tls is None:
            return None
        try:
            return await asyncio.to_thread(tls_context, self.settings.tls)
        except OSError as fault:
            raise Untrusted(f"tls_ca {self.settings.tls.ca} can't be used: {fault}") from fault

    async def _log_in(self, session: Session) -> LinkUp:
        """The list of channels is asked for between other questions: the PBX sends the events of before
        an answer at the latest with the next one, so that whoever the list lacks is told of by then.
        """
        settings = self.settings
        try:
            await self._in_session(
                session, "Login", Username=settings.username, Secret=settings.secret, Events="on"
            )
            pbx_now = await self._ping(session)
            at = self._now()
            channels = await self._channels(session)
            core = await self._in_session(session, "CoreStatus")
            about = await self._in_session(session, "CoreSettings")
        except ActionFailed as error:
            raise LoginRefused(f"{error.action}: {error.message}") from None
        self.version = _version(about.get("AsteriskVersion"))
        return LinkUp(
            at=at,
            version=self.version,
            startup=f"{core.get('CoreStartupDate')} {core.get('CoreStartupTime')}",
            pbx_now=pbx_now,
            channels=channels,
        )

    async def _channels(self, session: Session) -> tuple[Reply, ...] | None:
        try:
            rows = await session.ask(
                "CoreShowChannels",
                {},
                timeout_s=self.settings.action_timeout_s,
                until=Until.LIST,
            )
        except (ActionFailed, ActionTimeout, IncompleteList, ReplyTooLong) as error:
            self._log.warning("who is on the line can't be read at the login", error=str(error))
            return None
        return tuple(rows)

    async def _in_session(self, session: Session, name: str, **headers: str) -> Reply:
        (reply,) = await session.ask(name, dict(headers), timeout_s=self.settings.action_timeout_s)
        return reply

    async def _keep_alive(self, session: Session) -> None:
        while True:
            await asyncio.wait({session.lost}, timeout=self.settings.ping_every_s)
            if session.lost.done():
                raise LinkDownError(session.lost.result())
            await self._ping(session)

    async def _ping(self, session: Session) -> datetime:
        deadline_s = self.settings.ping_deadline_s
        try:
            (reply,) = await session.ask("Ping", {}, timeout_s=deadline_s)
        except ActionTimeout:
            session.end(f"silent: no reply to Ping in {deadline_s:g} s")
            raise LinkDownError(session.lost.result()) from None
        told = epoch_time(reply.get("Timestamp")) or self._now()
        self._pbx_clock.set(told, asyncio.get_running_loop().time())
        return told

    def _take_events(self, events: list[bytes]) -> None:
        """Called by the reader with what one segment held. Never waits."""
        arrived_at = self._now()
        pbx_at = self._pbx_clock.of_event(asyncio.get_running_loop().time())
        for done, event in enumerate(events):
            if not self._inbox.put(event, arrived_at, pbx_at):
                self._overflow(len(events) - done)
                return

    def _overflow(self, dropped: int) -> None:
        self.counters.overflows += 1
        self.counters.dropped += dropped
        self._log.error("the queue of events is full: the session ends and is read anew")
        if self._session is not None:
            self._session.end("overflow")

    def _announce(self, up: LinkUp) -> None:
        self.counters.reconnects += self._was_up
        self._was_up = True
        self._refusals = 0
        self._warned_at_s = None
        self._inbox.up(up)
        self._set_state(LinkState.UP, "")

    def _set_state(self, state: LinkState, reason: str) -> None:
        if (state, reason) != (self.state, self.state_reason):
            self._log.info("link state", state=state.value, reason=reason)
        if state is not self.state:
            self.state_since = self._now()
        self.state, self.state_reason = state, reason


def _reason(fault: Exception) -> str:
    if isinstance(fault, ssl.SSLError):
        return explain_tls_fault(fault)
    if isinstance(fault, LinkDownError):
        return fault.reason
    if isinstance(fault, OSError) and (fault.errno or 0) > 0:
        return os.strerror(fault.errno or 0)
    return str(fault) or "no connection in time"


def _version(text: str) -> str:
    found = re.search(r"\d+(?:\.\d+)+", text)
    return found[0] if found else text
