"""What every version ever recorded is read as what it is, and encoded it is byte for byte what is stored."""

import json
import lzma
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from appeals.card import view
from appeals.case import history
from appeals.case.entry import Unknown, decode
from appeals.case.model import Appeal, HistoryEntry
from press3 import schema
from press3.features import FEATURES, entry_kinds
from store.engine import create_engine
from tests.appeals.old_histories.make import HERE, VERSIONS

KINDS = entry_kinds()
FROM_NOWHERE = "from_the_future"  # the story records it where it can


@pytest.fixture(params=sorted(VERSIONS))
async def old(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """The database of an old version, brought to the schema of now."""
    database = tmp_path / "old.db"
    database.write_bytes(lzma.decompress((HERE / f"{request.param}.db.xz").read_bytes()))
    url = f"sqlite+aiosqlite:///{database}"
    assert await schema.current(url) == request.param
    await schema.upgrade(url)
    engine = create_engine(url)
    yield async_sessionmaker(engine)
    await engine.dispose()


async def rows_of(old: async_sessionmaker[AsyncSession]) -> list[HistoryEntry]:
    async with old() as session:
        ordered = select(HistoryEntry).order_by(HistoryEntry.appeal_number, HistoryEntry.n)
        return list(await session.scalars(ordered))


async def test_every_chain_holds(old: async_sessionmaker[AsyncSession]) -> None:
    async with old() as session:
        numbers = list(await session.scalars(select(Appeal.number)))
        assert len(numbers) >= 8
        for number in numbers:
            assert await history.verify(session, number) == []


async def test_every_entry_is_of_a_known_kind(old: async_sessionmaker[AsyncSession]) -> None:
    for row in await rows_of(old):
        entry = decode(KINDS, row.action, row.data, row.personal)
        assert isinstance(entry, Unknown) == (row.action == FROM_NOWHERE)


async def test_an_entry_encodes_to_what_is_stored(old: async_sessionmaker[AsyncSession]) -> None:
    """The text of the JSON, with the order of its keys; the hashes of the chain cover its values."""
    for row in await rows_of(old):
        entry = decode(KINDS, row.action, row.data, row.personal)
        if isinstance(entry, Unknown):
            assert (entry.data, entry.personal) == (row.data, row.personal)
            continue
        data, personal = entry.parts()
        assert json.dumps(data) == json.dumps(row.data)
        if row.personal is None and row.personal_hash:
            assert personal is not None
            assert set(personal.values()) == {None}  # erased
        else:
            assert json.dumps(personal) == json.dumps(row.personal)


async def test_rest_shows_every_entry_as_before(old: async_sessionmaker[AsyncSession]) -> None:
    rows = await rows_of(old)
    async with old() as session:
        shown = [
            entry
            for number in sorted({row.appeal_number for row in rows})
            for entry in await view.history(session, number, kinds=KINDS, hide_refused=True)
        ]
    hidden = {"n", "hash", "hidden"}
    for row, entry in zip(rows, shown, strict=True):
        assert (entry["n"], entry["hash"]) == (row.n, row.hash)
        if row.action == "refused":
            assert set(entry) == hidden
        else:
            assert entry["data"].keys() == {**row.data, **(row.personal or {})}.keys()
            assert {key: entry["data"][key] for key in set(row.data) - STAGE_CODES} == {
                key: value for key, value in row.data.items() if key not in STAGE_CODES
            }


STAGE_CODES = {"stage", "from", "to"}


def test_of_each_migration_that_served_there_is_a_database() -> None:
    """Of the newest there need be none: what is stored at it is not old yet."""
    served = {f"{n:04}" for n in range(2, int(schema.head()))}
    assert served <= set(VERSIONS), "see tests/appeals/old_histories/make.py"


async def shapes(tmp_path: Path) -> dict[str, set[tuple[str, ...]]]:
    found: dict[str, set[tuple[str, ...]]] = {}
    for version in VERSIONS:
        database = tmp_path / f"{version}.db"
        database.write_bytes(lzma.decompress((HERE / f"{version}.db.xz").read_bytes()))
        engine = create_engine(f"sqlite+aiosqlite:///{database}")
        async with engine.connect() as connection:
            columns = [HistoryEntry.action, HistoryEntry.data, HistoryEntry.personal]
            for row in await connection.execute(select(*columns)):
                personal = tuple(f"*{key}" for key in row.personal or ())
                found.setdefault(row.action, set()).add((*row.data, *personal))
        await engine.dispose()
    return found


async def test_every_kind_and_every_shape_of_it_is_in_one_of_them(tmp_path: Path) -> None:
    """A field that is left out when it is None is there in one, and in another it is not."""
    found = await shapes(tmp_path)
    assert set(found) == set(KINDS) | {FROM_NOWHERE}
    for action, kind in KINDS.items():
        for key in kind.LEFT_OUT:
            there = {key in shape for shape in found[action]}
            assert there == {True, False}, (action, key)
    texts = {"field", "as", "*old", "*new"}, {"field", "as", "old", "new"}, {"field", "old", "new"}
    assert [set(shape) for shape in sorted(found["changed"])] == sorted(map(set, texts), key=sorted)


def test_what_a_stored_entry_lacks_has_a_default() -> None:
    for action, kind in KINDS.items():
        entry = decode(KINDS, action, {}, None)
        assert type(entry) is kind
        assert decode(KINDS, action, {"more": 1}, {"and": "more"}) == entry


@pytest.mark.parametrize("data", [[], None, "text", 7])
def test_what_is_no_object_is_unknown(data: Any) -> None:
    assert decode(KINDS, "opened", data, None) == Unknown("opened", data, None)


def test_no_two_kinds_have_one_name() -> None:
    names = [kind.TYPE for feature in FEATURES for kind in feature.entries]
    assert len(names) == len(KINDS)
