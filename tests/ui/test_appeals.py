"""The list and one appeal: live, honest about its clock, and clear about what can be done next."""

import re
from datetime import UTC, timedelta

import pytest
from playwright.async_api import Locator, Page, expect

from tests.ui.conftest import Open
from tests.ui.fake_server import FakeServer, _now
from tests.ui.sample import MOSCOW, call, party

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

MARIA = party("+79161234567", "Мария Кузнецова")


async def test_an_empty_list_says_what_to_do(open_page: Open) -> None:
    page = await open_page()
    await expect(page.get_by_text("Они появятся сами, когда клиент нажмёт 3")).to_be_visible()


async def test_the_list_follows_what_happens(open_page: Open, server: FakeServer) -> None:
    server.add_appeal(1, MARIA)
    page = await open_page()
    await expect(page.get_by_test_id("appeal-row-1")).to_contain_text("Новое")
    await server.open_appeal(2, party("+79990000002"))
    await expect(page.get_by_test_id("appeal-row-2")).to_be_visible()
    await server.change_appeal(1, phase="investigating", stage="В работе")
    await expect(page.get_by_test_id("appeal-row-1")).to_contain_text("В работе")


async def test_a_re_read_does_not_move_the_list(open_page: Open, server: FakeServer) -> None:
    """While it is read again the table is busy; a spinner in it would be a row of its own."""
    server.add_appeal(1, MARIA)
    page = await open_page()
    row = page.get_by_test_id("appeal-row-1")
    await expect(row).to_contain_text("Новое")
    await expect(page.locator("table[aria-busy=false]")).to_be_visible()
    before = await row.bounding_box()
    await page.locator("table").evaluate("table => table.setAttribute('aria-busy', 'true')")
    assert await row.bounding_box() == before


async def test_deadlines_are_said_in_words(open_page: Open, server: FakeServer) -> None:
    opened = _now() - timedelta(hours=10)
    late = (_now() - timedelta(minutes=29)).isoformat()
    soon = (_now() + timedelta(minutes=20)).isoformat()
    server.add_appeal(1, MARIA, opened=opened, deadline_at=late)
    server.add_appeal(2, MARIA, opened=opened, deadline_at=soon)
    page = await open_page()
    await expect(page.get_by_test_id("appeal-row-1")).to_contain_text("просрочено на 29 мин")
    await expect(page.get_by_test_id("appeal-row-2")).to_contain_text("скоро: 20 мин")


async def test_filters_live_in_the_address(open_page: Open, server: FakeServer) -> None:
    server.add_appeal(1, MARIA)
    server.add_appeal(2, party("+79990000002", "Олег"), phase="closed", stage="Закрыта")
    page = await open_page()
    await page.get_by_label("Состояние").select_option("closed")
    await expect(page.get_by_test_id("appeal-row-1")).to_have_count(0)
    await expect(page.get_by_test_id("appeal-row-2")).to_be_visible()
    await page.reload()
    await expect(page.get_by_test_id("appeal-row-1")).to_have_count(0)
    await page.get_by_role("searchbox").fill("никто")
    await expect(page.get_by_text("По этому отбору обращений нет")).to_be_visible()
    await page.get_by_role("button", name="Сбросить").click()
    await expect(page.get_by_test_id("appeal-row-1")).to_be_visible()


_KEY_IN_THAT_MOMENT = """() => {
  const replace = history.replaceState
  history.replaceState = function (...change) {
    history.replaceState = replace
    replace.apply(this, change)
    const box = document.querySelector('input[type=search]')
    box.value += '1'
    box.dispatchEvent(new InputEvent('input', { bubbles: true }))
  }
}"""


async def test_a_key_pressed_while_the_address_takes_over_the_search_is_kept(
    open_page: Open,
) -> None:
    """Who types slowly presses the next key in the moment in which the last ones come into the address."""
    page = await open_page()
    search = page.get_by_role("searchbox")
    await search.focus()
    await page.evaluate(_KEY_IN_THAT_MOMENT)
    await page.keyboard.type("+79")
    await page.wait_for_url(re.compile("q=%2B79"))
    await expect(search).to_have_value("+791")
    await page.wait_for_url(re.compile("q=%2B791"))
    await page.keyboard.type("6")
    await expect(search).to_have_value("+7916")


async def test_more_reads_further_and_stays_live(open_page: Open, server: FakeServer) -> None:
    for number in range(1, 121):
        server.add_appeal(number, MARIA)
    page = await open_page()
    rows = page.locator("[data-testid^=appeal-row-]")
    await expect(rows).to_have_count(50)
    await page.get_by_test_id("more").click()
    await expect(rows).to_have_count(100)
    await page.get_by_test_id("more").click()
    await expect(rows).to_have_count(120)
    await expect(page.get_by_test_id("more")).to_have_count(0)
    await server.open_appeal(121, MARIA)
    await expect(page.get_by_test_id("appeal-row-121")).to_be_visible()
    await expect(rows).to_have_count(121)


