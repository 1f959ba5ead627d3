"""Group commit: what it promises to who waits, to who failed, and when things break."""

import asyncio
import gc
import weakref
from typing import Any

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from people.model import Department
from store import outbox
from store.errors import CommitFailed, WriterBusy, WriterClosed
from store.writer import Work, Writer
from tests.store.samples import add, message, names, say
from tests.waiting import patience

Sessions = async_sessionmaker[AsyncSession]


async def test_work_is_committed_when_run_returns(writer: Writer, sessions: Sessions) -> None:
    assert await writer.run(add("a")) == "a"
    assert await names(sessions) == ["a"]
    assert await say(sessions) == [(1, "a")]


async def test_those_who_wait_together_share_a_commit(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    commits: list[int] = []
    async with Writer(engine, on_commit=commits.append) as writer:
        await asyncio.gather(*(writer.run(add(f"d{i}")) for i in range(50)))
    assert len(await names(sessions)) == 50
    assert commits == [50]


async def test_work_that_fails_is_rolled_back_alone_and_says_nothing(
    writer: Writer, sessions: Sessions
) -> None:
    async def failing(session: AsyncSession) -> None:
        await add("lost")(session)
        raise LookupError("no such thing")

    results = await asyncio.gather(
        writer.run(add("before")),
        writer.run(failing),
        writer.run(add("after")),
        return_exceptions=True,
    )
    assert [type(r) for r in results] == [str, LookupError, str]
    assert await names(sessions) == ["before", "after"]
    assert await say(sessions) == [(1, "before"), (2, "after")]


async def test_work_that_fails_before_it_asked_the_database_anything(
    writer: Writer, sessions: Sessions
) -> None:
    async def refuses(session: AsyncSession) -> None:
        raise LookupError("no such thing")

    with pytest.raises(LookupError):
        await writer.run(refuses)
    results = await asyncio.gather(
        writer.run(refuses), writer.run(add("a")), return_exceptions=True
    )
    assert [type(r) for r in results] == [LookupError, str]
    assert await names(sessions) == ["a"]


@pytest.mark.parametrize("fault", ["raises at the call", "gives nothing to wait for"])
async def test_work_that_is_no_coroutine_fails_alone(
    writer: Writer, sessions: Sessions, fault: str
) -> None:
    def plain(session: AsyncSession) -> Any:
        if fault == "raises at the call":
            raise LookupError("no such thing")

    results = await asyncio.gather(
        writer.run(add("a")), writer.run(plain), writer.run(add("b")), return_exceptions=True
    )
    wanted = LookupError if fault == "raises at the call" else TypeError
    assert [type(r) for r in results] == [str, wanted, str]
    with pytest.raises(wanted):  # alone in its batch too
        await writer.run(plain)
    await writer.run(add("c"))
    assert await names(sessions) == ["a", "b", "c"]


@pytest.mark.parametrize("together", [1, 3])
async def test_no_session_outlives_its_batch_until_the_collector_looks(
    writer: Writer, together: int
) -> None:
    seen: list[weakref.ref[Any]] = []

    async def work(session: AsyncSession) -> None:
        seen.extend((weakref.ref(session), weakref.ref(session.sync_session)))
        await add(f"d{len(seen)}")(session)
        await session.scalar(select(Department.id))

    gc.disable()
    try:
        await asyncio.gather(*(writer.run(work) for _ in range(together)))
        await writer.run(add("next"))  # the writer itself may hold the batch before
        alive = [ref() for ref in seen if ref() is not None]
    finally:
        gc.enable()
    assert len(seen) == 2 * together
    assert alive == []


async def test_a_broken_constraint_is_the_failure_of_its_work_only(
    writer: Writer, sessions: Sessions
) -> None:
    results = await asyncio.gather(
        *(writer.run(add(name)) for name in ("same", "same", "other")), return_exceptions=True
    )
    assert isinstance(results[1], IntegrityError)
    assert await names(sessions) == ["same", "other"]
    assert await say(sessions) == [(1, "same"), (2, "other")]


async def test_what_is_flushed_only_at_the_end_fails_alone_too(
    writer: Writer, sessions: Sessions
) -> None:
    async def unflushed(session: AsyncSession) -> None:
        session.add(Department(name="a"))

    results = await asyncio.gather(
        writer.run(add("a")), writer.run(unflushed), writer.run(add("b")), return_exceptions=True
    )
    assert isinstance(results[1], IntegrityError)
    assert await names(sessions) == ["a", "b"]


async def test_work_that_swallows_a_database_error_stays_whole(
    writer: Writer, sessions: Sessions
) -> None:
    async def tolerant(session: AsyncSession) -> None:
        mark = outbox.mark(session)
        try:
            async with session.begin_nested():
                await add("a")(session)
        except IntegrityError:
            outbox.rewind(session, mark)
            await add("instead")(session)

    await writer.run(add("a"))
    await writer.run(tolerant)
    assert await say(sessions) == [(1, "a"), (2, "instead")]


@pytest.mark.parametrize("way", ["commit", "rollback", "begin"])
async def test_work_may_not_end_the_transaction(
    writer: Writer, sessions: Sessions, way: str
) -> None:
    async def rude(session: AsyncSession) -> None:
        await add("lost")(session)
        await getattr(session, way)()

    results = await asyncio.gather(
        writer.run(add("a")), writer.run(rude), writer.run(add("b")), return_exceptions=True
    )
    assert [type(r) for r in results] == [str, RuntimeError, str]
    assert await say(sessions) == [(1, "a"), (2, "b")]


async def test_a_transaction_the_database_ended_is_never_taken_for_committed(
    writer: Writer, sessions: Sessions
) -> None:
    # What SQLite does by itself on a full disk: everything so far is gone, and it goes on in silence.
    async def like_a_full_disk(session: AsyncSession) -> None:
        await add("x")(session)
        raw = await (await session.connection()).get_raw_connection()
        assert raw.driver_connection is not None
        await raw.driver_connection.rollback()

    results = await asyncio.gather(
        writer.run(add("a")),
        writer.run(like_a_full_disk),
        writer.run(add("b")),
        return_exceptions=True,
    )
    assert {type(r) for r in results} == {CommitFailed}
    assert await names(sessions) == []
    await writer.run(add("c"))
    assert await say(sessions) == [(1, "c")]


async def test_nothing_is_smuggled_in_after_the_transaction_ended(
    writer: Writer, sessions: Sessions
) -> None:
    # Outside a transaction SQLite takes a SAVEPOINT for a BEGIN, and its RELEASE for a COMMIT.
    async def goes_on(session: AsyncSession) -> None:
        await add("lost")(session)
        raw = await (await session.connection()).get_raw_connection()
        assert raw.driver_connection is not None
        await raw.driver_connection.rollback()
        try:
            async with session.begin_nested():
                await add("smuggled")(session)
        except OperationalError:
            pass

    with pytest.raises(CommitFailed):
        await writer.run(goes_on)
    assert await names(sessions) == []


async def test_a_commit_that_would_commit_nothing_is_an_error(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    async def careless() -> None:
        async with engine.begin() as connection:
            await connection.execute(insert(Department).values(name="lost"))
            raw = await connection.get_raw_connection()
            assert raw.driver_connection is not None
            if connection.dialect.name == "sqlite":
                await raw.driver_connection.rollback()
            else:  # PostgreSQL answers the COMMIT of a failed transaction with a silent ROLLBACK
                with pytest.raises(ProgrammingError):
                    await connection.execute(text("SELECT nonsense"))

    with pytest.raises(OperationalError):
        await careless()
    assert await names(sessions) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_full_disk_fails_the_work_and_the_writer_lives(
    writer: Writer, sessions: Sessions
) -> None:
    async def shrink(session: AsyncSession) -> int:
        pages = (await session.execute(text("PRAGMA page_count"))).scalar_one()
        await session.execute(text(f"PRAGMA max_page_count={pages + 2}"))
        return int(pages)

    async def grow(session: AsyncSession) -> None:
        session.add_all(Department(name=f"{i:04}" + "x" * 4000) for i in range(20))
        await session.flush()

    async def widen(session: AsyncSession) -> None:
        await session.execute(text("PRAGMA max_page_count=1000000"))

    await writer.run(shrink)
    results = await asyncio.gather(
        writer.run(add("small")), writer.run(grow), return_exceptions=True
    )
    assert isinstance(results[1], OperationalError | CommitFailed)
    stored = await names(sessions)
    assert stored == ([] if isinstance(results[0], CommitFailed) else ["small"])
    await writer.run(widen)
    await writer.run(grow)
    assert len(await names(sessions)) == len(stored) + 20


async def test_works_do_not_see_each_others_objects(writer: Writer, sessions: Sessions) -> None:
    async def rename(session: AsyncSession) -> None:
        found = await session.scalars(select(Department).where(Department.name == "a"))
        found.one().name = "b"
        raise LookupError

    async def read(session: AsyncSession) -> str:
        found = await session.scalars(select(Department).where(Department.name.in_(["a", "b"])))
        return found.one().name

    await writer.run(add("a"))
    results = await asyncio.gather(
        writer.run(read), writer.run(rename), writer.run(read), return_exceptions=True
    )
    assert [results[0], results[2]] == ["a", "a"]


async def test_others_have_the_loop_while_a_batch_is_worked_off(writer: Writer) -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other(), name="other")
    await asyncio.gather(*(writer.run(add(f"d{i}")) for i in range(100)))
    task.cancel()
    assert turns >= 100


async def test_who_gives_up_waiting_withdraws_his_work(writer: Writer, sessions: Sessions) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    async def slow(session: AsyncSession) -> None:
        started.set()
        await go_on.wait()

    first = asyncio.create_task(writer.run(slow))
    await started.wait()
    second = asyncio.create_task(writer.run(add("withdrawn")))
    third = asyncio.create_task(writer.run(add("kept")))
    await asyncio.sleep(0)
    second.cancel()
    go_on.set()
    await asyncio.gather(first, third)
    assert await names(sessions) == ["kept"]
    assert second.cancelled()


async def test_work_begun_is_committed_though_its_caller_is_gone(
    writer: Writer, sessions: Sessions
) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    async def slow(session: AsyncSession) -> None:
        await add("begun")(session)
        started.set()
        await go_on.wait()

    caller = asyncio.create_task(writer.run(slow))
    await started.wait()
    caller.cancel()
    go_on.set()
    await writer.run(add("next"))
    assert await names(sessions) == ["begun", "next"]


async def test_something_cancelled_inside_work_does_not_stop_the_writer(
    writer: Writer, sessions: Sessions
) -> None:
    async def waits_for_a_cancelled_task(session: AsyncSession) -> None:
        task = asyncio.create_task(asyncio.Event().wait())
        task.cancel()
        await task

    with pytest.raises(CommitFailed):
        await writer.run(waits_for_a_cancelled_task)
    await writer.run(add("alive"))
    assert await names(sessions) == ["alive"]


async def test_work_that_never_ends_is_cut_off(engine: AsyncEngine, sessions: Sessions) -> None:
    async def endless(session: AsyncSession) -> None:
        await add("x")(session)
        await asyncio.Event().wait()

    async with Writer(engine, batch_limit_s=2) as writer:
        with pytest.raises(CommitFailed):
            await writer.run(endless)
        await writer.run(add("next"))
    assert await names(sessions) == ["next"]


async def test_run_after_close_is_refused(engine: AsyncEngine) -> None:
    writer = Writer(engine)
    with pytest.raises(WriterClosed):
        await writer.run(add("too early"))
    async with writer:
        pass
    with pytest.raises(WriterClosed):
        await writer.run(add("too late"))
    await writer.close()


async def test_closing_finishes_what_waits(engine: AsyncEngine, sessions: Sessions) -> None:
    async with Writer(engine, max_batch=3) as writer:
        waiting = [asyncio.create_task(writer.run(add(f"d{i}"))) for i in range(10)]
        await asyncio.sleep(0)
    assert await asyncio.gather(*waiting) == [f"d{i}" for i in range(10)]
    assert len(await names(sessions)) == 10


async def test_closing_has_a_limit_and_nobody_waits_for_ever(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    async def endless(session: AsyncSession) -> None:
        await add("x")(session)
        await asyncio.Event().wait()

    async with Writer(engine, max_batch=1) as writer:
        stuck = asyncio.create_task(writer.run(endless))
        behind = asyncio.create_task(writer.run(add("behind")))
        await asyncio.sleep(0)
        await writer.close(limit_s=0.1)
        results = await asyncio.gather(stuck, behind, return_exceptions=True)
    assert [type(r) for r in results] == [CommitFailed, WriterClosed]
    assert await names(sessions) == []


async def test_too_much_waiting_work_is_refused(engine: AsyncEngine) -> None:
    async with Writer(engine, max_waiting=5) as writer:
        waiting = [asyncio.create_task(writer.run(add(f"d{i}"))) for i in range(8)]
        results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(r) for r in results].count(WriterBusy) == 3


async def test_readers_that_hold_every_connection_do_not_stop_the_writer(
    engine: AsyncEngine, writer: Writer
) -> None:
    await writer.run(add("connected"))
    readers = [await engine.connect() for _ in range(14)]  # all that the pool has left
    try:
        async with patience(5):
            await writer.run(add("written"))
    finally:
        for reader in readers:
            await reader.close()


@pytest.mark.parametrize("moment", range(0, 40, 3))
async def test_killed_in_mid_commit_nothing_told_is_lost_and_nobody_hangs(
    engine: AsyncEngine, sessions: Sessions, moment: int
) -> None:
    told: list[int] = []
    async with Writer(engine, on_commit=told.append, max_batch=4) as writer:
        waiting = [asyncio.create_task(writer.run(add(f"d{i}"))) for i in range(20)]
        for _ in range(moment):
            await asyncio.sleep(0.001)
        assert writer._task is not None
        writer._task.cancel()
        async with patience(10):
            results = await asyncio.gather(*waiting, return_exceptions=True)
    await engine.dispose()
    stored = await names(sessions)
    heard = await say(sessions)
    assert {r for r in results if isinstance(r, str)} <= set(stored)
    assert {type(r) for r in results} <= {str, CommitFailed, WriterClosed}
    assert [text for _, text in heard] == stored  # never a row without its message or the reverse
    assert [seq for seq, _ in heard] == list(range(1, len(heard) + 1))


async def test_who_watches_the_writer_learns_of_its_death(engine: AsyncEngine) -> None:
    class WakeFailed(Exception):
        pass

    def on_commit(seq: int) -> None:
        raise WakeFailed

    async with Writer(engine, on_commit=on_commit) as writer:
        await writer.run(add("stored all the same"))
        with pytest.raises(WakeFailed):
            await writer.ended()
        with pytest.raises(WriterClosed):
            await writer.run(add("too late"))


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_cut_connection_costs_a_retry_not_the_work(
    engine: AsyncEngine, writer: Writer, sessions: Sessions
) -> None:
    await writer.run(add("a"))
    async with sessions() as session:
        await session.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    await writer.run(add("b"))
    assert await say(sessions) == [(1, "a"), (2, "b")]


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_deadlock_of_two_processes_costs_a_retry_not_the_work(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    met = asyncio.Barrier(2)

    def both(mine: str, other: str) -> Work[None]:
        first_time = True

        async def work(session: AsyncSession) -> None:
            nonlocal first_time
            await _touch(session, mine)
            if first_time:
                first_time = False
                await met.wait()
            await _touch(session, other)
            outbox.emit(session, message(mine))

        return work

    async with Writer(engine) as here, Writer(engine) as there:
        await here.run(add("a"))
        await here.run(add("b"))
        await asyncio.gather(here.run(both("a", "b")), there.run(both("b", "a")))
    assert sorted(text for _, text in await say(sessions, after=2)) == ["a", "b"]


async def _touch(session: AsyncSession, name: str) -> None:
    await session.execute(update(Department).where(Department.name == name).values(parent_id=None))
