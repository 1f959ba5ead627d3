"""The demo's call centre on its two Asterisks, seen as press3 sees it."""

from itertools import islice
from pathlib import Path

import pytest

from press3.demo.calls import DemoCalls, DemoPbx
from press3.demo.plans import CUSTOMERS, WEIGHTS, CallPlan, Planner
from tests.lab.ami_tap import ami_tap
from tests.lab.fixtures import Labs
from tests.waiting import until

PLAN = CallPlan(
    kind="transferred",
    name="Иван Ёлкин",
    number="+74950001001",
    voice="dir-intro",
    key="3",
    before_key_s=1,
    operators={"101": "1-3-103", "102": "busy", "103": "never"},
)


def test_the_same_seed_makes_the_same_callers() -> None:
    def plans(seed: int) -> list[CallPlan]:
        planner = Planner(seed)
        return list(islice(iter(planner.next, None), 50))

    assert plans(3) == plans(3)
    assert plans(3) != plans(4)
    assert {plan.kind for plan in plans(3)} == set(WEIGHTS)


def test_nobody_has_the_numbers() -> None:
    for _, number in CUSTOMERS:
        assert number == "anonymous" or number[5] == "0"


@pytest.mark.asterisk
async def test_a_customer_presses_is_transferred_and_heard(labs: Labs, tmp_path: Path) -> None:
    async with DemoPbx(labs.tree("22"), tmp_path) as demo:
        account = demo.settings["asterisk"][0]
        async with ami_tap(account["port"], account["username"], account["secret"]) as ami:
            DemoCalls(demo).place(PLAN)
            first = await ami.event("Newchannel")
            assert first.get("CallerIDName") == "Иван Ёлкин"
            await ami.event("UserEvent", UserEvent="Press3")
            transfer = await ami.event("BlindTransfer", deadline_s=20)
            assert transfer.get("Extension") == "103"
            bridges = len(ami.all("BridgeEnter"))
            await until(lambda: len(ami.all("BridgeEnter")) >= bridges + 2, what="103 talks")
            recording = next(demo.pbx.monitor.rglob("press3-*.wav"))
            await until(lambda: recording.stat().st_size > 32_000, what="the recording has sound")
            audio = recording.read_bytes()[44:]
            assert len(set(audio)) > 50, "it is not silence"
    assert not demo.pbx.running
    assert not demo.world.running
