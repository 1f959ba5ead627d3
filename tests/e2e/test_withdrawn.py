"""A caller whom a program takes out of the queue (AMI QueueWithdrawCaller, `queue withdraw caller`)."""

from dataclasses import replace

import pytest

from ivr.menu import RENDERED_QUEUE
from tests.e2e.conftest import StartDesk
from tests.e2e.office import PRESS, SHORT, SILENT, Office, near, reasons, seen
from tests.lab.fixtures import StartAsterisk
from tests.lab.harness import QUICK, LabMenu
from tests.lab.scenarios import WaitBye

pytestmark = pytest.mark.asterisk

NUMBER = "+79110000062"
# Asterisk looks whether a caller is withdrawn between two rounds of ringing, not within one.
ONE_OPERATOR = LabMenu(
    menu=replace(QUICK, members=("PJSIP/101",), prompts=SHORT, ring_s=3, queue_timeout_s=60)
)


async def test_withdrawn_from_the_queue_he_did_not_give_up(
    asterisk: StartAsterisk, desk: StartDesk
) -> None:
    lab = await asterisk("22", ONE_OPERATOR)
    office = Office(lab, await desk(lab))
    async with (
        office.screens("op101", "chief") as (first, board),
        lab.telephone("101", SILENT) as phone,
        lab.control() as pbx,
    ):
        caller = await lab.call(number=NUMBER, steps=[*PRESS, WaitBye(30)])
        shown = await first.told("pop.shown")
        (joined,) = pbx.all("QueueCallerJoin", CallerIDNum=NUMBER)
        who = {"Queue": RENDERED_QUEUE, "Caller": joined.get("Channel")}
        reply = await pbx.action("QueueWithdrawCaller", **who, WithdrawInfo="moved by a program")
        assert reply.get("Response") == "Success", reply.raw
        await caller.done()
        await first.told("pop.withdrawn")
        ended = await board.told("call.ended")
        (rang_until,) = seen(phone.truth, "CANCEL", "R")
    call = await office.over(NUMBER)
    (leg,) = call["legs"]
    assert (ended["outcome"], call["outcome"], call["answered_at"]) == ("no_answer",) * 2 + (None,)
    assert near(call["ended_at"], caller.truth.at("BYE", "R")), "the PBX let him go"
    assert near(leg["ended_at"], rang_until)
    assert leg["outcome"] == "no_answer"
    assert reasons(first, shown["pop_id"]) == ["timeout"]
    appeal = await office.appeal(NUMBER)
    assert (appeal["verified"], appeal["times"]["abandoned_after_s"]) == ("verified", None)
