"""How far a long upkeep job is, so that it goes on after a restart where it stopped."""

from datetime import datetime

from sqlalchemy import BigInteger
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from store.base import Base

__all__ = ["Progress", "done", "place_of", "reached"]


class Progress(Base):
    """`place`: the last key that the job has dealt with. `done_at` None: there is more to do."""

    __tablename__ = "progress"

    job: Mapped[str] = mapped_column(primary_key=True)
    place: Mapped[int] = mapped_column(BigInteger)
    done_at: Mapped[datetime | None]


async def place_of(session: AsyncSession, job: str) -> int | None:
    """Return the last key that `job` has dealt with, 0 before its start; None when it is done."""
    row = await session.get(Progress, job)
    if row is None:
        return 0
    return None if row.done_at is not None else row.place


async def reached(session: AsyncSession, job: str, place: int) -> None:
    """Store `place`, in the transaction of the piece of work that ends there."""
    row = await session.get(Progress, job)
    if row is None:
        session.add(Progress(job=job, place=place, done_at=None))
    else:
        row.place = place


async def done(session: AsyncSession, job: str, at: datetime) -> None:
    """Store that `job` has nothing more to do."""
    row = await session.get(Progress, job)
    if row is None:
        session.add(Progress(job=job, place=0, done_at=at))
    else:
        row.done_at = at
