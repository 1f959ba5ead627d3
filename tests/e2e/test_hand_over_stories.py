"""A talk that changes hands: transfers by feature code and by REFER, with and without a consultation.

Each story is a real call on Asterisk 22; what is stored is compared with the logs of the caller's and
the operators' telephones. The stories of this module are played a few at a time, each in its room.
"""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests import timing
from tests.e2e.office import SILENT, reasons, seconds, seen
from tests.e2e.rooms import ASKED, TALKS, WAITS, Played, Scene, Stories
from tests.e2e.told import LegSeen, check_legs, check_transfer
from tests.lab.dialogs import Keys, Refer
from tests.lab.fixtures import Labs
from tests.lab.scenarios import Bye, Speak, TelephoneHabit, Wait, WaitBye
from tests.waiting import until

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="module")]

play = Stories(first_room=1)


@play.story()
async def consulted_by_feature_code_and_handed_over(scene: Scene) -> None:
    """*2 and the colleague's extension at the telephone; they talk; the operator hangs up."""
    one, two, three = scene.room.extensions
    async with (
        scene.screens(1, 3) as (first, third),
        scene.phone(1, TALKS) as a,
        scene.phone(2, SILENT) as b,
        scene.phone(3, ASKED) as c,
    ):
        caller = await scene.call(WAITS)
        contact = await scene.answered(a)
        await scene.within(a, Wait(0.5), Keys("*2"), Wait(0.8), Keys(three))
        shown = await third.told("pop.shown")
        await scene.answered(c)
        moved = await scene.hangs_up(a)
        left = await first.told("call.left")
        await until(lambda: third.of("pop.withdrawn"), what="the colleague's pop is his call")
        over = await scene.hangs_up(c)
        call = await scene.told(caller=caller, contact=contact)
    assert (shown["call"], shown["caller"]["raw"]) == (call["id"], scene.number)
    assert shown["appeal"] == call["appeal"]
    assert left["call"] == call["id"]
    assert reasons(third, shown["pop_id"]) == ["answered_here"]
    assert [pop["round"] for pop in first.of("pop.shown")] == [1]
    check_transfer(call, "attended", one, three, moved)
    check_legs(
        call,
        LegSeen(one, "answered", a.truth.at("INVITE", "R"), contact, moved),
        LegSeen(two, "elsewhere", b.truth.at("INVITE", "R"), None, b.truth.at("CANCEL", "R")),
        LegSeen(three, "answered", c.truth.at("INVITE", "R"), moved, over),
    )


@play.story()
async def consulted_on_a_second_line_and_handed_over(scene: Scene) -> None:
    """A hardware telephone's own way: a second call to the colleague, then REFER with Replaces."""
    one, two, three = scene.room.extensions
    async with (
        scene.screens(1, 3) as (first, third),
        scene.phone(1, TALKS) as a,
        scene.phone(2, SILENT) as b,
        scene.phone(3, ASKED) as c,
    ):
        caller = await scene.call(WAITS)
        contact = await scene.answered(a)
        second = await scene.dial(1, three, [Speak(), WaitBye(60)])
        await scene.answered(c)
        await until(lambda: second.dialogs, what="the consultation is on")
        assert third.of("pop.shown") == [], "two colleagues talk; nobody's card"
        refer = await scene.within(a, Wait(0.5), Refer(three, second.dialogs[0]))
        moved = refer.truth.at("REFER")
        shown = await third.told("pop.shown")
        withdrawn = await third.told("pop.withdrawn")
        await first.told("call.left")
        over = await scene.hangs_up(c)
        call = await scene.told(caller=caller, contact=contact)
    assert (shown["call"], shown["caller"]["raw"]) == (call["id"], scene.number)
    assert withdrawn == {"pop_id": shown["pop_id"], "reason": "answered_here"}
    check_transfer(call, "attended", one, three, moved)
    check_legs(
        call,
        LegSeen(one, "answered", a.truth.at("INVITE", "R"), contact, moved),
        LegSeen(two, "elsewhere", b.truth.at("INVITE", "R"), None, b.truth.at("CANCEL", "R")),
        LegSeen(three, "answered", None, moved, over),
    )
    assert len(await scene.office.calls(scene.number)) == 1


@play.story()
async def consulted_on_a_second_line_in_vain(scene: Scene) -> None:
    """The colleague is busy: two telephones of employees met, the customer's call knows nothing of it."""
    one, two, three = scene.room.extensions
    async with (
        scene.screens(1, 3) as (first, third),
        scene.phone(1, TALKS) as a,
        scene.phone(2, SILENT) as b,
        scene.phone(3, TelephoneHabit(ring_s=0.3, then="busy")) as c,
    ):
        caller = await scene.call(WAITS)
        contact = await scene.answered(a)
        await scene.dial(1, three, [WaitBye(60)])
        await until(lambda: c.truth.said("SIP/2.0 486"), what="the colleague is busy")
        over = await scene.hangs_up(a)
        call = await scene.told(caller=caller, contact=contact)
    assert (call["transfers"], third.of("pop.shown")) == ([], [])
    assert reasons(first, first.of("pop.shown")[0]["pop_id"]) == ["answered_here"]
    check_legs(
        call,
        LegSeen(one, "answered", a.truth.at("INVITE", "R"), contact, over),
        LegSeen(two, "elsewhere", b.truth.at("INVITE", "R"), None, b.truth.at("CANCEL", "R")),
    )


