"""Which telephones a call passes through: pickup, hold, parking, Local members, two devices, linear queues.

Each story is a real call on Asterisk 22; what is stored is compared with the logs of the caller's and
the operators' telephones. The stories of this module are played a few at a time, each in its room.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncSession

from calls import storage
from press3.config.settings import load
from store.engine import create_engine
from tests import timing
from tests.e2e.office import PRESS, SILENT, Json, has_sound, near, reasons, seen
from tests.e2e.rooms import ASKED, TALKS, WAITS, Played, Scene, Stories
from tests.e2e.told import LegSeen, check_answered, check_legs, check_pops, check_transfer
from tests.lab.dialogs import Keys
from tests.lab.fixtures import Labs
from tests.lab.harness import SippCall
from tests.lab.scenarios import Bye, Speak, Step, TelephoneHabit, Wait, WaitBye
from tests.waiting import until

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="module")]

play = Stories(first_room=30)
TALKS_ON: list[Step] = [Speak(), WaitBye(60)]


def lost(extension: str, phone: SippCall, outcome: str = "elsewhere") -> LegSeen:
    """A telephone that rang and was cancelled."""
    rang_at, ended_at = phone.truth.at("INVITE", "R"), phone.truth.at("CANCEL", "R")
    return LegSeen(extension, outcome, rang_at, None, ended_at)


async def picked_up(scene: Scene, code: str) -> None:
    """The third operator, no member of the queue, takes a call that rings at the two others.

    Alone: once Asterisk 22.10 answered SIP no more when two pickups and a parking fell together.
    """
    one, two, three = scene.room.extensions
    async with (
        scene.screens(1, 2, 3) as (first, second, third),
        scene.phone(1, SILENT) as a,
        scene.phone(2, SILENT) as b,
    ):
        caller = await scene.call(WAITS)
        for screen in (first, second):
            await screen.told("pop.shown")
        pickup = await scene.dial(3, code, TALKS_ON)
        shown = await third.told("pop.shown")
        # Asterisk answers him first and picks up then
        await until(lambda: a.truth.said("SIP/2.0 487"), what="the picked one is cancelled")
        contact = a.truth.at("CANCEL", "R")
        for screen in (first, second):
            assert (await screen.told("pop.withdrawn"))["reason"] == "answered_elsewhere"
        assert (await third.told("pop.withdrawn"))["reason"] == "answered_here"
        over = await scene.hangs_up(pickup)
        call = await scene.told(caller=caller, contact=contact)
    assert (shown["call"], shown["caller"]["raw"]) == (call["id"], scene.number)
    assert shown["appeal"] == call["appeal"]
    assert (call["transfers"], call["queue"]) == ([], scene.room.queue)
    check_legs(
        call,
        lost(one, a),
        lost(two, b),
        LegSeen(three, "answered", None, contact, over),
    )


@play.story(alone=True)
async def picked_up_from_the_group(scene: Scene) -> None:
    """*8 takes whatever rings in the group."""
    await picked_up(scene, "*8")


@play.story(alone=True)
async def picked_up_from_one_telephone(scene: Scene) -> None:
    """** and the extension that rings."""
    await picked_up(scene, f"**{scene.extension(1)}")


@play.story()
async def held_and_resumed(scene: Scene) -> None:
    """The operator's telephone holds the customer by re-INVITE and comes back: still one talk."""
    one, two, _ = scene.room.extensions
    habit = TelephoneHabit(ring_s=0.4, hold_after_s=0.7, hold_s=1)
    async with (
        scene.screens(1) as (first,),
        scene.phone(1, habit) as a,
        scene.phone(2, SILENT) as b,
    ):
        caller = await scene.call(WAITS)
        contact = await scene.answered(a)
        await until(lambda: len(seen(a.truth, "INVITE")) == 2, what="held and resumed")
        await until(lambda: len(seen(a.truth, "ACK")) == 2, what="resumed")
        over = await scene.hangs_up(a)
        call = await scene.told(caller=caller, contact=contact)
    held, resumed = seen(a.truth, "INVITE")
    assert len(first.of("pop.shown")) == len(first.of("pop.withdrawn")) == 1
    assert call["transfers"] == []
    check_legs(
        call,
        LegSeen(one, "answered", a.truth.at("INVITE", "R"), contact, over),
        lost(two, b),
    )
    ((since, until_),) = await holds(scene, call["id"], one)
    assert near(since, held)
    assert near(until_, resumed)


