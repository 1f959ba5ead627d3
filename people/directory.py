"""Look people up: whose telephone is this, which departments are in charge."""

from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from people.model import Department, Employee, Extension

__all__ = ["ancestors", "department_named", "employee_at", "extension_of", "root_department"]


async def employee_at(session: AsyncSession, extension: str, at: datetime) -> Employee | None:
    """Return whose telephone `extension` was at `at`, disabled people too; None when nobody's."""
    return await session.scalar(
        select(Employee)
        .join(Extension, Extension.employee_id == Employee.id)
        .where(
            Extension.number == extension,
            Extension.since <= at,
            or_(Extension.until.is_(None), Extension.until > at),
        )
        .order_by(Extension.since.desc())
        .limit(1)
    )


async def extension_of(session: AsyncSession, employee_id: int) -> str | None:
    """Return the telephone an employee has now, the newest of several."""
    return await session.scalar(
        select(Extension.number)
        .where(Extension.employee_id == employee_id, Extension.until.is_(None))
        .order_by(Extension.since.desc(), Extension.id.desc())
        .limit(1)
    )


async def ancestors(session: AsyncSession, department_id: int | None) -> tuple[int, ...]:
    """Return `department_id` and all departments above it, nearest first; empty for None.

    What `people.audience.Audience.departments` takes.
    """
    if department_id is None:
        return ()
    chain = (
        select(Department.id, Department.parent_id)
        .where(Department.id == department_id)
        .cte("chain", recursive=True)
    )
    above = aliased(Department)
    # UNION, not UNION ALL: a loop in the tree, however it came there, must end.
    chain = chain.union(
        select(above.id, above.parent_id).join(chain, above.id == chain.c.parent_id)
    )
    parents = {row.id: row.parent_id for row in await session.execute(select(chain))}
    return tuple(_climb(department_id, parents))


def _climb(start: int, parents: dict[int, int | None]) -> list[int]:
    path: list[int] = []
    node: int | None = start
    while node in parents and node not in path:
        path.append(node)
        node = parents[node]
    return path


async def department_named(session: AsyncSession, name: str) -> Department | None:
    return await session.scalar(select(Department).where(Department.name == name))


async def root_department(session: AsyncSession) -> Department:
    """Return the whole company; raises NoResultFound in a database that was never migrated."""
    return (await session.scalars(select(Department).where(Department.parent_id.is_(None)))).one()
