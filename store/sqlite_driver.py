"""An aiosqlite connection with one trip to its thread a statement instead of four, or none.

aiosqlite makes a trip each for cursor, execute, fetch and close; the trips, not SQLite, are what a
write costs (bench/commits.py). In the writer's transactions statements take microseconds and wait for
nobody, so there they run `inline`, on the event loop; BEGIN, COMMIT and ROLLBACK, which do wait, never.
SQLAlchemy takes this connection through `async_creator_fn`.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

import aiosqlite
from aiosqlite.core import _STOP_RUNNING_SENTINEL, set_exception, set_result

__all__ = ["BUSY_TIMEOUT_MS", "connect"]

BUSY_TIMEOUT_MS = 10_000
_FIRST_ROWS = 1_000  # fetched with the statement; a longer result is fetched as it is read

Row = tuple[Any, ...]


def connect(database: str, **options: Any) -> "_Connection":
    """Return a connection to await, as `aiosqlite.connect` does."""
    connection = _Connection(lambda: sqlite3.connect(database, **options), iter_chunk_size=64)
    # As SQLAlchemy does with its own: a connection nobody closed must not keep the process alive.
    connection._thread = threading.Thread(target=_work, args=(connection._tx,), daemon=True)  # noqa: SLF001
    return connection


_Request = tuple["asyncio.Future[Any] | None", Callable[[], Any]]


def _work(requests: "queue.SimpleQueue[_Request]") -> None:
    """Run what the connection is asked for, in its thread, until it is closed or forgotten.

    As aiosqlite's own, which dies with a traceback when a statement ends after the event loop, and keeps
    a connection alive that nobody closed.
    """
    while _answered(*requests.get()) is not _STOP_RUNNING_SENTINEL:
        pass


def _answered(future: "asyncio.Future[Any] | None", function: Callable[[], Any]) -> Any:
    """Call `function`, give the result to the waiting future, and return it."""
    try:
        result = function()
    except BaseException as error:  # noqa: BLE001 - it belongs to the one that asked
        _tell(future, set_exception, error)
        return None
    _tell(future, set_result, result)
    return result


def _tell(future: "asyncio.Future[Any] | None", how: Callable[..., None], what: Any) -> None:
    if future is not None:
        with suppress(RuntimeError):  # the event loop is closed: the one that asked was cancelled
            future.get_loop().call_soon_threadsafe(how, future, what)


class _Connection(aiosqlite.Connection):
    """`inline` is set for the length of a writing transaction."""

    inline = False

    async def begin(self, *, writes: bool) -> None:
        """Begin a transaction. One that writes takes the write lock, and waits for another process."""
        self.inline = False
        if not writes:
            self._conn.execute("BEGIN DEFERRED")  # touches no file
        elif not self._locked_at_once():
            await self.do(lambda connection: connection.execute("BEGIN IMMEDIATE"))
        self.inline = writes

    def _locked_at_once(self) -> bool:
        """Take the write lock unless another process has it: a trip to the thread costs more."""
        self._conn.execute("PRAGMA busy_timeout=0")
        try:
            self._conn.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            return False
        finally:
            self._conn.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        return True

    async def do(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        """Call `work` with SQLite's own connection, here or in its thread."""
        if self.inline:
            return work(self._conn)
        return await self._execute(lambda: work(self._conn))  # type: ignore[no-untyped-call]

    async def run(self, sql: str, parameters: Any, *, many: bool) -> list[Row]:
        """Run a statement in the open transaction, or one for each of many rows; return all it gives."""

        def run(connection: sqlite3.Connection) -> list[Row]:
            if not connection.in_transaction:  # full disk: what came now would commit by itself
                raise sqlite3.OperationalError("the database has ended the transaction")
            if many:
                connection.executemany(sql, parameters).close()
                return []
            return connection.execute(sql, parameters).fetchall()

        return await self.do(run)  # type: ignore[no-any-return]

    def cursor(self) -> "_Cursor":  # type: ignore[override]
        return _Cursor(self)


class _Cursor:
    """What SQLAlchemy's adapter uses of a cursor. Rows fetched early wait in `_rows`."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self._cursor: sqlite3.Cursor | None = None  # only while rows are left in SQLite
        self._rows: list[Row] = []
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.arraysize = 1

    async def __aenter__(self) -> "_Cursor":
        return self

    async def execute(self, sql: str, parameters: Iterable[Any] = ()) -> "_Cursor":
        def run(connection: sqlite3.Connection) -> None:
            self._take(connection.execute(sql, parameters))  # type: ignore[arg-type]

        await self._connection.do(run)
        return self

    async def executemany(self, sql: str, rows: Iterable[Iterable[Any]]) -> "_Cursor":
        def run(connection: sqlite3.Connection) -> None:
            self._take(connection.executemany(sql, rows))  # type: ignore[arg-type]

        await self._connection.do(run)
        return self

    async def fetchall(self) -> Sequence[Row]:
        return await self._fetch(None)

    async def fetchmany(self, size: int | None = None) -> Sequence[Row]:
        return await self._fetch(size or self.arraysize)

    async def fetchone(self) -> Row | None:
        rows = await self._fetch(1)
        return rows[0] if rows else None

    async def __aiter__(self) -> AsyncIterator[Row]:
        while rows := await self._fetch(_FIRST_ROWS):
            for row in rows:
                yield row

    async def close(self) -> None:
        self._rows = []
        if (cursor := self._cursor) is not None:
            self._cursor = None
            await self._connection.do(lambda _: cursor.close())

    def _take(self, cursor: sqlite3.Cursor) -> None:
        self.description = cursor.description
        self._rows = cursor.fetchmany(_FIRST_ROWS) if cursor.description else []
        self.rowcount, self.lastrowid = cursor.rowcount, cursor.lastrowid
        if len(self._rows) == _FIRST_ROWS:
            self._cursor = cursor
        else:
            self._cursor = None
            cursor.close()

    async def _fetch(self, size: int | None) -> list[Row]:
        """Return the next `size` rows, None for all; fewer only at the end."""
        missing = None if size is None else size - len(self._rows)
        if (cursor := self._cursor) is not None and (missing is None or missing > 0):
            self._rows += await self._connection.do(
                lambda _: cursor.fetchall() if missing is None else cursor.fetchmany(missing)
            )
        taken, self._rows = self._rows[:size], self._rows[size:] if size else []
        return taken
