"""The outbox's one promise: messages become visible in the order of their seq, without gaps."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from store import outbox
from store.engine import create_engine
from store.errors import CommitFailed
from store.writer import Writer
from tests.store.samples import NOON, add, message, say
from tests.waiting import until

Sessions = async_sessionmaker[AsyncSession]


async def test_messages_come_back_as_they_were_said(writer: Writer, sessions: Sessions) -> None:
    said = outbox.Message(
        type="appeal.opened", at=NOON, audience={"roles": ["admin"]}, data={"имя": "Ёлкина", "n": 1}
    )

    async def work(session: AsyncSession) -> None:
        outbox.emit(session, said)

    await writer.run(work)
    async with sessions() as session:
        (heard,) = await outbox.read_after(session, 0)
    assert (heard.type, heard.at, heard.audience, heard.data) == (
        said.type,
        said.at,
        said.audience,
        said.data,
    )
    assert heard.seq == 1


async def test_reading_goes_on_where_it_stopped(writer: Writer, sessions: Sessions) -> None:
    for name in "abcde":
        await writer.run(add(name))
    async with sessions() as session:
        assert [m.seq for m in await outbox.read_after(session, 2, limit=2)] == [3, 4]
        assert await outbox.read_after(session, 5) == []
        assert await outbox.last_seq(session) == 5


async def test_the_second_transaction_gets_no_number_before_the_first_is_visible(
    database_url: str, sessions: Sessions
) -> None:
    """Two slow transactions of two processes: the first has its seq, and takes its time to commit."""
    first = create_engine(database_url).execution_options(press3_write=True)
    second = create_engine(database_url).execution_options(press3_write=True)
    async with AsyncSession(first) as one:
        assert await outbox.assign(one, [message("one")]) == 1

        async def other() -> int | None:
            async with AsyncSession(second) as two, two.begin():
                return await outbox.assign(two, [message("two")])

        waits = asyncio.create_task(other())
        _, pending = await asyncio.wait({waits}, timeout=0.3)
        assert pending, "the second got a number while the first was not committed"
        assert await say(sessions) == []
        await one.commit()
    assert await waits == 2
    assert await say(sessions) == [(1, "one"), (2, "two")]
    await first.dispose()
    await second.dispose()


async def test_a_number_taken_and_rolled_back_leaves_no_gap(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    async with AsyncSession(engine.execution_options(press3_write=True)) as session:
        assert await outbox.assign(session, [message("lost")]) == 1
        await session.rollback()
    async with Writer(engine) as writer:
        await writer.run(add("kept"))
    assert await say(sessions) == [(1, "kept")]


async def test_a_reader_never_sees_a_later_message_before_an_earlier_one(
    database_url: str, sessions: Sessions
) -> None:
    """Two processes write, with work of uneven length; a reader that only moves on misses nothing."""
    count = 60
    heard: list[tuple[int, str]] = []

    async def process(name: str, pauses: int) -> None:
        engine = create_engine(database_url)

        async def one(i: int) -> None:
            async def work(session: AsyncSession) -> None:
                outbox.emit(session, message(f"{name}{i}"))
                for _ in range((i * pauses) % 7):
                    await outbox.last_seq(session)  # time spent after the message was said

            await writer.run(work)

        async with Writer(engine, max_batch=3) as writer:
            await asyncio.gather(*(one(i) for i in range(count)))
        await engine.dispose()

    async def read() -> bool:
        heard.extend(await say(sessions, heard[-1][0] if heard else 0))
        return len(heard) == 2 * count

    writing = asyncio.gather(process("a", 3), process("b", 5))
    await until(read, deadline_s=30, what="all messages of both processes")
    await writing
    assert [seq for seq, _ in heard] == list(range(1, 2 * count + 1))
    assert len({text for _, text in heard}) == 2 * count


async def test_a_database_without_the_counter_says_what_to_do(
    engine: AsyncEngine, writer: Writer
) -> None:
    async with engine.begin() as connection:
        await connection.execute(delete(outbox.OutboxCounter))
    with pytest.raises(CommitFailed, match="press3 migrate"):
        await writer.run(add("a"))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_another_program_that_holds_the_file_is_waited_for(
    database_url: str, writer: Writer, sessions: Sessions
) -> None:
    other = create_engine(database_url).execution_options(press3_write=True)
    async with other.connect() as connection:
        await connection.execute(update(outbox.OutboxCounter).values(last_seq=10))
        waits = asyncio.create_task(writer.run(add("a")))
        _, pending = await asyncio.wait({waits}, timeout=0.2)
        assert pending
        await connection.commit()
    await waits
    assert await say(sessions) == [(11, "a")]
    await other.dispose()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_every_connection_commits_durably(engine: AsyncEngine, tmp_path: Path) -> None:
    async with engine.connect() as connection:
        asked = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        found = [
            (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one() for name in asked
        ]
    assert found == ["wal", 2, 1, 10000]


async def test_only_the_two_databases_are_served() -> None:
    with pytest.raises(ValueError, match="mysql"):
        create_engine("mysql+aiomysql://localhost/press3")
