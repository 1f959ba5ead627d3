"""From the link to the database: one pipeline a PBX, one transaction a batch.

Items of the link are taken in order. Events become facts, facts become changes of calls, and the
changes, the events (journal) and what screens are told commit together; only then is the next batch
taken. A commit that fails is tried again unchanged. After each login `telephony.catch_up` mends the gap.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol, TypeVar

import structlog
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from ami.asking import Link
from ami.errors import EventError, LinkDownError
from ami.events import Event
from ami.inbox import EventArrived, EventBroken, LinkDown, LinkItem, LinkUp
from ami.parser import parse
from calls import history
from calls.codec import fact_to_data
from calls.facts import Fact
from calls.model import SetAside
from calls.story import CallChange
from calls.tracker import Tracker
from store import journal, lease, outbox
from store.errors import CommitFailed, WriterBusy
from store.fast.prepared import insert_now
from store.writer import Work, Writer
from telephony.call_book import CallBook
from telephony.evidence import with_evidence

__all__ = ["ChangeHandler", "Pipeline", "PipelineParts", "Stored"]

log = structlog.get_logger(__name__)

T = TypeVar("T")
E = TypeVar("E", bound=Event)
_WriteChanges = Callable[[AsyncSession, Sequence[CallChange]], Awaitable[set[str]]]
# Batches of a busy PBX, that many within that time, begin so far apart: what it says meanwhile shares a commit,
# which costs a sixth less of the processor at 200 presses/s. The few of a single call do not wait.
_MANY, _WITHIN_S, _APART_S = 10, 0.1, 0.005
_RETRY_S = (1.0, 2.0, 3.0, 5.0)


class ChangeHandler(Protocol):
    """What a package does with a changed call, inside the transaction that stores it."""

    async def __call__(
        self, session: AsyncSession, change: CallChange, *, now: datetime
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Stored:
    """What one commit held: for `doctor`, the demo's live line and the recording worker."""

    changes: tuple[CallChange, ...]


@dataclass(frozen=True, kw_only=True)
class PipelineParts:
    """Everything a pipeline works with. `handlers` run in order for each changed call."""

    pbx: str
    fence: int
    link: Link
    writer: Writer
    sessions: async_sessionmaker[AsyncSession]
    new_tracker: Callable[[], Tracker]
    handlers: tuple[ChangeHandler, ...]
    now: Callable[[], datetime]
    on_stored: Callable[[Stored], None] = lambda stored: None


class _OneFailed(Exception):
    """A call of the batch can't be stored: the batch is written again, its calls apart."""