async def holds(scene: Scene, call: str, extension: str) -> list[tuple[str, str]]:
    """Return the holds of an operator's leg as the stored facts tell them."""
    engine = create_engine(load(scene.office.desk.config).database_url)
    async with AsyncSession(engine) as session:
        story = await storage.load_story(session, call)
    await engine.dispose()
    assert story is not None
    (leg,) = [leg for leg in story.legs if leg.extension == extension]
    return [(since.isoformat(), to.isoformat()) for since, to in leg.holds if to is not None]


@play.story()
async def parked_and_fetched(scene: Scene) -> None:
    """*5 parks the caller; a colleague fetches him from the space."""
    one, two, three = scene.room.extensions
    async with (
        scene.screens(1, 3) as (first, third),
        scene.phone(1, TALKS) as a,
        scene.phone(2, SILENT) as b,
    ):
        caller = await scene.call(WAITS)
        contact = await scene.answered(a)
        await scene.within(a, Wait(0.5), Keys("*5"))
        left = await first.told("call.left")
        assert third.of("pop.shown") == []
        fetch = await scene.dial(3, "701", TALKS_ON)
        shown = await third.told("pop.shown")
        assert (await third.told("pop.withdrawn"))["reason"] == "answered_here"
        over = await scene.hangs_up(fetch)
        call = await scene.told(caller=caller, contact=contact)
    assert (left["call"], shown["call"]) == (call["id"], call["id"])
    assert shown["caller"]["raw"] == scene.number
    assert call["transfers"] == []
    check_legs(
        call,
        LegSeen(one, "answered", a.truth.at("INVITE", "R"), contact, a.truth.at("BYE", "R")),
        lost(two, b),
        LegSeen(three, "answered", None, fetch.truth.at("200", "R"), over),
    )


@play.story()
async def parked_and_forgotten(scene: Scene) -> None:
    """## and 720: nobody fetches him for three seconds, so he comes back to the operator."""
    one, two, _ = scene.room.extensions
    async with (
        scene.screens(1) as (first,),
        scene.phone(1, TALKS) as a,
        scene.phone(2, SILENT) as b,
    ):
        caller = await scene.call(WAITS)
        contact = await scene.answered(a)
        keys = await scene.within(a, Wait(0.5), Keys("##"), Wait(0.8), Keys("720"))
        await until(lambda: len(a.truth.picked_up) == 2, deadline_s=30, what="he comes back")
        await until(lambda: len(first.of("pop.withdrawn")) == 2, what="the card again")
        over = await scene.hangs_up(a)
        call = await scene.told(caller=caller, contact=contact)
    pops = first.of("pop.shown")
    assert [pop["round"] for pop in pops] == [1, 2]
    assert {pop["caller"]["raw"] for pop in pops} == {scene.number}
    assert reasons(first, pops[0]["pop_id"]) == ["answered_here"] * 2
    check_transfer(call, "blind", one, "720", seen(keys.truth, "INFO")[-1])
    rings = seen(a.truth, "INVITE", "R")
    check_legs(
        call,
        LegSeen(one, "answered", rings[0], contact, a.truth.at("BYE", "R")),
        LegSeen(one, "answered", rings[1], a.truth.picked_up[1], over),
        lost(two, b),
    )


