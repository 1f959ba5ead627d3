"""Store the facts of one PBX: one commit a batch, tried until it holds.

The recorder keeps the stories of the calls in hand and knows nothing of the link. A call that can't
be stored is set aside with all its facts of the batch, and the others go on.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol, TypeVar

import structlog
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from calls import storage
from calls.codec import fact_to_data
from calls.facts import Fact
from calls.model import SetAside
from calls.story import CallChange, CallStory
from store import journal, lease, outbox
from store.errors import CommitFailed, WriterBusy
from store.fast.prepared import insert_now
from store.writer import Work, Writer
from telephony.call_book import CallBook

__all__ = ["ChangeHandler", "Recorder", "Stored"]

log = structlog.get_logger(__name__)

T = TypeVar("T")
_WriteChanges = Callable[[AsyncSession, Sequence[CallChange]], Awaitable[set[str]]]
_RETRY_S = (1.0, 2.0, 3.0, 5.0)


class ChangeHandler(Protocol):
    """What a package does with a changed call, in the transaction that stores it."""

    async def __call__(self, session: AsyncSession, change: CallChange, *, now: datetime) -> None:
        """Write what `change` means to the package."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What one commit held: for `doctor`, the demo's live line, recordings."""

    changes: tuple[CallChange, ...]


class _OneFailed(Exception):
    """A call of the batch can't be stored: its calls are written again, apart."""


