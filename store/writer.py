"""Group commit: works that wait at the same moment share one durable commit.

They share one transaction and one session. When a piece of work fails, none of it is stored: the
batch is written again, each piece in a SAVEPOINT of its own, so that one that fails takes nobody
else's work with it. SAVEPOINTs for all would cost more than small work itself (bench/commits).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from store import outbox
from store.engine import index_grams_soon, let_go_when_frozen, transaction_is_sound
from store.errors import CommitFailed, WriterBusy, WriterClosed
from store.fast.prepared import insert_now
from store.fast.work_session import WorkSession, sync_of

__all__ = ["Work", "Writer"]

log = structlog.get_logger(__name__)

T = TypeVar("T")
Work = Callable[[AsyncSession], Awaitable[T]]

_ATTEMPTS = 3
_TRY_AGAIN = frozenset({"40001", "40P01"})  # PostgreSQL: serialization failure, deadlock


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    work: Work[Any]
    future: asyncio.Future[Any]


@dataclass(frozen=True, slots=True)
class _Done:
    job: _Job
    result: Any
    failure: Exception | None


class Writer:
    """The one door for writes of a process. `async with Writer(engine) as writer: await writer.run(work)`.

    `on_commit(seq)` is called after each commit that added messages, with the last seq, and before
    it `on_messages(messages)` with the messages themselves, numbered. A batch holds at most
    `max_batch` pieces of work and may last `batch_limit_s` seconds; `max_waiting` may queue.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        on_commit: Callable[[int], None] = lambda seq: None,
        on_messages: Callable[[Sequence[outbox.Message]], None] = lambda messages: None,
        max_batch: int = 200,
        max_waiting: int = 10_000,
        batch_limit_s: float = 60,
    ) -> None:
        self._engine = engine.execution_options(press3_write=True)
        self._on_commit = on_commit
        self._on_messages = on_messages
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._batch_limit_s = batch_limit_s
        self._waiting: deque[_Job] = deque()
        self._wake = asyncio.Event()
        self._open = False
        # Its own connection for good: readers who hold the whole pool must not stop a press.
        self._connection: AsyncConnection | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Writer":
        self._open = True
        self._task = asyncio.create_task(self._loop(), name="store-writer")
        self._task.add_done_callback(self._stopped)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def run(self, work: Work[T]) -> T:
        """Run `work` in a transaction and return its result when the commit is durable.

        `work` must not commit or roll back, must bear being run again (deadlock, lost connection),
        and must not do slow things: everybody else's writes wait meanwhile. A caller that is
        cancelled while waiting withdraws work that has not begun; work that has begun may be
        committed.

        Raises:
            CommitFailed: nothing of it is stored, or nobody knows; run it again.
            WriterBusy, WriterClosed: nothing was done.
            Exception: whatever `work` raised; nothing of it is stored.
        """
        if not self._open:
            raise WriterClosed
        if len(self._waiting) >= self._max_waiting:
            raise WriterBusy(len(self._waiting))
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Job(work, future))
        self._wake.set()
        return await future

    async def ended(self) -> None:
        """Wait until the writer stops; raises what killed it, if something did."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def close(self, *, limit_s: float = 10) -> None:
        """Refuse new work, finish what waits, stop; after `limit_s` seconds give up the rest. Idempotent."""
        self._open = False
        self._wake.set()
        if self._task is None:
            return
        _, late = await asyncio.wait({self._task}, timeout=limit_s)
        if late:
            log.error("the writer did not finish in time; work is given up", limit_s=limit_s)
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=limit_s)

    async def _loop(self) -> None:
        try:
            while batch := await self._next():
                await self._commit(batch)
        finally:
            await self._hang_up()

    def _stopped(self, _task: asyncio.Task[None]) -> None:
        # Not at the end of the loop: a task cancelled before its first step never gets there.
        self._open = False
        _settle(self._waiting, WriterClosed)

    async def _next(self) -> list[_Job]:
        """Return the work that waits now, at least one piece; nothing once closed and empty."""
        while not self._waiting and self._open:
            self._wake.clear()
            await self._wake.wait()
        return [self._waiting.popleft() for _ in range(min(len(self._waiting), self._max_batch))]

    async def _commit(self, batch: Sequence[_Job]) -> None:
        try:
            async with asyncio.timeout(self._batch_limit_s):
                done, told = await self._until_committed(batch)
        except (CommitFailed, SQLAlchemyError, OSError, TimeoutError) as error:
            log.error("a batch could not be committed", works=len(batch), error=repr(error))
            reason = repr(error)
            _settle(batch, lambda: CommitFailed(reason))
            await self._hang_up()
        except BaseException as error:  # raised to those that wait, then the task ends with it
            reason = f"the writer stopped in mid-commit: {error!r}"
            _settle(batch, lambda: CommitFailed(reason))
            raise
        else:
            for one in done:
                _answer(one)
            if told:
                self._on_messages(told)
                self._on_commit(told[-1].seq)

    async def _until_committed(
        self, batch: Sequence[_Job]
    ) -> tuple[list[_Done], list[outbox.Message]]:
        for left in reversed(range(_ATTEMPTS)):
            attempt = _Attempt(await self._connect())
            try:
                return await attempt.run(batch)
            except DBAPIError as error:
                # Once COMMIT was sent nobody knows; only what surely is not stored is done again.
                if not left or attempt.committing or not _worth_trying_again(error):
                    raise
                log.warning("a batch is done again", works=len(batch), error=repr(error))
                await self._hang_up()
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _connect(self) -> AsyncConnection:
        if self._connection is None:
            connection = await self._engine.connect()
            self._connection = connection
            await let_go_when_frozen(connection)
            await index_grams_soon(connection)
        return self._connection

    async def _hang_up(self) -> None:
        """Give the connection up; the next batch begins with a fresh one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.invalidate()
            await connection.close()


