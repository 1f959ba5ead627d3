"""Calls at a person's telephone: there at once, never in the way, gone only after they can be read."""

import pytest
from playwright.async_api import Page, expect

from tests.ui.conftest import Open
from tests.ui.fake_server import FakeServer
from tests.ui.sample import party
from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

MARIA = party("+79161234567", "Мария Кузнецова")
# Every tone of every tab, counted where sound is made; two tones are one ring.
COUNT_TONES = """() => {
const start = AudioScheduledSourceNode.prototype.start
window.tones = 0
AudioScheduledSourceNode.prototype.start = function (...when) { window.tones += 1; return start.apply(this, when) }
}"""


async def test_a_ringing_telephone_shows_who_calls_and_what_was_opened(
    open_page: Open, server: FakeServer
) -> None:
    page = await open_page()
    customer = {"id": 7, "name": "ООО «Вода»"}
    await server.ring("p1", MARIA, appeal=12, open_appeals=[12, 9], customer=customer)
    card = page.get_by_test_id("pop-card")
    for text in ("+79161234567", "Мария Кузнецова", "ООО «Вода»", "Звонит"):
        await expect(card).to_contain_text(text)
    await expect(card.get_by_role("link")).to_have_text(["12", "9"])
    await expect(page.get_by_role("status").filter(has_text="Звонит +79161234567")).to_have_count(1)
    await expect(page).to_have_title("☎ Звонит · Обращения · press3")


async def test_a_pop_leaves_the_focus_where_it_is(open_page: Open, server: FakeServer) -> None:
    page = await open_page()
    search = page.get_by_role("searchbox")
    await search.focus()
    await page.keyboard.type("+79")
    await server.ring("p1", MARIA)
    await expect(page.get_by_test_id("pop-card")).to_be_visible()
    await page.keyboard.type("16")
    await expect(search).to_be_focused()
    await expect(search).to_have_value("+7916")


async def test_seen_is_told_to_the_server_and_to_the_other_tab(
    open_page: Open, server: FakeServer
) -> None:
    page, other = await open_page(), await open_page()
    await server.ring("p1", MARIA)
    await expect(other.get_by_test_id("pop-ack")).to_be_visible()
    await page.get_by_test_id("pop-ack").click()
    await until(lambda: server.acks == ["p1"])
    await expect(page.get_by_text("Отмечено: видел")).to_be_visible()
    await expect(other.get_by_text("Отмечено: видел")).to_be_visible()
    await page.reload()
    await expect(page.get_by_text("Отмечено: видел")).to_be_visible()


async def test_seen_while_the_socket_is_lost_is_told_when_it_is_back(
    open_page: Open, server: FakeServer
) -> None:
    page = await open_page()
    await server.ring("p1", MARIA)
    await expect(page.get_by_test_id("pop-ack")).to_be_visible()
    server.tickets_refused = True
    await server.drop_sockets()
    await _state(page, "lost")
    await page.get_by_test_id("pop-ack").click()
    server.tickets_refused = False
    await until(lambda: server.acks == ["p1"])


async def test_answered_here_becomes_the_current_call_until_it_ends(
    open_page: Open, server: FakeServer
) -> None:
    page = await open_page()
    await server.ring("p1", MARIA, appeal=12)
    await server.withdraw("p1", "answered_here")
    card = page.get_by_test_id("pop-card")
    await expect(card).to_contain_text("Вы разговариваете")
    await page.reload()
    await expect(card).to_contain_text("Вы разговариваете")
    await server.end_call("main-p1", 12)
    await expect(card).to_have_count(0)
    await expect(page.get_by_test_id("pop-recent")).to_contain_text("разговор окончен")


async def test_withdrawn_is_kept_with_its_reason(open_page: Open, server: FakeServer) -> None:
    page = await open_page()
    await server.ring("p1", MARIA)
    await server.withdraw("p1", "answered_elsewhere")
    await expect(page.get_by_test_id("pop-card")).to_have_count(0)
    await expect(page.get_by_test_id("pop-recent")).to_contain_text("ответил другой оператор")