@play.story(members=("Local/{1}@from-queue/n", "Local/{2}@from-queue/n"))
async def members_are_local_channels(scene: Scene) -> None:
    """FreePBX rings its members through Local channels that never optimise away."""
    one, two, _ = scene.room.extensions
    async with (
        scene.screens(1, 2) as (first, second),
        scene.phone(1, TALKS) as a,
        scene.phone(2, SILENT) as b,
    ):
        caller = await scene.call(WAITS)
        contact = await scene.answered(a)
        assert (await second.told("pop.withdrawn"))["reason"] == "answered_elsewhere"
        assert (await first.told("pop.withdrawn"))["reason"] == "answered_here"
        over = await scene.hangs_up(a)
        call = await scene.told(caller=caller, contact=contact)
    for screen in (first, second):
        assert [pop["caller"]["raw"] for pop in screen.of("pop.shown")] == [scene.number]
        assert len(screen.of("pop.withdrawn")) == 1
    check_legs(
        call,
        LegSeen(one, "answered", a.truth.at("INVITE", "R"), contact, over),
        lost(two, b),
    )


@play.story(members=("Local/{1}@from-queue-recorded/n", "Local/{2}@from-queue-recorded/n"))
async def members_are_local_channels_that_record(scene: Scene) -> None:
    """The winner's recording hangs on the call beside ours; the loser's is there too, and says why it is silent."""
    one, two, _ = scene.room.extensions
    async with (
        scene.screens(1, 2) as (first, second),
        scene.phone(1, TALKS) as a,
        scene.phone(2, SILENT) as b,
    ):
        caller = await scene.call(WAITS)
        contact = await scene.answered(a)
        await first.told("pop.withdrawn")
        await second.told("pop.withdrawn")
        await asyncio.sleep(2)  # they talk: the length of what is recorded
        over = await scene.hangs_up(a)
        call = await scene.told(caller=caller, contact=contact, one_recording=False)
    check_pops(first, call, "answered_here")
    check_pops(second, call, "answered_elsewhere")
    check_legs(
        call,
        LegSeen(one, "answered", a.truth.at("INVITE", "R"), contact, over),
        lost(two, b),
    )
    # the loser's recorder made a file and never wrote into it
    are_ready = lambda call: sorted(states(call)) == ["converted", "converted", "linked"]  # noqa: E731
    call = await scene.office.call_when(scene.number, are_ready)
    sounds = [each for each in call["recordings"] if each["state"] == "converted"]
    (silent,) = [each for each in call["recordings"] if each not in sounds]
    assert silent["reason"] == "empty"
    pressed = datetime.fromisoformat(call["pressed_at"])
    talk_s, whole_s = sorted(each["duration_s"] for each in sounds)
    assert timing.lasted(talk_s, 0.6, (contact, over)), (talk_s, over - contact)
    assert timing.lasted(whole_s, 1.0, (pressed, over)), (whole_s, over - pressed)
    files = list(scene.office.lab.monitor.rglob(f"local-2{scene.room.n:02}*"))
    assert len(files) == 2, "the PBX's own, one of each member"
    assert await differences(scene, call["id"]) == []


def states(call: Json) -> list[str]:
    return [recording["state"] for recording in call["recordings"]]


async def differences(scene: Scene, call: str) -> list[Json]:
    """Return what the day's reconciliation says of this call, and every recording without a call."""
    day = datetime.now(load(scene.office.desk.config).zone).date()
    told = (await scene.office.get(f"/reconciliation?day={day}"))["differences"]
    return [each for each in told if each["call"] == call or each["kind"] == "orphan_recording"]


