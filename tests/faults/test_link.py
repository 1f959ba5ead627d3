"""The line between press3 and the PBX: cut, half-open, slow, reset in mid-event; the login refused."""

import asyncio
import json
import time
from typing import Any

import pytest

from tests.fakes.tcp_proxy import Mode, TcpProxy
from tests.faults.conftest import OpenSite
from tests.faults.site import Site
from tests.waiting import until

pytestmark = pytest.mark.asterisk

NOTICED_S = 12  # the promise: a dead line is noticed so soon
BACK_S = 3  # the promise: the link is up so soon after the line is well
CUTS = 5
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
        began = time.perf_counter()
        await not_ready(site, deadline_s=NOTICED_S * 2)
        noticed_s = time.perf_counter() - began
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
        line.mode, line.bytes_per_s = Mode.PASS, 2_000
        await asyncio.sleep(10)
        line.bytes_per_s = None
        await well_again(site, deadline_s=15)
    await site.service.linked(deadline_s=60)
    await site.conclude("AMI slowed to a trickle", times=1)


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
    began = time.perf_counter()
    await site.service.serving(deadline_s=deadline_s)
    return time.perf_counter() - began


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
