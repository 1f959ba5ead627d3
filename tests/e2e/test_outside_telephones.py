"""Follow-me to a mobile in another network: a second Asterisk is the outside world, a trunk between the two.

The mobile answers a complaint; whose number it is talked to the customer, and is in the conflict rule.
"""

from dataclasses import replace

import pytest

from tests.e2e.conftest import StartDesk
from tests.e2e.desk import run
from tests.e2e.office import PRESS, SHORT, SILENT, near, reasons
from tests.lab.fixtures import StartAsterisk
from tests.lab.harness import QUICK, LabMenu
from tests.lab.scenarios import WaitBye
from tests.waiting import until

pytestmark = pytest.mark.asterisk

CALLER, MOBILE = "+79110000001", "+79110000009"
# The mobile rings a second, talks for three, and hangs up.
WORLD = LabMenu(
    files={
        "extensions_more.conf": "[incoming](+)\n"
        "exten => 89110000009,1,Ringing()\n same => n,Wait(1)\n same => n,Answer()\n"
        " same => n,Wait(3)\n same => n,Hangup()\n"
    }
)
_FOLLOW_ME = """\
[follow-me]
exten => 101,1,Dial(Local/FMPR-101@follow-me&Local/FMGL-89110000009#@follow-me,30)
exten => _FMPR-.,1,Dial(PJSIP/${{EXTEN:5}},30)
exten => _FMGL-.,1,Dial(PJSIP/customer/sip:${{FILTER(0-9,${{EXTEN:5}})}}@127.0.0.1:{port},30)
"""


@pytest.mark.parametrize("version", ["22", "16"])
async def test_a_complaint_is_answered_at_a_mobile(
    version: str, asterisk: StartAsterisk, desk: StartDesk
) -> None:
    world = await asterisk("22", WORLD)
    menu = replace(QUICK, prompts=SHORT, members=("Local/101@follow-me/n",), ring_s=20)
    dialplan = _FOLLOW_ME.format(port=world.ports.sip)
    lab = await asterisk(version, LabMenu(menu=menu, files={"extensions_more.conf": dialplan}))
    press3 = await desk(lab)
    given = run("user", "telephone", "op101", "8 911 000-00-09", "-c", str(press3.config))
    assert given.returncode == 0, given.stderr
    await press3.linked()
    one, chief = await press3.person("op101"), await press3.person("chief")
    async with one.screen() as screen, lab.telephone("101", SILENT) as desk_phone:
        caller = await lab.call(steps=[*PRESS, WaitBye()], number=CALLER)
        shown = await screen.told("pop.shown")
        await screen.told("pop.withdrawn")
        await screen.told("call.left")
        await caller.done()
    assert len(screen.of("pop.shown")) == 1, "one card for the two telephones"
    assert reasons(screen, shown["pop_id"]) == ["answered_here"]

    async def over() -> bool:
        return bool((await chief.get("/calls"))["items"][0]["ended_at"])

    await until(over, what="the call is over")
    appeal = await chief.get(f"/appeals/{shown['appeal']}")
    (call,) = appeal["calls"]
    assert (call["outcome"], call["ended_by"]) == ("answered", "operator")
    assert appeal["times"]["first_contact_s"] == appeal["times"]["wait_s"] is not None
    legs = {leg["extension"] or leg["number"]: leg for leg in call["legs"]}
    assert {name: leg["outcome"] for name, leg in legs.items()} == {
        "101": "elsewhere",
        MOBILE: "answered",
    }
    assert {leg["employee"]["id"] for leg in legs.values()} == {one.id}
    assert legs[MOBILE]["answered_at"] == call["answered_at"]
    assert near(legs["101"]["ended_at"], desk_phone.truth.at("CANCEL", "R"))
    status, problem = await one.post(f"/appeals/{appeal['number']}/take")
    assert status == 403, problem
    assert (await chief.get("/calls?missed=true"))["items"] == []
