"""A database as it is after a year, made quickly: some calls go through the product, SQL copies them.

Every row has the shape that the product gave it; the copies differ in id, time and caller. One call in
ten pressed 3, half were answered, each rang one or two telephones; of the appeals 97 in 100 are settled.
"""

import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Column, Integer, Table
from sqlalchemy.ext.asyncio import AsyncSession

from appeals.intake.presses import IntakeSettings
from calls.facts import (
    CallArrived,
    CallEnded,
    ComplaintRequested,
    Fact,
    OperatorAnswered,
    OperatorRang,
    OperatorStoppedRinging,
    Party,
    QueueEntered,
    QueueLeft,
    RecordingStarted,
)
from calls.model import hour_n
from calls.story import CallChange, CallStory, fold
from press3 import schema
from press3.database import Database
from press3.telephony_parts import change_handlers
from store.base import UtcDateTime
from store.search import folded

__all__ = ["MODELS", "NAMES", "copy", "models", "number_of"]

MODELS = 2000  # calls that go through the product
NAMES = ("Иван Петров", "Мария Иванова", "Ольга Ёлкина", "ООО Ромашка", "John Smith", "Пётр Й")
_YEAR = timedelta(days=365)
_PRESSED_EVERY = 10
_CALLERS = 1200
_TOP = 100_000  # more than the product numbered of anything
_TABLES = [
    "customers",
    "customer_phones",
    "calls",
    "legs",
    "facts",
    "appeals",
    "appeal_calls",
    "stage_visits",
    "history",
    "recordings",
    "pops",
]
_TEXT_IDS = frozenset(
    [
        "uniqueid",
        "press_uniqueid",
        "press_key",
        "spool_key",
        "remote_path",
        "pop_id",
        "answered_leg",
    ]
)
_TELEPHONES = frozenset({"from_raw", "from_e164", "caller_raw", "caller_e164"})
_APPEALS = frozenset({"number", "appeal_number"})
_SETTLED = """
UPDATE recordings SET state = 'converted', next_try_at = NULL, duration_s = 61.5, error = NULL;
UPDATE appeals SET phase = 'responded', resolved_at = opened_at, taken_at = opened_at,
  stage = (SELECT code FROM stages WHERE phase = 'responded') WHERE number % 33;
INSERT INTO deadline_notices SELECT number, deadline_at, level.value, deadline_at
  FROM appeals, json_each('["due_soon", "overdue"]') AS level WHERE deadline_at IS NOT NULL;
DELETE FROM unseen_watches;
UPDATE pops SET ringing = '[]';
"""


def number_of(caller: int) -> str:
    """Return the E.164 number of the caller `caller` (0 …)."""
    return f"+7916{caller:07d}"


# -- the models ---------------------------------------------------------------------------------------


async def models(database: Database, *, copies: int) -> None:
    """Let MODELS calls happen, spread over the newest `1/copies` of the year."""
    handlers = change_handlers(IntakeSettings(departments={}))
    chance = random.Random(3)
    now = database.now()
    step = _YEAR / copies / MODELS

    async def write(session: AsyncSession, calls: range) -> None:
        for n in calls:
            change = _change(tuple(_facts(n, now - (n + 2) * step, chance)))
            for handler in handlers:
                await handler(session, change, now=now)

    for first in range(0, MODELS, 100):
        await database.writer.run(lambda session, n=first: write(session, range(n, n + 100)))


def _change(facts: tuple[Fact, ...]) -> CallChange:
    story: CallStory | None = None
    for fact in facts:
        story = fold(story, fact)
    assert story is not None
    return CallChange(before=None, story=story, facts=facts)


