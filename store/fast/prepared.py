"""Statements that every press runs: compiled once, then handed to the driver as they are.

What SQLAlchemy does around one statement (look its text up, make a context, adapt a cursor, three
greenlets) costs about 100 µs of CPU, SQLite itself 5. The writer's sessions run a statement marked
with `prepared` without all that; any other session runs it as usual. INSERTs may wait for those of
other works and go with them.
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Dialect, Executable, Insert
from sqlalchemy.engine import Result
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from store.fast.json_insert import joined
from store.fast.plan import Call, Plan, Rows, Values, plan_of

__all__ = ["Runner", "insert_later", "insert_now", "is_prepared", "prepared"]

S = TypeVar("S", bound=Executable)

_MARK = "press3_prepared"
_RUNNER = "press3_runner"


def prepared(statement: S) -> S:
    """Return `statement`, made once in a module, marked to be compiled once for all.

    It is of Core, not of the ORM, and every value comes with the call: a column whose default
    SQLAlchemy would compute is refused when it is left out.
    """
    return statement.execution_options(**{_MARK: True})


def is_prepared(statement: Executable) -> bool:
    """Return whether `statement` was made by `prepared`."""
    return _MARK in statement.get_execution_options()


async def insert_later(session: AsyncSession, statement: Insert, rows: Sequence[Values]) -> None:
    """Insert `rows` when a statement asks for their table, at the latest when the batch ends.

    They go together with those of other works. What the database refuses is raised then: by the
    statement that asked, at `insert_now`, or at the end of the batch, when the writer finds out
    whose work it was. A prepared INSERT or UPDATE whose table refers to theirs takes them along.

    `statement` is an INSERT of values and nothing else, prepared too (ValueError); `rows`, at least
    one, have the same names. A session that is not the writer's inserts them at once, and so does
    one in a SAVEPOINT, which may be undone.
    """
    runner: Runner | None = session.info.get(_RUNNER)
    if runner is None or session.in_nested_transaction():
        await session.execute(statement, rows)
    else:
        runner.keep(statement, rows)


async def insert_now(session: AsyncSession | Session) -> None:
    """Insert what `insert_later` keeps, of all works: a failure is raised here."""
    runner: Runner | None = session.info.get(_RUNNER)
    if runner is not None:
        await runner.insert_kept()


class Gathered:
    """Rows that wait to be inserted: the caller that takes them inserts them."""

    def __init__(self) -> None:
        self._rows: dict[Plan, list[Any]] = {}
        self.tables: set[str] = set()

    def add(self, plan: Plan, rows: Sequence[Any]) -> None:
        """Add `rows`, as `plan` made them."""
        assert plan.table is not None  # an INSERT has one
        self._rows.setdefault(plan, []).extend(rows)
        self.tables.add(plan.table)

    def take(self, tables: AbstractSet[str]) -> list[Call]:
        """Give out the INSERTs of `tables`, those of a table before those that refer to it."""
        if self.tables.isdisjoint(tables):
            return []
        # A table refers to more than any of those that it refers to.
        taken = sorted(
            (plan for plan in self._rows if plan.table in tables),
            key=lambda plan: len(plan.refers_to),
        )
        self.tables -= tables
        return [plan.call_for(self._rows.pop(plan)) for plan in taken]


class Runner:
    """Runs prepared statements on `driver`, the driver's own connection in a transaction."""

    def __init__(self, dialect: Dialect, driver: Any) -> None:
        self.dialect = dialect
        self._driver = driver
        self._joins = dialect.name == "postgresql"  # where each trip costs
        self._send = _to_postgres if self._joins else _to_sqlite
        self._kept = Gathered()
        self._failure: BaseException | None = None

    def serve(self, session: AsyncSession) -> None:
        """Let `insert_later` keep the rows of `session`, whose statements this runner runs."""
        session.info[_RUNNER] = self

    async def run(self, statement: Executable, values: Any) -> Result[Any]:
        """Run `statement` with `values`: a mapping, None, or once for each of a sequence.

        Those mappings must have the same names, and then there is no result. Kept rows go in before:
        all, when the statement has the name of one of their tables in it, otherwise those that it
        refers to.

        Raises:
            DBAPIError: of the kind that SQLAlchemy makes of the driver's error.
        """
        if values is None or isinstance(values, Mapping):
            plan = plan_of(statement, self.dialect, values, many=False)
            call = plan.call(values or {})
        else:
            plan = plan_of(statement, self.dialect, values[0], many=True)
            call = plan.call_for([plan.row(each) for each in values])
        is_asked_for = not self._kept.tables.isdisjoint(plan.words)
        with self._taken(self._kept.tables if is_asked_for else plan.refers_to) as before:
            if before and self._joins and not is_asked_for and not call.many:
                return plan.result(await self._sent_joined(before, call))
            await self._insert(before)
        return plan.result(await self._sent(call))

    def keep(self, statement: Insert, rows: Sequence[Values]) -> None:
        """Keep `rows` for later; what is wrong with a value is raised here."""
        plan = plan_of(statement, self.dialect, rows[0], many=True)
        if not plan.is_plain:
            raise ValueError(f"not for later, more than an INSERT of values: {statement}")
        self._kept.add(plan, [plan.row(each) for each in rows])

    async def insert_kept(self) -> None:
        """Insert all kept rows."""
        with self._taken(self._kept.tables) as inserts:
            await self._insert(inserts)

    @contextmanager
    def _taken(self, tables: AbstractSet[str]) -> Iterator[list[Call]]:
        """Give out the INSERTs of `tables`. Once that failed nothing goes on.

        So a work that swallows the error can't have the rows of others committed as if they were
        there.
        """
        if self._failure is not None:
            raise self._failure
        taken = self._kept.take(tables)
        try:
            yield taken
        except BaseException as error:  # cancelled too
            if taken:
                self._failure = error
            raise

    async def _insert(self, inserts: Sequence[Call]) -> None:
        if self._joins and len(inserts) > 1:
            await self._sent_joined(inserts[:-1], inserts[-1])
            return
        for each in inserts:
            await self._sent(each)

    async def _sent_joined(self, before: Sequence[Call], last: Call) -> Rows:
        inserts = [(each.sql, each.bound) for each in before]
        sql, bound = joined(inserts, last.sql, last.bound)
        return await self._sent(Call(sql, bound, many=False))

    async def say(self, command: str) -> None:
        """Give the database a command without values or result."""
        await self._sent(Call(command, (), many=False))

    async def _sent(self, call: Call) -> Rows:
        try:
            return await self._send(self._driver, call)
        except self.dialect.loaded_dbapi.Error as error:
            raise self._as_sqlalchemy_says(call.sql, error) from error

    def _as_sqlalchemy_says(self, sql: str, error: Exception) -> BaseException:
        return DBAPIError.instance(
            sql,
            None,
            error,
            self.dialect.loaded_dbapi.Error,
            hide_parameters=True,
            connection_invalidated=self.dialect.is_disconnect(error, None, None),  # type: ignore[arg-type]
            dialect=self.dialect,
        )


async def _to_sqlite(driver: Any, call: Call) -> Rows:
    return await driver.run(call.sql, call.bound, many=call.many)  # type: ignore[no-any-return]


async def _to_postgres(driver: Any, call: Call) -> Rows:
    """Never by psycopg's executemany: see `store.postgres_driver`."""
    cursor = driver.cursor()
    if call.many:
        for values in call.bound:
            await cursor.execute(call.sql, values)
        return ()
    await cursor.execute(call.sql, call.bound)
    return await cursor.fetchall() if cursor.description else ()
