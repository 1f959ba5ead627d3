"""Statements that every press runs: compiled once, then handed to the driver as they are.

What SQLAlchemy does around one statement (look its text up, make a context, adapt a cursor, three
greenlets) costs about 100 µs of CPU, SQLite itself 5. A statement marked with `prepared` is run by
the writer's sessions without all that; any other session runs it as usual.
"""

import json
import re
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import JSON, Dialect, Executable, Float, Insert, LargeBinary
from sqlalchemy.engine import IteratorResult, Result
from sqlalchemy.engine.result import SimpleResultMetaData
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

__all__ = ["Runner", "insert_later", "insert_now", "is_prepared", "once_a_batch", "prepared"]

Values = Mapping[str, Any]
Rows = Sequence[Sequence[Any]]
S = TypeVar("S", bound=Executable)
T = TypeVar("T")

_MARK = "press3_prepared"
_GATHERED = "press3_gathered"
# An INSERT whose values all come with the call, as SQLAlchemy writes it for psycopg.
_ONE_ROW = re.compile(r"INSERT INTO [^%]+ VALUES \((?:%\(\w+\)s(?:::[\w ]+)?(?:, |\)$))+")
_WORD = re.compile(r"\w+")
_ROWS = "%(rows)s"


def prepared(statement: S) -> S:
    """Return `statement`, made once in a module, marked to be compiled once for all.

    It is of Core, not of the ORM, and every value comes with the call: a column whose default
    SQLAlchemy would compute is refused when it is left out.
    """
    return statement.execution_options(**{_MARK: True})


def is_prepared(statement: Executable) -> bool:
    """Say whether `statement` was made by `prepared`."""
    return _MARK in statement.get_execution_options()


async def insert_later(session: AsyncSession, statement: Insert, rows: Sequence[Values]) -> None:
    """Insert `rows` when somebody asks for their table, or at the end, together with those of other works.

    A prepared INSERT or UPDATE whose table refers to theirs takes them along. `statement` is a plain
    INSERT, prepared too; `rows` have the same names. A session that is not the writer's inserts them at once, and so
    does one in a SAVEPOINT, which may be undone.
    """
    gathered: Gathered | None = session.info.get(_GATHERED)
    if gathered is None or session.in_nested_transaction():
        await session.execute(statement, rows)
    else:
        gathered.add(statement, rows)


async def insert_now(session: AsyncSession | Session) -> None:
    """Insert what `insert_later` keeps for later, so that its failure is told here."""
    gathered: Gathered | None = session.info.get(_GATHERED)
    if gathered is not None:
        await gathered.insert()


