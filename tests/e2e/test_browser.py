"""The screen in a real browser, on the real press3, with calls on a real Asterisk.

The browser reaches press3 through a line that a test can cut, and that follows press3 to its new
port after a restart, as a proxy's address would.
"""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect

from tests.browsers import ARTIFACTS, collect_errors, launched, new_context
from tests.e2e.desk import PASSWORD, Desk, open_desk
from tests.fakes.tcp_proxy import TcpProxy
from tests.lab.fixtures import Labs
from tests.lab.harness import QUICK, Lab, LabMenu, SippCall
from tests.lab.scenarios import Bye, Key, Speak, TelephoneHabit, Wait
from tests.waiting import until

pytestmark = [pytest.mark.asterisk, pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

COMING_MS = 40_000  # deadline for what must come; the machine may be busy with other things
DIRECT = "7101"  # the direct line of operator 101: he may be rung by it and by the queue at once
LONG_RING = LabMenu(
    menu=replace(QUICK, members=("PJSIP/101", "PJSIP/102"), ring_s=300, queue_timeout_s=300),
    files={
        "extensions_more.conf": "[incoming](+)\nexten => _7XXX,1,Dial(PJSIP/${EXTEN:1},300,t)\n"
    },
)
SILENT = TelephoneHabit(then="noanswer")


@dataclass
class House:
    """A PBX, press3 beside it, and people at browsers."""

    lab: Lab
    desk: Desk
    line: TcpProxy
    browser: Browser
    errors: list[str] = field(default_factory=list)
    open: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.line.port}/"

    async def sit_down(self, login: str, place: str = "") -> Page:
        """Open a browser, sign in by the form and go to `place`."""
        context = await new_context(self.browser)
        self.open.push_async_callback(context.close)
        context.set_default_timeout(COMING_MS)
        collect_errors(context, self.errors)
        page = await context.new_page()
        await page.goto(self.url)
        await page.get_by_label("Логин").fill(login)
        await page.get_by_label("Пароль").fill(PASSWORD)
        await page.get_by_role("button", name="Войти").click()
        await _socket(page, "open")
        await page.goto(self.url + place)
        return page

    async def press(self, number: str, *, talk_s: float = 60, name: str = "Иван Ёлкин") -> SippCall:
        """A customer calls and presses 3."""
        steps = [Speak(), Wait(0.8), Key("3"), Wait(talk_s), Bye()]
        return await self.lab.call(number=number, name=name, steps=steps)

    async def get(self, path: str) -> Any:
        return await (await self.desk.person("chief")).get(path)

    async def appeal(self, number: str) -> dict[str, Any]:
        """Return the one appeal of this caller."""
        (item,) = (await self.get(f"/appeals?q={number.lstrip('+')}"))["items"]
        return dict(await self.get(f"/appeals/{item['number']}"))

    async def restart_press3(self) -> None:
        await self.desk.start()
        self.follow()

    def follow(self) -> None:
        port = urlsplit(self.desk.url).port
        assert port is not None
        self.line.target_port = port


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_house(
    labs: Labs, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[House]:
    lab = await labs.start("22", LONG_RING, fresh=True)
    async with (
        launched() as browser,
        open_desk(lab, tmp_path_factory.mktemp("browser")) as desk,
        TcpProxy(0) as line,
    ):
        house = House(lab, desk, line, browser)
        house.follow()
        yield house


@pytest_asyncio.fixture(loop_scope="module")
async def house(module_house: House) -> AsyncIterator[House]:
    """The module's house; after a test nobody talks, and neither browser nor press3 has complained."""
    async with AsyncExitStack() as module_house.open:
        yield module_house
    await module_house.lab.hang_up_all()
    assert module_house.errors == []
    assert "Traceback" not in module_house.desk.log.read_text(errors="replace")


async def test_a_call_pops_up_before_the_answer_and_becomes_the_current_call(house: House) -> None:
    number = "+79110000201"
    page = await house.sit_down("op101")
    card = _cards(page, number)
    async with (
        house.lab.telephone("101", TelephoneHabit(ring_s=8)) as telephone,
        house.lab.telephone("102", SILENT),
    ):
        caller = await house.press(number, talk_s=25)
        await _phase(card, "ringing")
        assert telephone.truth.picked_up == (), "the pop is there before the answer"
        await _keep(page, "real-pop")
        await expect(card).to_contain_text("Иван Ёлкин")
        appeal = await house.appeal(number)
        await expect(card.get_by_role("link")).to_have_text([str(appeal["number"])])
        await expect(_rows(page, number)).to_have_count(1)
        await _phase(card, "current")
        assert telephone.truth.picked_up
        await page.reload()
        await _phase(card, "current")
        await expect(card).to_have_count(1)
        await _keep(page, "real-current")
        await caller.done()
    await expect(card).to_have_count(0, timeout=COMING_MS)
    await expect(page.get_by_test_id("pop-recent").filter(has_text=number)).to_have_count(1)


async def test_the_list_moves_by_itself_and_the_appeal_shows_its_proof(house: House) -> None:
    number = "+79110000202"
    page = await house.sit_down("chief", "#/appeals")
    await page.evaluate("window.loadedOnce = true")
    row = _rows(page, number)
    waited = row.locator('[data-head="Ожидание"]')
    async with (
        house.lab.telephone("101", TelephoneHabit(ring_s=6)),
        house.lab.telephone("102", SILENT),
    ):
        caller = await house.press(number, talk_s=25)
        await expect(waited).to_have_text("ещё нет", timeout=COMING_MS)
        await expect(waited).to_have_text(re.compile(r"^[\d,]+ с$"), timeout=COMING_MS)
        await row.get_by_role("link").first.click()
        await expect(page.locator(".call")).to_contain_text("идёт сейчас")
        await caller.done()
    player = page.get_by_test_id("player")
    await expect(player).to_be_visible(timeout=COMING_MS)
    appeal = await house.appeal(number)
    await _shows(page, appeal)
    await _plays(page, appeal["calls"][0]["recordings"][0]["duration_s"])
    assert await page.evaluate("window.loadedOnce"), "nothing was reloaded"
    for theme in ("dark", "light"):
        await page.get_by_test_id("theme").select_option(theme)
        await _keep(page, f"real-appeal-{theme}")
    await page.get_by_role("navigation").get_by_role("link", name="Звонки").click()
    call = page.locator(f'[data-testid="call-row-{appeal["calls"][0]["id"]}"]')
    await expect(call).to_contain_text("отвечен")


async def _shows(page: Page, appeal: dict[str, Any]) -> None:
    """Times, legs and history, as REST tells them."""
    for name in ("queue_wait_s", "wait_s", "ring_s", "first_contact_s"):
        row = page.get_by_test_id(f"time-{name}")
        await expect(row.locator('[data-head="Значение"]')).to_have_text(
            _duration(appeal["times"][name])
        )
    (call,) = appeal["calls"]
    legs = page.locator(".call tbody tr")
    await expect(legs).to_have_count(len(call["legs"]))
    answered = legs.filter(has_text="Op101")  # not 102 of «Op101 02:36»
    await expect(answered).to_contain_text(re.compile(r"\d\d:\d\d:\d\d.*ответил", re.DOTALL))
    await expect(legs.filter(has_text="Op102")).to_contain_text("ответил другой")
    history = page.get_by_test_id("history")
    for text in ("Обращение открыто", "Первый разговор с клиентом", "Звонок окончен"):
        await expect(history.get_by_text(text)).to_have_count(1)
    assert [at[11:19] for at in await _stated(page, ".call header > time")] == [
        call["started_at"][11:19]
    ]


async def _plays(page: Page, duration_s: float) -> None:
    """The real recording is heard, and its wave is drawn from the stored peaks."""
    assert await until(lambda: page.evaluate(DRAWN), deadline_s=20, what="the wave is drawn")
    await page.get_by_role("button", name="Слушать").click()
    audio = page.locator("audio")
    at_s = "audio => audio.currentTime"
    await until(lambda: _above(audio, at_s, 0.5), deadline_s=30, what="the recording plays")
    assert await audio.evaluate("audio => audio.duration") == pytest.approx(duration_s, abs=0.5)
    await page.get_by_role("button", name="Пауза").click()


# Whether a canvas of the wave (in wavesurfer's shadow tree) has a coloured dot.
DRAWN = """() => {
  const inside = (root) => [...root.querySelectorAll('*')].flatMap(
    (e) => [...(e.tagName === 'CANVAS' ? [e] : []), ...(e.shadowRoot ? inside(e.shadowRoot) : [])])
  return inside(document.querySelector('.wave')).some((canvas) => canvas.width > 0 && canvas
    .getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((byte) => byte > 0))
}"""


async def _above(audio: Locator, what: str, least: float) -> bool:
    return bool(await audio.evaluate(what) > least)


async def test_a_cut_line_a_reload_and_a_restart_lose_nothing_and_double_nothing(
    house: House,
) -> None:
    before, during, without, direct = (f"+7911000021{n}" for n in range(4))
    chief, operator = await house.sit_down("chief", "#/appeals"), await house.sit_down("op101")

    async def all_there(*, presses: tuple[str, ...], ringing: tuple[str, ...]) -> None:
        for number in presses:
            await expect(_rows(chief, number)).to_have_count(1, timeout=COMING_MS)
        for number in ringing:
            await expect(_cards(operator, number)).to_have_count(1, timeout=COMING_MS)
        assert await operator.get_by_test_id("pop-card").count() == len(ringing)

    async with house.lab.telephone("101", SILENT), house.lab.telephone("102", SILENT):
        await house.press(before, talk_s=600)
        await all_there(presses=(before,), ringing=(before,))

        house.line.refuse = True
        house.line.cut()
        await _socket(chief, "lost")
        await _socket(operator, "lost")
        await house.press(during, talk_s=600)
        await house.lab.call(number=direct, to=DIRECT, steps=[Speak(), Wait(600), Bye()])
        await until(lambda: _is_registered(house, during), deadline_s=30, what="the second press")
        house.line.refuse = False
        await all_there(presses=(before, during), ringing=(before, direct))
        await _socket(chief, "open")

        for page in (chief, operator):
            await page.reload()
        await all_there(presses=(before, during), ringing=(before, direct))

        await house.desk.kill9()
        await _socket(operator, "lost")
        await house.press(without, talk_s=600)
        await until(lambda: _is_spooled(house, without), deadline_s=30, what="the PBX keeps it")
        await house.restart_press3()
        await all_there(presses=(before, during, without), ringing=(before, direct))
        assert await _rows(chief, "").count() == len(await _numbers(house))


async def _is_registered(house: House, number: str) -> bool:
    return len((await house.get(f"/appeals?q={number.lstrip('+')}"))["items"]) == 1


async def _is_spooled(house: House, number: str) -> bool:
    return any(number in value for value in (await house.lab.spool()).values())


async def _numbers(house: House) -> list[int]:
    return [item["number"] for item in (await house.get("/appeals?limit=200"))["items"]]


async def test_the_banner_comes_with_the_loss_of_asterisk_and_goes_with_its_return(
    house: House,
) -> None:
    page = await house.sit_down("chief", "#/blind-windows")
    banner, windows = page.get_by_test_id("link-banner"), page.get_by_test_id("blind-row-main")
    await expect(windows.first).to_be_visible(timeout=COMING_MS)
    known = await windows.count()
    house.lab.pbx.kill9()
    try:
        await expect(banner).to_contain_text("Нет связи с АТС main", timeout=COMING_MS)
        await expect(windows.first).to_contain_text("идёт сейчас", timeout=COMING_MS)
        await _keep(page, "real-banner")
    finally:
        await house.lab.pbx.start()
    await expect(banner).to_have_count(0, timeout=COMING_MS)
    await expect(windows).to_have_count(known + 1, timeout=COMING_MS)
    await expect(windows.first).not_to_contain_text("идёт сейчас", timeout=COMING_MS)
    await house.desk.linked(deadline_s=30)


async def test_who_answered_is_refused_with_the_reason_and_the_chief_sees_it(house: House) -> None:
    number = "+79110000206"
    page = await house.sit_down("op101")
    async with (
        house.lab.telephone("101", TelephoneHabit(ring_s=1)),
        house.lab.telephone("102", SILENT),
    ):
        caller = await house.press(number, talk_s=4)
        await caller.done()
    await _rows(page, number).get_by_role("link").first.click()
    await expect(page.get_by_text("слушать её вам не разрешено")).to_be_visible(timeout=COMING_MS)
    notes = page.get_by_test_id("notes-form")
    await expect(notes).to_contain_text("обращение разберёт другой сотрудник")
    await expect(page.get_by_test_id("take-button")).to_have_count(0)
    await notes.locator("textarea").fill("Курьер опоздал")
    await notes.get_by_role("button").click()
    await expect(page.get_by_test_id("history")).to_contain_text("Курьер опоздал")
    number_of_appeal = (await house.appeal(number))["number"]
    assert await page.evaluate(_TAKE, number_of_appeal) == 403  # the screen offers no button for it
    await _keep(page, "real-refused")
    appeal = await house.appeal(number)
    assert (appeal["responsible"], appeal["phase"]) == (None, "received")
    assert appeal["gist"] == "Курьер опоздал"
    chief = await house.sit_down("chief", f"#/appeals/{appeal['number']}")
    await expect(chief.get_by_test_id("history")).to_contain_text(
        "Попытка отклонена: взять в работу — этот сотрудник сам принял этот звонок"
    )


_TAKE = "n => fetch(`/api/v1/appeals/${n}/take`, {method: 'POST'}).then(answer => answer.status)"


def _rows(page: Page, text: str) -> Locator:
    return page.locator("[data-testid^=appeal-row-]").filter(has_text=text)


def _cards(page: Page, number: str) -> Locator:
    return page.get_by_test_id("pop-card").filter(has_text=number)


async def _phase(card: Locator, phase: str) -> None:
    await expect(card).to_have_attribute("data-phase", phase, timeout=COMING_MS)


async def _socket(page: Page, state: str) -> None:
    at = page.get_by_test_id("socket-state")
    await expect(at).to_have_attribute("data-state", state, timeout=COMING_MS)


async def _stated(page: Page, selector: str) -> list[str]:
    times: list[str] = await page.locator(selector).evaluate_all(
        "all => all.map((one) => one.dateTime)"
    )
    return times


def _duration(value: float) -> str:
    assert 0 <= value < 60, "this test's times are short"
    return (
        f"{value:.1f}".removesuffix(".0").replace(".", ",") + " с"
        if value < 10
        else (f"{round(value)} с")
    )


async def _keep(page: Page, name: str) -> None:
    """Keep what a person would see, to be looked at."""
    ARTIFACTS.mkdir(exist_ok=True)
    await page.evaluate("scrollTo(0, 0)")
    path = ARTIFACTS / f"{name}.png"
    await page.screenshot(path=path, full_page=True, animations="disabled")
