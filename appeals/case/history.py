"""The history of an appeal: append-only, each entry chained to the one before.

An entry's hash covers the appeal, its number, time, author, action, data, the hash of its personal
part and the hash of the entry before. Personal data (names, numbers, what people wrote) lies
outside and only its salted hash inside, so that it can be erased by law and the chain still holds.

This module refuses UPDATE and DELETE in the program itself (erasing the personal part excepted).
Against someone with the database's password it does not refuse but shows: `verify` finds a change,
a gap, an insertion; a cut-off end it finds against a head kept elsewhere. A production PostgreSQL
should besides give the program's role only SELECT, INSERT and UPDATE (personal) on `history`.
"""

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from appeals.case import hot
from appeals.case.entry import Entry
from appeals.case.model import HistoryEntry
from store.append_only import append_only

__all__ = ["Break", "Head", "Record", "append", "begin", "head", "lock", "verify"]


@dataclass(frozen=True, slots=True)
class Record:
    """An entry to append, its time and its author; None is the system."""

    at: datetime
    entry: Entry
    author_id: int | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain: kept elsewhere it proves that nothing was cut off."""

    n: int
    hash: str


_BEGINNING = Head(0, "0" * 64)


@dataclass(frozen=True, slots=True)
class Break:
    """Where a chain does not hold: entry `n` and what is wrong with it."""

    n: int
    what: str


async def lock(session: AsyncSession, number: int) -> None:
    """Keep others from changing this appeal until the commit; SQLite has one writer anyway."""
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(hot.LOCK, {"number": number})


async def append(session: AsyncSession, number: int, *records: Record) -> Head:
    """Append `records` to the history of appeal `number`; safe beside other writers."""
    await lock(session, number)
    last = await head(session, number) or _BEGINNING
    return await _insert(session, number, last, records)


async def begin(session: AsyncSession, number: int, *records: Record) -> Head:
    """As `append`, for an appeal inserted in this very transaction: nothing to look up."""
    return await _insert(session, number, _BEGINNING, records)


async def _insert(
    session: AsyncSession, number: int, last: Head, records: Sequence[Record]
) -> Head:
    rows = []
    for record in records:
        row = _row(number, last, record)
        rows.append(row)
        last = Head(row["n"], row["hash"])
    await hot.add_history(session, rows)
    return last


async def head(session: AsyncSession, number: int) -> Head | None:
    """Return the end of the chain of appeal `number`, None when it has no history."""
    row = (await session.execute(hot.HEAD, {"number": number})).one_or_none()
    return Head(row.n, row.hash) if row else None


async def verify(session: AsyncSession, number: int, expected: Head | None = None) -> list[Break]:
    """Return every place where the chain of appeal `number` does not hold; empty is sound.

    `expected` is a head noted earlier: the chain must still contain it, or its end was cut off.
    """
    rows = (
        await session.scalars(
            select(HistoryEntry)
            .where(HistoryEntry.appeal_number == number)
            .order_by(HistoryEntry.n)
            .execution_options(populate_existing=True)
        )
    ).all()
    breaks = [Break(1, "the history is empty")] if not rows else []
    last = _BEGINNING
    for row in rows:
        breaks += [Break(row.n, what) for what in _faults(row, last)]
        last = Head(row.n, row.hash)
    if expected and all(row.hash != expected.hash for row in rows if row.n == expected.n):
        breaks.append(Break(expected.n, "the entry noted as the head is gone or another"))
    return breaks


def _row(number: int, last: Head, record: Record) -> dict[str, Any]:
    salt = secrets.token_bytes(16)
    data, personal = record.entry.parts()
    row: dict[str, Any] = {
        "appeal_number": number,
        "n": last.n + 1,
        "at": record.at.astimezone(UTC),
        "author_id": record.author_id,
        "action": record.entry.TYPE,
        "data": data,
        "personal": personal,
        "personal_salt": salt,
        "personal_hash": _personal_hash(salt, personal),
        "previous_hash": last.hash,
    }
    return row | {"hash": _hash(row)}


def _faults(row: HistoryEntry, last: Head) -> list[str]:
    fields = {column: getattr(row, column) for column in _HASHED}
    checks = {
        "an entry before this one is missing": row.n != last.n + 1,
        "it does not follow from the entry before": row.previous_hash != last.hash,
        "its contents were changed": row.hash != _hash(fields),
        "its personal data was changed": _personal_is_wrong(row),
    }
    return [what for what, wrong in checks.items() if wrong]


_HASHED = (
    "appeal_number",
    "n",
    "at",
    "author_id",
    "action",
    "data",
    "personal_hash",
    "previous_hash",
)


def _hash(row: dict[str, Any]) -> str:
    fields = {column: row[column] for column in _HASHED}
    fields["at"] = fields["at"].astimezone(UTC).isoformat(timespec="microseconds")
    return hashlib.sha256(_canonical(fields)).hexdigest()


def _personal_hash(salt: bytes, personal: dict[str, Any] | None) -> str:
    """Empty when there never was any: adding some later breaks the chain, erasing does not."""
    return "" if personal is None else hashlib.sha256(salt + _canonical(personal)).hexdigest()


def _personal_is_wrong(row: HistoryEntry) -> bool:
    if row.personal is None:
        return False
    return row.personal_hash != _personal_hash(row.personal_salt, row.personal)


def _canonical(value: object) -> bytes:
    # ASCII: whatever a caller's name is made of has bytes, lone surrogates too.
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


append_only(HistoryEntry, erasable="personal")