@play.story()
async def consulted_in_vain_and_came_back(scene: Scene) -> None:
    """*2: the colleague is busy; *1 and the operator is with the customer again, to the end."""
    one, two, three = scene.room.extensions
    async with (
        scene.screens(1, 3) as (first, third),
        scene.phone(1, TALKS) as a,
        scene.phone(2, SILENT) as b,
        scene.phone(3, TelephoneHabit(ring_s=0.3, then="busy")) as c,
    ):
        caller = await scene.call(WAITS)
        contact = await scene.answered(a)
        await scene.within(a, Wait(0.5), Keys("*2"), Wait(0.8), Keys(three))
        shown = await third.told("pop.shown")
        assert (await third.told("pop.withdrawn"))["reason"] == "rejected"
        await scene.within(a, Keys("*1"), Wait(1))
        over = await scene.hangs_up(a)
        call = await scene.told(caller=caller, contact=contact)
    assert (call["transfers"], shown["caller"]["raw"]) == ([], scene.number)
    assert len(first.of("pop.shown")) == 1
    assert len(reasons(first, first.of("pop.shown")[0]["pop_id"])) == 1
    check_legs(
        call,
        LegSeen(one, "answered", a.truth.at("INVITE", "R"), contact, over),
        LegSeen(two, "elsewhere", b.truth.at("INVITE", "R"), None, b.truth.at("CANCEL", "R")),
        LegSeen(three, "busy", c.truth.at("INVITE", "R"), None, c.truth.at("486")),
    )


@play.story()
async def consulted_in_vain_and_was_rung_back(scene: Scene) -> None:
    """*2: the colleague is busy and the operator hangs up; Asterisk rings him again for the customer."""
    one, two, three = scene.room.extensions
    async with (
        scene.screens(1) as (first,),
        scene.phone(1, TALKS) as a,
        scene.phone(2, SILENT) as b,
        scene.phone(3, TelephoneHabit(ring_s=0.3, then="busy")) as c,
    ):
        caller = await scene.call(WAITS)
        contact = await scene.answered(a)
        await scene.within(a, Wait(0.5), Keys("*2"), Wait(0.8), Keys(three))
        await until(lambda: c.truth.said("SIP/2.0 486"), what="the colleague is busy")
        hung_up = await scene.hangs_up(a)
        # the busy tone of the dialplan lasts ten seconds
        await until(lambda: len(a.dialogs) == 2, deadline_s=30, what="he is rung back")
        rings, answers = seen(a.truth, "INVITE", "R"), a.truth.picked_up
        await until(lambda: len(first.of("pop.withdrawn")) == 2, what="he answered again")
        over = await scene.hangs_up(a)
        call = await scene.told(caller=caller, contact=contact)
    pops = first.of("pop.shown")
    assert [pop["round"] for pop in pops] == [1, 2]
    assert {pop["caller"]["raw"] for pop in pops} == {scene.number}
    assert reasons(first, pops[0]["pop_id"]) == ["answered_here"] * 2
    assert [left["call"] for left in first.of("call.left")] == [call["id"]] * 2
    check_legs(
        call,
        LegSeen(one, "answered", rings[0], contact, hung_up),
        LegSeen(one, "answered", rings[1], answers[1], over),
        LegSeen(two, "elsewhere", b.truth.at("INVITE", "R"), None, b.truth.at("CANCEL", "R")),
        LegSeen(three, "busy", c.truth.at("INVITE", "R"), None, c.truth.at("486")),
    )


@play.story()
async def consulted_and_declined(scene: Scene) -> None:
    """*2: the colleague answers, will not take the call and hangs up; the operator has the customer again."""
    one, two, three = scene.room.extensions
    async with (
        scene.screens(3) as (third,),
        scene.phone(1, TALKS) as a,
        scene.phone(2, SILENT) as b,
        scene.phone(3, ASKED) as c,
    ):
        caller = await scene.call(WAITS)
        contact = await scene.answered(a)
        await scene.within(a, Wait(0.5), Keys("*2"), Wait(0.8), Keys(three))
        lifted = await scene.answered(c)
        refused = await scene.hangs_up(c)
        left = await third.told("call.left")
        over = await scene.hangs_up(a)
        call = await scene.told(caller=caller, contact=contact)
    assert lifted < refused
    assert (call["transfers"], left["call"]) == ([], call["id"])
    assert reasons(third, third.of("pop.shown")[0]["pop_id"]) == ["answered_here"]
    check_legs(
        call,
        LegSeen(one, "answered", a.truth.at("INVITE", "R"), contact, over),
        LegSeen(two, "elsewhere", b.truth.at("INVITE", "R"), None, b.truth.at("CANCEL", "R")),
        LegSeen(three, "answered", c.truth.at("INVITE", "R"), None, refused),
    )


