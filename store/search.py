"""Search by any part of a text, in any case: the text as it is stored, and the condition that finds it.

A table of texts holds, for each thing that is searched for, its `folded` fields. The database keeps the
index of their grams (three letters in a row) by itself: FTS5 on SQLite, a GIN index over
`press3_grams(text)` on PostgreSQL, which needs no extension; both are made by a migration. The grams
only narrow, the text decides, so that both databases find the same, and a deleted text is gone from both.

One or two letters are no gram: they are searched for at the beginning of a word. For that, two blanks
stand before each word.
"""

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Table, and_, cast, column, func, or_, select
from sqlalchemy import table as named_table
from sqlalchemy.dialects.postgresql import ARRAY, TEXT

from store.base import UNSTORABLE

__all__ = ["Needles", "folded", "holds", "in_models", "needles", "says"]

Needles = tuple[str, ...]

_GRAM = 3
_GAP = "  "
# More find little more, and each costs a walk through all that have it. Those of the end, for
# numbers begin alike.
_GRAMS_ASKED = 6
_OF_THE_DATABASE = re.compile(r"(call|appeal)_texts_fts(_\w+)?|ix_(call|appeal)_texts_grams")


def folded(*fields: str | None) -> str:
    """Return the text under which something with these `fields` is found."""
    return "\n".join("".join(_GAP + word for word in _words(field)) for field in fields if field)


def needles(parts: Sequence[str]) -> Needles:
    """Return what to look for so that any of `parts` is found; nothing when all of them are blank."""
    found = {_needle(words) for part in parts if (words := _words(part))}
    return tuple(sorted(n for n in found if not any(n != other and other in n for other in found)))


def holds(
    texts: Table, key: str, wanted: Needles, low: int, high: int, *, dialect: str
) -> ColumnElement[bool]:
    """Return the condition on `texts` that one of `wanted` is in the text, and `low` ≤ `key` ≤ `high`."""
    within = texts.c[key].between(low, high)
    exact = says(texts, wanted)
    if dialect == "sqlite":
        return and_(texts.c[key].in_(_matching(texts.name, wanted, low, high)), exact)
    of_text = func.press3_grams(texts.c.text).collate("C")
    grams = (of_text.op("@>")(cast(_grams(each), ARRAY(TEXT))) for each in wanted)
    return and_(within, or_(*grams), exact)


def says(texts: Table, wanted: Needles) -> ColumnElement[bool]:
    """Return the condition on `texts` that one of `wanted` is in the text; the index is not asked."""
    return or_(*(texts.c.text.contains(each, autoescape=True) for each in wanted))


def in_models(name: str | None, kind: str, _parents: Any) -> bool:
    """Return whether the models declare a table or index; only migrations make the grams."""
    return name is None or not _OF_THE_DATABASE.fullmatch(name)


def _words(text: str) -> list[str]:
    return UNSTORABLE.sub("\ufffd", text).casefold().replace("ё", "е").split()


def _needle(words: Sequence[str]) -> str:
    text = _GAP.join(words)
    return text if len(text) >= _GRAM else (_GAP + text)[-_GRAM:]


def _grams(needle: str) -> list[str]:
    grams = [needle[i : i + _GRAM] for i in range(len(needle) - _GRAM + 1)]
    return sorted(set(grams[-_GRAMS_ASKED:]))


def _matching(name: str, wanted: Needles, low: int, high: int) -> Any:
    """The keys of the texts that have all grams of one of `wanted`, by FTS5."""
    index = named_table(f"{name}_fts", column("rowid", BigInteger), column(f"{name}_fts"))
    quoted = (['"{}"'.format(gram.replace('"', '""')) for gram in _grams(n)] for n in wanted)
    query = " OR ".join(f"({' AND '.join(grams)})" for grams in quoted)
    return select(index.c.rowid).where(
        index.c[f"{name}_fts"].op("MATCH")(query), index.c.rowid.between(low, high)
    )
