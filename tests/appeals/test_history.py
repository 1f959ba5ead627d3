"""The chain: nothing in it can be changed without being found."""

import asyncio
import random
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from appeals.case import history
from appeals.case.entry import Entry
from appeals.case.history import Head, Record
from appeals.case.model import HistoryEntry
from store.errors import WrittenOnce
from store.writer import Writer
from tests.appeals.world import World

LENGTH = 6


@dataclass(frozen=True, kw_only=True)
class Noted(Entry):
    """What a feature of these tests records."""

    TYPE: ClassVar = "noted"
    PERSONAL: ClassVar = ("phone",)

    текст: str
    n: int
    several: Any
    phone: str


def noted(at: datetime, n: int = 0) -> Record:
    entry = Noted(текст=f"запись {n}", n=n, several=[1, 2.5, None], phone=f"+7916000000{n}")
    return Record(at, entry)


async def a_history(world: World) -> int:
    await world.pressed()
    (appeal,) = await world.appeals()
    records = [noted(world.pass_s(10), n) for n in range(LENGTH - 1)]
    await world.writer.run(lambda s: history.append(s, appeal.number, *records))
    return appeal.number


async def breaks(world: World, number: int, head: Head | None = None) -> list[tuple[int, str]]:
    async with world.sessions() as session:
        return [(b.n, b.what) for b in await history.verify(session, number, head)]


async def head_of(world: World, number: int) -> Head:
    async with world.sessions() as session:
        head = await history.head(session, number)
    assert head is not None
    return head


async def tamper(world: World, sql: str, **values: object) -> None:
    """As someone would who has the database's password."""
    await world.writer.run(lambda s: s.execute(text(sql), values))


async def test_an_untouched_history_holds(world: World) -> None:
    number = await a_history(world)
    head = await head_of(world, number)
    assert head.n == LENGTH
    assert await breaks(world, number, head) == []


@pytest.mark.parametrize(
    "change",
    [
        "at = '2026-11-21 11:00:00.000000+00'",
        "author_id = (SELECT MAX(id) FROM employees)",
        "action = 'nothing'",
        """data = '{"n": 7}'""",
        """personal = '{"phone": "+70000000000"}'""",
        "personal_hash = 'ff'",
        "previous_hash = 'ff'",
        "hash = 'ff'",
    ],
)
async def test_any_change_of_any_entry_is_found(
    world: World, database_url: str, change: str
) -> None:
    await world.hire("Хакер")
    number = await a_history(world)
    if not database_url.startswith("postgresql"):
        change = change.replace("+00'", "'")
    n = random.randrange(1, LENGTH + 1)
    await tamper(world, f"UPDATE history SET {change} WHERE n = :n", n=n)
    found = await breaks(world, number)
    assert n in {where for where, _ in found}


async def test_an_entry_taken_out_put_in_or_moved_is_found(world: World) -> None:
    number = await a_history(world)
    await tamper(world, "DELETE FROM history WHERE n = 3")
    assert await breaks(world, number) == [
        (4, "an entry before this one is missing"),
        (4, "it does not follow from the entry before"),
    ]


async def test_a_cut_off_end_is_found_by_the_head_kept_elsewhere(world: World) -> None:
    number = await a_history(world)
    head = await head_of(world, number)
    await tamper(world, "DELETE FROM history WHERE n > 4")
    assert await breaks(world, number) == []
    assert await breaks(world, number, head) == [
        (LENGTH, "the entry noted as the head is gone or another")
    ]
    await tamper(world, "DELETE FROM history")
    assert (1, "the history is empty") in await breaks(world, number)


async def test_a_chain_forged_anew_is_found_by_the_head_kept_elsewhere(world: World) -> None:
    number = await a_history(world)
    head = await head_of(world, number)
    await tamper(world, "DELETE FROM history WHERE n >= 4")
    forged = [noted(world.now, n) for n in range(3)]
    await world.writer.run(lambda s: history.append(s, number, *forged))
    assert await breaks(world, number) == []
    assert await breaks(world, number, head) != []


async def test_an_older_head_still_holds_when_the_history_has_grown(world: World) -> None:
    number = await a_history(world)
    head = await head_of(world, number)
    more = noted(world.now)
    await world.writer.run(lambda s: history.append(s, number, more))
    assert await breaks(world, number, head) == []


async def test_personal_data_can_be_erased_and_the_chain_still_holds(world: World) -> None:
    number = await a_history(world)

    async def erase(session: AsyncSession) -> None:
        entry = await session.get_one(HistoryEntry, (number, 2))
        entry.personal = None

    await world.writer.run(erase)
    entry = (await world.history(number))[1]
    assert entry["erased"] is True
    assert "phone" not in entry["data"]


async def test_the_program_itself_refuses_to_rewrite_history(world: World) -> None:
    number = await a_history(world)

    async def edit(session: AsyncSession) -> None:
        entry = await session.get_one(HistoryEntry, (number, 2))
        entry.action = "nothing"

    async def remove(session: AsyncSession) -> None:
        await session.delete(await session.get_one(HistoryEntry, (number, 2)))

    async def edit_all(session: AsyncSession) -> None:
        await session.get_one(HistoryEntry, (number, 2))
        await session.execute(update(HistoryEntry).values(action="nothing"))

    async def remove_all(session: AsyncSession) -> None:
        await session.get_one(HistoryEntry, (number, 2))
        await session.execute(delete(HistoryEntry).where(HistoryEntry.n == 2))

    for attempt in (edit, remove, edit_all, remove_all):
        with pytest.raises(WrittenOnce):
            await world.writer.run(attempt)
    assert await breaks(world, number) == []


async def test_writers_beside_each_other_make_one_chain(world: World, engine: AsyncEngine) -> None:
    await world.pressed()
    (appeal,) = await world.appeals()

    async def note(session: AsyncSession) -> None:
        await history.append(session, appeal.number, noted(world.now))

    async with Writer(engine, max_batch=1) as one, Writer(engine, max_batch=1) as two:
        await asyncio.gather(*(writer.run(note) for writer in (one, two) * 10))

    async with world.sessions() as session:
        numbers = list(await session.scalars(select(HistoryEntry.n).order_by(HistoryEntry.n)))
    assert numbers == list(range(1, 22))
    assert await breaks(world, appeal.number) == []
