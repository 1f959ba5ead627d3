"""Calls that outlive press3: it is killed and stopped while they ring, talk and end.

The real Asterisk, 22 and 16; truth is what the callers and the telephones logged.
"""

from dataclasses import replace
from datetime import datetime

import pytest

from tests.e2e.conftest import StartDesk
from tests.e2e.desk import Desk
from tests.e2e.office import PRESS, STORIES, Json, Office
from tests.e2e.told import LegSeen, answered, check_legs, check_pops, check_transfer
from tests.lab.ami_tap import AmiTap
from tests.lab.fixtures import StartAsterisk
from tests.lab.harness import SippCall
from tests.lab.scenarios import Bye, TelephoneHabit, WaitBye

pytestmark = pytest.mark.asterisk

CONFIG = replace(STORIES, menu=replace(STORIES.menu, ring_s=15, queue_timeout_s=60))
KEPT, MENDED = "+79110004101", "+79110004102"


async def test_longer_than_the_services_life(
    asterisk: StartAsterisk, asterisk_version: str, desk: StartDesk
) -> None:
    """Nothing happens to the first call in the gaps; the second is answered in one and ends in the next."""
    lab = await asterisk(asterisk_version, CONFIG)
    service = await desk(lab)
    office = Office(lab, service)
    async with (
        lab.telephone("101", TelephoneHabit(ring_s=0.3)) as one,
        lab.telephone("102", TelephoneHabit(ring_s=4)) as two,
        lab.telephone("103", TelephoneHabit(ring_s=0.5)) as three,
        lab.control() as pbx,
    ):
        async with office.screens("op101", "op102") as screens:
            kept = await lab.call(number=KEPT, steps=[*PRESS, WaitBye(300)])
            talks = await office.call_when(KEPT, lambda call: call["answered_at"])
            for screen, why in zip(screens, ("answered_here", "answered_elsewhere"), strict=True):
                await screen.told("pop.withdrawn")
                check_pops(screen, talks, why)
        mended = await lab.call(number=MENDED, steps=[*PRESS, WaitBye(300)])
        pop, last_seq = await _killed_while_ringing(office, pbx)
        await _back(service)
        answered = await office.call_when(MENDED, lambda call: call["answered_at"])
        assert answered["recovered"] is True
        person = await service.person("op102")
        async with person.screen(last_seq) as screen:
            gone = await screen.told("pop.withdrawn", lambda told: told["pop_id"] == pop)
            assert gone["reason"] == "answered_here"
        await _handed_over(office, pbx)

        assert await service.stop() == 0
        ended_unseen = await _hangs_up(office, mended)
        await _back(service)
        assert (await office.over(MENDED))["recovered"] is True
        going_on = (await office.calls(KEPT))[0]
        assert (going_on["ended_at"], going_on["recovered"]) == (None, False)
        ended = await _hangs_up(office, kept)
        await office.over(KEPT)

    truth, other = one.truth, two.truth
    call = await _one_appeal(office, KEPT, kept, truth.picked_up[0], ended, recovered=False)
    first_ring, second_ring = other.all("INVITE", "R")
    check_legs(
        call,
        LegSeen("101", "answered", truth.at("INVITE", "R"), truth.picked_up[0], ended),
        LegSeen("102", "elsewhere", first_ring, None, other.at("CANCEL", "R")),
    )
    assert call["transfers"] == []
    contact, moved = other.picked_up[0], other.at("BYE", "R")
    call = await _one_appeal(office, MENDED, mended, contact, ended_unseen, recovered=True)
    third = three.truth
    check_legs(
        call,
        LegSeen("102", "answered", second_ring, contact, moved),
        LegSeen("103", "answered", third.at("INVITE", "R"), third.picked_up[0], ended_unseen),
    )
    check_transfer(call, "blind", "102", "103", moved)


async def _killed_while_ringing(office: Office, pbx: AmiTap) -> tuple[str, int]:
    """Kill press3 while 102 rings, who answers before it is back; return his pop and the last number he had."""
    async with office.screens("op102") as (screen,):
        shown = await screen.told("pop.shown", lambda pop: pop["caller"]["e164"] == MENDED)
        seq: int = screen.events[-1]["seq"]
        await office.desk.kill9()
    await pbx.event("AgentConnect", Interface="PJSIP/102", deadline_s=30)
    return str(shown["pop_id"]), seq


async def _back(service: Desk) -> None:
    await service.start()
    await service.linked(deadline_s=30)


async def _handed_over(office: Office, pbx: AmiTap) -> None:
    connected = pbx.all("AgentConnect", Interface="PJSIP/102")[-1]
    await pbx.action(
        "BlindTransfer",
        Channel=connected.get("DestChannel"),
        Context="from-internal",
        Exten="103",
    )
    talks = lambda call: [leg["answered_at"] for leg in call["legs"] if leg["extension"] == "103"]  # noqa: E731
    await office.call_when(MENDED, lambda call: any(talks(call)))


async def _hangs_up(office: Office, caller: SippCall) -> datetime:
    doing = await office.lab.within(caller, Bye())
    await doing.done()
    return doing.truth.at("BYE")


async def _one_appeal(
    office: Office,
    number: str,
    caller: SippCall,
    contact: datetime,
    ended: datetime,
    *,
    recovered: bool,
) -> Json:
    """`recovered` is false when all that happened to the call was heard."""
    pressed = caller.truth.taken("INFO")
    appeal = await answered(
        office, number, pressed=pressed, contact=contact, ended=ended, recovered=recovered
    )
    await office.playable(number)
    call: Json = appeal["calls"][0]
    return call