async def test_nothing_is_lost_or_doubled_over_a_lost_socket(
    open_page: Open, server: FakeServer
) -> None:
    page = await open_page()
    await server.ring("p1", MARIA)
    await server.ring("p2", party("+79990000002"))
    await expect(page.get_by_test_id("pop-card")).to_have_count(2)
    server.tickets_refused = True
    await server.drop_sockets()
    await _state(page, "lost")
    await expect(page.get_by_test_id("socket-state")).to_have_text(
        "Соединение потеряно, восстанавливаем…"
    )
    await server.withdraw("p1", "abandoned")
    await server.ring("p3", party("+79990000003"))
    seen = len(server.events) - 2
    server.tickets_refused = False
    await _state(page, "open")
    assert server.hellos[-1] == seen
    await expect(page.get_by_test_id("pop-card")).to_have_count(2)
    await expect(page.locator('[data-pop="p3"]')).to_be_visible()
    await expect(page.get_by_test_id("pop-recent")).to_contain_text("клиент положил трубку")


async def test_one_sound_for_all_tabs_and_none_for_a_new_round(
    open_page: Open, server: FakeServer
) -> None:
    tabs = [await _counting(await open_page()) for _ in range(3)]
    await server.ring("p1", MARIA)
    await until(lambda: _tones(tabs), what="a tab rings")
    await server.ring("p1", MARIA, round=2)
    await expect(tabs[0].get_by_text("круг 2")).to_be_visible()
    await server.ring("p2", party("+79990000002"))
    await until(lambda: _rang(tabs, 2), what="the second pop rings")
    assert await _tones(tabs) == 4


async def test_the_sound_can_be_switched_off_for_all_tabs(
    open_page: Open, server: FakeServer
) -> None:
    tabs = [await _counting(await open_page()) for _ in range(2)]
    await tabs[0].get_by_test_id("sound-switch").click()
    await expect(tabs[1].get_by_test_id("sound-switch")).to_have_attribute("aria-checked", "false")
    await server.ring("p1", MARIA)
    for tab in tabs:
        await expect(tab.get_by_test_id("pop-card")).to_be_visible()
    await tabs[0].get_by_test_id("sound-switch").click()
    await server.ring("p2", party("+79990000002"))
    await until(lambda: _rang(tabs, 1), what="only the pop after switching on rings")
    assert await _tones(tabs) == 2


async def test_a_supervisor_is_told_of_a_pop_that_nobody_saw(
    open_page: Open, server: FakeServer
) -> None:
    page = await open_page(login="boss")
    await server.tell("pop.unseen", {"call": "main-1", "appeal": 12})
    card = page.get_by_test_id("pop-unseen")
    await expect(card.get_by_role("link")).to_have_attribute("href", "#/appeals/12")
    await card.get_by_role("button", name="Скрыть").click()
    await expect(card).to_have_count(0)


async def test_hostile_names_are_only_text(open_page: Open, server: FakeServer) -> None:
    page = await open_page()
    evil = '<img src=x onerror="window.hacked=1">"\'><script>window.hacked=1</script>\u202e{{t}}'
    server.add_appeal(5, party("+79990000000", evil), customer={"id": 1, "name": evil})
    await server.ring("p1", party("+79990000000", evil), appeal=5, customer={"id": 1, "name": evil})
    await expect(page.get_by_test_id("pop-card")).to_contain_text("<img src=x")
    await page.goto(server.url + "#/appeals/5")
    await expect(page.get_by_test_id("appeal")).to_contain_text("<script>window.hacked=1</script>")
    await expect(page.get_by_test_id("appeal")).to_contain_text("{{t}}")
    assert await page.evaluate("window.hacked") is None
    assert await page.locator("#screen img, #screen script").count() == 0


async def _state(page: Page, state: str) -> None:
    locator = page.get_by_test_id("socket-state")
    await expect(locator).to_have_attribute("data-state", state, timeout=20_000)


async def _counting(page: Page) -> Page:
    await page.evaluate(COUNT_TONES)
    return page


async def _tones(tabs: list[Page]) -> int:
    return sum([int(await tab.evaluate("window.tones")) for tab in tabs])


async def _rang(tabs: list[Page], times: int) -> bool:
    return await _tones(tabs) >= 2 * times
