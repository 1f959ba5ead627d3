"""Push on a port of its own: the ready line, programs and a real browser find it."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import expect

from tests.browsers import collect_errors, launched, new_context
from tests.e2e.desk import PASSWORD, Desk, open_desk
from tests.e2e.test_wrong_use import nowhere, refused

COMING_MS = 40_000


@asynccontextmanager
async def apart(folder: Path) -> AsyncIterator[tuple[Desk, str]]:
    """Run press3 with push on any free port; give it and the address its ready line says."""
    async with open_desk(nowhere(folder), folder, more="[push]\nport = 0\n", start=False) as desk:
        await desk.start()
        yield desk, desk.push_url


async def test_the_ready_line_and_the_ticket_name_the_port(tmp_path: Path) -> None:
    async with apart(tmp_path) as (desk, push_url):
        assert re.fullmatch(r"ws://127\.0\.0\.1:\d+/ws", push_url)
        assert push_url.replace("ws", "http", 1).removesuffix("/ws") != desk.url
        chief = await desk.person("chief")
        _, ticket = await chief.post("/push-ticket")
        assert ticket["url"] == push_url
        async with chief.screen() as screen:
            assert screen.welcome["snapshot"] is not None
        async with aiohttp.ClientSession() as http, http.get(desk.url + "/ws") as answer:
            assert answer.status == 426


async def test_a_push_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        async with open_desk(
            nowhere(tmp_path), tmp_path, more=f"[push]\nport = {port}\n", start=False
        ) as desk:
            code, told = await refused("serve", "-c", str(desk.config))
    assert (code, f"can't listen on [push] 127.0.0.1:{port}: " in told) == (1, True), told


@pytest.mark.browser
async def test_the_screen_works_with_it(tmp_path: Path) -> None:
    errors: list[str] = []
    async with launched() as browser, apart(tmp_path) as (desk, push_url):
        context = await new_context(browser)
        context.set_default_timeout(COMING_MS)
        collect_errors(context, errors)
        page = await context.new_page()
        sockets: list[str] = []
        page.on("websocket", lambda opened: sockets.append(opened.url))
        await page.goto(desk.url)
        await page.get_by_label("Логин").fill("chief")
        await page.get_by_label("Пароль").fill(PASSWORD)
        await page.get_by_role("button", name="Войти").click()
        state = page.get_by_test_id("socket-state")
        await expect(state).to_have_attribute("data-state", "open", timeout=COMING_MS)
        assert set(sockets) == {push_url}
        await desk.kill9()
        await expect(state).not_to_have_attribute("data-state", "open", timeout=COMING_MS)
        await asyncio.wait_for(context.close(), 10)
    assert errors == []
