"""The built screen in headless Chromium, one browser for all, a fresh profile and server for each test."""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

import hatch_build
from tests.ui.fake_server import PASSWORD, FakeServer

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]
# What a browser writes itself when an answer is 4xx or 5xx: the tests of refusals make such answers.
NOT_OURS = ("Failed to load resource", "WebSocket connection to")
ARTIFACTS = Path(__file__).resolve().parents[1] / "artifacts"

Open = Callable[..., Awaitable[Page]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        if os.environ.get("CI", "").lower() in {"1", "true"}:
            pytest.fail("no Chromium, and CI must not skip it", pytrace=False)
        pytest.skip("no Chromium")
    hatch_build.build()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def server(tmp_path: Path) -> AsyncIterator[FakeServer]:
    async with FakeServer(tmp_path / "sound.wav").running() as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    context = await browser.new_context(
        viewport={"width": 1366, "height": 768}, locale="ru-RU", timezone_id="America/New_York"
    )
    context.set_default_timeout(10_000)
    yield context
    await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def errors(context: BrowserContext) -> AsyncIterator[list[str]]:
    """What any page of the test wrote as an error; a test fails when there is any at its end."""
    found: list[str] = []

    def watch(page: Page) -> None:
        page.on("pageerror", lambda error: found.append(str(error)))
        page.on(
            "console",
            lambda said: (
                found.append(said.text)
                if said.type in {"error", "warning"} and not said.text.startswith(NOT_OURS)
                else None
            ),
        )

    context.on("page", watch)
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
