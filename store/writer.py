"""Group commit: whoever waits at the same moment shares one durable commit.

Measured (MEASURES): 430 single commits a second through SQLAlchemy and aiosqlite, 12,600 and more
when one writer commits for all who wait. Each piece of work runs in its own SAVEPOINT, so that one
that fails takes nobody else's work with it.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

import structlog
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    AsyncTransaction,
)

from store import outbox
from store.engine import let_go_when_frozen, transaction_is_sound
from store.errors import CommitFailed, WriterBusy, WriterClosed

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

    `on_commit(seq)` is called after each commit that added messages, with the last seq, and before it
    `on_messages(messages)` with the messages themselves, numbered. A batch holds at most `max_batch` pieces of work and may last `batch_limit_s` seconds; `max_waiting` may queue.
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
        and must not do slow things: everybody else's writes wait meanwhile. Whoever is cancelled
        while waiting withdraws work that has not begun; work that has begun may be committed.

        Raises:
            CommitFailed: nothing of it is stored, or nobody can tell; run it again.
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
        except BaseException as error:  # told to those who wait, then the task ends with it
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
        return self._connection

    async def _hang_up(self) -> None:
        """Give the connection up; the next batch begins with a fresh one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.invalidate()
            await connection.close()


class _WorkSession(AsyncSession):
    """The session that work is given: when its transaction ends is not for the work to say."""

    def begin(self) -> NoReturn:
        raise RuntimeError("work given to the writer is in a transaction already: don't begin one")

    async def commit(self) -> NoReturn:
        raise RuntimeError("work given to the writer must not commit: the writer does")

    async def rollback(self) -> NoReturn:
        raise RuntimeError("work given to the writer must not roll back: raise, or begin_nested()")


class _Attempt:
    """One try to commit a batch. Each piece of work has a session of its own on the one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._said: list[outbox.Message] = []
        self.committing = False

    async def run(self, batch: Sequence[_Job]) -> tuple[list[_Done], list[outbox.Message]]:
        """Return what became of each piece of work, and the numbered messages, after the commit."""
        async with self._connection.begin() as root:
            jobs = (job for job in batch if not job.future.cancelled())
            done = [await self._one(root, job) for job in jobs]
            async with self._session() as session:
                last = await outbox.assign(session, self._said)
            self.committing = True
        return done, [] if last is None else outbox.numbered(self._said, last)

    def _session(self) -> AsyncSession:
        # Its rollback, a failed flush for one, reaches to the innermost SAVEPOINT of the connection.
        return _WorkSession(
            self._connection, expire_on_commit=False, join_transaction_mode="rollback_only"
        )

    async def _one(self, root: AsyncTransaction, job: _Job) -> _Done:
        # On the connection, not the session's begin_nested(): that costs more than small work itself.
        savepoint = await self._connection.begin_nested()
        try:
            async with self._session() as session:
                result = await job.work(session)
                await session.flush()
            await savepoint.commit()
        except asyncio.CancelledError:
            if _we_are_cancelled():
                raise
            failure: Exception = CommitFailed("something the work waited for was cancelled")
        except Exception as error:  # noqa: BLE001  handed to the caller of run()
            failure = error
        else:
            self._said += outbox.pending(session)
            await asyncio.sleep(0)  # on SQLite nothing above may have waited: others want the loop
            return _Done(job, result, None)
        await self._undo(root, savepoint, failure)
        return _Done(job, None, failure)

    async def _undo(
        self, root: AsyncTransaction, savepoint: AsyncTransaction, failure: Exception
    ) -> None:
        """Take one work back; raise, and so fail the batch, when more than this work is gone."""
        if isinstance(failure, DBAPIError) and _worth_trying_again(failure):
            raise failure
        if savepoint.is_active:
            await savepoint.rollback()
        sync = self._connection.sync_connection
        if sync is None or not root.is_active or not transaction_is_sound(sync):
            raise CommitFailed(f"the transaction ended early: {failure!r}") from failure


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
