"""Look people up: whose telephone is this, which departments are in charge."""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, bindparam, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from people.model import Department, Extension
from store.base import UtcDateTime, table
from store.fast.batch import once_a_batch
from store.fast.prepared import prepared

__all__ = [
    "ancestors",
    "below",
    "department_named",
    "employee_at",
    "extension_of",
    "root_department",
    "root_id",
]


async def employee_at(session: AsyncSession, extension: str, at: datetime) -> int | None:
    """Return the id of whose telephone `extension` was at `at`, disabled people too; None when nobody's.

    An outside telephone is asked for by its number in E.164.
    """
    return await session.scalar(_EMPLOYEE_AT, {"number": extension, "at": at})


_EXTENSIONS, _DEPARTMENTS = table(Extension), table(Department)
_AT = bindparam("at", type_=UtcDateTime)
_EMPLOYEE_AT = prepared(
    select(_EXTENSIONS.c.employee_id)
    .where(
        _EXTENSIONS.c.number == bindparam("number"),
        _EXTENSIONS.c.since <= _AT,
        or_(_EXTENSIONS.c.until.is_(None), _EXTENSIONS.c.until > _AT),
    )
    .order_by(_EXTENSIONS.c.since.desc())
    .limit(1)
)


async def extension_of(session: AsyncSession, employee_id: int) -> str | None:
    """Return the extension an employee has now, the newest of several; an outside number is none."""
    return await session.scalar(
        select(Extension.number)
        .where(
            Extension.employee_id == employee_id,
            Extension.until.is_(None),
            ~Extension.number.startswith("+"),
        )
        .order_by(Extension.since.desc(), Extension.id.desc())
        .limit(1)
    )


async def ancestors(session: AsyncSession, department_id: int | None) -> tuple[int, ...]:
    """Return `department_id` and all departments above it, nearest first; empty for None.

    What `people.access.audience.Audience.departments` takes.
    """
    if department_id is None:
        return ()

    async def ask() -> tuple[int, ...]:
        chain = await session.execute(_CHAIN, {"department": department_id})
        return tuple(_climb(department_id, {row.id: row.parent_id for row in chain}))

    return await once_a_batch(session, ("people.ancestors", department_id), ask)


def _chain() -> Select[Any]:
    here, above = table(Department), table(Department).alias()
    start = select(here.c.id, here.c.parent_id).where(here.c.id == bindparam("department"))
    chain = start.cte("chain", recursive=True)
    upwards = select(above.c.id, above.c.parent_id).join(chain, above.c.id == chain.c.parent_id)
    # UNION, not UNION ALL: a loop in the tree, however it came there, must end.
    return select(chain.union(upwards))


_CHAIN = prepared(_chain())


def _climb(start: int, parents: dict[int, int | None]) -> list[int]:
    path: list[int] = []
    node: int | None = start
    while node in parents and node not in path:
        path.append(node)
        node = parents[node]
    return path


def below(department_id: int) -> Select[int]:
    """Return the query for a department and all departments under it."""
    tree = select(Department.id).where(Department.id == department_id).cte(recursive=True)
    child = aliased(Department)
    tree = tree.union(select(child.id).join(tree, child.parent_id == tree.c.id))
    return select(tree.c.id)


async def department_named(session: AsyncSession, name: str) -> Department | None:
    return await session.scalar(select(Department).where(Department.name == name))


async def root_department(session: AsyncSession) -> Department:
    """Return the whole company; raises NoResultFound in a database that was never migrated."""
    return await session.get_one(Department, await root_id(session))


async def root_id(session: AsyncSession) -> int:
    """Return the id of the whole company, as `root_department`."""

    async def ask() -> int:
        root: int = (await session.scalars(_ROOT)).one()
        return root

    return await once_a_batch(session, "people.root", ask)


_ROOT = prepared(select(_DEPARTMENTS.c.id).where(_DEPARTMENTS.c.parent_id.is_(None)))
