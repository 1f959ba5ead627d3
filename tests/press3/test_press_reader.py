"""What was pressed, read afresh from the PBX, and whether every press must be in it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from ami.connection import AmiLink, LinkSettings, LinkState
from press3.press_reader import AstDbReader, observed_on
from press3.settings import Settings
from tests.fakes.ami_peer import AmiPeer
from tests.waiting import until

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PRESSED = NOW - timedelta(minutes=30)


@pytest.fixture
async def link() -> AsyncIterator[AmiLink]:
    """A link to a PBX on which 3 was pressed half an hour ago."""
    async with AmiPeer() as peer:
        peer.clock = f"{NOW.timestamp():.6f}"
        row = f"2|1.7|1.7|{PRESSED.timestamp():.3f}|+79110000001||74951234567|press3|q"
        peer.astdb = {f"press3/{PRESSED:%Y%m%d%H%M}/1.7-1": row}
        settings = LinkSettings(
            pbx="main", host="127.0.0.1", port=peer.port, username="press3", secret="s3cret"
        )
        link = AmiLink(settings, now=lambda: NOW)
        task = asyncio.create_task(link.run())
        await until(lambda: link.state is LinkState.UP, what="the link is up")
        yield link
        await link.close()
        await task


async def test_the_presses_of_the_period_and_a_complete_source(link: AmiLink) -> None:
    reading = await AstDbReader([link]).read(NOW - timedelta(hours=1), NOW)
    assert [press.uniqueid for press in reading.pressed] == ["1.7"]
    assert [(source.name, source.complete) for source in reading.sources] == [("main: AstDB", True)]


async def test_what_the_dialplan_has_pruned_proves_nothing(link: AmiLink) -> None:
    start = NOW - timedelta(days=9)
    reading = await AstDbReader([link]).read(start, start + timedelta(days=1))
    assert [source.complete for source in reading.sources] == [False]


async def test_a_menu_only_observed_makes_the_pbx_an_incomplete_source(link: AmiLink) -> None:
    reader = AstDbReader([link], observed={"main"})
    reading = await reader.read(NOW - timedelta(hours=1), NOW)
    assert [(source.name, source.complete) for source in reading.sources] == [
        ("main: AstDB", True),
        ("main: observed menu", False),
    ]


async def test_a_pbx_that_can_not_be_read_is_incomplete(link: AmiLink) -> None:
    await link.close()
    reading = await AstDbReader([link]).read(NOW - timedelta(hours=1), NOW)
    assert [source.complete for source in reading.sources] == [False]
    assert not reading.pressed


def test_a_rule_for_no_pbx_in_particular_observes_all_of_them() -> None:
    pbxs = [{"name": "main"}, {"name": "branch"}]
    one = {"observe": [{"asterisk": "branch", "context": "ivr-7", "exten": "3"}]}
    every = {"observe": [{"context": "ivr-7", "digit": "3"}]}
    assert observed_on(Settings(asterisk=pbxs)) == frozenset()  # type: ignore[arg-type]
    assert observed_on(Settings(asterisk=pbxs, ivr=one)) == {"branch"}  # type: ignore[arg-type]
    assert observed_on(Settings(asterisk=pbxs, ivr=every)) == {"main", "branch"}  # type: ignore[arg-type]
