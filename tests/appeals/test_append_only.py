"""Rows that decide rights or prove something are added, never changed: the program refuses itself."""

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from appeals.case.model import AppealConflict
from store import setting_log
from store.errors import WrittenOnce
from store.setting_log import SettingChange
from store.writer import Writer
from tests.appeals.world import World
from tests.store.samples import NOON


async def test_a_stored_setting_is_neither_changed_nor_deleted(writer: Writer) -> None:
    await writer.run(lambda s: setting_log.note(s, "conflict.answered_by", "notes", NOON))

    async def change_a_row(session: AsyncSession) -> None:
        (await session.scalars(select(SettingChange))).one().new = "none"
        await session.flush()

    async def delete_a_row(session: AsyncSession) -> None:
        await session.delete((await session.scalars(select(SettingChange))).one())
        await session.flush()

    async def change_all(session: AsyncSession) -> None:
        await session.execute(update(SettingChange).values(new="none"))

    async def delete_all(session: AsyncSession) -> None:
        await session.execute(delete(SettingChange))

    for work in (change_a_row, delete_a_row, change_all, delete_all):
        with pytest.raises(WrittenOnce, match="setting_changes"):
            await writer.run(work)


async def test_a_conflict_is_neither_changed_nor_deleted(world: World) -> None:
    await world.hire("Анна", extension="101")
    await world.call().press().enter().ring("101").answer("101").stored()

    async def change_a_row(session: AsyncSession) -> None:
        (await session.scalars(select(AppealConflict))).one().degree = 3
        await session.flush()

    async def delete_all(session: AsyncSession) -> None:
        await session.execute(delete(AppealConflict))

    for work in (change_a_row, delete_all):
        with pytest.raises(WrittenOnce, match="appeal_conflicts"):
            await world.writer.run(work)