class Recorder:
    """Reads and writes for one PBX under its fence.

    `handlers` run in order for each changed call, inside its transaction.
    `stuck_since`: since when the database has refused a batch; None while it stores.
    """

    def __init__(
        self,
        pbx: str,
        fence: int,
        *,
        writer: Writer,
        sessions: async_sessionmaker[AsyncSession],
        handlers: tuple[ChangeHandler, ...],
        now: Callable[[], datetime],
        on_stored: Callable[[Stored], None] = lambda stored: None,
    ) -> None:
        self.pbx = pbx
        self.now = now
        self.stuck_since: datetime | None = None
        self._fence = fence
        self._writer = writer
        self._sessions = sessions
        self._handlers = handlers
        self._on_stored = on_stored
        self._book = CallBook({})

    @property
    def open_stories(self) -> tuple[CallStory, ...]:
        """Return the stories in hand that have not ended."""
        return self._book.open_stories

    async def begin(self) -> Sequence[journal.JournalEntry]:
        """Take the open calls in hand; return the events since the oldest began."""
        async with self._sessions() as session:
            stories = await storage.load_open(session, self.pbx)
            started = min((story.started_at for story in stories.values()), default=None)
            rows = await journal.read_open(session, self.pbx, started) if started else []
        self._book = CallBook(stories)
        return rows

    async def store(
        self,
        facts: Iterable[Fact],
        rows: Sequence[journal.JournalEntry] = (),
        *,
        contact_at: datetime | None = None,
    ) -> tuple[CallChange, ...]:
        """Store what `facts` change, with `rows`, in one commit; return the changes.

        The commit is tried until it holds. Facts of a call that can't be stored are set aside.
        `contact_at` is the PBX's last sign of life; None leaves that as it is.
        """
        facts = list(facts)
        if not facts and not rows and contact_at is None:
            return ()
        changes: list[CallChange] | None = None

        async def work(session: AsyncSession, write_changes: _WriteChanges) -> set[str]:
            nonlocal changes
            if changes is None:
                await self._load(session, self._book.missing(facts))
                changes = self._book.changes(facts)
            elif stored := await self._stored(session, changes):
                return {change.story.id for change in changes} - stored
            await journal.append(session, rows)
            set_aside = await write_changes(session, changes)
            if contact_at is not None:
                await storage.note_contact(session, self.pbx, contact_at)
            return set_aside

        try:
            set_aside = await self.write(partial(work, write_changes=self._write_together))
        except _OneFailed as failed:  # nothing of that is stored
            log.warning(
                "a call of the batch can't be stored; the batch is written call by call",
                pbx=self.pbx,
                personal_error=repr(failed.__cause__),  # PostgreSQL names the values of a key
            )
            set_aside = await self.write(partial(work, write_changes=self._write_apart))
        return self._accept(changes or [], set_aside)

    def _accept(self, changes: Sequence[CallChange], set_aside: set[str]) -> tuple[CallChange, ...]:
        kept = tuple(change for change in changes if change.story.id not in set_aside)
        self._book.accept(kept)
        for call in set_aside:
            self._book.forget(call)
        self._book.forget_ended()
        if kept:
            self._on_stored(Stored(kept))
        return kept

    async def _load(self, session: AsyncSession, calls: Iterable[str]) -> None:
        """Take up stories not in hand.

        In the writing transaction: a read of its own costs three trips to the database.
        """
        for call in calls:
            story = await storage.load_story(session, call)
            if story is not None:
                self._book.put(story)

    async def read(self, ask: Work[T]) -> T:
        """Run `ask` in its own session, again and again while the database fails."""

        async def once() -> T:
            async with self._sessions() as session:
                return await ask(session)

        return await self._until_done(once)

    async def write(self, work: Work[T]) -> T:
        """Run `work` through the writer, again and again while the database fails.

        Disk full, database away: the link's queue is bounded and what overflows is read again from
        the PBX, so waiting here loses nothing.

        Raises:
            LeaseLost: another process serves the PBX. Any other error of `work` is raised as it is.
        """

        async def fenced(session: AsyncSession) -> T:
            await lease.check(session, self.pbx, self._fence)
            return await work(session)

        return await self._until_done(lambda: self._writer.run(fenced))

    async def _until_done(self, once: Callable[[], Awaitable[T]]) -> T:
        for delay_s in itertools.chain(_RETRY_S, itertools.repeat(_RETRY_S[-1])):
            try:
                done = await once()
            except (SQLAlchemyError, CommitFailed, WriterBusy, OSError) as error:
                self.stuck_since = self.stuck_since or self.now()
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
        """Return which of `changes` are stored: a commit that failed may hold."""
        return {
            change.story.id
            for change in changes
            if await storage.load_story(session, change.story.id) == change.story
        }

    async def _write_together(
        self, session: AsyncSession, changes: Sequence[CallChange]
    ) -> set[str]:
        """Write all of `changes`; raise _OneFailed when a call can't be stored."""
        try:
            for change in changes:
                await self._write_change(session, change, self.now())
            await insert_now(session)  # later a failure would not show its call
        except OperationalError:
            raise
        except Exception as error:
            raise _OneFailed from error
        return set()

    async def _write_apart(self, session: AsyncSession, changes: Sequence[CallChange]) -> set[str]:
        """Write each of `changes` in a SAVEPOINT; return the calls set aside."""
        return {
            change.story.id for change in changes if not await self._write_alone(session, change)
        }

    async def _write_change(self, session: AsyncSession, change: CallChange, now: datetime) -> None:
        for handler in self._handlers:
            await handler(session, change, now=now)
        await session.flush()

    async def _write_alone(self, session: AsyncSession, change: CallChange) -> bool:
        """Write one call; return False when its facts had to be set aside."""
        now, mark = self.now(), outbox.mark(session)
        try:
            async with session.begin_nested():
                await self._write_change(session, change, now)
        except OperationalError:
            raise  # the database itself is in trouble: the whole batch is tried again
        except Exception as error:
            outbox.rewind(session, mark)
            log.exception("the facts of a call can't be stored; set aside", call=change.story.id)
            facts = [
                {"type": f.TYPE, "at": f.at.isoformat(), **fact_to_data(f)} for f in change.facts
            ]
            session.add(SetAside(call_id=change.story.id, at=now, error=repr(error), facts=facts))
            return False
        return True
