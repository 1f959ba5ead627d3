"""One's own keys on the screen: code, duty, password, sessions; and the audit of those who oversee."""

import pytest
from playwright.async_api import Page, expect

from tests.ui.conftest import ARTIFACTS, Open
from tests.ui.fake_account import CODE
from tests.ui.fake_server import PASSWORD, FakeServer
from tests.ui.test_pages import FAULTS, PALE

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

NEW = "пять синих китов"


async def enter(page: Page) -> None:
    await page.get_by_label("Логин").fill("anna")
    await page.get_by_label("Пароль").fill(PASSWORD)
    await page.get_by_role("button", name="Войти").click()


async def sound(page: Page, name: str) -> None:
    """Look at the page wide and narrow, in both languages and themes; keep pictures for a person."""
    await page.emulate_media(reduced_motion="reduce")  # colours change at once
    for language in ("ru", "en"):
        await page.get_by_test_id(f"language-{language}").click()
        for theme in ("light", "dark"):
            await page.get_by_test_id("theme").select_option(theme)
            for width in (1280, 390):
                await page.set_viewport_size({"width": width, "height": 900})
                assert await page.evaluate(FAULTS) == [], (name, language, theme, width)
                assert await page.evaluate(PALE) == [], (name, language, theme, width)
                if theme == "light":
                    ARTIFACTS.mkdir(exist_ok=True)
                    picture = ARTIFACTS / f"{name}-{language}-{width}.png"
                    await page.screenshot(path=picture, full_page=True)


async def test_a_code_is_asked_for_when_the_password_is_right(
    open_page: Open, server: FakeServer
) -> None:
    server.account.second_factor = "on"
    page = await open_page(login=None)
    await enter(page)
    field = page.get_by_label("Код из приложения")
    await expect(field).to_be_focused()
    await sound(page, "code")
    await page.get_by_test_id("language-ru").click()
    await field.fill("000000")
    await page.keyboard.press("Enter")
    await expect(page.get_by_test_id("login-problem")).to_have_text(
        "Код не подошёл или уже использован."
    )
    await field.fill(CODE)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Обращения")


async def test_when_many_sign_in_the_screen_waits_for_its_turn(
    open_page: Open, server: FakeServer
) -> None:
    server.account.crowded = 2
    page = await open_page(login=None)
    await enter(page)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Обращения")
    assert server.account.crowded == 0


async def test_a_password_of_an_administrator_is_changed_before_anything_else(
    open_page: Open, server: FakeServer
) -> None:
    server.account.duty = "change-password"
    page = await open_page(login=None)
    await enter(page)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Выберите свой пароль")
    assert server.connected == 0
    await sound(page, "must-change")
    await page.get_by_test_id("language-ru").click()
    problem = page.get_by_test_id("password-problem")
    for old, new, again, said in (
        (PASSWORD, NEW, "другой пароль", "Новые пароли не совпадают."),
        ("wrong", NEW, NEW, "Это не ваш нынешний пароль."),
        (
            PASSWORD,
            "password1",
            "password1",
            "Это один из самых частых паролей, сам по себе или с цифрами и знаками по краям.",
        ),
    ):
        await fill(page, old, new, again)
        await expect(problem).to_have_text(said)
    await fill(page, PASSWORD, NEW, NEW)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Обращения")


async def fill(page: Page, old: str, new: str, again: str) -> None:
    await page.get_by_label("Нынешний пароль").fill(old)
    await page.get_by_label("Новый пароль", exact=True).fill(new)
    await page.get_by_label("Новый пароль ещё раз").fill(again)
    await page.get_by_role("button", name="Сменить пароль").click()


async def test_a_duty_that_comes_later_takes_the_desk_away(
    open_page: Open, server: FakeServer
) -> None:
    page = await open_page()
    server.account.duty, server.account.second_factor = "enrol-second-factor", "none"
    server.failing["/calls"] = 403
    server.failing_as["/calls"] = "duty"
    await page.get_by_role("link", name="Звонки").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Второй фактор")
    server.failing.clear()
    await page.get_by_label("Пароль").fill(PASSWORD)
    await page.get_by_role("button", name="Подключить приложение").click()
    await expect(page.get_by_test_id("secret")).to_have_text(
        "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ"
    )
    await sound(page, "second-factor")
    await page.get_by_test_id("language-ru").click()
    await page.get_by_label("Код из приложения").fill(CODE)
    await page.get_by_role("button", name="Подтвердить").click()
    await expect(page.locator('[data-testid=socket-state][data-state="open"]')).to_be_visible()


async def test_ones_own_page_changes_the_password_and_ends_sessions(
    open_page: Open, server: FakeServer
) -> None:
    server.account.second_factor = "none"
    page = await open_page()
    await page.get_by_test_id("me").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Вход и пароль")
    await expect(page.get_by_test_id("session-other")).to_have_count(2)
    await sound(page, "account")
    await page.get_by_test_id("language-ru").click()
    await page.get_by_role("button", name="Завершить", exact=True).first.click()
    await expect(page.get_by_test_id("session-other")).to_have_count(1)
    await page.get_by_test_id("end-others").click()
    await expect(page.get_by_test_id("session-other")).to_have_count(0)
    await fill(page, PASSWORD, NEW, NEW)
    await expect(
        page.get_by_text("Пароль сменён. Остальные сеансы завершены.").last
    ).to_be_visible()
    await expect(page.get_by_label("Нынешний пароль")).to_have_value("")


async def test_the_audit_shows_the_entrance_and_the_listenings(
    open_page: Open, server: FakeServer
) -> None:
    page = await open_page("#/audit", login="boss")
    await expect(page.get_by_test_id("audit-row")).to_have_count(5)
    await expect(page.get_by_test_id("audit-row").nth(1)).to_contain_text(
        "Блокировка входа: для незнакомых устройств"
    )
    await expect(page.get_by_test_id("audit-row").last).to_contain_text("командная строка")
    await sound(page, "audit")
    await page.get_by_test_id("language-ru").click()
    await page.get_by_test_id("audit-kind").select_option("spraying")
    await expect(page.get_by_test_id("audit-row")).to_have_count(1)
    await page.get_by_role("link", name="Прослушивания").click()
    await expect(page.get_by_test_id("listening-row")).to_contain_text("main-1764400000.17")
    await sound(page, "listening")