async def two_devices(scene: Scene) -> None:
    """Both devices of the first operator ring, the second one answers: one leg, one card."""
    one, two, _ = scene.room.extensions
    async with (
        scene.screens(1, 2) as (first, second),
        scene.phone(1, SILENT) as desk,
        scene.phone(1, ASKED, prefix="99") as mobile,
        scene.phone(2, SILENT) as b,
    ):
        caller = await scene.call(WAITS)
        contact = await scene.answered(mobile)
        assert (await first.told("pop.withdrawn"))["reason"] == "answered_here"
        await second.told("pop.withdrawn")
        # a busy Asterisk lets the caller in 0.15 s after the answer
        await scene.office.call_when(scene.number, lambda call: call["answered_at"])
        over = await scene.hangs_up(mobile)
        call = await scene.told(caller=caller, contact=contact)
    assert len(first.of("pop.shown")) == len(first.of("pop.withdrawn")) == 1
    assert len(first.of("call.left")) <= 1
    rang_at = min(desk.truth.at("INVITE", "R"), mobile.truth.at("INVITE", "R"))
    assert near(call["answered_at"], desk.truth.at("CANCEL", "R"))
    check_legs(call, LegSeen(one, "answered", rang_at, contact, over), lost(two, b))


@play.story(members=("Local/{1}@both-devices/n", "PJSIP/{2}"), two_devices=True)
async def two_devices_behind_one_member(scene: Scene) -> None:
    await two_devices(scene)


@play.story(members=("PJSIP/{1}", "PJSIP/99{1}", "PJSIP/{2}"), two_devices=True)
async def two_devices_as_two_members(scene: Scene) -> None:
    await two_devices(scene)


@play.story()
async def one_customer_in_two_calls(scene: Scene) -> None:
    """He calls again while he talks: two calls, two appeals that know of each other, two cards."""
    one, two, _ = scene.room.extensions
    async with (
        scene.screens(1, 2) as (first, second),
        scene.phone(1, TALKS) as a,
        scene.phone(2, TelephoneHabit(ring_s=1.5)) as b,
    ):
        earlier = await scene.call(WAITS)
        first_contact = await scene.answered(a)
        later = await scene.call(WAITS)
        second_contact = await scene.answered(b)
        later_over = await scene.hangs_up(b)
        later_call = await scene.office.over(scene.number, n=1)
        earlier_over = await scene.hangs_up(a)
        earlier_call = await scene.office.over(scene.number, n=0)
    old, new = await scene.office.appeals(scene.number)
    assert [call["id"] for call in old["calls"]] == [earlier_call["id"]]
    assert [call["id"] for call in new["calls"]] == [later_call["id"]]
    assert old["customer"] == new["customer"]
    (entry,) = await scene.office.history(new["number"], "related")
    assert entry["data"]["appeals"] == [old["number"]]
    for n, appeal, caller, contact in (
        (0, old, earlier, first_contact),
        (1, new, later, second_contact),
    ):
        await caller.done()
        check_answered(
            appeal,
            scene.number,
            pressed=caller.truth.taken("INFO"),
            contact=contact,
            ended=caller.truth.at("BYE", "R"),
        )
        await scene.office.plays(await scene.office.call_when(scene.number, has_sound, n=n))
    check_pops(first, earlier_call, "answered_here")
    check_pops(first, later_call)
    check_pops(second, earlier_call, "answered_elsewhere")
    check_pops(second, later_call, "answered_here")
    own_card = second.of("pop.shown")[-1]
    assert own_card["open_appeals"] == [new["number"], old["number"]]
    rings = seen(b.truth, "INVITE", "R")
    check_legs(
        earlier_call,
        LegSeen(one, "answered", a.truth.at("INVITE", "R"), first_contact, earlier_over),
        lost(two, b),
    )
    check_legs(later_call, LegSeen(two, "answered", rings[1], second_contact, later_over))