async def test_a_failing_server_is_said_and_the_list_can_be_asked_again(
    open_page: Open, server: FakeServer
) -> None:
    server.add_appeal(1, MARIA)
    server.failing["/appeals"] = 500
    page = await open_page()
    await expect(page.get_by_role("alert")).to_contain_text("Ошибка на сервере (500)")
    server.failing.clear()
    await page.get_by_role("button", name="Повторить").click()
    await expect(page.get_by_test_id("appeal-row-1")).to_be_visible()


async def test_a_time_leads_to_the_calls_that_prove_it(open_page: Open, server: FakeServer) -> None:
    _appeal_with_call(server)
    page = await open_page()
    row = page.get_by_test_id("appeal-row-3")
    await row.get_by_role("link", name="21 с", exact=True).click()
    await expect(page.get_by_role("heading", name="Звонки обращения")).to_be_focused()
    await page.get_by_test_id("time-wait_s").get_by_role("link").click()
    await expect(page.get_by_test_id("call-main-3")).to_be_focused()


async def test_each_time_has_its_definition_and_its_events(
    open_page: Open, server: FakeServer
) -> None:
    made = _appeal_with_call(server)
    page = await open_page("#/appeals/3")
    row = page.get_by_test_id("time-wait_s")
    pressed = made["calls"][0]["pressed_at"][11:19]
    await expect(row).to_contain_text(f"нажал 3 {pressed}")
    await expect(row).to_contain_text("до 30 с — выполнена")
    await row.get_by_role("button").click()
    note = page.get_by_role("note").filter(has_text="Ответ автомата не считается")
    await expect(note).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(note).to_be_hidden()


async def test_a_recording_that_may_be_another_calls_is_marked(
    open_page: Open, server: FakeServer
) -> None:
    _appeal_with_call(server)
    told = server.calls["main-3"]["recordings"]
    told.append({**told[0], "id": 32, "guessed": True})
    page = await open_page("#/appeals/3")
    await expect(page.get_by_test_id("player")).to_have_count(2)
    mark = page.get_by_test_id("guessed")
    await expect(mark).to_have_count(1)
    await expect(mark).to_contain_text("возможно, от другого звонка")
    await mark.get_by_role("button").click()
    await expect(page.get_by_role("note")).to_contain_text("подошли номер и время")


async def test_take_then_resolve_with_what_was_missing(open_page: Open, server: FakeServer) -> None:
    _appeal_with_call(server)
    page = await open_page("#/appeals/3")
    await expect(page.get_by_test_id("missing")).to_contain_text("суть жалобы, категория")
    await page.get_by_test_id("take-button").click()
    await expect(_stage(page)).to_have_text("В работе (текущий этап)")
    await expect(page.get_by_test_id("history")).to_contain_text("взято в работу")

    form = page.get_by_test_id("resolve-form")
    await form.get_by_label("Суть жалобы").fill("Не привезли воду")
    await form.get_by_role("button").click()
    await expect(page.get_by_test_id("action-refused")).to_contain_text("Не заполнено: категория.")
    await expect(form.get_by_label("Суть жалобы")).to_have_value("Не привезли воду")
    await form.get_by_label("Категория").select_option("delivery")
    await form.get_by_role("button").click()
    await expect(_stage(page)).to_have_text("Разобрана (текущий этап)")
    await expect(page.get_by_test_id("appeal")).to_contain_text("Не привезли воду")
    await expect(form).to_have_count(0)


async def test_a_conflict_of_interest_is_refused_with_its_reason(
    open_page: Open, server: FakeServer
) -> None:
    _appeal_with_call(server)
    server.conflicted.add(3)
    page = await open_page("#/appeals/3")
    await page.get_by_test_id("take-button").click()
    refusal = page.get_by_test_id("action-refused")
    await expect(refusal).to_contain_text("должен разбирать другой сотрудник")
    await expect(refusal).to_contain_text("вы сами приняли этот звонок")
    await expect(page.get_by_test_id("take-button")).to_be_enabled()


async def test_somebody_else_was_faster(open_page: Open, server: FakeServer) -> None:
    _appeal_with_call(server)
    page = await open_page("#/appeals/3")
    await expect(page.get_by_test_id("take-button")).to_be_visible()
    server.appeals[3] |= {"version": 9}
    await page.get_by_test_id("take-button").click()
    await expect(page.get_by_test_id("action-refused")).to_contain_text("обращение изменили")
    await page.get_by_test_id("take-button").click()
    await expect(_stage(page)).to_have_text("В работе (текущий этап)")


async def test_a_change_by_another_does_not_wipe_what_is_being_typed(
    open_page: Open, server: FakeServer
) -> None:
    _appeal_with_call(server, phase="investigating", stage="В работе")
    page = await open_page("#/appeals/3")
    gist = page.get_by_label("Суть жалобы")
    await gist.fill("Пишу медленно")
    await server.change_appeal(3, customer={"id": 1, "name": "ООО «Вода»"})
    await expect(page.get_by_test_id("appeal")).to_contain_text("ООО «Вода»")
    await expect(gist).to_have_value("Пишу медленно")