def _facts(n: int, at: datetime, chance: random.Random) -> Iterator[Fact]:
    call, uniqueid = f"main-{n}", f"{int(at.timestamp())}.{n}"
    caller = number_of(chance.randrange(_CALLERS))
    who = Party(raw=caller, e164=caller, name=chance.choice(NAMES), kind="public")
    to = Party(raw="74951234567", e164="+74951234567", name=None, kind="public")
    yield CallArrived(
        call=call, at=at, pbx="main", uniqueid=uniqueid, linkedid=uniqueid, direction="in",
        caller=who, to=to,
    )  # fmt: skip
    if n % _PRESSED_EVERY == 0:
        key = f"press3/{at:%Y%m%d%H%M}/{uniqueid}-1"
        at += timedelta(seconds=2)
        yield ComplaintRequested(
            call=call, at=at, uniqueid=uniqueid, key=key, evidence="verified", menu="main",
            queue="press3",
        )  # fmt: skip
        yield RecordingStarted(call=call, at=at, path=f"/r/{uniqueid}.wav", uniqueid=uniqueid)
    yield QueueEntered(call=call, at=at, queue="press3")
    legs = [str(extension) for extension in chance.sample(range(201, 221), 1 + n % 2)]
    at += timedelta(seconds=3)
    for leg in legs:
        yield OperatorRang(call=call, at=at, leg=f"{uniqueid}-{leg}", extension=leg, round=1)
    at += timedelta(seconds=chance.randrange(2, 40))
    is_answered = chance.random() < 0.5
    for leg in legs:
        reason = "abandoned" if not is_answered else "answered" if leg == legs[0] else "elsewhere"
        yield OperatorStoppedRinging(
            call=call, at=at, leg=f"{uniqueid}-{leg}", extension=leg, reason=reason
        )
    if is_answered:
        leg = f"{uniqueid}-{legs[0]}"
        yield OperatorAnswered(call=call, at=at, leg=leg, extension=legs[0])
    left = "answered" if is_answered else "abandoned"
    yield QueueLeft(call=call, at=at, queue="press3", reason=left)
    at += timedelta(seconds=chance.randrange(1, 300) if is_answered else 0)
    yield CallEnded(call=call, at=at, outcome="answered" if is_answered else "abandoned")


# -- the copies ---------------------------------------------------------------------------------------


def copy(database: Path, copies: int) -> None:
    """Copy the models `copies - 1` times into the past; settle what would otherwise be worked on."""
    tables = [schema.metadata.tables[name] for name in _TABLES]
    step_s = _YEAR.total_seconds() / copies
    with sqlite3.connect(database) as connection:
        connection.executescript("PRAGMA synchronous = OFF; PRAGMA cache_size = -500000;")
        for table in tables:
            connection.execute(f"CREATE TEMP TABLE model_{table} AS SELECT * FROM {table}")
        statements = [_insert(table) for table in tables]
        for n in range(1, copies):
            for statement in statements:
                connection.execute(statement, {"n": n, "step_s": step_s})
        _index(connection)
        connection.executescript(_SETTLED)


def _index(connection: sqlite3.Connection) -> None:
    """Make what the copies are searched by, in the order of their times."""
    connection.executescript("DELETE FROM call_texts; DELETE FROM appeal_texts;")
    of_calls = connection.execute(
        "SELECT id, started_at, from_name, from_raw, from_e164, to_raw, to_e164 FROM calls"
        " ORDER BY started_at"
    )
    numbers: Counter[int] = Counter()
    rows = ((key, _n(began, numbers), folded(*fields)) for key, began, *fields in of_calls)
    connection.executemany("INSERT INTO call_texts (call_id, n, text) VALUES (?, ?, ?)", rows)
    of_appeals = connection.execute(
        "SELECT number, caller_name, gist, caller_raw, caller_e164 FROM appeals ORDER BY number"
    )
    texts = ((number, folded(*fields)) for number, *fields in of_appeals)
    connection.executemany("INSERT INTO appeal_texts (number, text) VALUES (?, ?)", texts)


def _n(began: str, numbers: Counter[int]) -> int:
    hour = hour_n(datetime.fromisoformat(began).replace(tzinfo=UTC))
    numbers[hour] += 1
    return hour + numbers[hour]


def _insert(table: Table) -> str:
    columns = ", ".join(column.name for column in table.columns)
    values = ", ".join(_copied(column) for column in table.columns)
    return f"INSERT INTO {table} ({columns}) SELECT {values} FROM temp.model_{table}"


def _copied(column: Column[object]) -> str:
    """Return the value of `column` in copy `:n`, as SQL."""
    name, of_customers = column.name, column.table.name == "customers"
    if isinstance(column.type, UtcDateTime):
        back = "'-' || (:n * :step_s) || ' seconds'"
        return f"strftime('%Y-%m-%d %H:%M:%f', {name}, {back}) || '000'"
    if name in _TELEPHONES or (name == "number" and column.table.name == "customer_phones"):
        return f"'+' || (CAST(substr({name}, 2) AS INTEGER) + :n * {_CALLERS})"
    if name in _APPEALS or name == "customer_id" or (name == "id" and of_customers):
        return f"{name} + :n * {_TOP}"
    if name in _TEXT_IDS or name == "call_id" or (name == "id" and column.table.name == "calls"):
        return f"{name} || 'c' || :n"
    if name == "id" and isinstance(column.type, Integer):
        return "NULL"
    return name
