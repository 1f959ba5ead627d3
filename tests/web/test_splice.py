"""The splice alone, between a browser of bytes and a push server of bytes: every end reaches the other side."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from tests import timing
from tests.waiting import until
from web import splice
from web.splice import Splices

pytestmark = pytest.mark.timing

_ASKS = b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
_MUCH = b"x" * 32_000_000  # more than the kernel keeps for a connection


@dataclass
class Sides:
    """A coupled pair: what the browser and the push server hold in their hands."""

    splices: Splices
    runner: web.AppRunner
    reader: asyncio.StreamReader
    browser: asyncio.StreamWriter
    push: asyncio.StreamWriter
    heard: list[bytes] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        return not self.splices._open


@asynccontextmanager
async def coupled(folder: Path, *, stalled_s: float = 30) -> AsyncIterator[Sides]:
    came: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    socket = folder / "push.sock"
    server = await asyncio.start_unix_server(lambda *side: came.put_nowait(side), socket)
    splices = Splices(socket, stalled_s=stalled_s)
    app = web.Application()
    app.router.add_get("/ws", splices.couple, allow_head=False)
    app.on_shutdown.append(splices.drain)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    reader, browser = await asyncio.open_connection(*runner.addresses[0][:2])
    browser.write(_ASKS)
    asked, push = await came.get()
    await asked.readuntil(b"\r\n\r\n")
    yield Sides(splices, runner, reader, browser, push)
    for writer in (browser, push):
        writer.transport.abort()
    await runner.cleanup()
    server.close()


async def test_bytes_go_both_ways_and_either_end_ends_both(tmp_path: Path) -> None:
    async with coupled(tmp_path) as sides:
        sides.push.write(b"hello")
        assert await sides.reader.readexactly(5) == b"hello"
        sides.push.write(b"last words")
        sides.push.close()
        assert await sides.reader.read() == b"last words"
        await until(lambda: sides.is_over, what="nothing is kept of the pair")


async def test_a_browser_that_goes_is_not_kept(tmp_path: Path) -> None:
    async with coupled(tmp_path) as sides:
        sides.browser.transport.abort()
        await until(lambda: sides.is_over, what="nothing is kept of the pair")


async def test_one_that_takes_nothing_is_cut_though_push_can_not_be_heard(tmp_path: Path) -> None:
    async with coupled(tmp_path, stalled_s=0.3) as sides:
        sides.browser.transport.pause_reading()  # type: ignore[attr-defined]
        sides.push.write(_MUCH)
        await until(lambda: sides.is_over, what="the stalled pair to be cut")


async def test_the_stop_waits_for_last_words_but_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(splice, "_DRAIN_S", 0.3)
    async with coupled(tmp_path) as sides:
        sides.browser.transport.pause_reading()  # type: ignore[attr-defined]
        sides.push.write(_MUCH)
        stopwatch = timing.Stopwatch()
        await sides.runner.cleanup()
        assert stopwatch.own_s < 5, "the stage of the stop"
        await until(lambda: sides.is_over, what="nothing is kept of the pair")
