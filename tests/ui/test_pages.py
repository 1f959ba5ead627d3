"""The other pages, the link banner, both languages and themes, and what a screen reader meets."""

import re
from datetime import timedelta

import pytest
from playwright.async_api import Page, expect

from tests.ui.conftest import ARTIFACTS, Open
from tests.ui.fake_server import FakeServer, _now
from tests.ui.sample import call, party

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

MARIA = party("+79161234567", "Мария Кузнецова")
PAGES = ["#/appeals", "#/appeals/3", "#/calls", "#/blind-windows", "#/reconciliation", "#/nowhere"]
# Controls without a name, ids used twice, images without text, several h1: what axe finds first.
FAULTS = """() => {
  const faults = []
  const named = (e) => (e.getAttribute('aria-label') || e.innerText || e.title
    || [...(e.labels ?? [])].map((label) => label.innerText).join('')).trim()
  for (const e of document.querySelectorAll('button, a[href], input, select, textarea, [role=slider]')) {
    if (!named(e)) faults.push('no name: ' + e.outerHTML.slice(0, 120))
    if (e.tabIndex > 0) faults.push('tabindex: ' + e.outerHTML.slice(0, 120))
  }
  const ids = [...document.querySelectorAll('[id]')].map((e) => e.id)
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) faults.push('twice: ' + id)
  if (document.querySelectorAll('h1').length !== 1) faults.push('h1')
  if (document.querySelectorAll('main').length !== 1) faults.push('main')
  if (!document.documentElement.lang) faults.push('lang')
  if (document.documentElement.scrollWidth > innerWidth) faults.push('wider than the window')
  return faults
}"""
# Text whose contrast with what lies behind it is under 4.5:1 (3:1 when large).
PALE = """() => {
  const channel = (v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true })
  const rgba = (text) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1)
    return canvas.getImageData(0, 0, 1, 1).data
  }
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b)
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const colour = rgba(getComputedStyle(e).backgroundColor)
      if (colour[3] > 250) return colour
    }
    return rgba('white')
  }
  const pale = []
  for (const e of document.querySelectorAll('#screen *')) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())
    if (!own || !e.checkVisibility({ visibilityProperty: true }) || e.closest(':disabled, .hidden')) continue
    const style = getComputedStyle(e)
    const [a, b] = [light(rgba(style.color)), light(behind(e))].sort((x, y) => y - x)
    const large = parseFloat(style.fontSize) >= 24
    const ratio = (a + 0.05) / (b + 0.05)
    if (ratio < (large ? 3 : 4.5)) pale.push(ratio.toFixed(2) + ' ' + e.outerHTML.slice(0, 100))
  }
  return pale
}"""


async def test_the_banner_says_what_happened_since_when_and_what_it_means(
    open_page: Open, server: FakeServer
) -> None:
    page = await open_page(login="boss")
    banner = page.get_by_test_id("link-banner")
    await expect(banner).to_have_count(0)
    await server.set_link("down", "Connection refused")
    since = server.links[0]["since"][11:19]
    for text in (
        "Нет связи с АТС main",
        f"с {since}",
        "АТС не принимает соединений",
        "хранит сама АТС",
    ):
        await expect(banner).to_contain_text(text)
    await server.set_link("refused")
    await expect(banner).to_contain_text("проверить имя и пароль AMI")
    await server.set_link("up")
    await expect(banner).to_have_count(0)


async def test_calls_can_be_reduced_to_the_missed_ones(open_page: Open, server: FakeServer) -> None:
    _fill(server)
    page = await open_page("#/calls")
    rows = page.locator("[data-testid^=call-row-]")
    await expect(rows).to_have_count(2)
    await page.get_by_label("Только пропущенные").check()
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("пропущен: брошен")


async def test_every_count_leads_to_the_rows_it_counts(open_page: Open, server: FakeServer) -> None:
    _fill(server)
    page = await open_page("#/reconciliation?day=2026-11-20", login="boss")
    main = page.get_by_role("main")
    await expect(main.get_by_role("link", name="14")).to_have_attribute(
        "href", "#/calls?day=2026-11-20&pressed=1"
    )
    await expect(main.get_by_role("link", name="13")).to_have_attribute(
        "href", "#/appeals?from=2026-11-20&to=2026-11-20"
    )
    await expect(main).to_contain_text("queue_log — неполные")
    await expect(main).to_contain_text("Нажатие без обращения")
    await page.get_by_role("button", name="Предыдущий день").click()
    await expect(page.get_by_label("День", exact=True)).to_have_value("2026-11-19")
    await page.goto(server.url + "#/blind-windows")
    await page.get_by_role("link", name="12").click()
    await expect(page).to_have_url(re.compile(r"#/calls\?window=7$"))


