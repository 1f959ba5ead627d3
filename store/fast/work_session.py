"""The session that work given to the writer gets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NoReturn

from sqlalchemy import Connection, Executable, Result, event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, AsyncSessionTransaction
from sqlalchemy.orm import ORMExecuteState, Session
from sqlalchemy.util import await_only

from store.fast.batch import share_answers
from store.fast.prepared import Runner, insert_now, is_prepared

__all__ = ["WorkSession", "sync_of"]


def sync_of(connection: AsyncConnection) -> Connection:
    """Return what `connection` wraps."""
    assert connection.sync_connection is not None  # it was connected when it was made
    return connection.sync_connection


class _OrmSession(Session):
    """The ORM's part of a `WorkSession`."""


@event.listens_for(_OrmSession, "do_orm_execute")
def _insert_what_waits(state: ORMExecuteState) -> None:
    """Insert the rows that wait: SQLAlchemy itself is about to ask for some of them."""
    await_only(insert_now(state.session))


class WorkSession(AsyncSession):
    """The session that work is given: the work does not decide when its transaction ends.

    Statements made by `store.fast.prepared` take the short way to the driver.
    """

    # A listener of each session's own would be a cycle that keeps the session until the collector
    # looks.
    sync_session_class = _OrmSession

    def __init__(self, connection: AsyncConnection) -> None:
        # Its rollback, a failed flush for one, reaches to the innermost SAVEPOINT of the
        # connection.
        super().__init__(connection, expire_on_commit=False, join_transaction_mode="rollback_only")
        driver = sync_of(connection).connection.driver_connection
        self._runner = Runner(connection.dialect, driver)
        self._runner.serve(self)
        share_answers(self)

    async def begin_batch(self) -> None:
        """Mark the transaction, so that `end_batch` knows it; SQLite's driver does that itself."""
        if self._runner.dialect.name == "postgresql":
            await self._runner.say("SAVEPOINT press3_batch")

    async def end_batch(self) -> None:
        """Make sure that this still is the transaction of `begin_batch`; raises DBAPIError."""
        if self._runner.dialect.name == "postgresql":
            await self._runner.say("RELEASE SAVEPOINT press3_batch")

    async def execute(self, statement: Any, params: Any = None, **how: Any) -> Any:
        """Execute, prepared statements by the short way."""
        if is_prepared(statement):
            return await self._run(statement, params)
        return await super().execute(statement, params, **how)

    async def scalar(self, statement: Any, params: Any = None, **how: Any) -> Any:
        """As `execute`, the first value of the first row."""
        if is_prepared(statement):
            return (await self._run(statement, params)).scalar()
        return await super().scalar(statement, params, **how)

    async def scalars(self, statement: Any, params: Any = None, **how: Any) -> Any:
        """As `execute`, the first value of each row."""
        if is_prepared(statement):
            return (await self._run(statement, params)).scalars()
        return await super().scalars(statement, params, **how)

    async def flush(self, objects: Any = None) -> None:
        """Write what the ORM keeps, after the rows that wait."""
        orm = self.sync_session  # usually nothing to do: then no greenlet for it either
        if orm.new or orm.deleted or orm.identity_map.check_modified():
            await insert_now(self)  # its rows may refer to those
            await super().flush(objects)

    async def _run(self, statement: Executable, params: Any) -> Result[Any]:
        await self.flush()  # as the ORM does before its own statements
        if self.in_nested_transaction():
            await self.connection()  # sends SAVEPOINT, which the session puts off until it must
        return await self._runner.run(statement, params)

    @asynccontextmanager
    async def begin_nested(self) -> AsyncIterator[AsyncSessionTransaction]:  # type: ignore[override]
        """Begin a SAVEPOINT."""
        await insert_now(self)  # what was done before the SAVEPOINT is not undone with it
        async with super().begin_nested() as savepoint:
            yield savepoint

    def begin(self) -> NoReturn:
        """Refuse: the transaction is the writer's."""
        raise RuntimeError("work given to the writer is in a transaction already: don't begin one")

    async def commit(self) -> NoReturn:
        """Refuse: the writer commits."""
        raise RuntimeError("work given to the writer must not commit: the writer does")

    async def rollback(self) -> NoReturn:
        """Refuse: work that fails raises."""
        raise RuntimeError("work given to the writer must not roll back: raise, or begin_nested()")