async def test_the_player_plays_and_seeks_by_keyboard(open_page: Open, server: FakeServer) -> None:
    _appeal_with_call(server)
    page = await open_page("#/appeals/3")
    player = page.get_by_test_id("player")
    await expect(player).to_contain_text("0:00 / 0:12")
    await expect(player.locator(".wave canvas").first).to_be_visible()
    await player.get_by_role("button", name="Слушать").click()
    audio = player.locator("audio")
    await page.wait_for_function(
        "audio => audio.currentTime > 0.3", arg=await audio.element_handle()
    )
    await player.get_by_role("button", name="Пауза").click()
    slider = player.get_by_role("slider")
    await slider.focus()
    await page.keyboard.press("Home")
    await page.keyboard.press("ArrowRight")
    await expect(slider).to_have_attribute("aria-valuetext", "0:05 из 0:12")
    assert await audio.evaluate("audio => audio.currentTime") == pytest.approx(5, abs=0.2)
    assert await audio.evaluate("audio => audio.paused")


async def test_nothing_is_fetched_of_a_recording_before_somebody_listens(
    open_page: Open, server: FakeServer
) -> None:
    """Each listening is logged: looking at the page must not be one."""
    _appeal_with_call(server)
    page = await open_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(server.url + "#/appeals/3")
    await expect(page.get_by_test_id("player").locator(".wave canvas").first).to_be_visible()
    assert any(url.endswith("/peaks") for url in asked)
    assert not any(url.endswith("/audio") for url in asked)


async def test_what_the_rights_refuse_is_said_before_and_not_tried(
    open_page: Open, server: FakeServer
) -> None:
    """A refused attempt is recorded: looking at the page must not be one."""
    _appeal_with_call(server, may=["read"])
    page = await open_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(server.url + "#/appeals/3")
    await expect(page.get_by_text("слушать её вам не разрешено")).to_be_visible()
    await expect(page.get_by_text("Попытка была бы отклонена и записана")).to_be_visible()
    assert not any("/recordings/" in url for url in asked)


async def test_times_are_those_of_the_service_whatever_the_zone_of_the_browser(
    open_page: Open, server: FakeServer
) -> None:
    """The browser is in New York, the service in Moscow; one time comes in UTC, one with its offset."""
    opened = _now().astimezone(UTC)
    server.add_appeal(1, MARIA, opened=opened)
    server.add_appeal(2, MARIA, opened=opened.astimezone(MOSCOW))
    page = await open_page()
    told = opened.astimezone(MOSCOW).strftime("%H:%M:%S")
    await expect(page.get_by_test_id("appeal-row-1")).to_contain_text(told)
    await expect(page.get_by_test_id("appeal-row-2")).to_contain_text(told)


async def test_an_appeal_that_is_not_there(open_page: Open) -> None:
    page = await open_page("#/appeals/404")
    await expect(page.get_by_text("Обращения 404 нет, или вам его не видно.")).to_be_visible()


def _stage(page: Page) -> Locator:
    return page.get_by_test_id("route").locator('[aria-current="step"]')


def _appeal_with_call(server: FakeServer, **changes: object) -> dict[str, object]:
    opened = _now() - timedelta(minutes=4)
    made = call("main-3", MARIA, opened, appeal=3, recordings=(31,))
    server.calls["main-3"] = made
    appeal = server.add_appeal(3, MARIA, opened=opened, calls=[made], **changes)
    appeal["times"] |= {"wait_s": 21, "queue_wait_s": 18.2, "ring_s": 14.6}
    appeal["targets"] = {"wait_s": {"limit_s": 30, "met": True}}
    return appeal


async def test_the_accused_reads_with_dignity_who_handles_it(
    open_page: Open, server: FakeServer
) -> None:
    server.own_cases[3] = {
        "number": 3,
        "opened_at": _now().isoformat(),
        "phase": "investigating",
        "handled_by": {"id": 1, "name": "Служба качества"},
        "explanation": None,
        "hidden": True,
    }
    page = await open_page("#/appeals/3")
    own = page.get_by_test_id("own-case")
    await expect(own).to_contain_text("Обращение, в котором речь о вас")
    await expect(own).to_contain_text("Служба качества")
    await expect(own).to_contain_text("Если понадобится ваше объяснение")
    await expect(page.get_by_test_id("take-button")).to_have_count(0)


async def test_who_answered_the_call_is_offered_what_is_left_to_them(
    open_page: Open, server: FakeServer
) -> None:
    server.add_appeal(3, MARIA, may=["read", "note", "accuse"], category="staff")
    hidden = {"n": 2, "hash": "0" * 64, "hidden": True}
    server.histories[3].append(hidden)
    page = await open_page("#/appeals/3")
    form = page.get_by_test_id("notes-form")
    await expect(form).to_contain_text("обращение разберёт другой сотрудник")
    await expect(form.get_by_label("На кого жалоба")).to_be_visible()
    await expect(form.locator("textarea")).to_have_count(1)
    await expect(form.locator("select[name=category]")).to_have_count(0)  # written already
    await expect(page.get_by_test_id("take-button")).to_have_count(0)
    await expect(page.get_by_test_id("history").locator("li")).to_have_count(1)
