"""press3 killed with -9 at random moments, the first ones of its start among them."""

import asyncio
import statistics

import pytest

from tests.faults.conftest import OpenSite
from tests.faults.options import FaultOptions
from tests.faults.site import Site

pytestmark = pytest.mark.asterisk

SERVING_S = 5  # the promise: serving again after a restart
_STARTING = 0.4  # so many of the kills hit the start itself


async def test_killed_at_random_moments_nothing_is_lost_nothing_doubled(
    open_a_site: OpenSite, fault_options: FaultOptions, asterisk_version: str
) -> None:
    by_default = asterisk_version == "22"  # what is missing is told after 50 s, within the minute
    site = await open_a_site(asterisk_version, soon_missing=not by_default)
    async with site.calling():
        await kill_again_and_again(site, fault_options.kills)
    verdict = await site.conclude(
        f"press3 killed -9 (Asterisk {asterisk_version})", times=fault_options.kills
    )
    assert verdict.sure >= fault_options.kills
    assert not site.service.left_behind(), "a killed service left processes behind"


async def test_serving_again_in_five_seconds(open_a_site: OpenSite) -> None:
    """The middle of three restarts under calls: other programs may take the processor for a while."""
    site = await open_a_site("22")
    service = site.service
    async with site.calling():
        for _ in range(3):
            await service.kill9()
            site.blind()
            await service.start()
    await service.linked(deadline_s=30)
    again = [start.serving_s or 99 for start in service.starts[1:]]
    await site.conclude("press3 restarted", times=3)
    assert statistics.median(again) <= SERVING_S, again


async def kill_again_and_again(site: Site, kills: int) -> None:
    """Kill the service `kills` times; at the end it serves."""
    service, chance = site.service, site.random
    for _ in range(kills):
        if chance.random() < _STARTING:
            await asyncio.sleep(chance.uniform(0, 2))  # wherever its start has come to
        else:
            await service.ready()
            await service.serving()
            await asyncio.sleep(chance.uniform(0, 2))
        await service.kill9()
        site.blind()
        await service.spawn()
    await service.ready()
    await service.serving()
    await service.linked(deadline_s=30)
