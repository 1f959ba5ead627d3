"""The journal gives back, in order, what a tracker needs to know about the calls that are open."""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from store import journal
from store.journal import JournalEntry
from store.writer import Writer
from tests.store.samples import NOON

Sessions = async_sessionmaker[AsyncSession]


def event(
    n: int, *, pbx: str = "main", at: datetime | None = None, call: str | None = None
) -> JournalEntry:
    at = at or NOON + timedelta(seconds=n)
    return JournalEntry(
        pbx=pbx, at=at, call_id=call, raw=f"Event: E{n}\r\nИмя: Ёлка\r\n\r\n".encode()
    )


async def keep(writer: Writer, *rows: JournalEntry) -> None:
    await writer.run(lambda session: journal.append(session, rows))


async def read(sessions: Sessions, since: datetime, pbx: str = "main") -> list[JournalEntry]:
    async with sessions() as session:
        return list(await journal.read_open(session, pbx, since))


async def test_events_come_back_byte_for_byte_in_order(writer: Writer, sessions: Sessions) -> None:
    rows = [event(n, call="main-1.1" if n % 2 else None) for n in range(600)]
    await keep(writer, *rows[:250])
    await keep(writer, *rows[250:])
    assert await read(sessions, NOON) == rows


async def test_reading_begins_with_the_earliest_open_call(
    writer: Writer, sessions: Sessions
) -> None:
    rows = [event(n) for n in range(10)]
    await keep(writer, *rows)
    assert await read(sessions, NOON + timedelta(seconds=4)) == rows[4:]
    assert await read(sessions, NOON + timedelta(hours=1)) == []


async def test_an_event_stamped_late_or_early_keeps_its_place(
    writer: Writer, sessions: Sessions
) -> None:
    # The PBX's clock was set back between two events: order of arrival is what happened.
    rows = [event(0), event(1, at=NOON - timedelta(seconds=30)), event(2)]
    await keep(writer, *rows)
    assert await read(sessions, NOON) == rows


async def test_another_pbx_is_another_journal(writer: Writer, sessions: Sessions) -> None:
    here, there = event(1), event(1, pbx="branch")
    await keep(writer, here, there)
    assert await read(sessions, NOON) == [here]
    assert await read(sessions, NOON, "branch") == [there]


async def test_nothing_to_append_is_no_error(writer: Writer, sessions: Sessions) -> None:
    await keep(writer)
    assert await read(sessions, NOON) == []


async def test_pruning_goes_in_steps_and_spares_open_calls(
    writer: Writer, sessions: Sessions
) -> None:
    rows = [event(n) for n in range(10)]
    await keep(writer, *rows)
    before, open_since = NOON + timedelta(seconds=8), NOON + timedelta(seconds=5)
    gone = [
        await writer.run(
            lambda session: journal.prune(session, before, open_since=open_since, limit=3)
        )
        for _ in range(3)
    ]
    assert gone == [3, 2, 0]
    assert await read(sessions, NOON) == rows[5:]
    assert await writer.run(lambda session: journal.prune(session, before)) == 3
    assert await read(sessions, NOON) == rows[8:]