async def once_a_batch(session: AsyncSession, key: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
    """Return what `ask` gives; of the works of a batch only the first with this `key` asks.

    For what no work of a batch changes. A session that is not the writer's asks each time.
    """
    gathered: Gathered | None = session.info.get(_GATHERED)
    if gathered is None:
        return await ask()
    if key not in gathered.answers:
        gathered.answers[key] = await ask()
    answer: T = gathered.answers[key]
    return answer


class Gathered:
    """Rows of a batch that nobody has asked for yet, and what `once_a_batch` keeps."""

    def __init__(self, runner: "Runner") -> None:
        self._runner = runner
        self._rows: dict[tuple[Insert, tuple[str, ...]], list[Values]] = {}
        self._tables: set[str] = set()
        self._failure: Exception | None = None
        self.answers: dict[Hashable, Any] = {}

    def add(self, statement: Insert, rows: Sequence[Values]) -> None:
        self._rows.setdefault((statement, tuple(rows[0])), []).extend(rows)
        self._tables.add(statement.table.name)

    async def insert(self, tables: frozenset[str] | None = None) -> None:
        """Insert the rows of `tables`, None: all. Once that failed it fails each time.

        So a work that swallows the error can't have the rows of others committed as if they were there.
        """
        if self._failure is not None:
            raise self._failure
        try:
            await self._runner.insert(self.take(self._tables if tables is None else tables))
        except Exception as error:
            self._failure = error
            raise

    async def insert_if_asked_for(self, sql: str) -> None:
        """Insert them if `sql` has the name of one of their tables in it."""
        if self._tables and not self._tables.isdisjoint(_words(sql)):
            await self.insert()

    def take(self, tables: AbstractSet[str]) -> list[tuple[Executable, Sequence[Values]]]:
        """Give out the rows of `tables`: whoever takes them inserts them."""
        if self._tables.isdisjoint(tables):
            return []
        taken = [key for key in self._rows if key[0].table.name in tables]
        self._tables -= {key[0].table.name for key in taken}
        return [(key[0], self._rows.pop(key)) for key in taken]


@cache
def _words(sql: str) -> frozenset[str]:
    return frozenset(_WORD.findall(sql))


class Runner:
    """Runs prepared statements on `driver`, the driver's own connection, in its open transaction."""

    def __init__(self, dialect: Dialect, driver: Any) -> None:
        self.dialect = dialect
        self._driver = driver
        self._send = _to_sqlite if dialect.name == "sqlite" else _to_postgres
        self._gathered = Gathered(self)

    def gather(self, session: AsyncSession) -> None:
        """Let `insert_later` gather the rows of `session`, whose statements this runner runs."""
        session.info[_GATHERED] = self._gathered

    async def run(self, statement: Executable, values: Any) -> Result[Any]:
        """Run `statement` with `values`: a mapping or None, or once for each of a sequence of mappings.

        Those must have the same names, and then there is no result.

        Raises DBAPIError, of the kind that SQLAlchemy makes of the driver's error.
        """
        many = not (values is None or isinstance(values, Mapping))
        plan = self._plan(statement, values[0] if many else values, many=many)
        await self._gathered.insert_if_asked_for(plan.sql)
        if self.dialect.name == "sqlite":  # where a trip costs nothing
            await self._gathered.insert(plan.refers_to)
        before = self._gathered.take(plan.refers_to)
        if many:
            await self.insert([*before, (statement, values)])
            return plan.result(())
        bound = plan.bind(values or {})
        if before:
            return plan.result(await self._sent_joined(self._plans(before), plan.sql, bound))
        return plan.result(await self._sent(plan.sql, bound, many=False))

    async def insert(self, inserts: Sequence[tuple[Executable, Sequence[Values]]]) -> None:
        """Run each for its rows; INSERTs as one statement on PostgreSQL, where each costs a trip."""
        plans = self._plans(inserts)
        if plans and all(plan.into is not None for plan, _ in plans):
            *before, (last, rows) = plans
            await self._sent_joined(before, last.into, {"rows": last.as_json(rows)})
            return
        for plan, rows in plans:
            await self._sent(plan.sql, [plan.bind(row) for row in rows], many=True)

    def _plans(self, inserts: Sequence[tuple[Executable, Sequence[Values]]]) -> "_Inserts":
        return [(self._plan(of, rows[0], many=True), rows) for of, rows in inserts]

    def _plan(self, statement: Executable, names: Values | None, *, many: bool) -> "_Plan":
        return _plan(statement, self.dialect, tuple(names or ()), many=many)

    async def _sent_joined(self, before: "_Inserts", sql: Any, bound: Any) -> Rows:
        """Send `sql` as one statement with the INSERTs `before` it."""
        text = _joined(tuple(plan.into for plan, _ in before), sql)
        given = {f"rows{n}": plan.as_json(rows) for n, (plan, rows) in enumerate(before)}
        return await self._sent(text, {**given, **bound}, many=False)

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
    """Never by psycopg's executemany: see `store.postgres_driver`."""
    cursor = driver.cursor()
    if many:
        for values in bound:
            await cursor.execute(sql, values)
        return ()
    await cursor.execute(sql, bound)
    return await cursor.fetchall() if cursor.description else ()


@cache
def _joined(before: tuple[str, ...], last: str) -> str:
    """Return `last` with the INSERTs `before` it; PostgreSQL asks who refers to whom when all are done."""
    first = (f"i{n} AS ({each.replace(_ROWS, f'%(rows{n})s')})" for n, each in enumerate(before))
    return f"WITH {', '.join(first)} {last}" if before else last


def _into(statement: Insert, names: Sequence[str], dialect: Dialect) -> str:
    """Return an INSERT of any number of rows that come as one JSON text.

    Always the same text, so PostgreSQL plans it once, and psycopg has one value to convert: for fifty
    rows a quarter of the time of an INSERT with fifty rows of values. All travel as text.
    """
    quote = dialect.identifier_preparer.quote
    of = {quote(name): _kind(statement.table.c[name].type, dialect) for name in names}
    into = dialect.identifier_preparer.format_table(statement.table)
    return (
        f"INSERT INTO {into} ({', '.join(of)}) SELECT {', '.join(f'{n}::{kind}' for n, kind in of.items())}"
        f" FROM json_to_recordset({_ROWS}::JSON) AS given({', '.join(f'{n} TEXT' for n in of)})"
    )


def _kind(of: TypeEngine[Any], dialect: Dialect) -> str:
    """Without its length: a cast cuts what is too long, where an INSERT refuses it."""
    return of.compile(dialect).partition("(")[0]


def _as_text(value: object) -> str:
    """Say what JSON has no word for as PostgreSQL reads it."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    raise TypeError(f"a {type(value).__name__} can't be given as JSON")


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
        is_plain = many and isinstance(statement, Insert) and _ONE_ROW.fullmatch(self.sql)
        self.into = _into(statement, names, dialect) if is_plain else None
        self.refers_to = frozenset(
            key.column.table.name
            for key in (statement.table.foreign_keys if statement.is_dml else ())
        )
        self._is_named = compiled.positiontup is None
        order = compiled.positiontup or list(compiled.bind_names.values())
        self._order = [
            (name, _binder(compiled.binds[name].type, dialect, as_json=self.into is not None))
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

    def as_json(self, rows: Sequence[Values]) -> str:
        """Return `rows` as the text that `into` takes."""
        return json.dumps([self.bind(row) for row in rows], default=_as_text)

    def result(self, rows: Rows) -> Result[Any]:
        """Return what the driver gave as SQLAlchemy would."""
        if self._readers:
            readers = self._readers
            rows = [
                tuple([v if of is None else of(v) for of, v in zip(readers, row, strict=True)])
                for row in rows
            ]
        return IteratorResult(self._keys, iter(rows))


def _binder(
    kind: TypeEngine[Any], dialect: Dialect, *, as_json: bool
) -> Callable[[Any], Any] | None:
    """Return what makes a value of Python's one of the driver's; None when it is one."""
    if as_json and isinstance(kind, JSON):
        return json.dumps  # the text itself, not psycopg's wrapper of it
    if as_json and isinstance(kind, LargeBinary):
        return None  # `_as_text` sees to it
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _reader(kind: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    """Return what makes a value of the driver's one of Python's; None when it is one."""
    if isinstance(kind, Float):
        return None  # SQLAlchemy would ask for the driver's own type first
    return kind.dialect_impl(dialect).result_processor(dialect, None)


_Inserts = Sequence[tuple[_Plan, Sequence[Values]]]

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
