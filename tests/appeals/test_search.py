"""Search by a part of a name or number, on both databases: the same as reading everything says."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from alembic import command
from sqlalchemy import delete, select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from appeals.card import read
from appeals.card.read import AppealQuery, CallQuery
from appeals.case.model import AppealText
from calls.facts import CallerNamed, Party
from calls.model import HOUR_N, Call, CallText, hour_n
from people.access.audience import Viewer
from people.model import Role
from store.migrate import _config
from tests.appeals.world import NOON, World

NAMES = [
    None,
    "Иван Петров",
    "ПЁТР Й",
    "Ёлкина Ольга",
    "ООО «Ромашка» 24",
    "O'Neil 100%",
    "a_b \\ c",
    "Ли",
]
GISTS = [None, "Вода с запахом", "Не довезли 3 ящика, заказ 12-345", "ИВАН обещал перезвонить"]
ASKED = [
    "и",
    "Й",
    "ив",
    "ли",
    "8",
    "+7",
    "24",
    "%",
    "_",
    "\\",
    "'",
    '"',
    "* OR",
    "ЁЛК",
    "елкина ол",
    "на ол",
]
ASKED += [
    "иван",
    "ИВАН П",
    "петров иван",
    "вода",
    "ЗАПАХОМ",
    "12-345",
    "ромашка»",
    "100%",
    "щукин",
    "9" * 30,
]


def says(fields: Iterable[str | None], q: str) -> bool:
    """Whether one of `fields` has `q`, by plain reading."""
    digits = "".join(filter(str.isdigit, q))
    asked = [q] + [digits] * (len(digits) >= 3) + [digits[1:]] * (len(digits) == 11)
    for words in [plain(part) for part in asked if plain(part)]:
        for field in (plain(field) for field in fields if field):
            if len(words) > 2 and words in field:
                return True
            if len(words) <= 2 and any(word.startswith(words) for word in field.split()):
                return True
    return False


def plain(part: str) -> str:
    return " ".join(part.casefold().replace("ё", "е").split())


async def some_history(world: World, chance: random.Random) -> None:
    """Calls of more than a year, some in the same moment, some stored late, some pressed, some named later."""
    for _ in range(120):
        world.now = NOON - timedelta(
            days=int(400 * chance.random() ** 3), hours=chance.randrange(3)
        )
        number = chance.choice(["+7916", "8903", "7495", ""]) + f"{chance.randrange(5000):07d}"
        call = world.call(
            number, name=chance.choice(NAMES), to=chance.choice(["88001234567", "24"])
        )
        if chance.random() < 0.5:
            call.press()
        call.ring(chance.choice(["101", "102"]))
        await call.stored()
    world.now = NOON
    for appeal in await world.appeals():
        await world.change(appeal.number, gist=chance.choice(GISTS))


def asked(chance: random.Random, texts: Iterable[str | None]) -> list[str]:
    """The queries of old trouble, and parts of what is there."""
    known = [each for each in texts if each and len(each) > 4]
    parts = []
    for each in chance.choices(known, k=25):
        at = chance.randrange(len(each) - 3)
        parts.append(each[at : at + chance.randrange(1, 8)].swapcase())
    return ASKED + parts


async def pages(
    find: Any, session: AsyncSession, viewer: Viewer, query: Any, **more: Any
) -> list[Any]:
    """All items of a list, page by page."""
    items, cursor = [], None
    while True:
        page = await find(session, viewer, query(limit=7, cursor=cursor, **more))
        items += page.items
        if (cursor := page.next) is None:
            return items


@dataclass(frozen=True)
class Listing:
    """A list that is searched: what names an item, and which of its texts are searched."""

    find: Any
    query: Any
    key: str
    texts: Callable[[Any], list[str | None]]


CALLS = Listing(
    read.list_calls,
    CallQuery,
    "id",
    lambda call: [
        *(call["from"][name] for name in ("name", "raw", "e164")),
        *(call["to"][name] for name in ("raw", "e164")),
    ],
)
APPEALS = Listing(
    read.list_appeals,
    AppealQuery,
    "number",
    lambda case: [case["gist"], *(case["caller"][name] for name in ("name", "raw", "e164"))],
)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("listing", [CALLS, APPEALS], ids=["calls", "appeals"])
async def test_what_is_found_is_found_as_by_reading_all(
    world: World, listing: Listing, seed: int
) -> None:
    chance = random.Random(seed)
    chief = await world.hire("Глава", Role.SUPERVISOR)
    anna = await world.hire("Анна", extension="101")
    await some_history(world, chance)
    async with world.sessions() as session:
        for viewer in (chief, anna):
            everything = await pages(listing.find, session, viewer, listing.query)
            texts = {item[listing.key]: listing.texts(item) for item in everything}
            queries = asked(chance, (each for item in texts.values() for each in item))
            for q in [*queries, "7", "№12", " 33 "]:
                told = await pages(listing.find, session, viewer, listing.query, q=q)
                named = q.strip().lstrip("№# ")  # an appeal is found by its number
                number = int(named) if named.isdigit() else None
                expected = [key for key in texts if says(texts[key], q) or key == number]
                assert [item[listing.key] for item in told] == (
                    expected if q.strip() else list(texts)
                ), q


async def test_a_search_keeps_to_the_other_filters(world: World) -> None:
    chief = await world.hire("Глава", Role.SUPERVISOR)
    days = [0, 1, 3, 40, 200, 500]
    for ago in days:
        world.now = NOON - timedelta(days=ago)
        await world.call(name="Иван").stored()
    async with world.sessions() as session:
        for first in range(len(days)):
            for last in range(first, len(days)):
                found = await pages(
                    read.list_calls,
                    session,
                    chief,
                    CallQuery,
                    q="иван",
                    started_from=NOON - timedelta(days=days[last]),
                    started_to=NOON - timedelta(days=days[first]) + timedelta(seconds=1),
                )
                assert len(found) == last - first + 1


async def test_a_caller_whose_name_is_learned_later_is_found_by_it(world: World) -> None:
    chief = await world.hire("Глава", Role.SUPERVISOR)
    call = await world.call(name=None).stored()
    named = Party(raw="+79161234567", e164="+79161234567", name="Щукин", kind="public")
    call._tell(CallerNamed(call=call.id, at=world.now, caller=named))
    await call.stored()
    async with world.sessions() as session:
        page = await read.list_calls(session, chief, CallQuery(q="щук"))
    assert [item["id"] for item in page.items] == [call.id]


async def test_an_erased_text_is_gone_from_the_index_too(world: World, engine: AsyncEngine) -> None:
    chief = await world.hire("Глава", Role.SUPERVISOR)
    await world.call(name="Щукин").press().stored()

    async def erase(session: AsyncSession) -> None:
        await session.execute(delete(CallText))
        await session.execute(delete(AppealText))

    async def grams() -> int:
        async with world.sessions() as session:
            rows = [
                await session.scalar(text(f"SELECT count(*) FROM {of}_fts('щук')"))
                for of in ("call_texts", "appeal_texts")
            ]
        return sum(rows)

    on_sqlite = engine.dialect.name == "sqlite"
    assert not on_sqlite or await grams() == 2
    await world.writer.run(erase)
    async with world.sessions() as session:
        assert not (await read.list_calls(session, chief, CallQuery(q="щукин"))).items
        assert not (await read.list_appeals(session, chief, AppealQuery(q="щукин"))).items
    assert not on_sqlite or await grams() == 0


async def test_a_database_of_before_is_searched_as_one_of_now(
    world: World, engine: AsyncEngine
) -> None:
    await some_history(world, random.Random(5))
    before = await texts(world)
    async with engine.execution_options(press3_write=True).begin() as connection:
        for go, revision in ((command.downgrade, "0005"), (command.upgrade, "head")):
            await connection.run_sync(lambda sync, go=go, to=revision: go(_config(sync), to))
    assert await texts(world) == before
    chief = await world.hire("Глава", Role.SUPERVISOR)
    world.now = NOON
    new = await world.call(name="Иван Новый").stored()
    async with world.sessions() as session:
        found = await pages(read.list_calls, session, chief, CallQuery, q="иван")
        everything = await pages(read.list_calls, session, chief, CallQuery)
    named = [
        call["id"] for call in everything if call["from"]["name"] in ("Иван Петров", "Иван Новый")
    ]
    assert new.id in named
    assert [call["id"] for call in found] == named


async def texts(world: World) -> list[Any]:
    """What calls and appeals are searched by, and in which hour; each call has a number of its own."""
    async with world.sessions() as session:
        of_calls = (
            await session.execute(
                select(CallText, Call.started_at).join(Call).order_by(CallText.call_id)
            )
        ).all()
        of_appeals = await session.execute(
            select(AppealText.number, AppealText.text).order_by(AppealText.number)
        )
        assert all(row.CallText.n // HOUR_N == hour_n(row.started_at) // HOUR_N for row in of_calls)
        assert len({row.CallText.n for row in of_calls}) == len(of_calls)
        return [(row.CallText.call_id, row.CallText.text) for row in of_calls] + [
            tuple(row) for row in of_appeals
        ]
