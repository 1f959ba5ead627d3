"""The built screen in headless Chromium, one browser for all, a fresh profile and server for each test."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.browsers import ARTIFACTS, collect_errors, launched, new_context
from tests.ui.fake_server import PASSWORD, FakeServer

__all__ = ["ARTIFACTS", "Open"]

Open = Callable[..., Awaitable[Page]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with launched() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def server(tmp_path: Path) -> AsyncIterator[FakeServer]:
    async with FakeServer(tmp_path / "sound.wav").running() as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    context = await new_context(browser)
    context.set_default_timeout(20_000)
    expect.set_options(timeout=20_000)  # a busy machine draws late
    yield context
    await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def errors(context: BrowserContext) -> AsyncIterator[list[str]]:
    """What any page of the test wrote as an error; a test fails when there is any at its end."""
    found: list[str] = []
    collect_errors(context, found)
    yield found
    assert found == []


@pytest.fixture
def open_page(context: BrowserContext, server: FakeServer, errors: list[str]) -> Open:
    """`await open_page("#/appeals", login="boss")`: a signed-in page, `login=None` leaves it signed out."""

    async def open_it(place: str = "", *, login: str | None = "anna") -> Page:
        if login is not None:
            given = {"login": login, "password": PASSWORD}
            await context.request.post(f"{server.url}api/v1/session", data=given)
        page = await context.new_page()
        await page.goto(server.url + place)
        if login is not None:
            await page.locator('[data-testid=socket-state][data-state="open"]').wait_for()
        return page

    return open_it
