"""«принято» is a promise: what stands behind it must have been written to the disk when it is said."""

import asyncio
from pathlib import Path

import pytest

from tests.faults.callers import Habit
from tests.faults.conftest import OpenSite
from tests.faults.options import FaultOptions
from tests.faults.site import FAULTS, Site
from tests.faults.test_pbx_kills import kill_pbx
from tests.faults.world import WorldCallers, with_tone, world_callers
from tests.lab.fixtures import Labs

pytestmark = pytest.mark.asterisk

_HEARS_S = 0.4  # so long he hears the tone of «принято»; 0.2 s are enough to know it
_WAITS = Habit(before_s=0.6, presses=True, stays_s=5)


async def test_whoever_heard_it_is_kept_by_astdb_alone(
    open_a_site: OpenSite, fault_options: FaultOptions, labs: Labs, tmp_path: Path
) -> None:
    """press3 is down, queue_log is not read, and Asterisk dies while the caller hears «принято»."""
    site = await open_a_site("22", with_tone(FAULTS, tmp_path))
    await site.service.kill9()
    site.blind()
    port = site.lab.ports.sip
    async with world_callers(labs.tree("22"), port, tmp_path / "world", seed=site.seed) as callers:
        site.callers.append(callers)
        for _ in range(fault_options.both_kills):
            await promise_and_die(site, callers, accepted=str(tmp_path / "accepted"))
            await site.lab.pbx.start()
        await callers.stop()
    await site.service.start()
    await site.service.linked(deadline_s=30)
    verdict = await site.conclude(
        "both killed at «принято»", times=fault_options.both_kills, spool_is_whole=False
    )
    assert verdict.sure == fault_options.both_kills, "each of them heard it"


async def promise_and_die(site: Site, callers: WorldCallers, *, accepted: str) -> None:
    """Let one caller press 3 at the worst moment, and kill Asterisk when he has heard «принято».

    Asterisk commits AstDB at once when it was idle, and then no sooner than a second later. The worst
    moment is right behind a commit: another key is written when the tone of the caller's 3 begins.
    """
    async with site.lab.control() as control:
        await callers.call(_WAITS)
        await control.event("DTMFBegin", Digit="3", Direction="Received", deadline_s=20)
        await control.action("DBPut", Family="lab", Key="beat", Val="1")
        await control.event("Newexten", Application="Playback", AppData=accepted, deadline_s=20)
        await asyncio.sleep(_HEARS_S)  # the moment of the experiment, not a wait for something
        await kill_pbx(site)