async def test_who_has_no_right_to_a_page_is_told_so_and_not_to_try_again(
    open_page: Open, server: FakeServer
) -> None:
    page = await open_page("#/blind-windows")
    alert = page.get_by_role("main").get_by_role("alert")
    await expect(alert).to_have_text("Вам это не разрешено.")
    await expect(page.get_by_role("button", name="Повторить")).to_have_count(0)


async def test_both_languages_are_complete_on_every_page(
    open_page: Open, server: FakeServer
) -> None:
    _fill(server)
    page = await open_page(login="boss")
    await page.get_by_test_id("language-en").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Appeals")
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    await page.reload()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Appeals")
    await page.get_by_test_id("language-ru").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Обращения")


async def test_a_fresh_browser_starts_in_the_language_of_the_page(
    open_page: Open, server: FakeServer
) -> None:
    """[service] language stands in the page; what the person chooses is kept."""
    server.language = "en"
    page = await open_page(login="boss")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Appeals")
    await page.get_by_test_id("language-ru").click()
    await page.reload()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Обращения")
    await expect(page.locator("html")).to_have_attribute("lang", "ru")


@pytest.mark.parametrize("width", [1366, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_every_page_can_be_read_named_and_fits(
    open_page: Open, server: FakeServer, theme: str, width: int
) -> None:
    _fill(server)
    await server.set_link("down", "no answer")
    page = await open_page(login="boss")
    await page.set_viewport_size({"width": width, "height": 768})
    await page.get_by_test_id("theme").select_option(theme)
    await server.ring("p1", MARIA, appeal=3, open_appeals=[3, 2])
    await server.ring("p2", party("anonymous"))
    await server.withdraw("p2", "timeout")
    await server.tell("pop.unseen", {"call": "main-1", "appeal": 3})
    for place in PAGES:
        await page.goto(server.url + place)
        await _settled(page, place)
        await page.screenshot(
            path=ARTIFACTS / f"{_name(place)}-{theme}-{width}.png", full_page=True
        )
        assert await page.evaluate(FAULTS) == [], place
        assert await page.evaluate(PALE) == [], place


async def test_the_sign_in_page_can_be_read_and_named(open_page: Open) -> None:
    page = await open_page(login=None)
    await expect(page.get_by_test_id("login-form")).to_be_visible()
    assert await page.evaluate(FAULTS) == []
    assert await page.evaluate(PALE) == []


async def test_the_keyboard_reaches_the_content_and_comes_to_each_page_at_its_title(
    open_page: Open, server: FakeServer
) -> None:
    _fill(server)
    page = await open_page()
    await expect(page.get_by_test_id("appeal-row-3")).to_be_visible()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="К содержанию")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("main")).to_be_focused()
    await page.get_by_role("link", name="3", exact=True).focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_be_focused()
    await expect(page).to_have_title("Обращение 3 · press3")


async def _settled(page: Page, place: str) -> None:
    await expect(page.get_by_test_id("pop-card")).to_have_count(1)
    await expect(page.get_by_text("Загружаем…")).to_have_count(0)
    if place == "#/appeals/3":
        await expect(page.locator(".wave canvas").first).to_be_visible()


def _name(place: str) -> str:
    return place.removeprefix("#/").replace("/", "-")


def _fill(server: FakeServer) -> None:
    now = _now()
    answered = call("main-3", MARIA, now - timedelta(minutes=9), appeal=3, recordings=(31,))
    missed = call(
        "main-2", party("+79990000002"), now - timedelta(minutes=90), answered_after_s=None
    )
    answered["recovered"] = True
    server.calls = {one["id"]: one for one in (answered, missed)}
    server.add_appeal(3, MARIA, opened=now - timedelta(minutes=9), calls=[answered])
    server.add_appeal(2, party("+79990000002"), opened=now - timedelta(hours=30), phase="closed")
    server.appeals[3]["times"] |= {"wait_s": 21, "queue_wait_s": 18, "take_s": 610}
    server.blind_windows = [
        {
            "id": 7,
            "pbx": "main",
            "from": (now - timedelta(hours=2)).isoformat(),
            "to": (now - timedelta(hours=1)).isoformat(),
            "reason": "press3 was not running",
            "calls_recovered": 12,
            "appeals_recovered": 0,
        }
    ]
    server.reconciliation = {
        "pressed": 14,
        "registered": 13,
        "recorded": 12,
        "sources": [{"name": "astdb", "complete": True}, {"name": "queue_log", "complete": False}],
        "differences": [
            {
                "kind": "not_registered",
                "call": "main-9",
                "appeal": None,
                "recording": None,
                "mend": None,
            }
        ],
    }
