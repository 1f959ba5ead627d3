"""From the link to the database: one pipeline a PBX, one transaction a batch.

The pipeline takes the link's items in order and makes facts of the events. The recorder stores the
facts, the events (journal) and the messages for screens in one commit; only then comes the next
batch. After each login `telephony.catch_up` mends the gap.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TypeVar

import structlog

from ami.asking import Link
from ami.errors import EventError, LinkDownError
from ami.events import Event
from ami.inbox import EventArrived, EventBroken, LinkDown, LinkItem, LinkUp
from ami.parser import parse
from calls.facts import Fact
from calls.tracker import Tracker
from store import journal
from telephony.evidence import with_evidence
from telephony.recorder import Recorder

__all__ = ["Pipeline"]

log = structlog.get_logger(__name__)

E = TypeVar("E", bound=Event)
# Batches of a busy PBX, that many within that time, begin so far apart: its events meanwhile share
# a commit, which costs a sixth less of the processor at 200 presses/s. The few of a single call do
# not wait.
_MANY, _WITHIN_S, _APART_S = 10, 0.1, 0.005


class Pipeline:
    """Runs until cancelled. Its state is rebuilt from the journal at the start.

    `tracker` knows the live calls as the events taken so far describe them.
    """

    def __init__(
        self,
        link: Link,
        recorder: Recorder,
        *,
        new_tracker: Callable[[], Tracker],
        catch_up: Callable[["Pipeline", LinkUp], Awaitable[None]],
        link_down: Callable[["Pipeline", LinkDown], Awaitable[None]],
        begin: Callable[["Pipeline"], Awaitable[None]] | None = None,
    ) -> None:
        """`begin` runs when the state is rebuilt, before the first item is taken."""
        self.tracker = new_tracker()
        self.broken_events = 0
        self._link = link
        self._recorder = recorder
        self._drained = asyncio.Event()
        # An event may have gone unread: the spool is read again soon.
        self._doubtful = asyncio.Event()
        # Batches and the sweep must not change the same stories at once.
        self._turn = asyncio.Lock()
        self._has_batch = False
        self._begun: deque[float] = deque(maxlen=_MANY)  # when the last batches began
        self._ahead: Sequence[LinkItem] = ()
        self._taken_until: datetime | None = None
        self._catch_up = catch_up
        self._link_down = link_down
        self._begin = begin

    async def run(self) -> None:
        """Rebuild the state, then take the link's items until it is closed."""
        try:
            await self.rebuild()
            if self._begin is not None:
                await self._begin(self)
            while items := await self._next():
                self._begun.append(asyncio.get_running_loop().time())
                self._has_batch, self._ahead = True, items
                async with self._turn:
                    await self.take(items)
                    self._has_batch = False
                await self._breathe()
        finally:
            self._drained.set()

    def still_s(self, now_s: float) -> float:
        """Return for how many seconds the batch in hand has been at work.

        `now_s` is a monotonic time. 0 without a batch, and while the database refuses it: then the
        recorder tries again and `stuck_since` shows it.
        """
        if not self._has_batch or self._recorder.stuck_since is not None or not self._begun:
            return 0.0
        return now_s - self._begun[-1]

    async def _breathe(self) -> None:
        """Let some events gather before the next batch while the PBX is busy."""
        oldest, newest = self._begun[0], self._begun[-1]
        if len(self._begun) == _MANY and newest - oldest < _WITHIN_S:
            await asyncio.sleep(newest + _APART_S - asyncio.get_running_loop().time())

    async def _next(self) -> list[LinkItem]:
        """Return the next items, none when the link is closed."""
        try:
            return await self._link.next_batch()
        except LinkDownError:
            return []

    @property
    def turn(self) -> asyncio.Lock:
        """Hold it to change stories: between two batches, never beside one."""
        return self._turn

    async def until_drained(self) -> None:
        """Return when the link is closed and its last item is taken in."""
        await self._drained.wait()

    async def doubtful(self, within_s: float) -> bool:
        """Return True as soon as an event may have gone unread.

        False when none has for `within_s` seconds.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._doubtful.wait()
        is_doubtful = self._doubtful.is_set()
        self._doubtful.clear()
        return is_doubtful

    def taken_until(self, at: datetime) -> datetime | None:
        """Return up to which PBX time the link's items are taken in.

        `at` is now. None before the first login. While items wait, for the database say, the time
        lies behind `at`.
        """
        if self._taken_until is not None and (self._has_batch or self._link.waiting):
            return min(at, self._taken_until)
        return at if self._taken_until is not None else None

    def unheard(self, kind: type[E]) -> Iterator[E]:
        """Yield the queued events of this kind that are not taken in yet, in order."""
        ahead = [item.event for item in self._ahead if isinstance(item, EventArrived)]
        waiting = self._link.events_waiting(kind.__name__.encode())
        for event in itertools.chain(ahead, waiting):
            if isinstance(event, kind):
                yield event

    async def rebuild(self) -> None:
        """Load the open calls and replay their events through the tracker.

        The facts of these events are stored already: journal and facts commit together.
        """
        rows = await self._recorder.begin()
        for row in rows:
            try:
                event = parse(row.raw, row.at)
            except EventError as error:  # stored by a version that read it otherwise
                self._broken(error)
            else:
                self._feed(event)
        log.info(
            "call state rebuilt",
            pbx=self._recorder.pbx,
            open_calls=len(self._recorder.open_stories),
            events=len(rows),
        )

    async def take(self, items: Sequence[LinkItem]) -> None:
        """Take a batch of items in order; neighbouring events share a transaction."""
        taken = 0
        for is_event, group in itertools.groupby(
            items, lambda item: isinstance(item, EventArrived)
        ):
            neighbours = list(group)
            taken += len(neighbours)
            self._ahead = items[taken:]
            if is_event:
                await self._events([item for item in neighbours if isinstance(item, EventArrived)])
                continue
            for item in neighbours:
                await self._turn_of(item)

    async def _turn_of(self, item: LinkItem) -> None:
        match item:
            case LinkUp():
                self._taken_until = item.pbx_now
                await self._catch_up(self, item)
                # A press whose event came before the login and whose mark was written after is not
                # read yet.
                self._doubtful.set()
            case LinkDown():
                await self._link_down(self, item)
            case EventBroken():
                self._broken(item.error)
                self._doubtful.set()

    def _broken(self, error: EventError) -> None:
        self.broken_events += 1
        log.error("an event could not be read", pbx=self._recorder.pbx, personal_error=str(error))

    async def _events(self, arrived: Sequence[EventArrived]) -> None:
        facts: list[Fact] = []
        rows: list[journal.JournalEntry] = []
        for item in arrived:
            facts += self._feed(item.event)
            call = self.tracker.call_of(item.event)
            rows.append(
                journal.JournalEntry(
                    pbx=self._recorder.pbx, at=item.event.at, call_id=call, raw=item.raw
                )
            )
        checked = await with_evidence(self._link, facts)
        last_at = max(item.event.at for item in arrived)
        await self._recorder.store(checked, rows, contact_at=last_at)
        self._taken_until = max(self._taken_until or last_at, last_at)

    def _feed(self, event: Event) -> list[Fact]:
        try:
            return self.tracker.feed(event)
        except Exception:
            # A fault of ours in one event must not stop the next; the journal keeps the event.
            self.broken_events += 1
            self._doubtful.set()
            log.exception(
                "an event could not be understood",
                pbx=self._recorder.pbx,
                event=type(event).__name__,
            )
            return []
