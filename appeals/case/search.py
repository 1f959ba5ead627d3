"""Lists by a part of a name or number, newest first, without reading all there is.

A frequent text is found among the newest; for a rare one the index names the few that have it.
Which of the two a text is nobody knows beforehand, so the newest are searched first, then ever
longer times.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Row, Select, Table, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from store.search import Needles, holds, needles, says

__all__ = ["needles_of", "newest"]

_TELLING_DIGITS = 3  # fewer occur in every number
_RU_DIGITS = 11
_GROWTH = 4
_WINDOWS = 7  # of calls the last is half a year; then all that is left


def needles_of(q: str) -> Needles:
    """Return what `q` looks for: its words, and of a number its digits, however it is written.

    Of `8 916 …` the Russian trunk prefix need not be there.
    """
    digits = "".join(c for c in q if c.isascii() and c.isdigit())
    parts = [q, digits if len(digits) >= _TELLING_DIGITS else ""]
    if len(digits) == _RU_DIGITS and digits[0] in "78":
        parts.append(digits[1:])
    return needles(parts)


async def newest(
    session: AsyncSession,
    rows: Select[*tuple[Any, ...]],
    wanted: Needles,
    texts: Table,
    key: str | None,
    *,
    since: int = 0,
    before: int | None,
    first: int,
    limit: int,
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return the first `limit` of `rows` whose text in `texts` holds one of `wanted`.

    `rows` joins `texts` and is ordered newest first; the order of `key`, a number, must agree
    wherever a multiple of `first` lies between two keys. Keys are searched from `since` to below
    `before` (null: the end), the newest `first` of them to begin with. Without a key all of `rows`
    are read.
    """
    if key is None:
        return (await session.execute(rows.where(says(texts, wanted)).limit(limit))).all()
    dialect = session.get_bind().dialect.name
    end = await _end(session, texts, key, first)
    top = end if before is None else min(before, end)  # a time far ahead is no longer search
    found: list[Row[*tuple[Any, ...]]] = []
    for low, high in _windows(since, top, first):
        among = holds(texts, key, wanted, low, high, dialect=dialect)
        part = await session.execute(rows.where(among).limit(limit - len(found)))
        found += part.all()
        if len(found) == limit:
            break
    return found


async def _end(session: AsyncSession, texts: Table, key: str, step: int) -> int:
    newest = await session.scalar(select(func.max(texts.c[key])))
    return ((newest or 0) // step + 1) * step


def _windows(since: int, top: int, first: int) -> Iterator[tuple[int, int]]:
    """Yield spans of keys from `top` (not included) down to `since`, ever longer."""
    span = first
    for _ in range(_WINDOWS):
        if top - span <= since:
            break
        yield top - span, top - 1
        top, span = top - span, span * _GROWTH
    if top > since:
        yield since, top - 1