@play.story(members=("PJSIP/{1}", "PJSIP/{2}", "PJSIP/{3}"), strategy="linear", ring_s=2)
async def one_after_the_other(scene: Scene) -> None:
    """A linear queue: the card moves on with the ringing, never at two operators at once."""
    one, two, three = scene.room.extensions
    async with (
        scene.screens(1, 2, 3) as screens,
        scene.phone(1, SILENT) as a,
        scene.phone(2, SILENT) as b,
        scene.phone(3, ASKED) as c,
    ):
        caller = await scene.call(WAITS)
        contact = await scene.answered(c)
        await screens[2].told("pop.withdrawn")
        over = await scene.hangs_up(c)
        call = await scene.told(caller=caller, contact=contact)
    told = [event for screen in screens for event in screen.events]
    cards = [event for event in told if event["type"].startswith("pop.")]
    assert [(card["type"], card["data"].get("reason")) for card in cards] == [
        ("pop.shown", None),
        ("pop.withdrawn", "timeout"),
        ("pop.shown", None),
        ("pop.withdrawn", "timeout"),
        ("pop.shown", None),
        ("pop.withdrawn", "answered_here"),
    ]
    assert [card["seq"] for card in cards] == sorted(card["seq"] for card in cards)
    check_legs(
        call,
        lost(one, a, "no_answer"),
        lost(two, b, "no_answer"),
        LegSeen(three, "answered", c.truth.at("INVITE", "R"), contact, over),
    )


@play.story()
async def called_back_from_the_telephone(scene: Scene) -> None:
    """The operator dials the customer by hand. One open appeal: the call is its; several: he is offered them."""
    one = scene.extension(1)
    outside = "8" + scene.number.removeprefix("+7")
    press = [*PRESS, Wait(0.5), Bye()]
    customer = TelephoneHabit(ring_s=0.6)
    lab = scene.office.lab
    async with scene.screens(1) as (first,), lab.telephone("customer", customer) as phone:
        await (await scene.call(press)).done()
        await scene.office.over(scene.number)
        (appeal,) = await scene.office.appeals(scene.number)

        dial = await scene.dial(1, outside, TALKS_ON)
        shown = await first.told("pop.shown")
        assert reasons(first, shown["pop_id"]) in ([], ["answered_here"])
        over = await scene.hangs_up(dial)
        call = await scene.office.over(scene.number, n=1)
        assert (call["direction"], call["outcome"]) == ("out", "answered")
        assert (call["from"]["raw"], call["to"]["e164"]) == (one, scene.number)
        assert (call["appeal"], call["pressed_at"]) == (appeal["number"], None)
        assert near(call["answered_at"], phone.truth.picked_up[0])
        assert near(call["ended_at"], phone.truth.at("BYE", "R"))
        check_legs(call, LegSeen(one, "answered", None, phone.truth.picked_up[0], over))
        assert (shown["call"], shown["caller"]["e164"]) == (call["id"], scene.number)
        assert (shown["appeal"], shown["open_appeals"]) == (appeal["number"], [appeal["number"]])
        (entry,) = await scene.office.history(appeal["number"], "call_linked")
        assert (entry["data"]["call"], entry["data"]["link"]) == (call["id"], "auto")
        linked = await scene.office.get(f"/appeals/{appeal['number']}")
        assert [each["id"] for each in linked["calls"]] == [linked["call"], call["id"]]
        (contact,) = await scene.office.history(appeal["number"], "first_contact")
        assert near(contact["data"]["at"], phone.truth.picked_up[0])

        await (await scene.call(press)).done()
        await scene.office.over(scene.number, n=2)
        newer, older = [a["number"] for a in reversed(await scene.office.appeals(scene.number))]
        dial = await scene.dial(1, outside, TALKS_ON)
        offered = await first.told("pop.shown", lambda pop: pop["call"] != call["id"])
        await scene.hangs_up(dial)
        unlinked = await scene.office.over(scene.number, n=3)
    assert (unlinked["id"], unlinked["appeal"]) == (offered["call"], None)
    assert (offered["appeal"], offered["open_appeals"]) == (None, [newer, older])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def played(
    request: pytest.FixtureRequest, labs: Labs, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Played]:
    async with play.played(request, labs, tmp_path_factory.mktemp("lines")) as played:
        yield played


@play.parametrize()
async def test_story(played: Played, story: str) -> None:
    await played.went_well(story)
