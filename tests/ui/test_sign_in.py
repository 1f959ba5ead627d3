"""A person comes in, is refused, stays in over a reload, and goes out."""

import pytest
from playwright.async_api import expect

from tests.ui.conftest import Open
from tests.ui.fake_server import PASSWORD, FakeServer

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_signs_in_with_the_keyboard_alone_and_stays_over_a_reload(open_page: Open) -> None:
    page = await open_page(login=None)
    await page.get_by_label("Логин").focus()
    await page.keyboard.type("anna")
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Обращения")
    await expect(page.get_by_text("Анна Соколова")).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Обращения")


async def test_a_refusal_is_said_and_what_was_typed_stays(open_page: Open) -> None:
    page = await open_page(login=None)
    await page.get_by_label("Логин").fill("anna")
    await page.get_by_label("Пароль").fill("wrong")
    await page.get_by_role("button", name="Войти").click()
    await expect(page.get_by_test_id("login-problem")).to_have_text("Логин или пароль не подошли.")
    await expect(page.get_by_label("Логин")).to_have_value("anna")
    await page.get_by_test_id("language-en").click()
    await expect(page.get_by_test_id("login-problem")).to_have_text(
        "Login or password did not fit."
    )


async def test_a_locked_login_says_how_long(open_page: Open) -> None:
    page = await open_page(login=None)
    await page.get_by_label("Логин").fill("locked")
    await page.get_by_label("Пароль").fill("x")
    await page.get_by_role("button", name="Войти").click()
    await expect(page.get_by_test_id("login-problem")).to_contain_text("через 1 мин 30 с")


async def test_signing_out_clears_the_screen_in_every_tab(open_page: Open) -> None:
    first, second = await open_page(), await open_page()
    await first.get_by_test_id("sign-out").click()
    await expect(first.get_by_test_id("login-form")).to_be_visible()
    await expect(second.get_by_test_id("login-form")).to_be_visible()


async def test_a_session_that_ended_elsewhere_leads_to_sign_in(
    open_page: Open, server: FakeServer
) -> None:
    page = await open_page()
    server._sessions.clear()
    await server.drop_sockets()
    await expect(page.get_by_text("Сеанс закончился. Войдите снова.")).to_be_visible()


async def test_a_server_that_does_not_answer_is_said_and_asked_again(
    open_page: Open, server: FakeServer
) -> None:
    server.failing["/session"] = 503
    page = await open_page(login=None)
    await expect(page.get_by_role("alert")).to_contain_text("Сервер не отвечает")
    server.failing.clear()
    await page.get_by_role("button", name="Повторить").click()
    await expect(page.get_by_test_id("login-form")).to_be_visible()


async def test_supervisors_see_more_pages_than_operators(open_page: Open) -> None:
    operator = await open_page(login="anna")
    await expect(operator.get_by_role("navigation").get_by_role("link")).to_have_text(
        ["Обращения", "Звонки"]
    )
    supervisor = await open_page(login="boss")
    await expect(supervisor.get_by_role("navigation").get_by_role("link")).to_have_text(
        ["Обращения", "Звонки", "Слепые окна", "Сверка", "Аудит"]
    )
