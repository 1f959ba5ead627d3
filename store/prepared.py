"""Statements that every press runs: compiled once, then handed to the driver as they are.

What SQLAlchemy does around one statement (look its text up, make a context, adapt a cursor, three
greenlets) costs about 100 µs of CPU, SQLite itself 5. A statement marked with `prepared` is run by
the writer's sessions without all that; any other session runs it as usual.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import Dialect, Executable, Float
from sqlalchemy.engine import IteratorResult, Result
from sqlalchemy.engine.result import SimpleResultMetaData
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

__all__ = ["Runner", "insert_later", "is_prepared", "prepared"]

Values = Mapping[str, Any]
Rows = Sequence[Sequence[Any]]
S = TypeVar("S", bound=Executable)

_MARK = "press3_prepared"
_LATER = "press3_insert_later"
# An INSERT whose values all come with the call, as SQLAlchemy writes it for psycopg.
_ONE_ROW = re.compile(
    r"(?P<into>INSERT INTO [^%]+ VALUES )(?P<row>\((?:%\(\w+\)s(?:::[\w ]+)?(?:, |\)$))+)"
)
_NAMED = re.compile(r"%\((\w+)\)s")
_ROWS_AT_ONCE = (64, 32, 16, 8, 4, 2, 1)  # few lengths: each is a text of its own to be prepared


def prepared(statement: S) -> S:
    """Return `statement`, made once in a module, marked to be compiled once for all.

    It is of Core, not of the ORM, and every value comes with the call: a column whose default
    SQLAlchemy would compute is refused when it is left out.
    """
    return statement.execution_options(**{_MARK: True})


def is_prepared(statement: Executable) -> bool:
    """Say whether `statement` was made by `prepared`."""
    return _MARK in statement.get_execution_options()


async def insert_later(
    session: AsyncSession, statement: Executable, rows: Sequence[Values]
) -> None:
    """Insert `rows`, which nobody reads before the commit, together with those of other works.

    A session that is not the writer's inserts them at once.
    """
    gathered = session.info.get(_LATER)
    if gathered is None:
        await session.execute(statement, rows)
    else:
        gathered.setdefault(statement, []).extend(rows)


class Runner:
    """Runs prepared statements on `driver`, the driver's own connection, in its open transaction."""

    def __init__(self, dialect: Dialect, driver: Any) -> None:
        self.dialect = dialect
        self._driver = driver
        self._send = _to_sqlite if dialect.name == "sqlite" else _to_postgres

    async def run(self, statement: Executable, values: Any) -> Result[Any]:
        """Run `statement` with `values`: a mapping or None, or once for each of a sequence of mappings.

        Those must have the same names, and then there is no result.

        Raises DBAPIError, of the kind that SQLAlchemy makes of the driver's error.
        """
        many = not (values is None or isinstance(values, Mapping))
        plan = _plan(
            statement, self.dialect, tuple((values[0] if many else values) or ()), many=many
        )
        bound = [plan.bind(row) for row in values] if many else plan.bind(values or {})
        return plan.result(await self._sent(plan.sql, bound, many=many))

    def gather(self, session: AsyncSession) -> None:
        """Let `insert_later` gather the rows of `session`."""
        session.info[_LATER] = {}

    async def insert_gathered(self, session: AsyncSession) -> None:
        """Insert what was gathered in `session`, in one go for each statement."""
        gathered, session.info[_LATER] = session.info[_LATER], {}
        for statement, rows in gathered.items():
            await self.run(statement, rows)

    async def say(self, command: str) -> None:
        """Give the database a command without values or result."""
        await self._sent(command, (), many=False)

    async def _sent(self, sql: str, bound: Any, *, many: bool) -> Rows:
        try:
            return await self._send(self._driver, sql, bound, many=many)
        except self.dialect.loaded_dbapi.Error as error:
            raise self._as_sqlalchemy_says(sql, error) from error

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


