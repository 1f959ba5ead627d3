"""The line between press3 and the PBX: cut, half-open, slow, reset in mid-event; the login refused."""

import asyncio
import json
import signal
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.fakes.tcp_proxy import Mode, TcpProxy
from tests.faults.conftest import OpenSite
from tests.faults.moments import more_presses
from tests.faults.site import Site
from tests.timing import Stopwatch
from tests.waiting import until

pytestmark = pytest.mark.asterisk

NOTICED_S = 12  # the promise: a dead line is noticed so soon
BACK_S = 3  # the promise: the link is up so soon after the line is well
CUTS = 5
TRICKLE = 2_000  # bytes a second
ASKED, SLOW_S = 1_500, 0.6  # so many bytes take longer on it: 0.75 s
FROZEN_S = 8  # longer than the PBX waits for a session to read (writetimeout 5 s)
MANAGER = "manager_press3.conf"


async def test_the_line_is_cut_and_reset_in_mid_event(open_a_site: OpenSite) -> None:
    site = await open_a_site("22", through_proxy=True)
    line, chance = line_of(site), site.random
    back = []
    async with site.calling():
        for _ in range(CUTS):
            await asyncio.sleep(chance.uniform(0.2, 2))
            line.reset_after(chance.randrange(1, 4000))  # somewhere in an event, by chance
            await not_ready(site, deadline_s=10)
            back.append(await well_again(site))
            await asyncio.sleep(chance.uniform(0.2, 2))
            line.refuse = True
            line.cut()
            site.blind()
            await asyncio.sleep(chance.uniform(0, 2))
            line.refuse = False
            back.append(await well_again(site))
    await site.service.linked(deadline_s=30)
    verdict = await site.conclude("AMI cut, reset in mid-event", times=2 * CUTS, reconnect_s=back)
    assert verdict.windows > CUTS
    assert max(back) <= BACK_S, back


async def test_a_half_open_line_is_noticed(open_a_site: OpenSite) -> None:
    site = await open_a_site("22", through_proxy=True)
    line = line_of(site)
    async with site.calling():
        await asyncio.sleep(2)
        line.mode = Mode.HALF_OPEN
        site.blind()
        stopwatch = Stopwatch()
        await not_ready(site, deadline_s=NOTICED_S * 2)
        noticed_s = stopwatch.own_s
        await asyncio.sleep(1)
        line.mode = Mode.PASS
        await well_again(site, deadline_s=15)  # a login of the dead time may have to run out first
        await asyncio.sleep(1)
    await site.service.linked(deadline_s=30)
    await site.conclude("AMI half-open", times=1, noticed_s=noticed_s)
    assert noticed_s <= NOTICED_S


async def test_a_line_slowed_to_a_trickle_loses_nothing(open_a_site: OpenSite) -> None:
    site = await open_a_site("22", through_proxy=True)
    line = line_of(site)
    async with site.calling():
        line.mode = Mode.TRICKLE  # every byte a segment of its own
        await asyncio.sleep(5)
        line.mode, line.bytes_per_s = Mode.PASS, TRICKLE
        slow_s = await asked_in_s(site)
        await asyncio.sleep(10)
        line.bytes_per_s = None
        back_s = await well_again(site, deadline_s=15)
    await site.service.linked(deadline_s=60)
    await site.conclude("AMI slowed to a trickle", times=1, reconnect_s=back_s)
    assert slow_s >= SLOW_S, "the line did delay"
    # a login of the slow time may have to run out first: 5 s for its answer, 2 s until the next
    assert back_s <= BACK_S + 7


async def asked_in_s(site: Site) -> float:
    """Return how long another session on the same line, without events, takes to be told `ASKED` bytes."""
    account = site.lab.config.account
    reader, writer = await asyncio.open_connection("127.0.0.1", line_of(site).port)
    stopwatch = Stopwatch()
    login = f"Action: Login\r\nUsername: {account.username}\r\nSecret: {account.secret}\r\n"
    writer.write(f"{login}Events: off\r\n\r\nAction: ListCommands\r\n\r\n".encode())
    await asyncio.wait_for(reader.readexactly(ASKED), 30)
    writer.close()
    return stopwatch.passed_s


