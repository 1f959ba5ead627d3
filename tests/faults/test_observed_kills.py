"""press3 killed with -9 at random moments while callers press in a menu that it only observes.

AstDB keeps nothing of such a press. The PBX's record that the verdict compares with is queue_log: each
entry of the queue to which key 3 alone leads. The key and the queue are one step of the dialplan here,
so that nobody hangs up between them: of such a caller nothing is kept (docs/observed-menus.md).
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

pytestmark = pytest.mark.asterisk

QUEUE = "600"
DIALPLAN = f"""\
[ivr-7]
exten => s,1,Answer()
 same => n,Background(hello)
 same => n,WaitExten(5)
exten => 3,1(ivrsel-3),Queue({QUEUE},t,,,20)
"""
QUEUES = f"""\
[{QUEUE}]
strategy = ringall
timeout = 4
member => PJSIP/101
member => PJSIP/102
"""
OBSERVED = replace(
    FAULTS,
    observed=(ObservedMenu(context="ivr-7"),),
    files={
        **files("ivr-7"),
        "extensions_more.conf": DIALPLAN,
        "queues_more.conf": QUEUES,
    },
)
RULE = f"""
[[ivr.observe]]
context = "ivr-7"
exten = "3"
leads_to = "{QUEUE}"
"""


async def test_killed_under_calls_to_an_observed_menu(
    open_a_site: OpenSite, fault_options: FaultOptions
) -> None:
    site = await open_a_site("22", OBSERVED, more=RULE, observed=QUEUE)
    kills = fault_options.kills // 2
    async with site.calling(SipCallers(site.lab, site.seed, at_3="3@ivr-7:1")):
        await kill_again_and_again(site, kills)
    verdict = await site.conclude("press3 killed -9, observed menu", times=kills)
    assert verdict.sure >= kills
