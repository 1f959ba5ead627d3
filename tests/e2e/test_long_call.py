"""Calls that outlive press3: it is killed and stopped while they ring, talk and end.

The real Asterisk, 22 and 16; truth is what the callers and the telephones logged.
"""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.e2e.conftest import StartDesk
from tests.e2e.duty import hang_up
from tests.e2e.office import PRESS, SILENT, STORIES, Office, near, reasons, seconds
from tests.lab.fixtures import StartAsterisk
from tests.lab.scenarios import TelephoneHabit, WaitBye

pytestmark = pytest.mark.asterisk

CONFIG = replace(STORIES, menu=replace(STORIES.menu, ring_s=10, queue_timeout_s=60))
KEPT, MENDED = "+79110004101", "+79110004102"


async def test_longer_than_the_services_life(
    asterisk: StartAsterisk, asterisk_version: str, desk: StartDesk
) -> None:
    """Nothing happens in the gaps to the first call; the second is answered in one and over in the next."""
    lab = await asterisk(asterisk_version, CONFIG)
    service = await desk(lab)
    office = Office(lab, service)
    answers_late = TelephoneHabit(ring_s=3)
    async with (
        lab.telephone("101", TelephoneHabit(ring_s=0.3)) as one,
        lab.telephone("102", answers_late) as two,
        lab.telephone("103", TelephoneHabit(ring_s=0.5)) as three,
        lab.control() as pbx,
    ):
        kept = await lab.call(number=KEPT, steps=[*PRESS, WaitBye(300)])
        await office.call_when(KEPT, lambda call: call["answered_at"])
        async with office.screens("op102") as (screen,):
            mended = await lab.call(number=MENDED, steps=[*PRESS, WaitBye(300)])
            is_mended = lambda pop: pop["caller"]["e164"] == MENDED  # noqa: E731
            shown = await screen.told("pop.shown", is_mended)
            last_seq = screen.events[-1]["seq"]
            await service.kill9()
        await pbx.event("AgentConnect", MemberName="PJSIP/102", deadline_s=20)

        await service.start()
        await service.linked()
        call = await office.call_when(MENDED, lambda call: call["answered_at"])
        assert near(call["answered_at"], two.truth.at("200"))
        assert call["recovered"] is True
        back = await (await service.person("op102")).screen(last_seq).__aenter__()
        withdrawn = await back.told("pop.withdrawn", lambda told: told["pop_id"] == shown["pop_id"])
        assert withdrawn["reason"] == "answered_here"
        await pbx.action(
            "BlindTransfer",
            Channel=await lab.channel("PJSIP/102"),
            Context="from-internal",
            Exten="103",
        )
        talks = lambda call: any(  # noqa: E731
            leg["extension"] == "103" and leg["answered_at"] for leg in call["legs"]
        )
        await office.call_when(MENDED, talks)

        assert await service.stop() == 0
        await hang_up(pbx, await lab.channel("PJSIP/103"))
        await mended.done()

        await service.start()
        await service.linked()
        await office.over(MENDED)
        going_on = (await office.calls(KEPT))[0]
        assert (going_on["ended_at"], going_on["recovered"]) == (None, False)
        await hang_up(pbx, await lab.channel("PJSIP/101"))
        await kept.done()
        await office.over(KEPT)
