"""INSERTs of many rows for PostgreSQL: rows travel as JSON, several INSERTs go together.

The text of the statement is the same for any number of rows, so PostgreSQL plans it once, and
psycopg has one value to convert: for fifty rows a quarter of the time of an INSERT with fifty rows
of values.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Dialect, Table
from sqlalchemy.types import TypeEngine

__all__ = ["as_json", "insert_from_json", "joined", "with_rows"]

_ROWS = "%(rows)s"


def insert_from_json(table: Table, names: Sequence[str], dialect: Dialect) -> str:
    """Return an INSERT of these columns for rows as `with_rows` makes them, values as text."""
    quote = dialect.identifier_preparer.quote
    of = {quote(name): _kind(table.c[name].type, dialect) for name in names}
    into = dialect.identifier_preparer.format_table(table)
    return (
        f"INSERT INTO {into} ({', '.join(of)}) "
        f"SELECT {', '.join(f'{n}::{kind}' for n, kind in of.items())}"
        f" FROM json_to_recordset({_ROWS}::JSON) AS given({', '.join(f'{n} TEXT' for n in of)})"
    )


def _kind(of: TypeEngine[Any], dialect: Dialect) -> str:
    """Without its length: a cast cuts what is too long, where an INSERT refuses it."""
    return of.compile(dialect).partition("(")[0]


def _as_text(value: object) -> str:
    """Return what JSON has no word for as PostgreSQL reads it."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    raise TypeError(f"a {type(value).__name__} can't be given as JSON")


_ENCODER = json.JSONEncoder(default=_as_text)


def as_json(row: Mapping[str, Any]) -> str:
    """Return a row of `with_rows`; raises TypeError for a value that has no text."""
    return _ENCODER.encode(row)


def with_rows(rows: Sequence[str]) -> dict[str, str]:
    """Return the values that go with an INSERT from JSON."""
    return {"rows": f"[{', '.join(rows)}]"}


def joined(
    before: Sequence[tuple[str, Mapping[str, str]]], last: str, bound: Mapping[str, Any]
) -> tuple[str, dict[str, Any]]:
    """Return one statement of `last` and the INSERTs from JSON `before` it, and all values.

    They are done in no certain order; PostgreSQL checks foreign keys when all are done.
    """
    given = {f"rows{n}": values["rows"] for n, (_, values) in enumerate(before)}
    return _joined(tuple(sql for sql, _ in before), last), {**given, **bound}


@cache
def _joined(before: tuple[str, ...], last: str) -> str:
    first = (f"i{n} AS ({sql.replace(_ROWS, f'%(rows{n})s')})" for n, sql in enumerate(before))
    return f"WITH {', '.join(first)} {last}"