async def test_a_frozen_press3_goes_on_where_it_was(open_a_site: OpenSite) -> None:
    """Nobody takes over on SQLite. Either the session lives on, and all that it held is heard, or it is
    lost (a Ping went without its reply for too long), and a blind window tells so.
    """
    await frozen_for(await open_a_site("22"), FROZEN_S)


@pytest.mark.faults_only
async def test_a_press3_frozen_for_a_minute_goes_on_where_it_was(open_a_site: OpenSite) -> None:
    await frozen_for(await open_a_site("22"), 60)


async def frozen_for(site: Site, seconds: float) -> None:
    """Freeze press3 so long under calls, wake it; soon it knows all that was pressed meanwhile."""
    service = site.service
    assert service.process is not None
    async with site.calling() as callers:
        await more_presses(callers, 4)
        service.process.send_signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds / 2)  # the length of the fault, not a wait for something
            frozen_at = datetime.now(UTC)
            await asyncio.sleep(seconds / 2)
        finally:
            service.process.send_signal(signal.SIGCONT)
        back_s = await knows(site, callers.truth.sure)
        await more_presses(callers, 4)
    await service.linked(deadline_s=30)
    if "link to the PBX lost" in service.log.read_text():
        site.blind_at.append(frozen_at)
    await site.conclude(f"press3 frozen for {seconds} s", times=1, reconnect_s=back_s)
    assert len(service.starts) == 1, "the process went on"
    assert back_s <= BACK_S


async def test_a_refused_login_is_loud_and_then_well_again(open_a_site: OpenSite) -> None:
    site = await open_a_site("22", through_proxy=True)
    async with site.calling():
        await other_secret(site, "changed-by-an-admin")
        site.blind()
        line_of(site).cut()
        link = await until(lambda: refused(site), deadline_s=10, what="/readyz says refused")
        assert "check user and secret" in link["reason"]
        assert "the PBX refuses our login" in site.service.log.read_text()
        await asyncio.sleep(2)
        await other_secret(site, site.lab.config.account.secret)
        back_s = await well_again(site, deadline_s=40)
    await site.service.linked(deadline_s=30)
    await site.conclude("AMI login refused", times=1, reconnect_s=back_s)


async def knows(site: Site, pressed: set[str]) -> float:
    """Return how many seconds from now it takes until press3 is up and all who pressed have an appeal."""
    stopwatch = Stopwatch()
    chief = await site.service.person("chief")

    async def all_there() -> bool:
        appeals = (await chief.get("/appeals?limit=200"))["items"]
        return pressed <= {appeal["caller"]["e164"] for appeal in appeals}

    await until(all_there, deadline_s=30, what="all who pressed meanwhile have an appeal")
    await site.service.serving()
    return stopwatch.own_s


def line_of(site: Site) -> TcpProxy:
    assert site.line is not None
    return site.line


async def not_ready(site: Site, *, deadline_s: float) -> None:
    """Wait until press3 says of itself that it does not hear the PBX."""

    async def says_so() -> bool:
        return (await site.service.readyz())[0] == 503

    await until(says_so, deadline_s=deadline_s, what="press3 notices that the line is dead")
    site.blind()


async def well_again(site: Site, *, deadline_s: float = BACK_S * 3) -> float:
    """Return how many seconds from now it takes until press3 hears the PBX."""
    stopwatch = Stopwatch()
    await site.service.serving(deadline_s=deadline_s)
    return stopwatch.own_s


async def refused(site: Site) -> dict[str, Any] | None:
    status, body = await site.service.readyz()
    (link,) = json.loads(body)["links"]
    return link if status == 503 and link["state"] == "refused" else None


async def other_secret(site: Site, secret: str) -> None:
    file = site.lab.directory / "etc" / MANAGER
    lines = file.read_text().splitlines()
    changed = [f"secret = {secret}" if line.startswith("secret") else line for line in lines]
    file.write_text("\n".join(changed) + "\n")
    await site.lab.pbx.rx("manager reload")
