"""A statement compiled once for a dialect and a set of names.

It knows how its values and rows are converted.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import JSON, Dialect, Executable, Float, Insert, LargeBinary, Table
from sqlalchemy.engine import IteratorResult, Result
from sqlalchemy.engine.result import SimpleResultMetaData
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

from store.fast.json_insert import as_json, insert_from_json, with_rows

__all__ = ["Call", "Plan", "Rows", "Values", "plan_of"]

Values = Mapping[str, Any]
Rows = Sequence[Sequence[Any]]

# An INSERT whose values all come with the call, as SQLAlchemy writes it for SQLite and for psycopg.
_PLAIN_INSERT = re.compile(
    r"INSERT INTO [^%?]+ VALUES \((?:(?:\?|%\(\w+\)s(?:::[\w ]+)?)(?:, |\)$))+"
)
_WORD = re.compile(r"\w+")


class Call(NamedTuple):
    """What the driver is given: a text with its values, or with many of them, run one by one."""

    sql: str
    bound: Any
    many: bool


class Plan:
    """A statement as the driver takes it.

    `words` are those of its text, names of tables among them; `refers_to` are the tables that its
    own refers to, and those that they refer to in their turn. `is_plain`: an INSERT and nothing
    else.
    """

    def __init__(
        self, statement: Any, dialect: Dialect, names: tuple[str, ...], *, many: bool
    ) -> None:
        compiled: SQLCompiler = statement.compile(
            dialect=dialect, column_keys=list(names), for_executemany=many
        )
        if compiled.insert_prefetch or compiled.update_prefetch or compiled.post_compile_params:
            raise ValueError(f"not to be prepared, its text or a value is made anew: {compiled}")
        self._sql = str(compiled)
        self.words = frozenset(_WORD.findall(self._sql))
        self.table: str | None = statement.table.name if statement.is_dml else None
        self.refers_to = _referred(statement.table) if statement.is_dml else frozenset[str]()
        order = compiled.positiontup or list(compiled.bind_names.values())
        self._fixed = {n: compiled.binds[n].value for n in order if not compiled.binds[n].required}
        self.is_plain = (
            isinstance(statement, Insert)
            and not self._fixed
            and _PLAIN_INSERT.fullmatch(self._sql) is not None
        )
        self._by_json = many and self.is_plain and dialect.name == "postgresql"
        if self._by_json:
            self._sql = insert_from_json(statement.table, names, dialect)
        self._is_named = compiled.positiontup is None
        self._order = [
            (name, _binder(compiled.binds[name].type, dialect, by_json=self._by_json))
            for name in order
        ]
        columns = list(statement.exported_columns)
        self._keys = SimpleResultMetaData([column.key for column in columns])
        readers = [_reader(column.type, dialect) for column in columns]
        self._readers = readers if any(readers) else []

    def call(self, values: Values) -> Call:
        """Return what runs the statement once."""
        return Call(self._sql, self._bound(values), many=False)

    def row(self, values: Values) -> Any:
        """Return `values` as `call_for` takes them; raises what is wrong with one of them."""
        bound = self._bound(values)
        return as_json(bound) if self._by_json else bound  # type: ignore[arg-type]

    def call_for(self, rows: Sequence[Any]) -> Call:
        """Return what runs the statement for each of `rows`, made by `row`."""
        if self._by_json:
            return Call(self._sql, with_rows(rows), many=False)
        return Call(self._sql, rows, many=True)

    def result(self, rows: Rows) -> Result[Any]:
        """Return what the driver gave as SQLAlchemy would."""
        if self._readers:
            readers = self._readers
            rows = [
                tuple([v if of is None else of(v) for of, v in zip(readers, row, strict=True)])
                for row in rows
            ]
        return IteratorResult(self._keys, iter(rows))

    def _bound(self, values: Values) -> tuple[Any, ...] | dict[str, Any]:
        if self._fixed:
            values = {**self._fixed, **values}
        if self._is_named:
            return {n: values[n] if to is None else to(values[n]) for n, to in self._order}
        return tuple([values[n] if to is None else to(values[n]) for n, to in self._order])


def _referred(table: Table) -> frozenset[str]:
    found: set[Table] = set()
    ahead = [table]
    while ahead:
        above = {key.column.table for key in ahead.pop().foreign_keys} - found
        found |= above
        ahead += above
    return frozenset(each.name for each in found - {table})


def _binder(
    kind: TypeEngine[Any], dialect: Dialect, *, by_json: bool
) -> Callable[[Any], Any] | None:
    """Return what makes a value of Python's one of the driver's; None when it is one."""
    if by_json and isinstance(kind, JSON):
        return json.dumps  # the text itself, not psycopg's wrapper of it
    if by_json and isinstance(kind, LargeBinary):
        return None  # `as_json` sees to it
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _reader(kind: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    """Return what makes a value of the driver's one of Python's; None when it is one."""
    if isinstance(kind, Float):
        return None  # SQLAlchemy would ask for the driver's own type first
    return kind.dialect_impl(dialect).result_processor(dialect, None)


_plans: dict[tuple[Executable, str, tuple[str, ...], bool], Plan] = {}


def plan_of(statement: Executable, dialect: Dialect, values: Values | None, *, many: bool) -> Plan:
    """Return the plan for values with these names; `many`: for many rows of them."""
    # The dialect's name is enough: every engine of a kind is made alike (store.engine).
    key = (statement, dialect.name, tuple(values or ()), many)
    plan = _plans.get(key)
    if plan is None:
        plan = _plans[key] = Plan(statement, dialect, key[2], many=many)
    return plan
