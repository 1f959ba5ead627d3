"""press3 killed with -9 at random moments while callers press in a menu that it only observes.

AstDB keeps nothing of such a press. The PBX's record that the verdict compares with is queue_log: each
entry of the queue to which key 3 alone leads. Between the key and the queue lie milliseconds here: of
who hangs up between them nothing is kept (docs/observed-menus.md).
"""

from dataclasses import replace

import pytest

from ivr.menu import ObservedMenu
from tests.faults.callers import SipCallers
from tests.faults.conftest import OpenSite
from tests.faults.options import FaultOptions
from tests.faults.site import FAULTS
from tests.faults.taken import files
from tests.faults.test_service_kills import kill_again_and_again
from tests.lab.harness import LabMenu

pytestmark = pytest.mark.asterisk

BY_NAME_S = 120  # a recording that nobody told of is found by its name
QUEUE = "600"
MENU = """\
[ivr-7]
exten => s,1,Answer()
 same => n,Background(hello)
 same => n,WaitExten(5)
"""
STRAIGHT = f"{MENU}exten => 3,1,Queue({QUEUE},t,,,20)\n"
# As FreePBX writes it: a queue of its own extension, which records.
BY_EXTENSION = f"""\
{MENU}exten => 3,1(ivrsel-3),Set(__IVR_CONTEXT=ivr-7)
 same => n,Goto(ext-queues,{QUEUE},1)
[ext-queues]
exten => {QUEUE},1,MixMonitor(press3-q-${{UNIQUEID}}.wav)
 same => n,Queue({QUEUE},t,,,20)
"""
QUEUES = f"""\
[{QUEUE}]
strategy = ringall
timeout = 4
member => PJSIP/101
member => PJSIP/102
"""
RULE = f"""
[[ivr.observe]]
context = "ivr-7"
exten = "3"
leads_to = "{QUEUE}"
"""


async def test_killed_under_calls_to_an_observed_menu(
    open_a_site: OpenSite, fault_options: FaultOptions
) -> None:
    site = await open_a_site("22", observing(STRAIGHT), more=RULE, observed=QUEUE)
    kills = fault_options.kills // 2
    async with site.calling(SipCallers(site.lab, site.seed, at_3="3@ivr-7:1")):
        await kill_again_and_again(site, kills)
    verdict = await site.conclude("press3 killed -9, observed menu", times=kills)
    assert verdict.sure >= kills


@pytest.mark.faults_only
async def test_killed_under_calls_to_an_observed_menu_that_records(
    open_a_site: OpenSite, fault_options: FaultOptions
) -> None:
    site = await open_a_site("22", observing(BY_EXTENSION), more=RULE, observed=QUEUE)
    kills = fault_options.kills // 2
    async with site.calling(SipCallers(site.lab, site.seed, at_3=f"{QUEUE}@ext-queues:2")):
        await kill_again_and_again(site, kills)
    verdict = await site.conclude(
        "press3 killed -9, observed menu that records", times=kills, recordings_s=BY_NAME_S
    )
    assert verdict.sure >= kills
    assert verdict.recordings >= verdict.sure


def observing(dialplan: str) -> LabMenu:
    return replace(
        FAULTS,
        observed=(ObservedMenu(context="ivr-7"),),
        files={
            **files("ivr-7"),
            "extensions_more.conf": dialplan,
            "queues_more.conf": QUEUES,
        },
    )