async def _to_sqlite(driver: Any, sql: str, bound: Any, *, many: bool) -> Rows:
    return await driver.run(sql, bound, many=many)  # type: ignore[no-any-return]


async def _to_postgres(driver: Any, sql: str, bound: Any, *, many: bool) -> Rows:
    cursor = driver.cursor()
    if many:
        for text, values in _in_few(sql, bound):
            await cursor.execute(text, values)
        return ()
    await cursor.execute(sql, bound)
    return await cursor.fetchall() if cursor.description else ()


def _in_few(sql: str, rows: Sequence[Values]) -> Iterator[tuple[str, Any]]:
    """Yield statements for `rows`: few INSERTs of many rows each where that says the same.

    Never psycopg's executemany: see `store.postgres_driver`.
    """
    if (insert := _ONE_ROW.fullmatch(sql)) is None:
        yield from ((sql, row) for row in rows)
        return
    names, start = _NAMED.findall(insert["row"]), 0
    while left := len(rows) - start:
        count = next(size for size in _ROWS_AT_ONCE if size <= left)
        some = rows[start : start + count]
        yield _rows_text(sql, count), [row[name] for row in some for name in names]
        start += count


@cache
def _rows_text(sql: str, count: int) -> str:
    insert = _ONE_ROW.fullmatch(sql)
    assert insert is not None
    return insert["into"] + ", ".join([_NAMED.sub("%s", insert["row"])] * count)


class _Plan:
    """A statement as the driver takes it: its text, and how values and rows are converted."""

    def __init__(
        self, statement: Any, dialect: Dialect, names: tuple[str, ...], *, many: bool
    ) -> None:
        compiled: SQLCompiler = statement.compile(
            dialect=dialect, column_keys=list(names), for_executemany=many
        )
        if compiled.insert_prefetch or compiled.update_prefetch or compiled.post_compile_params:
            raise ValueError(f"not to be prepared, its text or a value is made anew: {compiled}")
        self.sql = str(compiled)
        self._is_named = compiled.positiontup is None
        order = compiled.positiontup or list(compiled.bind_names.values())
        self._order = [
            (name, compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect))
            for name in order
        ]
        self._fixed = {n: compiled.binds[n].value for n in order if not compiled.binds[n].required}
        columns = list(statement.exported_columns)
        self._keys = SimpleResultMetaData([column.key for column in columns])
        readers = [_reader(column.type, dialect) for column in columns]
        self._readers = readers if any(readers) else []

    def bind(self, values: Values) -> tuple[Any, ...] | dict[str, Any]:
        """Return `values` as the driver takes them."""
        if self._fixed:
            values = {**self._fixed, **values}
        if self._is_named:
            return {n: values[n] if to is None else to(values[n]) for n, to in self._order}
        return tuple([values[n] if to is None else to(values[n]) for n, to in self._order])

    def result(self, rows: Rows) -> Result[Any]:
        """Return what the driver gave as SQLAlchemy would."""
        if self._readers:
            readers = self._readers
            rows = [
                tuple([v if of is None else of(v) for of, v in zip(readers, row, strict=True)])
                for row in rows
            ]
        return IteratorResult(self._keys, iter(rows))


def _reader(kind: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    """Return what makes a value of the driver's one of Python's; None when it is one."""
    if isinstance(kind, Float):
        return None  # SQLAlchemy would ask for the driver's own type first
    return kind.dialect_impl(dialect).result_processor(dialect, None)


_plans: dict[tuple[Executable, str, tuple[str, ...], bool], _Plan] = {}


def _plan(statement: Executable, dialect: Dialect, names: tuple[str, ...], *, many: bool) -> _Plan:
    key = (
        statement,
        dialect.name,
        names,
        many,
    )  # every engine of a kind is made alike (store.engine)
    plan = _plans.get(key)
    if plan is None:
        plan = _plans[key] = _Plan(statement, dialect, names, many=many)
    return plan
