"""press3 killed with -9 at random moments, the first ones of its start among them."""

import asyncio
import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.faults.conftest import OpenSite
from tests.faults.options import FaultOptions
from tests.faults.service import Start
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
    assert slowest_s(site.service.starts) <= SERVING_S, serving_times(site.service.starts)
    assert not site.service.left_behind(), "a killed service left processes behind"


async def test_serving_again_in_five_seconds(open_a_site: OpenSite) -> None:
    """Each of three restarts under calls; what the machine withholds is not counted."""
    site = await open_a_site("22")
    service = site.service
    async with site.calling():
        for _ in range(3):
            await service.kill9()
            site.blind()
            await service.start()
    await service.linked(deadline_s=30)
    await site.conclude("press3 restarted", times=3)
    assert slowest_s(service.starts) <= SERVING_S, serving_times(service.starts)


def serving_times(starts: Sequence[Start]) -> list[tuple[float, float]]:
    """Return of each start that was left alone the seconds until it served, and those withheld of them."""
    return [(each.serving_s, each.withheld_s) for each in starts if each.serving_s is not None]


def slowest_s(starts: Sequence[Start]) -> float:
    """Return how soon 95 of 100 starts served: of fewer than twenty the slowest counts."""
    own = sorted(each.own_s for each in starts[1:] if each.own_s is not None)
    assert own, "no start was left alone"
    return own[math.ceil(0.95 * len(own)) - 1]


def test_the_slowest_of_few_starts_counts_and_one_of_twenty_may_be_slower() -> None:
    def starts(*own_s: float | None) -> list[Start]:
        return [Start(Path(), serving_s=each and each + 2, withheld_s=2) for each in (99, *own_s)]

    assert slowest_s(starts(1, None, 6, 2)) == 6
    assert slowest_s(starts(*[1] * 18, 4, 6)) == 4
    assert slowest_s(starts(*[1] * 18, 6, 6)) == 6


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
