"""Pressed 3, and nobody answers at once: given up, timed out, another round, pressed again, declined.

Each story is a real call on Asterisk 22 and 16, seen through REST and the screens' socket.
"""

from contextlib import AsyncExitStack

import pytest

from tests import timing
from tests.e2e.office import PRESS, SILENT, Office, near, reasons, seconds, seen
from tests.lab.scenarios import Bye, Key, TelephoneHabit, Wait, WaitBye
from tests.waiting import until

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="module")]


async def test_gave_up_in_the_queue(office: Office) -> None:
    number = "+79110000101"
    async with (
        office.screens("op101", "op102", "chief") as (first, second, board),
        office.lab.telephone("101", SILENT) as one,
        office.lab.telephone("102", SILENT),
    ):
        caller = await office.lab.call(number=number, steps=[*PRESS, Wait(3), Bye()])
        opened = await board.told("appeal.opened")
        shown = [await screen.told("pop.shown") for screen in (first, second)]
        gone = [await screen.told("pop.withdrawn") for screen in (first, second)]
        ended = await board.told("call.ended")
        is_ours = lambda told: told["call"] == ended["call"]  # noqa: E731
        ready = await board.told("recording.ready", is_ours, deadline_s=30)
        await caller.done()
        truth, phone = caller.truth, one.truth
    assert [pop["appeal"] for pop in shown] == [opened["number"]] * 2
    assert [pop["reason"] for pop in gone] == ["abandoned"] * 2
    assert [pop["pop_id"] for pop in gone] == [pop["pop_id"] for pop in shown]

    appeal = await office.appeal(number)
    (call,) = appeal["calls"]
    told = {"call": call["id"], "outcome": "abandoned", "appeal": appeal["number"]}
    assert ended == told
    assert (appeal["verified"], appeal["phase"]) == ("verified", "received")
    assert (call["outcome"], call["answered_at"]) == ("abandoned", None)
    legs = {leg["extension"]: leg for leg in call["legs"]}
    assert {ext: leg["outcome"] for ext, leg in legs.items()} == {
        "101": "no_answer",
        "102": "no_answer",
    }
    assert near(call["pressed_at"], truth.at("INFO"))
    assert near(call["ended_at"], truth.at("BYE"))
    assert near(legs["101"]["rang_at"], phone.at("INVITE", "R"))
    assert near(legs["101"]["ended_at"], phone.at("CANCEL", "R"))
    times = appeal["times"]
    assert timing.lasted(times["abandoned_after_s"], 0.3, (truth.at("INFO"), truth.at("BYE"))), (
        times
    )
    stored_s = seconds(call["pressed_at"], call["ended_at"])
    assert times["abandoned_after_s"] == pytest.approx(stored_s, abs=0.001)
    assert 0 < times["queue_wait_s"] < times["abandoned_after_s"] - 1.2
    assert [times[name] for name in ("wait_s", "ring_s", "first_contact_s")] == [None] * 3
    assert (await office.playable(number))["id"] == ready["recording"]


async def test_the_queues_time_runs_out(office: Office) -> None:
    number = "+79110000102"
    async with (
        office.screens("op101", "op102", "chief") as (first, second, board),
        office.lab.telephone("101", SILENT),
        office.lab.telephone("102", SILENT),
    ):
        caller = await office.lab.call(number=number, steps=[*PRESS, WaitBye(60)])
        ended = await board.told("call.ended", deadline_s=60)
        await caller.done()
        truth = caller.truth
    appeal = await office.appeal(number)
    (call,) = appeal["calls"]
    assert (ended["outcome"], call["outcome"]) == ("no_answer", "no_answer")
    for screen in (first, second):
        pops = screen.of("pop.shown")
        assert [pop["round"] for pop in pops] == list(range(1, len(pops) + 1))
        assert len({pop["pop_id"] for pop in pops}) == 1
        assert set(reasons(screen, pops[0]["pop_id"])) == {"timeout"}
        assert len(reasons(screen, pops[0]["pop_id"])) == len(pops)
    assert {leg["outcome"] for leg in call["legs"]} == {"no_answer"}
    assert near(call["pressed_at"], truth.at("INFO"))
    assert near(call["ended_at"], truth.at("BYE", "R"))
    times = appeal["times"]
    # Queue(…,7) counts whole seconds and looks at its limit between two rounds.
    assert 6 <= times["queue_wait_s"] < 9
    assert (times["abandoned_after_s"], times["wait_s"]) == (None, None)
    await office.playable(number)


