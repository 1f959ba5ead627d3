"""A pressed 3 that rings and that nobody looks at: the supervisor is told after 30 s, a kill in between or not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.conftest import StartDesk
from tests.e2e.desk import Desk, Screen
from tests.e2e.office import PRESS, SHORT, SILENT
from tests.lab.fixtures import StartAsterisk
from tests.lab.harness import QUICK, LabMenu
from tests.lab.scenarios import Bye, Wait
from tests.waiting import until

pytestmark = pytest.mark.asterisk

SEEN_WITHIN_S = 30
TOLD_WITHIN_S = 32  # it is looked for once a second
KILLED_AFTER = timedelta(seconds=15)
ON_THE_LINE_S = 42
NUMBER = "+79110000061"
# Round after round at the one operator: the clock is that of the first pop.
ONE_OPERATOR = LabMenu(
    menu=replace(
        QUICK, members=("PJSIP/101",), prompts=SHORT, ring_s=8, queue_timeout_s=2 * ON_THE_LINE_S
    )
)


@pytest.mark.parametrize("killed", [False, True], ids=["serving", "killed"])
async def test_nobody_looks_at_the_pop_and_the_supervisor_is_told(
    asterisk: StartAsterisk, desk: StartDesk, killed: bool
) -> None:
    lab = await asterisk("22", ONE_OPERATOR)
    service = await desk(lab)
    async with lab.telephone("101", SILENT):
        caller = await lab.call(number=NUMBER, steps=[*PRESS, Wait(ON_THE_LINE_S), Bye()])
        chief, operator = await service.person("chief"), await service.person("op101")
        async with chief.screen() as before, operator.screen() as first:
            await first.told("pop.shown")
            shown = event(first, "pop.shown")
            if killed:
                await until(
                    lambda: datetime.now(UTC) >= at(shown) + KILLED_AFTER,
                    deadline_s=KILLED_AFTER.total_seconds() + 5,
                    what="it has rung for 15 s",
                )
                await killed_and_started(service)
                assert before.of("pop.unseen") == []
            else:
                await told_once(before, shown)
        if killed:
            chief = await service.person("chief")
            async with chief.screen(last_seq=last_seq(before)) as after:
                await told_once(after, shown)
        await caller.done()


async def killed_and_started(service: Desk) -> None:
    await service.kill9()
    await service.start()
    await service.linked()


async def told_once(board: Screen, shown: dict[str, Any]) -> None:
    """The supervisor is told of the call, in time; then the call ends, and it was told once."""
    told = await board.told("pop.unseen", deadline_s=SEEN_WITHIN_S + 15)
    call = shown["data"]["call"]
    assert told == {"call": call, "appeal": shown["data"]["appeal"]}
    assert told["appeal"] is not None
    waited = at(event(board, "pop.unseen")) - at(shown)
    assert SEEN_WITHIN_S <= waited.total_seconds() <= TOLD_WITHIN_S
    await board.told("call.ended", deadline_s=ON_THE_LINE_S)
    assert board.of("pop.unseen") == [told]


def event(screen: Screen, kind: str) -> dict[str, Any]:
    """Return the first of its kind as it came."""
    return next(each for each in screen.events if each["type"] == kind)


def last_seq(screen: Screen) -> int:
    return max((each["seq"] for each in screen.events), default=screen.welcome["seq"])


def at(told: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(told["at"])