class _WorkFailed(Exception):
    """A piece of work raised `failure`."""

    def __init__(self, failure: Exception) -> None:
        super().__init__(repr(failure))
        self.failure = failure


class _Attempt:
    """One try to commit a batch."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self.committing = False

    async def run(self, batch: Sequence[_Job]) -> tuple[list[_Done], list[outbox.Message]]:
        """Return what became of each piece of work, and the numbered messages, after the commit."""
        jobs = [job for job in batch if not job.future.cancelled()]
        try:
            return await self._together(jobs)
        except _WorkFailed as failed:
            if len(jobs) == 1:
                return [_Done(jobs[0], None, failed.failure)], []
        return await self._apart(jobs)

    async def _together(self, jobs: Sequence[_Job]) -> tuple[list[_Done], list[outbox.Message]]:
        """Commit all of `jobs` by one session; nothing when one of them raises _WorkFailed."""
        async with self._connection.begin(), WorkSession(self._connection) as session:
            await session.begin_batch()
            done = [_Done(job, await self._result(session, job), None) for job in jobs]
            await self._tried(lambda: insert_now(session))
            await session.end_batch()
            return done, await self._told(session, outbox.pending(session))

    async def _apart(self, jobs: Sequence[_Job]) -> tuple[list[_Done], list[outbox.Message]]:
        """Commit those of `jobs` that succeed, each in a SAVEPOINT and a session of its own."""
        said: list[outbox.Message] = []
        async with self._connection.begin():
            done = [await self._alone(job, said) for job in jobs]
            async with WorkSession(self._connection) as session:
                return done, await self._told(session, said)

    async def _alone(self, job: _Job, said: list[outbox.Message]) -> _Done:
        savepoint = await self._connection.begin_nested()
        try:
            async with WorkSession(self._connection) as session:
                result = await self._result(session, job)
                await self._tried(lambda: insert_now(session))
            await savepoint.commit()
        except _WorkFailed as failed:
            if savepoint.is_active:
                await savepoint.rollback()
            self._refuse_unsound()
            return _Done(job, None, failed.failure)
        said += outbox.pending(session)
        return _Done(job, result, None)

    async def _result(self, session: AsyncSession, job: _Job) -> Any:
        """Return what the work gave; raises _WorkFailed."""
        result = await self._tried(lambda: job.work(session))
        await self._tried(session.flush)
        session.expunge_all()  # works don't see each other's objects
        await asyncio.sleep(0)  # on SQLite nothing above may have waited: others want the loop
        return result

    async def _tried(self, step: Callable[[], Awaitable[T]]) -> T:
        """Return what a step of a work gives; raises _WorkFailed when it is the work that fails."""
        try:
            result = await step()
        except asyncio.CancelledError:
            if _we_are_cancelled():
                raise
            lost = CommitFailed("something the work waited for was cancelled")
            raise _WorkFailed(lost) from None
        except Exception as error:
            if isinstance(error, DBAPIError) and _worth_trying_again(error):
                raise
            raise _WorkFailed(error) from error
        self._refuse_unsound()
        return result

    async def _told(
        self, session: AsyncSession, said: Sequence[outbox.Message]
    ) -> list[outbox.Message]:
        """Return the messages as numbered and stored; the commit comes next."""
        last = await outbox.assign(session, said)
        self.committing = True
        return [] if last is None else outbox.numbered(said, last)

    def _refuse_unsound(self) -> None:
        """Fail the whole batch when more than one work's part of the transaction is gone."""
        if not transaction_is_sound(sync_of(self._connection)):
            raise CommitFailed("the database has ended the transaction")


def _we_are_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _worth_trying_again(error: DBAPIError) -> bool:
    return error.connection_invalidated or getattr(error.orig, "sqlstate", None) in _TRY_AGAIN


def _answer(done: _Done) -> None:
    future = done.job.future
    if future.done():  # its caller was cancelled while waiting; the work is committed all the same
        return
    if done.failure is None:
        future.set_result(done.result)
    else:
        future.set_exception(done.failure)


def _settle(jobs: Iterable[_Job], make: Callable[[], Exception]) -> None:
    for job in jobs:
        if not job.future.done():
            job.future.set_exception(make())
