"""What happens by the clock must not wait for readers."""

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, func, select
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession

from appeals.case import conflicts
from appeals.case.rights import AnsweredBy
from people.model import LoginAttempt, Session, Ticket
from press3 import upkeep
from press3.config.sections import ConflictSettings, ServiceSettings
from press3.config.settings import Settings
from press3.database import open_database
from press3.service import note_conflict_rule
from press3.upkeep import Upkeep
from push import pops
from store import setting_log
from store.journal import JournalRow
from store.outbox import Message, OutboxRow, emit
from tests.appeals.test_upkeep import forget_conflicts, make_customer_of, stored
from tests.appeals.world import World
from web.model import IdempotentReply


@pytest.mark.parametrize("number", ["anonymous", "0000000000", "0", "Private Number", "-"])
async def test_what_older_versions_stored_is_mended_by_the_rules_of_now(
    tmp_path: Path, number: str
) -> None:
    """As the service does it at the start: conflicts are written, strangers without a number unlinked."""
    settings = Settings(service=ServiceSettings(data_dir=tmp_path))
    async with open_database(settings) as database:
        world = World(database.sessions, database.writer)
        anna = await world.hire("Анна", extension="101")
        await world.call(number).press().answer("101").end().stored()
        await make_customer_of(world, number, [1])
        await forget_conflicts(world)

        await Upkeep(database, settings).mend()
        (appeal,) = await world.appeals()
        assert appeal.customer_id is None
        assert await stored(world) == [(1, anna.id, 2)]
        assert (await world.actions(1))[-2:] == ["conflict", "customer_detached"]
        before = await world.history(1)
        await Upkeep(database, settings).mend()  # the next start finds nothing to do
        assert await world.history(1) == before


async def test_a_changed_conflict_rule_is_a_row_of_its_history(tmp_path: Path) -> None:
    async with open_database(Settings(service=ServiceSettings(data_dir=tmp_path))) as database:
        for value in ("notes", "barred", "barred", "none"):
            settings = Settings(conflict=ConflictSettings(answered_by=value))  # type: ignore[arg-type]
            await note_conflict_rule(database, settings)
        async with database.sessions() as session:
            found = await setting_log.changes(session, conflicts.SETTING)
            assert await conflicts.rule(session) is AnsweredBy.NONE
    assert [(each.old, each.new) for each in reversed(found)] == [
        (None, "notes"),
        ("notes", "barred"),
        ("barred", "none"),
    ]


async def test_unseen_pops_are_told_though_no_session_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(service=ServiceSettings(data_dir=tmp_path))
    looked: list[Any] = []

    async def unseen_tick(session: AsyncSession, now: Any) -> int:
        looked.append(now)
        return 0

    def none_is_free() -> AsyncSession:
        raise PoolTimeout("QueuePool limit of size 5 overflow 10 reached")

    monkeypatch.setattr(pops, "unseen_tick", unseen_tick)
    async with open_database(settings) as database:
        starved = replace(database, sessions=none_is_free)
        with pytest.raises(PoolTimeout):
            await Upkeep(starved, settings).tick()
    assert len(looked) == 1


def old_rows(at: datetime, employee: int, count: int) -> list[Any]:
    """`count` rows of each table that is pruned, written at `at`."""
    secret, end = b"0" * 16, {"expires_at": at}
    made: list[Any] = []
    for n in range(count):
        digest = hashlib.sha256(f"{at} {n}".encode()).digest()
        made += (
            Ticket(ticket_hash=digest, employee_id=employee, session_hash=secret, **end),
            Session(token_hash=digest, employee_id=employee, created_at=at, **end),
            LoginAttempt(login="ann", at=at),
            IdempotentReply(
                employee_id=employee, key=f"{at} {n}", request_hash="", status=200, at=at
            ),
            JournalRow(pbx="main", at=at, raw=b""),
        )
    return made


async def test_pruning_is_done_in_pieces_and_leaves_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No piece keeps a press waiting for long, however much there is to delete."""
    settings = Settings(service=ServiceSettings(data_dir=tmp_path))
    monkeypatch.setattr(upkeep, "_PAUSE_S", 0)
    async with open_database(settings) as database:
        world = World(database.sessions, database.writer)
        ann = await world.hire("ann")
        now, tables = database.now(), (Ticket, Session, LoginAttempt, IdempotentReply, JournalRow)

        async def fill(session: AsyncSession) -> None:
            session.add_all(old_rows(now - timedelta(days=40), ann.id, 1_100))
            session.add_all(old_rows(now, ann.id, 2))
            for at, count in ((now - timedelta(days=40), 1_100), (now, 2)):
                for _ in range(count):
                    emit(session, Message(type="test", at=at, audience={}, data={}))

        await database.writer.run(fill)
        pieces: list[int] = []
        engine = database.writer._engine.sync_engine
        event.listen(engine, "after_cursor_execute", lambda *a: pieces.append(a[1].rowcount))
        await Upkeep(database, settings).prune()
        async with database.sessions() as session:
            left = [
                await session.scalar(select(func.count()).select_from(each))
                for each in (*tables, OutboxRow)
            ]
    assert left == [2] * 6
    assert sum(each for each in pieces if each > 0) >= 6 * 1_100
    assert max(pieces) <= 1_000
