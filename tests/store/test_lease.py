"""One process at a time serves a PBX, and the one that was replaced commits nothing more."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from store import lease
from store.engine import create_engine
from store.errors import LeaseLost
from store.lease import Lease, LeaseTimes
from store.processes import Process
from store.writer import Writer
from tests.store.samples import add, names
from tests.waiting import until

pytestmark = pytest.mark.timing

Sessions = async_sessionmaker[AsyncSession]

QUICK = LeaseTimes(renew_every_s=0.05, expire_after_s=0.5, ask_every_s=0.02)
LONG = replace(QUICK, expire_after_s=600)
HERE = Process("boot-1", 100, 5)
THERE = Process("boot-2", 100, 5)


def unseen(process: Process) -> bool | None:
    return None


@pytest.fixture
async def other_writer(database_url: str) -> AsyncIterator[Writer]:
    """The writer of a second process."""
    engine = create_engine(database_url)
    async with Writer(engine) as writer:
        yield writer
    await engine.dispose()


def a_lease(
    writer: Writer,
    me: Process,
    times: LeaseTimes = LONG,
    is_alive: Callable[[Process], bool | None] = unseen,
) -> Lease:
    return Lease(writer, "main", me=me, is_alive=is_alive, times=times)


def under(fence: int) -> Callable[[AsyncSession], object]:
    async def work(session: AsyncSession) -> None:
        await lease.check(session, "main", fence)
        await add(f"written under {fence}")(session)

    return work


async def test_the_first_gets_the_lease_and_the_second_does_not(
    writer: Writer, other_writer: Writer
) -> None:
    assert await a_lease(writer, HERE).try_acquire() == 1
    assert await a_lease(other_writer, THERE).try_acquire() is None


async def test_two_that_begin_at_the_same_moment(writer: Writer, other_writer: Writer) -> None:
    got = await asyncio.gather(
        a_lease(writer, HERE).try_acquire(), a_lease(other_writer, THERE).try_acquire()
    )
    assert sorted(fence or 0 for fence in got) == [0, 1]


async def test_two_pbxs_are_two_leases(writer: Writer, other_writer: Writer) -> None:
    assert await Lease(writer, "main", me=HERE).try_acquire() == 1
    assert await Lease(other_writer, "branch", me=THERE).try_acquire() == 1


async def test_a_holder_that_renews_keeps_it(writer: Writer, other_writer: Writer) -> None:
    holder = a_lease(writer, HERE, QUICK)
    await holder.acquire()
    keeping = asyncio.create_task(holder.keep())
    try:
        waiting = asyncio.create_task(a_lease(other_writer, THERE, QUICK).acquire())
        done, _ = await asyncio.wait({waiting, keeping}, timeout=3 * QUICK.expire_after_s)
        assert not done
    finally:
        waiting.cancel()
        keeping.cancel()


async def test_one_that_fell_silent_is_replaced_and_fenced_off(
    writer: Writer, other_writer: Writer, sessions: Sessions
) -> None:
    silent = a_lease(writer, HERE, QUICK)
    old = await silent.acquire()
    new = await a_lease(other_writer, THERE, QUICK).acquire()
    assert new == old + 1
    with pytest.raises(LeaseLost):
        await writer.run(under(old))  # type: ignore[arg-type]
    await other_writer.run(under(new))  # type: ignore[arg-type]
    assert await names(sessions) == [f"written under {new}"]
    with pytest.raises(LeaseLost):
        await silent.keep()


async def test_a_dead_holder_of_this_host_is_replaced_at_once(
    writer: Writer, other_writer: Writer
) -> None:
    await a_lease(writer, HERE).acquire()

    def dead(process: Process) -> bool | None:
        assert process == HERE
        return False

    successor = a_lease(other_writer, replace(HERE, pid=101), is_alive=dead)
    assert await successor.try_acquire() == 2


@pytest.mark.parametrize("alive", [True, None], ids=["alive", "on another host"])
async def test_a_holder_not_known_to_be_dead_is_waited_for(
    writer: Writer, other_writer: Writer, alive: bool | None
) -> None:
    await a_lease(writer, HERE).acquire()
    assert await a_lease(other_writer, THERE, is_alive=lambda _: alive).try_acquire() is None


async def test_a_lease_given_back_is_free_at_once(writer: Writer, other_writer: Writer) -> None:
    holder = a_lease(writer, HERE)
    await holder.acquire()
    await holder.release()
    assert holder.fence is None
    assert await a_lease(other_writer, THERE).try_acquire() == 2
    await holder.release()


async def test_giving_back_late_does_not_harm_the_successor(
    writer: Writer, other_writer: Writer, sessions: Sessions
) -> None:
    late = a_lease(writer, HERE, QUICK)
    await late.acquire()
    fence = await a_lease(other_writer, THERE, LONG).acquire()
    await late.release()
    assert await a_lease(writer, replace(HERE, pid=7)).try_acquire() is None
    await other_writer.run(under(fence))  # type: ignore[arg-type]


async def test_check_without_any_lease_refuses(writer: Writer) -> None:
    with pytest.raises(LeaseLost):
        await writer.run(under(1))  # type: ignore[arg-type]


async def test_nobody_is_replaced_between_his_check_and_his_commit(
    writer: Writer, other_writer: Writer, sessions: Sessions
) -> None:
    fence = await a_lease(writer, HERE, QUICK).acquire()
    checked, go_on = asyncio.Event(), asyncio.Event()

    async def slow(session: AsyncSession) -> None:
        await lease.check(session, "main", fence)
        checked.set()
        await go_on.wait()
        await add("slow but sure")(session)

    writing = asyncio.create_task(writer.run(slow))
    await checked.wait()
    taking = asyncio.create_task(a_lease(other_writer, THERE, QUICK).acquire())
    done, _ = await asyncio.wait({taking}, timeout=2 * QUICK.expire_after_s)
    assert not done, "replaced in the middle of a transaction"
    go_on.set()
    await writing
    assert await taking == fence + 1
    assert await names(sessions) == ["slow but sure"]


async def test_trouble_with_the_database_does_not_end_the_lease(
    engine: AsyncEngine, writer: Writer
) -> None:
    holder = a_lease(writer, HERE, QUICK)
    await holder.acquire()
    async with engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE leases RENAME TO away")
    keeping = asyncio.create_task(holder.keep())
    done, _ = await asyncio.wait({keeping}, timeout=4 * QUICK.renew_every_s)
    assert not done
    async with engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE away RENAME TO leases")
        await connection.exec_driver_sql("UPDATE leases SET fence = 9")

    await until(keeping.done, what="the next renewal sees the new holder")
    with pytest.raises(LeaseLost):
        await keeping


async def test_who_waits_for_the_lease_outlives_trouble_with_the_database(
    engine: AsyncEngine, writer: Writer
) -> None:
    async with engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE leases RENAME TO away")
    waiting = a_lease(writer, HERE, QUICK)
    acquiring = asyncio.create_task(waiting.acquire())
    await until(lambda: waiting.trouble, what="the trouble is told")
    async with engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE away RENAME TO leases")
    assert await acquiring == 1
    assert waiting.trouble == ""


async def test_a_lease_whose_commit_was_told_to_have_failed_is_ours_all_the_same(
    writer: Writer,
) -> None:
    assert await a_lease(writer, HERE).try_acquire() == 1
    assert await a_lease(writer, HERE).try_acquire() == 2  # not: wait for ourselves


async def test_a_holder_gone_silent_is_replaced_though_the_clock_was_set_back(
    writer: Writer, other_writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await a_lease(writer, HERE, QUICK).acquire()
    right = lease.database_time

    async def an_hour_ago(session: AsyncSession) -> datetime:
        return await right(session) - timedelta(hours=1)

    monkeypatch.setattr(lease, "database_time", an_hour_ago)
    waiting = a_lease(other_writer, THERE, QUICK)
    async with asyncio.timeout(20 * QUICK.expire_after_s):
        assert await waiting.acquire() == 2


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.postgres
async def test_a_dead_holder_s_open_transaction_is_waited_for_but_is_no_other_process(
    engine: AsyncEngine, writer: Writer
) -> None:
    await a_lease(writer, HERE).acquire()
    waiting = a_lease(writer, THERE, is_alive=lambda _: False)
    async with engine.connect() as connection:
        await connection.exec_driver_sql("SELECT * FROM leases FOR SHARE")
        assert await waiting.try_acquire() is None
        assert not waiting.held_by_another
    assert await waiting.try_acquire() == 2


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.postgres
async def test_who_froze_in_mid_transaction_is_let_go_before_a_lease_runs_out(
    writer: Writer, other_writer: Writer
) -> None:
    fence = await a_lease(writer, HERE, QUICK).acquire()
    frozen, checked = asyncio.Event(), asyncio.Event()

    async def freezes(session: AsyncSession) -> None:
        await lease.check(session, "main", fence)
        checked.set()
        await frozen.wait()

    writing = asyncio.create_task(writer.run(freezes))
    await checked.wait()
    try:
        async with asyncio.timeout(LeaseTimes().expire_after_s):
            assert await a_lease(other_writer, THERE, QUICK).acquire() == fence + 1
    finally:
        frozen.set()
    with pytest.raises(LeaseLost):  # it began again, and was refused
        await writing
