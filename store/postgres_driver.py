"""What press3 asks of psycopg beyond its defaults. Imported only where PostgreSQL is used."""

from collections.abc import Iterable
from typing import Any

import psycopg

__all__ = ["PlainCursor"]


class PlainCursor(psycopg.AsyncCursor[Any]):
    """Sends many rows one after the other, not as a pipeline.

    In a pipeline, and from its end to the next statement, PostgreSQL does not count how long a
    transaction is idle: a process that froze there held its locks for ever (seen: 30 s and more
    where 8 were set, and nobody could take over). `Runner` sends many rows as one statement.
    """

    _affected: int | None = None

    @property
    def rowcount(self) -> int:
        """Rows of the last operation, of all its executions."""
        return super().rowcount if self._affected is None else self._affected

    async def execute(self, *args: Any, **named: Any) -> "PlainCursor":
        self._affected = None
        return await super().execute(*args, **named)

    async def executemany(
        self, query: Any, params_seq: Iterable[Any], *, returning: bool = False
    ) -> None:
        if returning:
            raise psycopg.NotSupportedError("rows of executemany: execute one by one")
        affected = 0
        for values in params_seq:
            await self.execute(query, values, prepare=True)
            affected += max(self.rowcount, 0)
        self._affected = affected
