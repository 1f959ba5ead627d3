"""The link against real Asterisks of both versions, with the rendered user's rights and filters."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from ami import actions, events
from ami.connection import AmiLink, LinkDown, LinkSettings, LinkState, LinkUp
from ami.errors import ActionFailed, EventError
from ami.inbox import EventBroken
from ami.spool import read_families, read_press
from ivr.menu import AmiAccount
from tests import timing
from tests.ami.test_connection import Reading, running
from tests.lab.fixtures import StartAsterisk
from tests.lab.harness import CONTROL, PRESS3, Lab, LabMenu
from tests.waiting import until

# What a caller might send as his number: a false identity, the end of the event, an event of his own.
FORGED = "1%0D%0AUniqueid: 1.1%0D%0A%0D%0AEvent: Hangup%0D%0AChannel: x%0D%0AUniqueid: 1.1%0D%0A"
FORGED += "Linkedid: 1.1%0D%0ACause: 16%0D%0A%0D%0AX:"
EVIL = f"""\
[evil]
exten => s,1,Set(CALLERID(num)=${{URIDECODE({FORGED})}})
 same => n,Wait(9)
"""

pytestmark = pytest.mark.asterisk


@asynccontextmanager
async def linked(lab: Lab, account: AmiAccount = PRESS3) -> AsyncIterator[tuple[AmiLink, Reading]]:
    settings = LinkSettings(
        pbx="lab",
        host="127.0.0.1",
        port=lab.ports.ami,
        username=account.username,
        secret=account.secret,
    )
    async with running(AmiLink(settings, now=lambda: datetime.now(UTC))) as link:
        yield link, Reading(link)


async def test_the_rendered_rights_suffice_to_read_and_for_no_more(
    asterisk: StartAsterisk, asterisk_version: str
) -> None:
    lab = await asterisk(asterisk_version)
    async with linked(lab) as (link, reading):
        up = await reading.to(LinkUp)
        assert up.version.startswith(f"{asterisk_version}.")
        assert abs(up.pbx_now - datetime.now(UTC)) < timedelta(seconds=5)
        core = await link.action("CoreStatus")
        started = f"{core.get('CoreStartupDate')} {core.get('CoreStartupTime')}"
        assert started == up.startup
        assert await actions.show_channels(link) == []
        assert await link.action_list("Status") == []
        assert {row.event for row in await actions.queue_status(link)} >= {"QueueParams"}
        assert await actions.db_get(link, "press3", "none") is None
        assert await actions.getvar(link, "DB_KEYCOUNT(press3-none)") == "0"
        allowed = await actions.list_commands(link)
        assert {"DBGet", "DBGetTree", "Getvar", "Status", "CoreShowChannels"} <= allowed.keys()
        with pytest.raises(ActionFailed, match=r"[Pp]ermission"):
            await link.action("DBPut", Family="press3", Key="x", Val="y")


async def test_a_wrong_secret_is_refused_loudly(
    asterisk: StartAsterisk, asterisk_version: str
) -> None:
    lab = await asterisk(asterisk_version)
    async with linked(lab, AmiAccount(username="press3", secret="wrong")) as (link, _):
        await until(lambda: link.state is LinkState.REFUSED)
        assert link.state_reason == "Login: Authentication failed"


async def test_presses_written_to_astdb_are_read_back(
    asterisk: StartAsterisk, asterisk_version: str
) -> None:
    lab = await asterisk(asterisk_version, fresh=True)
    async with linked(lab) as (link, reading):
        now: datetime = (await reading.to(LinkUp)).pbx_now
        keys = []
        for hours in (0, 1, 30, 24 * 7):
            at = now - timedelta(hours=hours)
            key = f"press3/{at:%Y%m%d%H%M}/pbx_1-{at.timestamp():.0f}.1-123456"
            keys.append(key)
            value = f"2|{hours}.1||{at.timestamp():.3f}|1|%D0%98%7C|2|main|q"
            family, name = key.rsplit("/", 1)
            await lab.pbx.rx(f'database put {family} {name} "{value}"')
            await lab.pbx.rx(f'database put {key} ended "{at.timestamp() + 9:.3f}"')
        week = [
            press
            async for presses in read_families(link, now - timedelta(days=8), now)
            for press in presses
        ]
        assert [press.key for press in week] == keys[::-1]
        assert {press.name for press in week} == {"И|"}
        newest = await read_press(link, keys[0])
        assert newest is not None
        assert newest == week[-1]
        assert newest.ended_at is not None
        assert await read_press(link, keys[0] + "0") is None


async def test_eight_days_of_an_empty_spool_are_read_in_a_moment(
    asterisk: StartAsterisk, asterisk_version: str
) -> None:
    lab = await asterisk(asterisk_version, fresh=True)
    async with linked(lab) as (link, reading):
        now = (await reading.to(LinkUp)).pbx_now
        stopwatch = timing.Stopwatch()
        assert [each async for each in read_families(link, now - timedelta(days=8), now)] == []
        assert stopwatch.own_s < 2


async def test_a_killed_pbx_is_seen_at_once_and_its_restart_within_three_seconds(
    asterisk: StartAsterisk, asterisk_version: str
) -> None:
    lab = await asterisk(asterisk_version, fresh=True)
    async with linked(lab) as (link, reading):
        before = await reading.to(LinkUp)
        # Asterisk tells its start to the second: two within one look like one.
        await until(
            lambda: (link.pbx_now() or before.pbx_now) > before.pbx_now + timedelta(seconds=1)
        )
        lab.pbx.kill9()
        await reading.to(LinkDown)
        await until(lambda: link.state is LinkState.DOWN)
        await lab.pbx.start()
        booted = timing.Stopwatch()
        after = await reading.to(LinkUp)
        assert booted.own_s <= 3
        assert after.startup != before.startup


async def test_a_number_with_line_breaks_can_not_speak_for_the_pbx(
    asterisk: StartAsterisk, asterisk_version: str
) -> None:
    """Asterisk lets a caller's number through as it is (here the dialplan plays the caller)."""
    lab = await asterisk(asterisk_version, LabMenu(files={"extensions_more.conf": EVIL}))
    async with linked(lab) as (link, reading), linked(lab, CONTROL) as (control, control_reading):
        await reading.to(LinkUp)
        await control_reading.to(LinkUp)
        await control.action(
            "Originate", Channel="Local/s@evil/n", Application="Wait", Data="9", Async="true"
        )
        broken = await reading.to(EventBroken)
        assert isinstance(broken.error, EventError)
        forged = await reading.to_event(events.Hangup)  # a whole event of the caller's own making
        assert forged.channel.uniqueid == "1.1"
        alive = {channel.uniqueid for channel in await actions.show_channels(link)}
        assert "1.1" not in alive
        assert not await actions.is_alive(link, "1.1")
        assert link.state is LinkState.UP
