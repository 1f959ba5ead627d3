"""What the interface can do before a feature needs it: PUT, and bodies read outside the writer."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from sqlalchemy import select

from appeals.case.model import Category
from people.access.audience import Viewer
from people.model import Role
from tests.appeals.world import World
from tests.waiting import until
from tests.web.site import BASE, Answer, Site
from tests.web.toys import FILE_LIMIT_BYTES, TOYS, inbox
from web.api import Change, Nothing, Reply, Written
from web.routes.all import OPERATIONS
from web.streamed import Streamed

BYTES = {"Content-Type": "application/octet-stream"}


@pytest.fixture
async def boss(site: Site, world: World) -> Viewer:
    site.operations = (*OPERATIONS, *TOYS)
    return await world.hire("boss", Role.SUPERVISOR)


async def toys(world: World) -> dict[str, str]:
    async with world.sessions() as session:
        found = await session.execute(select(Category.code, Category.name))
        return {row.code: row.name for row in found if "toy" in row.code or "bytes" in row.name}


def received(site: Site) -> list[str]:
    folder = inbox(site.data_dir)
    return [each.name for each in folder.iterdir()] if folder.is_dir() else []


async def test_what_is_put_is_there_once_however_often_it_is_put(
    site: Site, world: World, boss: Viewer
) -> None:
    for name in ("мяч", "мяч", "кукла"):
        answer = await site.ask("PUT", "/toys/7", by=boss, json={"name": name})
        assert (answer.status, answer.body) == (200, {"code": "toy7", "name": name})
        assert await toys(world) == {"toy7": name}
    refused = await site.ask("PUT", "/toys/7", by=boss, json={"nome": "мяч"})
    assert (refused.status, refused.problem) == (422, "invalid")
    assert (await site.ask("PUT", "/toys/7", json={"name": "мяч"})).problem == "not-signed-in"
    assert await toys(world) == {"toy7": "кукла"}


async def test_a_large_body_is_received_and_happens_once(
    site: Site, world: World, boss: Viewer
) -> None:
    async def send(body: bytes, **headers: str) -> Answer:
        sent = {**BYTES, **headers}
        return await site.post("/toy-files", by=boss, data=body, headers=sent)

    large = b"x" * FILE_LIMIT_BYTES  # more than the limit of a JSON body
    assert site.deps().body_limit_bytes < FILE_LIMIT_BYTES
    key = {"Idempotency-Key": "k-1"}
    first, again = await send(large, **key), await send(large, **key)
    assert (first.status, first.body["name"]) == (201, "300000 bytes")
    assert (again.status, again.body) == (201, first.body)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (await send(b"y", **key)).problem == "idempotency-key-reused"
    assert list((await toys(world)).values()) == ["300000 bytes"]
    assert received(site) == []


async def pieces(*given: bytes) -> AsyncIterator[bytes]:
    for piece in given:
        yield piece


# After such a body aiohttp ends the connection.
NO_GZIP = {**BYTES, "Content-Encoding": "gzip", "Connection": "close"}
BAD: list[tuple[Callable[[], dict[str, Any]], int, str]] = [
    (lambda: {"data": b"x" * (FILE_LIMIT_BYTES + 1), "headers": BYTES}, 413, "too-large"),
    (lambda: {"data": pieces(b"x" * FILE_LIMIT_BYTES, b"x"), "headers": BYTES}, 413, "too-large"),
    (lambda: {"json": {}}, 415, "unsupported-media-type"),
    (lambda: {"data": b"no gzip", "headers": NO_GZIP}, 400, "malformed"),
]


async def test_a_body_that_may_not_be_leaves_nothing(
    site: Site, world: World, boss: Viewer
) -> None:
    for sent, status, problem in BAD:
        answer = await site.post("/toy-files", by=boss, **sent())
        assert (answer.status, answer.problem) == (status, problem)
    refused = await site.post("/toy-files", data=b"x", headers=BYTES)
    assert refused.problem == "not-signed-in"
    assert (await toys(world), received(site)) == ({}, [])


async def test_a_slow_body_holds_no_writer_and_is_given_up(
    site: Site, world: World, boss: Viewer
) -> None:
    more = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"first"
        await more.wait()

    asked = asyncio.create_task(site.post("/toy-files", by=boss, data=slowly(), headers=BYTES))
    await until(lambda: received(site), what="the first piece")
    await world.pressed()  # stored while the body is on its way
    answer = await asked
    assert (answer.status, answer.problem) == (408, "too-slow")
    assert (await toys(world), received(site)) == ({}, [])


async def test_a_client_that_goes_away_leaves_no_file(
    site: Site, world: World, boss: Viewer
) -> None:
    client = await site.client()
    reader, writer = await asyncio.open_connection(client.host, client.port)
    head = (
        f"POST {BASE}/toy-files HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"
        f"Content-Type: application/octet-stream\r\nAuthorization: Bearer {await site.token(boss)}\r\n\r\n"
    )
    writer.write(head.encode() + b"first")
    await until(lambda: received(site), what="the first piece")
    writer.close()
    await until(lambda: not received(site), what="the file is removed")
    assert await toys(world) == {}
    assert not await reader.read()


async def _nobody_answers(ask: Any, written: Written) -> Reply:
    raise NotImplementedError


@pytest.mark.parametrize(
    "given",
    [
        {"answers": Nothing},
        {"answer": _nobody_answers},
        {"streamed": Streamed(media_types=("text/csv",), limit_bytes=1)},
    ],
)
def test_a_change_that_is_declared_by_halves_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="toy"):

        @lambda handler: Change(method="POST", path="/toys", handler=handler, **given)
        async def toy(ask: Any) -> Written:
            return Written()