class Pipeline:
    """Runs until cancelled. Its state (tracker, stories) is rebuilt from the journal at the start."""

    def __init__(
        self,
        parts: PipelineParts,
        *,
        catch_up: Callable[["Pipeline", LinkUp], Awaitable[None]],
        link_down: Callable[["Pipeline", LinkDown], Awaitable[None]],
        begin: Callable[["Pipeline"], Awaitable[None]] | None = None,
    ) -> None:
        """`begin` runs once the state is rebuilt, before anything of the link is taken in."""
        self.parts = parts
        self.book = CallBook({})
        self.tracker = parts.new_tracker()
        self.broken_events = 0
        self.stuck_since: datetime | None = None
        self.drained = asyncio.Event()
        # Something may have gone unheard: the spool is read again soon.
        self.doubtful = asyncio.Event()
        # Batches and the sweep must not change the same stories at once.
        self.turn = asyncio.Lock()
        self._has_batch = False
        self._begun: deque[float] = deque(maxlen=_MANY)  # when the last batches began
        self._ahead: Sequence[LinkItem] = ()
        self._told_until: datetime | None = None
        self._catch_up = catch_up
        self._link_down = link_down
        self._begin = begin

    async def run(self) -> None:
        """Rebuild the state, then take the link's items until it is closed and read to the end."""
        try:
            await self.rebuild()
            if self._begin is not None:
                await self._begin(self)
            while items := await self._next():
                self._begun.append(asyncio.get_running_loop().time())
                self._has_batch, self._ahead = True, items
                async with self.turn:
                    await self.take(items)
                    self._has_batch = False
                await self._breathe()
        finally:
            self.drained.set()

    def still_s(self, now_s: float) -> float:
        """Return for how many seconds the batch in hand has been at work, at a monotonic time.

        0 without one, and while the database refuses it: it is tried again, and press3 says so.
        """
        if not self._has_batch or self.stuck_since is not None or not self._begun:
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
            return await self.parts.link.next_batch()
        except LinkDownError:
            return []

    def told_until(self, at: datetime) -> datetime | None:
        """Return up to when the link's items are taken in (PBX time), `at` being now; None before a login.

        While items wait, for the database say, that lies behind: what came after is still unheard.
        """
        if self._told_until is not None and (self._has_batch or self.parts.link.waiting):
            return min(at, self._told_until)
        return at if self._told_until is not None else None

    def unheard(self, kind: type[E]) -> Iterator[E]:
        """The events of this kind that came already and are not taken in yet, in order."""
        ahead = [item.event for item in self._ahead if isinstance(item, EventArrived)]
        waiting = self.parts.link.events_waiting(kind.__name__.encode())
        for event in itertools.chain(ahead, waiting):
            if isinstance(event, kind):
                yield event

    async def rebuild(self) -> None:
        """Load the open calls and replay their events through a fresh tracker.

        The facts it makes are stored already: journal and facts commit together.
        """
        async with self.parts.sessions() as session:
            stories = await history.load_open(session, self.parts.pbx)
            started = min((story.started_at for story in stories.values()), default=None)
            rows = await journal.read_open(session, self.parts.pbx, started) if started else []
        self.book = CallBook(stories)
        for row in rows:
            try:
                event = parse(row.raw, row.at)
            except EventError as error:  # stored by a version that read it otherwise
                self._broken(error)
            else:
                self._feed(event)
        log.info(
            "call state rebuilt", pbx=self.parts.pbx, open_calls=len(stories), events=len(rows)
        )

    async def take(self, items: Sequence[LinkItem]) -> None:
        """Handle a batch of the link in order; neighbouring events share a transaction."""
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
                self._told_until = item.pbx_now
                await self._catch_up(self, item)
                # Its event came before the login, its mark was written after: neither was heard or read.
                self.doubtful.set()
            case LinkDown():
                await self._link_down(self, item)
            case EventBroken():
                self._broken(item.error)
                self.doubtful.set()

    def _broken(self, error: EventError) -> None:
        self.broken_events += 1
        log.error("an event could not be read", pbx=self.parts.pbx, personal_error=str(error))

    async def _events(self, arrived: Sequence[EventArrived]) -> None:
        facts: list[Fact] = []
        rows: list[journal.JournalEntry] = []
        for item in arrived:
            facts += self._feed(item.event)
            call = self.tracker.call_of(item.event)
            rows.append(
                journal.JournalEntry(
                    pbx=self.parts.pbx, at=item.event.at, call_id=call, raw=item.raw
                )
            )
        checked = await with_evidence(self.parts.link, facts)
        last_at = max(item.event.at for item in arrived)
        await self.store(checked, rows, contact_at=last_at)
        self._told_until = max(self._told_until or last_at, last_at)

    def _feed(self, event: Event) -> list[Fact]:
        try:
            return self.tracker.feed(event)
        except Exception:
            # A fault of ours in one event must not deafen us to the next; the journal keeps the event.
            self.broken_events += 1
            self.doubtful.set()
            log.exception(
                "an event could not be understood", pbx=self.parts.pbx, event=type(event).__name__
            )
            return []

    async def store(
        self,
        facts: Iterable[Fact],
        rows: Sequence[journal.JournalEntry] = (),
        *,
        contact_at: datetime | None = None,
    ) -> tuple[CallChange, ...]:
        """Store what `facts` change, with `rows`, in one commit tried until it holds; return the changes."""
        facts = list(facts)
        if not facts and not rows and contact_at is None:
            return ()
        changes: list[CallChange] | None = None

        async def work(session: AsyncSession, write_changes: _WriteChanges) -> set[str]:
            nonlocal changes
            if changes is None:
                await self._load(session, self.book.missing(facts))
                changes = self.book.changes(facts)
            elif stored := await self._stored(session, changes):
                return {change.story.id for change in changes} - stored
            await journal.append(session, rows)
            set_aside = await write_changes(session, changes)
            if contact_at is not None:
                await history.note_contact(session, self.parts.pbx, contact_at)
            return set_aside

        try:
            set_aside = await self.write(partial(work, write_changes=self._write_together))
        except _OneFailed as failed:  # nothing of that is stored
            log.warning(
                "a call of the batch can't be stored; the batch is written call by call",
                pbx=self.parts.pbx,
                personal_error=repr(failed.__cause__),  # PostgreSQL tells the values of a key
            )
            set_aside = await self.write(partial(work, write_changes=self._write_apart))
        kept = tuple(change for change in changes or () if change.story.id not in set_aside)
        self.book.accept(kept)
        for call in set_aside:
            self.book.forget(call)
        self.book.forget_ended()
        if kept:
            self.parts.on_stored(Stored(kept))
        return kept

    async def _load(self, session: AsyncSession, calls: Iterable[str]) -> None:
        """Take up stories not in hand. In the writing transaction: a read of its own costs three trips."""
        for call in calls:
            story = await history.load_story(session, call)
            if story is not None:
                self.book.put(story)

    async def read(self, ask: Work[T]) -> T:
        """Run `ask` in a session of its own, again and again while the database is in trouble."""

        async def once() -> T:
            async with self.parts.sessions() as session:
                return await ask(session)

        return await self._until_done(once)

    async def write(self, work: Work[T]) -> T:
        """Run `work` through the writer, again and again while the database is in trouble.

        Disk full, database away: the link's queue is bounded and what overflows is read again from
        the PBX, so waiting here loses nothing. Anything else ends the pipeline, and it is rebuilt.
        """

        async def fenced(session: AsyncSession) -> T:
            await lease.check(session, self.parts.pbx, self.parts.fence)
            return await work(session)

        return await self._until_done(lambda: self.parts.writer.run(fenced))

    async def _until_done(self, once: Callable[[], Awaitable[T]]) -> T:
        for delay_s in itertools.chain(_RETRY_S, itertools.repeat(_RETRY_S[-1])):
            try:
                done = await once()
            except (SQLAlchemyError, CommitFailed, WriterBusy, OSError) as error:
                self.stuck_since = self.stuck_since or self.parts.now()
                log.error(
                    "the database refuses a batch; it is tried again",
                    retry_s=delay_s,
                    error=str(error),
                )
                await asyncio.sleep(delay_s)
            else:
                self.stuck_since = None
                return done
        raise AssertionError("unreachable: the retry loop has no end")

    async def _stored(self, session: AsyncSession, changes: Sequence[CallChange]) -> set[str]:
        """Return which of `changes` are there: a commit that was told to have failed may hold."""
        return {
            change.story.id
            for change in changes
            if await history.load_story(session, change.story.id) == change.story
        }

    async def _write_together(
        self, session: AsyncSession, changes: Sequence[CallChange]
    ) -> set[str]:
        """Write all of `changes`, which is the rule; raise _OneFailed when a call can't be stored."""
        try:
            for change in changes:
                await self._write_change(session, change, self.parts.now())
            await insert_now(session)  # at the end of the batch it would be too late to tell whose
        except OperationalError:
            raise
        except Exception as error:
            raise _OneFailed from error
        return set()

    async def _write_apart(self, session: AsyncSession, changes: Sequence[CallChange]) -> set[str]:
        """Write each of `changes` in a SAVEPOINT of its own; return the calls that were set aside."""
        return {
            change.story.id for change in changes if not await self._write_alone(session, change)
        }

    async def _write_change(self, session: AsyncSession, change: CallChange, now: datetime) -> None:
        for handler in self.parts.handlers:
            await handler(session, change, now=now)
        await session.flush()

    async def _write_alone(self, session: AsyncSession, change: CallChange) -> bool:
        """Return False when this call's facts had to be set aside; the other calls go on."""
        now, mark = self.parts.now(), outbox.mark(session)
        try:
            async with session.begin_nested():
                await self._write_change(session, change, now)
        except OperationalError:
            raise  # the database itself is in trouble: the whole batch is tried again
        except Exception as error:
            outbox.rewind(session, mark)
            log.exception("the facts of a call can't be stored; set aside", call=change.story.id)
            facts = [
                {"type": type(f).__name__, "at": f.at.isoformat(), **fact_to_data(f)}
                for f in change.facts
            ]
            session.add(SetAside(call_id=change.story.id, at=now, error=repr(error), facts=facts))
            return False
        return True