async def test_answered_in_the_second_round(office: Office) -> None:
    number = "+79110000103"
    async with (
        office.screens("op101", "op102", "chief") as (first, second, board),
        office.lab.telephone("102", SILENT),
        AsyncExitStack() as phones,
    ):
        one = await phones.enter_async_context(office.lab.telephone("101", SILENT))
        caller = await office.lab.call(number=number, steps=[*PRESS, WaitBye(60)])
        assert (await first.told("pop.withdrawn"))["reason"] == "timeout"
        first_ring = one.truth.at("INVITE", "R")
        await phones.aclose()
        habit = TelephoneHabit(ring_s=0.3, talk_s=1)
        one = await phones.enter_async_context(office.lab.telephone("101", habit))
        await board.told("call.ended", deadline_s=60)
        await caller.done()
        phone = one.truth
    pops = first.of("pop.shown")
    assert [pop["round"] for pop in pops] == [1, 2]
    assert pops[0]["pop_id"] == pops[1]["pop_id"]
    assert reasons(first, pops[0]["pop_id"]) == ["timeout", "answered_here"]
    other = second.of("pop.shown")
    assert [pop["round"] for pop in other] == [1, 2]
    assert reasons(second, other[0]["pop_id"]) == ["timeout", "answered_elsewhere"]
    assert len(board.of("appeal.opened")) == 1

    appeal = await office.appeal(number)
    (call,) = appeal["calls"]
    assert call["outcome"] == "answered"
    rounds = [leg["outcome"] for leg in call["legs"] if leg["extension"] == "101"]
    assert rounds == ["no_answer", "answered"]
    assert near(call["answered_at"], phone.at("200"))
    assert near(call["ended_at"], phone.at("BYE"))
    assert near(call["legs"][0]["rang_at"], first_ring)
    times = appeal["times"]
    assert timing.lasted(times["wait_s"], 0.3, (caller.truth.at("INFO"), phone.at("200"))), times
    assert timing.lasted(times["ring_s"], 0.3, (first_ring, phone.at("200"))), times
    await office.playable(number)


async def test_pressed_twice_is_one_appeal(office: Office) -> None:
    """Back in the menu after the queue, the caller presses 3 again; in the queue the key says nothing."""
    number = "+79110000104"
    async with (
        office.screens("op101", "chief") as (first, board),
        office.lab.telephone("102", SILENT),
        AsyncExitStack() as phones,
    ):
        await phones.enter_async_context(office.lab.telephone("101", SILENT))
        caller = await office.lab.call(
            number=number, steps=[*PRESS, Wait(3), Key("3"), Wait(7), Key("3"), WaitBye(60)]
        )
        await board.told("appeal.opened")

        await until(lambda: len(first.of("pop.withdrawn")) == 2, deadline_s=30, what="two rounds")
        await phones.aclose()
        habit = TelephoneHabit(ring_s=0.5, talk_s=3)
        await phones.enter_async_context(office.lab.telephone("101", habit))
        await board.told("call.ended", deadline_s=60)
        await caller.done()
    assert len(board.of("appeal.opened")) == 1
    appeal = await office.appeal(number)
    (call,) = appeal["calls"]
    assert (call["outcome"], call["appeal"]) == ("answered", appeal["number"])
    presses = seen(caller.truth, "INFO")
    assert near(call["pressed_at"], presses[0])
    (entry,) = await office.history(appeal["number"], "pressed_again")
    assert any(near(entry["data"]["at"], press) for press in presses[1:])
    from_first_to_last_s = seconds(call["queue_entered_at"], call["queue_left_at"])
    between_s = from_first_to_last_s - appeal["times"]["queue_wait_s"]
    assert 0.2 < between_s < 3, "in the menu again, until the second key"
    assert len({pop["pop_id"] for pop in first.of("pop.shown")}) == 1
    assert (await office.get(f"/appeals/{appeal['number']}"))["verified"] == "verified"


async def test_declined_and_busy(office: Office) -> None:
    number = "+79110000105"
    async with (
        office.screens("op101", "op102", "chief") as (first, second, board),
        office.lab.telephone("101", TelephoneHabit(ring_s=0.3, then="reject")),
        office.lab.telephone("102", TelephoneHabit(ring_s=0.2, then="busy")),
    ):
        caller = await office.lab.call(number=number, steps=[*PRESS, Wait(2.8), Bye()])
        for screen in (first, second):
            assert (await screen.told("pop.withdrawn"))["reason"] == "rejected"
        ended = await board.told("call.ended")
        await caller.done()
    appeal = await office.appeal(number)
    (call,) = appeal["calls"]
    assert (ended["outcome"], call["outcome"]) == ("abandoned", "abandoned")
    outcomes = {(leg["extension"], leg["outcome"]) for leg in call["legs"]}
    assert outcomes == {("101", "rejected"), ("102", "busy")}
    assert near(call["ended_at"], caller.truth.at("BYE"))
    assert appeal["times"]["abandoned_after_s"] is not None
