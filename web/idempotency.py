"""A POST repeated with its Idempotency-Key does nothing again, and its answer is read again.

Kept are status, ETag and what the answer is read from, in the transaction of what was done, so there is
no moment in which one is there without the other. A body is never kept: it would give content to a person
who has lost the right to it. They are kept 24 hours. A refused request keeps nothing.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from store.base import table
from store.upsert import insert_new
from web.api import Written
from web.model import IdempotentReply
from web.problems import ApiError

__all__ = ["KEPT", "Kept", "Once", "prune", "request_hash"]

KEPT = timedelta(hours=24)


def request_hash(method: str, path: str, body: bytes) -> str:
    """Return what tells two requests with one key apart."""
    return hashlib.sha256(b"\0".join((method.encode(), path.encode(), body))).hexdigest()


@dataclass(frozen=True, slots=True)
class Kept:
    """What a change has written, and the status of its answer; `replayed`: by an earlier request."""

    status: int
    written: Written
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Once:
    """A request with an Idempotency-Key: an employee's `key`, and the hash of what they want by it."""

    employee_id: int
    key: str
    wanted: str
    now: datetime

    async def find(self, session: AsyncSession) -> Kept | None:
        """Return what is kept for the key; None when the request is new. Another request is refused."""
        row = await session.get(IdempotentReply, (self.employee_id, self.key))
        if row is None:
            return None
        if row.at < self.now - KEPT:
            await session.delete(row)
            await session.flush()
            return None
        if row.request_hash != self.wanted:
            raise ApiError("idempotency-key-reused")
        version = int(row.etag.strip('"')) if row.etag is not None else None
        return Kept(row.status, Written(reference=row.reference, version=version), replayed=True)

    async def keep(self, session: AsyncSession, status: int, written: Written) -> None:
        """Keep what the answer is read from; raises ApiError when another process used the key a moment ago."""
        values = {
            "employee_id": self.employee_id,
            "key": self.key,
            "request_hash": self.wanted,
            "status": status,
            "reference": written.reference,
            "etag": f'"{written.version}"' if written.version is not None else None,
            "at": self.now,
        }
        key = ("employee_id", "key")
        if await insert_new(session, IdempotentReply, values, key=key) is None:
            raise ApiError("idempotency-key-reused", "This key is in use by a request under way.")


async def prune(session: AsyncSession, now: datetime, *, limit: int = 500) -> int:
    """Delete at most `limit` of what was kept longer than 24 hours; return how many.

    Call again until 0: short transactions let others write.
    """
    rows = table(IdempotentReply)
    old = select(*rows.primary_key).where(rows.c.at < now - KEPT).limit(limit)
    gone = await session.execute(delete(rows).where(tuple_(*rows.primary_key).in_(old)))
    return int(gone.rowcount)  # type: ignore[attr-defined]
