"""A POST repeated with its Idempotency-Key does nothing again, and its answer is read again.

Kept are status, ETag and what the answer is read from, in the transaction of what was done, so there is
no moment in which one is there without the other; never a body, which would give content to a person
who has lost the right to it. They are kept 24 hours. A refused request keeps nothing.
"""

import hashlib
from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from store.upsert import insert_new
from web.api import Reply
from web.model import IdempotentReply
from web.problems import ApiError

__all__ = ["KEPT", "find", "keep", "prune", "request_hash"]

KEPT = timedelta(hours=24)


def request_hash(method: str, path: str, body: bytes) -> str:
    """Return what tells two requests with one key apart."""
    return hashlib.sha256(b"\0".join((method.encode(), path.encode(), body))).hexdigest()


async def find(
    session: AsyncSession, employee_id: int, key: str, wanted: str, *, now: datetime
) -> Reply | None:
    """Return what is kept for `key`, without a body; None when the request is new. Another is refused."""
    kept = await session.get(IdempotentReply, (employee_id, key))
    if kept is None:
        return None
    if kept.at < now - KEPT:
        await session.delete(kept)
        await session.flush()
        return None
    if kept.request_hash != wanted:
        raise ApiError("idempotency-key-reused")
    headers = {"ETag": kept.etag} if kept.etag is not None else {}
    headers["Idempotency-Replayed"] = "true"
    return Reply(status=kept.status, headers=headers, reference=kept.reference)


async def keep(
    session: AsyncSession, employee_id: int, key: str, wanted: str, reply: Reply, *, now: datetime
) -> None:
    """Keep what `reply` is read from; raises ApiError when another process used the key a moment ago."""
    values = {
        "employee_id": employee_id,
        "key": key,
        "request_hash": wanted,
        "status": reply.status,
        "reference": reply.reference,
        "etag": f'"{reply.version}"' if reply.version is not None else None,
        "at": now,
    }
    if await insert_new(session, IdempotentReply, values, key=("employee_id", "key")) is None:
        raise ApiError("idempotency-key-reused", "This key is in use by a request under way.")


async def prune(session: AsyncSession, now: datetime) -> int:
    """Delete answers older than 24 hours; return how many."""
    gone = await session.execute(delete(IdempotentReply).where(IdempotentReply.at < now - KEPT))
    return int(gone.rowcount)  # type: ignore[attr-defined]
