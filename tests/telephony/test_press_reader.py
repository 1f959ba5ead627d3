"""What was pressed, read afresh from the PBX, and whether every press must be in it."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ami.connection import AmiLink, LinkSettings, LinkState
from appeals.case.errors import PbxUnread
from calls.numbers import NumberRules
from press3.config.settings import Settings
from press3.telephony_parts import logs_by_pbx
from telephony.catch_up import SETTLED
from telephony.press_reader import PbxReader
from tests.fakes.ami_peer import Action, AmiPeer
from tests.waiting import until

pytestmark = pytest.mark.timing

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PRESSED = NOW - timedelta(minutes=30)


@pytest.fixture
async def peer() -> AsyncIterator[AmiPeer]:
    """A PBX on which 3 was pressed half an hour ago."""
    async with AmiPeer() as peer:
        peer.clock = f"{NOW.timestamp():.6f}"
        row = f"2|1.7|1.7|{PRESSED.timestamp():.3f}|+79110000001||74951234567|press3|q"
        peer.astdb = {f"press3/{PRESSED:%Y%m%d%H%M}/1.7-1": row}
        yield peer


@pytest.fixture
async def link(peer: AmiPeer) -> AsyncIterator[AmiLink]:
    settings = LinkSettings(
        pbx="main", host="127.0.0.1", port=peer.port, username="press3", secret="s3cret"
    )
    link = AmiLink(settings, now=lambda: NOW)
    task = asyncio.create_task(link.run())
    await until(lambda: link.state is LinkState.UP, what="the link is up")
    yield link
    await link.close()
    await task


def reader(link: AmiLink, *observe: dict[str, Any], **main: Any) -> PbxReader:
    settings = Settings(asterisk=[{"name": "main", **main}], ivr={"observe": observe})  # type: ignore[arg-type, list-item]
    return PbxReader([link], logs_by_pbx(settings, NumberRules()))


def told(reading: Any) -> list[tuple[str, bool]]:
    return [(source.name, source.complete) for source in reading.sources]


async def test_the_presses_of_the_period_and_a_complete_source(link: AmiLink) -> None:
    reading = await reader(link).read(NOW - timedelta(hours=1), NOW)
    assert [press.uniqueid for press in reading.pressed] == ["1.7"]
    assert [(source.name, source.complete) for source in reading.sources] == [("main: AstDB", True)]


async def test_presses_of_the_last_seconds_are_left_to_the_next_reading(
    peer: AmiPeer, link: AmiLink
) -> None:
    peer.clock = f"{(PRESSED + SETTLED).timestamp():.6f}"
    reading = await reader(link).read(NOW - timedelta(hours=1), NOW)
    assert (reading.pressed, reading.read_until) == ((), {"main": PRESSED})
    peer.clock = f"{(PRESSED + SETTLED).timestamp() + 0.001:.6f}"
    reading = await reader(link).read(NOW - timedelta(hours=1), NOW)
    assert [press.uniqueid for press in reading.pressed] == ["1.7"]


async def test_what_the_dialplan_has_pruned_proves_nothing(link: AmiLink) -> None:
    start = NOW - timedelta(days=9)
    reading = await reader(link).read(start, start + timedelta(days=1))
    assert [source.complete for source in reading.sources] == [False]


async def test_a_menu_only_observed_makes_the_pbx_an_incomplete_source(link: AmiLink) -> None:
    reading = await reader(link, {"context": "ivr-7", "exten": "3"}).read(
        NOW - timedelta(hours=1), NOW
    )
    assert [(source.name, source.complete) for source in reading.sources] == [
        ("main: AstDB", True),
        ("main: observed menu", False),
    ]


async def test_when_no_pbx_can_be_read_nothing_is_told(link: AmiLink) -> None:
    await link.close()
    with pytest.raises(PbxUnread, match="from PBX main now"):
        await reader(link).read(NOW - timedelta(hours=1), NOW)


async def test_a_minute_that_can_not_be_read_hides_no_other_and_the_pbx_did_answer(
    peer: AmiPeer, link: AmiLink
) -> None:
    lost = f"press3/{PRESSED + timedelta(minutes=1):%Y%m%d%H%M}"

    def read(action: Action) -> Iterable[bytes]:
        family = action.get("Family")
        rows = [
            action.item("DBGetTreeResponse", Key=f"/{key}", Val=value)
            for key, value in peer.astdb.items()
            if key.startswith(family)
        ]
        counted = 2 if family == lost else len(rows)  # two rows never came
        return action.listed("DBGetTreeComplete", rows, counted=counted)

    peer.on("DBGetTree", read)
    reading = await reader(link).read(NOW - timedelta(minutes=50), NOW)
    assert [press.uniqueid for press in reading.pressed] == ["1.7"]
    assert (reading.unread, told(reading)) == ((), [("main: AstDB", False)])


async def test_one_of_two_that_can_not_be_read_is_named_and_incomplete(link: AmiLink) -> None:
    away = AmiLink(
        LinkSettings(pbx="away", host="127.0.0.1", port=1, username="press3", secret="s3cret"),
        now=lambda: NOW,
    )
    both = Settings.model_validate({"asterisk": [{"name": "away"}, {"name": "main"}]})
    logs = logs_by_pbx(both, NumberRules())
    reading = await PbxReader([away, link], logs).read(NOW - timedelta(hours=1), NOW)
    assert reading.unread == ("away",)
    assert told(reading) == [("away: AstDB", False), ("main: AstDB", True)]
    assert [press.uniqueid for press in reading.pressed] == ["1.7"]


async def test_a_pbx_that_is_away_is_read_by_a_log_that_tells_the_whole_period(
    link: AmiLink, queue_log: Path
) -> None:
    await link.close()
    reading = await reader(link, queue_log=queue_log).read(NOW - timedelta(hours=1), NOW)
    assert reading.unread == ()
    assert told(reading) == [("main: AstDB", False), ("main: queue_log", True)]
    assert {press.key for press in reading.pressed} == {KEY}


def test_a_rule_for_no_pbx_in_particular_observes_all_of_them() -> None:
    pbxs = [{"name": "main"}, {"name": "branch"}]
    one = {"observe": [{"asterisk": "branch", "context": "ivr-7", "exten": "3"}]}
    every = {"observe": [{"context": "ivr-7", "digit": "3"}]}

    def observed_on(settings: Settings) -> set[str]:
        return {n for n, logs in logs_by_pbx(settings, NumberRules()).items() if logs.observed}

    assert observed_on(Settings(asterisk=pbxs)) == set()  # type: ignore[arg-type]
    assert observed_on(Settings(asterisk=pbxs, ivr=one)) == {"branch"}  # type: ignore[arg-type]
    assert observed_on(Settings(asterisk=pbxs, ivr=every)) == {"main", "branch"}  # type: ignore[arg-type]


# -- the PBX's own logs -------------------------------------------------------------------------

KEY = f"press3/{PRESSED:%Y%m%d%H%M}/1.7-1"
LEADS = {"context": "ivr-7", "exten": "3", "leads_to": "600"}


def line(at: datetime, rest: str) -> str:
    return f"{at.timestamp():.0f}|{rest}\n"


def entry(at: datetime, uniqueid: str, queue: str = "600", number: str = "+79110000002") -> str:
    return line(at, f"{uniqueid}|{queue}|NONE|ENTERQUEUE||{number}|1")


@pytest.fixture
def queue_log(tmp_path: Path) -> Path:
    """It goes back to yesterday and has the press that AstDB has."""
    log = tmp_path / "queue_log"
    log.write_text(
        line(NOW - timedelta(days=1), "NONE|NONE|NONE|QUEUESTART|")
        + line(PRESSED, f"1.7|press3|NONE|PRESS3|{KEY}")
    )
    return log


async def test_a_press_in_both_is_one_press(link: AmiLink, queue_log: Path) -> None:
    reading = await reader(link, queue_log=queue_log).read(NOW - timedelta(hours=1), NOW)
    assert {press.key for press in reading.pressed} == {KEY}
    assert told(reading) == [("main: AstDB", True), ("main: queue_log", True)]


async def test_a_queue_log_that_begins_too_late_or_lacks_a_press_is_incomplete(
    link: AmiLink, queue_log: Path
) -> None:
    for number, text in enumerate(
        (
            line(NOW - timedelta(days=1), "NONE|NONE|NONE|QUEUESTART|"),
            line(PRESSED, f"1.7|press3|NONE|PRESS3|{KEY}"),
            "",
        )
    ):
        log = queue_log.with_name(f"{number}-queue_log")
        log.write_text(text)
        reading = await reader(link, queue_log=log).read(NOW - timedelta(hours=1), NOW)
        assert told(reading) == [("main: AstDB", True), ("main: queue_log", False)], text
    nowhere = queue_log.with_name("nowhere")
    reading = await reader(link, queue_log=nowhere).read(NOW - timedelta(hours=1), NOW)
    assert told(reading)[1] == ("main: queue_log", False)


async def test_a_call_in_the_queue_that_the_key_leads_to_is_a_press(
    link: AmiLink, queue_log: Path
) -> None:
    with queue_log.open("a") as log:
        log.write(entry(PRESSED, "1.8"))
        log.write(entry(PRESSED + timedelta(seconds=30), "1.8"))  # came back: once per call
        log.write(entry(PRESSED, "1.9", queue="601"))
        log.write(entry(PRESSED, "1.10", number="101"))  # a colleague
        log.write(entry(NOW, "1.11"))  # after the period
    reading = await reader(link, LEADS, queue_log=queue_log).read(NOW - timedelta(hours=1), NOW)
    assert [(p.uniqueid, p.observed) for p in reading.pressed if p.key is None] == [("1.8", True)]
    assert told(reading)[2] == ("main: observed menu", True)


async def test_the_queue_of_the_key_may_be_the_second_of_the_call(
    link: AmiLink, queue_log: Path
) -> None:
    pressed = PRESSED + timedelta(seconds=35)
    with queue_log.open("a") as log:
        log.write(entry(PRESSED, "1.8", queue="500"))
        log.write(line(PRESSED + timedelta(seconds=30), "1.8|500|NONE|EXITWITHKEY|3|2|2|30"))
        log.write(entry(pressed, "1.8"))
        log.write(entry(PRESSED, "1.9", queue="500"))  # an operator there sends the caller on
        log.write(line(pressed, "1.9|500|Anna | Desk|BLINDTRANSFER|600|internal|5|30|1"))
        log.write(entry(pressed, "1.9"))
    reading = await reader(link, LEADS, queue_log=queue_log).read(NOW - timedelta(hours=1), NOW)
    assert [(p.uniqueid, p.pressed_at) for p in reading.pressed if p.key is None] == [
        ("1.8", pressed)
    ]


async def test_two_menus_of_which_one_leads_nowhere_of_its_own_are_incomplete(
    link: AmiLink, queue_log: Path
) -> None:
    other = {"context": "ivr-8", "digit": "3"}
    reading = await reader(link, LEADS, other, queue_log=queue_log).read(
        NOW - timedelta(hours=1), NOW
    )
    assert told(reading)[2] == ("main: observed menu", False)


OUTSIDE = "+79110000002", "PJSIP/t"


async def test_the_cdr_file_of_an_observed_menu(link: AmiLink, tmp_path: Path) -> None:
    def row(at: datetime, queue: str, n: int, who: tuple[str, str] = OUTSIDE) -> str:
        number, channel = who
        times = f'"{at:%F %T}","{at:%F %T}","{at + timedelta(seconds=9):%F %T}",9,9,"ANSWERED"'
        return (
            f'"","{number}","600","ext-queues","x","{channel}","PJSIP/101-1","Queue","{queue},t",'
            f'{times},"DOCUMENTATION","{at.timestamp():.0f}.{n}"\n'
        )

    cdr = tmp_path / "Master.csv"
    cdr.write_text(
        row(NOW - timedelta(days=1), "600", 1)
        + row(PRESSED, "600", 2)
        + row(PRESSED, "601", 3)
        + row(PRESSED, "600", 2)
        + row(PRESSED, "600", 4, ("900", "PJSIP/trunk-00000004"))
        + row(PRESSED, "600", 5, ("102", "PJSIP/102-00000005"))
    )
    reading = await reader(link, LEADS, cdr=cdr).read(NOW - timedelta(hours=1), NOW)
    found = [press.uniqueid for press in reading.pressed if press.key is None]
    assert found == [f"{PRESSED.timestamp():.0f}.{n}" for n in (2, 4)], "900 comes by a trunk"
    assert told(reading)[1:] == [("main: CDR", True), ("main: observed menu", True)]
