"""A headless Chromium for tests, and what its pages complain about."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

import hatch_build

__all__ = ["ARTIFACTS", "collect_errors", "launched", "new_context"]

ARTIFACTS = Path(__file__).resolve().parent / "artifacts"
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


@asynccontextmanager
async def launched() -> AsyncIterator[Browser]:
    """Build the screen when its sources are newer; start Chromium, or skip where there is none."""
    if CHROMIUM is None:
        if os.environ.get("CI", "").lower() in {"1", "true"}:
            pytest.fail("no Chromium, and CI must not skip it", pytrace=False)
        pytest.skip("no Chromium")
    hatch_build.build()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


async def new_context(browser: Browser) -> BrowserContext:
    """A person's browser: Russian, a small desktop, and a clock that is not the service's."""
    return await browser.new_context(
        viewport={"width": 1366, "height": 768}, locale="ru-RU", timezone_id="America/New_York"
    )


def collect_errors(context: BrowserContext, found: list[str]) -> None:
    """Add to `found` whatever a page of `context` will write as an error."""

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