@play.story(members=("PJSIP/{1}",))
async def sent_blindly_to_another_queue(scene: Scene) -> None:
    """## and the extension of a queue: it rings there with the customer's card, not the colleague's."""
    one, _, three = scene.room.extensions
    to = scene.room.second_queue_extension
    async with (
        scene.screens(1, 3) as (first, third),
        scene.phone(1, TALKS) as a,
        scene.phone(3, ASKED) as c,
    ):
        caller = await scene.call(WAITS)
        contact = await scene.answered(a)
        await scene.within(a, Wait(0.5), Keys("##"), Wait(0.8), Keys(to))
        await first.told("call.left")
        shown = await third.told("pop.shown")
        again = await scene.answered(c)
        over = await scene.hangs_up(c)
        call = await scene.told(caller=caller, contact=contact)
        moved = a.truth.at("BYE", "R")
        appeal = (await scene.office.appeals(scene.number))[0]
    assert (shown["call"], shown["caller"]["raw"]) == (call["id"], scene.number)
    assert (shown["appeal"], call["queue"]) == (appeal["number"], scene.room.second_queue)
    first_s = seconds(call["queue_entered_at"], call["answered_at"])
    second_s = appeal["times"]["queue_wait_s"] - first_s
    assert timing.lasted(second_s, 0.3, (moved, again)), "without the talk"
    assert reasons(third, shown["pop_id"]) == ["answered_here"]
    check_transfer(call, "blind", one, to, moved)
    check_legs(
        call,
        LegSeen(one, "answered", a.truth.at("INVITE", "R"), contact, moved),
        LegSeen(three, "answered", c.truth.at("INVITE", "R"), again, over),
    )


@play.story()
async def sent_blindly_by_refer(scene: Scene) -> None:
    """The telephone's transfer key: REFER. The colleague sees the customer."""
    one, two, three = scene.room.extensions
    async with (
        scene.screens(1, 3) as (first, third),
        scene.phone(1, TALKS) as a,
        scene.phone(2, SILENT) as b,
        scene.phone(3, ASKED) as c,
    ):
        caller = await scene.call(WAITS)
        contact = await scene.answered(a)
        refer = await scene.within(a, Wait(0.5), Refer(three))
        moved = refer.truth.at("REFER")
        await first.told("call.left")
        shown = await third.told("pop.shown")
        again = await scene.answered(c)
        over = await scene.hangs_up(c)
        call = await scene.told(caller=caller, contact=contact)
    assert (shown["call"], shown["caller"]["raw"]) == (call["id"], scene.number)
    assert reasons(third, shown["pop_id"]) == ["answered_here"]
    check_transfer(call, "blind", one, three, moved)
    check_legs(
        call,
        LegSeen(one, "answered", a.truth.at("INVITE", "R"), contact, moved),
        LegSeen(two, "elsewhere", b.truth.at("INVITE", "R"), None, b.truth.at("CANCEL", "R")),
        LegSeen(three, "answered", c.truth.at("INVITE", "R"), again, over),
    )


@play.story()
async def sent_blindly_and_nobody_is_there(scene: Scene) -> None:
    """##: the colleague's telephone rings, and the caller gives up meanwhile."""
    one, two, three = scene.room.extensions
    async with (
        scene.screens(1, 3) as (first, third),
        scene.phone(1, TALKS) as a,
        scene.phone(2, SILENT) as b,
        scene.phone(3, SILENT) as c,
    ):
        caller = await scene.call(WAITS)
        contact = await scene.answered(a)
        await scene.within(a, Wait(0.5), Keys("##"), Wait(0.8), Keys(three))
        shown = await third.told("pop.shown")
        await first.told("call.left")
        bye = await scene.within(caller, Bye())
        over = bye.truth.at("200", "R")  # the PBX has heard it
        assert (await third.told("pop.withdrawn"))["reason"] == "abandoned"
        call = await scene.told(caller=caller, contact=contact, hung_up=over)
        moved = a.truth.at("BYE", "R")
    assert (shown["call"], shown["caller"]["raw"]) == (call["id"], scene.number)
    check_transfer(call, "blind", one, three, moved)
    check_legs(
        call,
        LegSeen(one, "answered", a.truth.at("INVITE", "R"), contact, moved),
        LegSeen(two, "elsewhere", b.truth.at("INVITE", "R"), None, b.truth.at("CANCEL", "R")),
        LegSeen(three, "no_answer", c.truth.at("INVITE", "R"), None, c.truth.at("CANCEL", "R")),
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def played(
    request: pytest.FixtureRequest, labs: Labs, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Played]:
    async with play.played(request, labs, tmp_path_factory.mktemp("hand-over")) as played:
        yield played


@play.parametrize()
async def test_story(played: Played, story: str) -> None:
    await played.went_well(story)
