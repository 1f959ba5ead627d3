"""Who is behind a connection: asked again for as long as it lasts."""

from collections.abc import Collection, Iterator
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from people.access.audience import Viewer
from people.model import Employee, Role, Session
from people.sessions import good

__all__ = ["viewers_of"]

_PAGE = 500  # bound parameters of one query


async def viewers_of(
    session: AsyncSession, hashes: Collection[bytes], now: datetime
) -> dict[bytes, Viewer]:
    """Return who is behind each session that is still good: not revoked, not expired, not disabled."""
    viewers: dict[bytes, Viewer] = {}
    for page in _pages(sorted(hashes)):
        rows = await session.execute(
            select(Session.token_hash, Employee.id, Employee.role, Employee.department_id)
            .join(Employee, Employee.id == Session.employee_id)
            .where(Session.token_hash.in_(page), *good(now))
        )
        # Columns, not employees: a thousand of those would hold the loop for as long as ten presses.
        viewers.update(
            {hashed: Viewer(who, Role(role), where) for hashed, who, role, where in rows}
        )
    return viewers


def _pages(hashes: list[bytes]) -> Iterator[list[bytes]]:
    for first in range(0, len(hashes), _PAGE):
        yield hashes[first : first + _PAGE]
