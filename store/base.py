"""The one MetaData of all tables; each package declares its own tables in its `model.py`."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import JSON, DateTime, Dialect, Index, MetaData, String, Table, text
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

__all__ = ["UNSTORABLE", "Base", "CleanText", "UtcDateTime", "some_index", "table"]


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime with microseconds; SQLite, which knows no zones, keeps it as UTC text."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _utc(value)

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], Any] | None:
        """Make SQLite's text at once: every press binds some forty times."""
        return _as_text if dialect.name == "sqlite" else super().bind_processor(dialect)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError(f"naive datetime {value!r}: times are aware UTC")
    return value.astimezone(UTC)


def _as_text(value: datetime | None) -> str | None:
    """Return `value` as SQLAlchemy writes a naive datetime for SQLite, in UTC."""
    return None if value is None else _utc(value).isoformat(" ", "microseconds")[:-_OFFSET]


_OFFSET = len("+00:00")


class CleanText(TypeDecorator[str]):
    """Text that a database can hold: undecodable bytes of a stranger (lone surrogates) and NUL become U+FFFD.

    A caller's name must never be what keeps the caller's complaint from being stored.
    """

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return _clean(value)

    def bind_processor(self, dialect: Dialect) -> Callable[[str | None], Any] | None:
        """Spare a layer where the driver takes the text as it is: every press binds some seventy."""
        of_driver = self.impl_instance.bind_processor(dialect)
        return _clean if of_driver is None else super().bind_processor(dialect)


def _clean(value: str | None) -> str | None:
    if value is None or (value.isascii() and "\0" not in value):
        return value
    return UNSTORABLE.sub("\ufffd", value)


UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012
        str: CleanText(),
        datetime: UtcDateTime(),
        dict[str, Any]: JSON(),
        list[Any]: JSON(),
    }


def some_index(table: str, column: str) -> Index:
    """Return an index of the rows that have a value in `column`, when most have none: those cost nothing."""
    some = text(f"{column} IS NOT NULL")
    return Index(f"ix_{table}_{column}", column, sqlite_where=some, postgresql_where=some)


def table(model: type[Base]) -> Table:
    """Return the table of `model`, for statements that every press runs.

    Made once in a module, with `bindparam` for what varies, and on the table instead of the model, a
    statement costs a fifth of what building and running it through the ORM does.
    """
    return cast(Table, model.__table__)
