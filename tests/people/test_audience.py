"""Who sees what: a table of viewers against audiences, and the department tree behind it."""

import json

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from people import directory, roster
from people.access.audience import Audience, Viewer
from people.model import Department, Role
from store.writer import Writer

COMPANY, SALES, DELIVERY, NIGHT = 1, 2, 3, 4  # NIGHT is part of DELIVERY

OPERATOR = Viewer(7, Role.OPERATOR, DELIVERY)
CHIEF = Viewer(8, Role.SUPERVISOR, None)
DELIVERY_CHIEF = Viewer(9, Role.SUPERVISOR, DELIVERY)
NIGHT_CHIEF = Viewer(10, Role.SUPERVISOR, NIGHT)
SALES_CHIEF = Viewer(11, Role.SUPERVISOR, SALES)
ADMIN = Viewer(12, Role.ADMIN, None)
EVERYBODY = {OPERATOR, CHIEF, DELIVERY_CHIEF, NIGHT_CHIEF, SALES_CHIEF, ADMIN}

ABOVE_DELIVERY = (DELIVERY, COMPANY)
ABOVE_NIGHT = (NIGHT, DELIVERY, COMPANY)


@pytest.mark.parametrize(
    ("audience", "seen_by"),
    [
        (Audience(), set()),
        (Audience(employees=(7,)), {OPERATOR}),
        (Audience(roles=(Role.ADMIN,)), {ADMIN}),
        (
            Audience(roles=(Role.SUPERVISOR,)),
            {CHIEF, DELIVERY_CHIEF, NIGHT_CHIEF, SALES_CHIEF},
        ),
        (Audience(roles=(Role.SUPERVISOR,), departments=()), {CHIEF}),
        (
            Audience(roles=(Role.SUPERVISOR,), departments=ABOVE_DELIVERY),
            {CHIEF, DELIVERY_CHIEF},
        ),
        (
            Audience(roles=(Role.SUPERVISOR,), departments=ABOVE_NIGHT),
            {CHIEF, DELIVERY_CHIEF, NIGHT_CHIEF},
        ),
        (
            Audience(employees=(11,), roles=(Role.OPERATOR,), departments=ABOVE_NIGHT),
            {OPERATOR, SALES_CHIEF},
        ),
        (
            Audience(employees=(7, 11), roles=(Role.ADMIN, Role.SUPERVISOR), except_=(7, 12)),
            {CHIEF, DELIVERY_CHIEF, NIGHT_CHIEF, SALES_CHIEF},
        ),
    ],
)
def test_who_is_included(audience: Audience, seen_by: set[Viewer]) -> None:
    assert {viewer for viewer in EVERYBODY if audience.includes(viewer)} == seen_by
    kept = Audience.from_json(json.loads(json.dumps(audience.to_json())))
    assert kept == audience


async def test_departments_above(
    writer: Writer, sessions: async_sessionmaker[AsyncSession]
) -> None:
    async def grow(session: AsyncSession) -> tuple[int, int, int]:
        root = await directory.root_department(session)
        delivery = await roster.department(session, "Доставка")
        await roster.department(session, "Продажи")
        night = Department(name="Ночная", parent_id=delivery.id)
        session.add(night)
        await session.flush()
        return root.id, delivery.id, night.id

    root, delivery, night = await writer.run(grow)
    async with sessions() as session:
        assert await directory.ancestors(session, night) == (night, delivery, root)
        assert await directory.ancestors(session, root) == (root,)
        assert await directory.ancestors(session, None) == ()
        assert await directory.ancestors(session, 999) == ()


async def test_a_loop_in_the_tree_ends(
    writer: Writer, sessions: async_sessionmaker[AsyncSession]
) -> None:
    async def knot(session: AsyncSession) -> tuple[int, int]:
        one, two = [await roster.department(session, name) for name in ("Один", "Два")]
        for below, above in ((one, two), (two, one)):
            await session.execute(
                update(Department).where(Department.id == below.id).values(parent_id=above.id)
            )
        return one.id, two.id

    one, two = await writer.run(knot)
    async with sessions() as session:
        assert await directory.ancestors(session, one) == (one, two)
