"""Asterisk killed with -9 and started again, alone and together with press3.

The callers are a second Asterisk: who heard «принято» was promised something, and only he.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.faults.conftest import OpenSite
from tests.faults.options import FaultOptions
from tests.faults.site import FAULTS, Site
from tests.faults.world import WorldCallers, with_tone, world_callers
from tests.lab.fixtures import Labs
from tests.timing import Stopwatch
from tests.waiting import until

pytestmark = pytest.mark.asterisk

BY_NAME_S = 120  # a file whose mark died with the PBX is found by the sweep of the folder
RECONNECT_S = 3  # the promise: the AMI link is up so soon after the PBX is back


@asynccontextmanager
async def called_by_the_world(site: Site, labs: Labs, folder: Path) -> AsyncIterator[WorldCallers]:
    """Let callers who record what they hear call inside the block."""
    port = site.lab.ports.sip
    world = world_callers(labs.tree("22"), port, folder / "world", seed=site.seed)
    async with world as callers, site.calling(callers):
        yield callers


async def test_asterisk_killed_again_and_again(
    open_a_site: OpenSite, fault_options: FaultOptions, labs: Labs, tmp_path: Path
) -> None:
    site = await open_a_site("22", with_tone(FAULTS, tmp_path))
    reconnects = []
    async with called_by_the_world(site, labs, tmp_path) as callers:
        for _ in range(fault_options.pbx_kills):
            await asyncio.sleep(site.random.uniform(1, 6))
            await kill_pbx(site)
            reconnects.append(await back_again(site))
        await someone_is_promised_something(callers)
    await site.service.linked(deadline_s=30)
    verdict = await site.conclude(
        "Asterisk killed -9",
        times=fault_options.pbx_kills,
        spool_is_whole=False,
        recordings_s=BY_NAME_S,
        reconnect_s=reconnects,
    )
    assert verdict.sure >= fault_options.pbx_kills
    assert max(reconnects) <= RECONNECT_S, reconnects


async def test_both_killed_together_and_in_turn(
    open_a_site: OpenSite, fault_options: FaultOptions, labs: Labs, tmp_path: Path
) -> None:
    site = await open_a_site("22", with_tone(FAULTS, tmp_path))
    service, chance = site.service, site.random
    async with called_by_the_world(site, labs, tmp_path) as callers:
        for _ in range(fault_options.both_kills):
            await asyncio.sleep(chance.uniform(1, 6))
            for victim in chance.sample(["pbx", "service"], 2):
                await (kill_pbx(site) if victim == "pbx" else service.kill9())
                site.blind()
                await asyncio.sleep(chance.choice([0, chance.uniform(0, 2)]))
            for risen in chance.sample(["pbx", "service"], 2):
                await (site.lab.pbx.start() if risen == "pbx" else service.spawn())
            await service.ready()
            await service.serving()
        await someone_is_promised_something(callers)
    await service.linked(deadline_s=30)
    verdict = await site.conclude(
        "both killed -9",
        times=fault_options.both_kills,
        spool_is_whole=False,
        recordings_s=BY_NAME_S,
    )
    assert verdict.sure >= fault_options.both_kills


async def kill_pbx(site: Site) -> None:
    site.lab.pbx.kill9()
    site.blind()
    await until(lambda: not site.lab.pbx.running, what="Asterisk is dead")


async def back_again(site: Site) -> float:
    """Start Asterisk; return the seconds from there, booted, to press3's link."""
    await site.lab.pbx.start()
    booted = Stopwatch()
    await site.service.serving()
    return booted.own_s


async def someone_is_promised_something(callers: WorldCallers) -> None:
    """Wait for calls after the last kill: the PBX and press3 work."""
    known = len(callers.truth.pressed)
    await until(lambda: len(callers.truth.pressed) > known, deadline_s=20, what="a press")
