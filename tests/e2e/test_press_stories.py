"""The press itself: cut short, nobody there, refused, hostile names, other keys.

Each story is real calls on Asterisk 22 and 16, seen through REST and the screens' socket; the
queue has only the members that a story signs in.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import pytest_asyncio

from ivr.menu import Action
from tests.e2e.desk import open_desk
from tests.e2e.duty import on_duty, pause
from tests.e2e.identities import IDENTITIES, NAME_LOOK_UP
from tests.e2e.office import (
    PRESS,
    SHORT,
    SILENT,
    STORIES,
    Json,
    Office,
    has_sound,
    near,
    seconds,
    seen,
)
from tests.e2e.told import (
    LegSeen,
    check_legs,
    check_pops,
    check_rings,
    check_unanswered,
    recorded,
    unanswered,
)
from tests.lab.ami_tap import AmiTap
from tests.lab.fixtures import Labs
from tests.lab.harness import SippCall, Truth
from tests.lab.rtp import RtpSide, rtp_side
from tests.lab.scenarios import Bye, Key, Speak, Step, TelephoneHabit, Wait, WaitBye
from tests.waiting import until

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="module")]

# Key 3 in here is the price list, not a complaint.
OTHER_MENU = """\
[other-menu]
exten => s,1,Background(hello)
 same => n,WaitExten(2)
 same => n,Hangup()
exten => 3,1,Playback(beep)
 same => n,Hangup()
"""
CONFIG = replace(
    STORIES,
    menu=replace(
        STORIES.menu,
        members=(),
        prompts=replace(SHORT, nobody=("hello",)),
        rounds=2,
        ring_s=4,
        queue_timeout=Action(kind="hangup"),
        recording_format="WAV",
        keys={
            "1": Action(kind="goto", target="other-menu,s,1"),
            "5": Action(kind="menu"),
            "*": Action(kind="hangup"),
            "#": Action(kind="goto", target="other-menu,s,1"),
        },
    ),
    files={"extensions_more.conf": OTHER_MENU + NAME_LOOK_UP},
)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["22", "16"])
async def module_office(
    request: pytest.FixtureRequest, labs: Labs, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Office]:
    lab = await labs.start(request.param, CONFIG, fresh=False)
    more = "missing_after_s = 8\n"
    async with open_desk(lab, tmp_path_factory.mktemp("press"), more=more) as desk:
        yield Office(lab, desk)


async def all_done(callers: dict[str, SippCall]) -> None:
    await asyncio.gather(*(caller.done() for caller in callers.values()))


# A key sent as INFO is taken when its tone of 80 ms is over: who hangs up sooner has not pressed.
TONE_S = 0.08
AT_ONCE_S = (0.09, 0.10, 0.12, 0.15, 0.2, 0.4, 0.8, 1.1)


def key_released(truth: Truth, n: int = 0) -> tuple[datetime, datetime]:
    """Between which times the PBX heard the `n`-th key of this caller end."""
    tone = timedelta(seconds=TONE_S)
    sent, taken = truth.taken("INFO", n)
    return sent + tone, taken + tone


def keys_taken(pbx: AmiTap, digit: str) -> set[str]:
    """Return the numbers of the callers whose key Asterisk took before they had hung up."""
    gone = {event.get("Uniqueid"): event.at for event in pbx.all("HangupRequest")}
    return {
        event.get("CallerIDNum")
        for event in pbx.all("DTMFEnd", Digit=digit, Direction="Received")
        if event.get("Uniqueid") not in gone or event.at < gone[event.get("Uniqueid")]
    }


async def test_hung_up_at_once_after_the_key(office: Office) -> None:
    async with (
        office.screens("op101", "chief") as (first, board),
        office.lab.telephone("101", SILENT),
        office.lab.control() as pbx,
        on_duty(pbx, "101"),
    ):
        callers = {
            f"+791100030{n:02d}": await office.lab.call(
                number=f"+791100030{n:02d}", steps=[*PRESS, Wait(after_s), Bye()]
            )
            for n, after_s in enumerate(AT_ONCE_S)
        }
        await all_done(callers)
        calls = {number: await office.over(number) for number in callers}
        taken = keys_taken(pbx, "3")
        await until(lambda: len(board.of("appeal.opened")) >= len(taken), what="all are opened")
        assert len(taken) >= len(AT_ONCE_S) - 3
        for number, caller in callers.items():
            truth, call = caller.truth, calls[number]
            assert (call["outcome"], call["answered_at"], call["legs"]) == ("abandoned", None, [])
            assert near(call["ended_at"], truth.taken("BYE"))
            if number in taken:
                await has_pressed_and_gone(office, pbx, number, truth)
            else:
                assert await office.appeals(number) == []
                assert (call["pressed_at"], call["recordings"]) == (None, [])
    assert len(board.of("appeal.opened")) == len(taken)
    assert first.of("pop.shown") == [], "nobody's telephone rang"


async def has_pressed_and_gone(office: Office, pbx: AmiTap, number: str, truth: Truth) -> None:
    released, hung_up = key_released(truth), truth.taken("BYE")
    appeal = await unanswered(office, number, "abandoned", pressed=released, ended=hung_up)
    assert appeal["times"]["queue_wait_s"] is None
    found = await recorded(office, pbx, number)
    assert len(found) <= 1, "he hung up before the recorder was asked for, or after"
    gave_up_s = appeal["times"]["abandoned_after_s"]
    assert all((each["duration_s"] or 0) <= gave_up_s + 0.1 for each in found)


def said_to(pbx: AmiTap, number: str, exten: str) -> bool:
    """Whether the PBX played the caller a prompt in this extension of press3-complaint."""
    return any(
        event.get("CallerIDNum") == number and event.get("Application") == "Playback"
        for event in pbx.all("Newexten", Context="press3-complaint", Extension=exten)
    )


async def test_nobody_to_take_the_call(office: Office) -> None:
    """No members; all on pause; the last one goes while the caller waits: he is told, and let go."""
    empty, paused, left = "+79110003101", "+79110003102", "+79110003103"
    steps = [*PRESS, WaitBye(60)]
    async with (
        office.screens("op101", "chief") as (first, board),
        office.lab.telephone("101", SILENT) as phone,
        office.lab.control() as pbx,
    ):
        callers = {empty: await office.lab.call(number=empty, steps=steps)}
        await callers[empty].done()
        async with on_duty(pbx, "101", paused=True):
            callers[paused] = await office.lab.call(number=paused, steps=steps)
            await callers[paused].done()
            assert first.of("pop.shown") == []
        async with on_duty(pbx, "101"):
            callers[left] = await office.lab.call(number=left, steps=steps)
            shown = await first.told("pop.shown")
            await pause(pbx, "101")
            await callers[left].done()
        for number in callers:
            await office.over(number)
            assert said_to(pbx, number, "empty")
        await until(lambda: len(board.of("call.ended")) == 3, what="all three are over")
    assert [told["outcome"] for told in board.of("call.ended")] == ["no_answer"] * 3
    for number, caller in callers.items():
        pressed = key_released(caller.truth)
        let_go = caller.truth.at("BYE", "R")
        appeal = await unanswered(office, number, "no_answer", pressed=pressed, ended=let_go)
        (call,) = appeal["calls"]
        assert call["queue"] == "press3"
        if number == left:
            assert shown["call"] == call["id"]
            check_rings([call], "101", phone.truth)
            check_pops(first, call, "timeout")
            (leg,) = call["legs"]
            rang_s = seconds(leg["rang_at"], leg["ended_at"])
            assert appeal["times"]["queue_wait_s"] >= rang_s
        else:
            assert call["legs"] == []
            check_pops(first, call)
            assert appeal["times"]["queue_wait_s"] == 0, "refused at the door"
        await office.playable(number)


async def test_all_refuse_and_the_caller_is_let_go(office: Office) -> None:
    """Busy and declined, round after round; when the queue's time is over the caller is told."""
    number = "+79110003201"
    async with (
        office.screens("op101", "op102", "chief") as (first, second, board),
        office.lab.telephone("101", TelephoneHabit(ring_s=0.2, then="busy")) as busy,
        office.lab.telephone("102", TelephoneHabit(ring_s=0.3, then="reject")) as rejects,
        office.lab.control() as pbx,
        on_duty(pbx, "101", "102"),
    ):
        caller = await office.lab.call(number=number, steps=[*PRESS, WaitBye(60)])
        await caller.done()
        await office.over(number)
        ended = await board.told("call.ended")
        assert said_to(pbx, number, "timeout")
    pressed = key_released(caller.truth)
    let_go = caller.truth.at("BYE", "R")
    appeal = await unanswered(office, number, "no_answer", pressed=pressed, ended=let_go)
    (call,) = appeal["calls"]
    assert (ended["outcome"], ended["call"]) == ("no_answer", call["id"])
    legs: list[LegSeen] = []
    for screen, extension, phone, said, outcome in (
        (first, "101", busy.truth, "SIP/2.0 486", "busy"),
        (second, "102", rejects.truth, "SIP/2.0 603", "rejected"),
    ):
        rings, refused = seen(phone, "INVITE", "R"), seen(phone, said)
        assert len(refused) >= 2, "the queue goes on asking"
        legs += [
            LegSeen(extension, outcome, rang, None, at)
            for rang, at in zip(rings, refused, strict=True)
        ]
        check_pops(screen, call, *["rejected"] * len(refused))
    check_legs(call, *legs)
    assert 6 <= appeal["times"]["queue_wait_s"] < 11
    await office.playable(number)


# keys (as INFO, `+` a pause of a second) → whether 3 was pressed as a complaint
KEYS = {
    "3": True,
    "33": True,
    "+3": True,  # the greeting is over
    "5+3": True,  # 5 plays the menu again
    "9++3": True,  # no such key: «invalid», and the menu again
    "1": False,
    "13": False,  # 3 in the other menu
    "1+3": False,
    "#+3": False,
    "*": False,
    "*3": False,  # he was told good-bye
    "": False,
}


async def test_which_keys_are_a_complaint(office: Office) -> None:
    numbers = {f"+791100033{n:02d}": keys for n, keys in enumerate(KEYS)}
    async with (
        office.screens("op101", "chief") as (first, board),
        office.lab.telephone("101", SILENT) as phone,
        office.lab.control() as pbx,
        on_duty(pbx, "101", several_calls=True),
    ):
        callers = {
            number: await office.lab.call(number=number, steps=typed(keys))
            for number, keys in numbers.items()
        }
        await all_done(callers)
        calls = {number: await office.over(number) for number in numbers}
        await until(
            lambda: len(board.of("call.ended")) == len(numbers), what="the screens know all ends"
        )
        complaints = [calls[number] for number, keys in numbers.items() if KEYS[keys]]
        await until(
            lambda: len(first.of("pop.withdrawn")) == len(complaints), what="no card is left"
        )
        await until(
            lambda: len(seen(phone.truth, "CANCEL", "R")) == len(complaints), what="no ring"
        )
    for number, keys in numbers.items():
        call, truth = calls[number], callers[number].truth
        if KEYS[keys]:
            await is_a_complaint(office, number, keys, truth)
            check_pops(first, call, "abandoned")
        else:
            assert await office.appeals(number) == [], keys
            is_no_complaint(call, truth)
    check_rings(complaints, "101", phone.truth)
    assert len(first.of("pop.shown")) == len(complaints)
    opened = board.of("appeal.opened")
    assert {told["call"] for told in opened} == {call["id"] for call in complaints}
    assert len(opened) == len(complaints)


async def is_a_complaint(office: Office, number: str, keys: str, truth: Truth) -> None:
    pressed = key_released(truth, keys.replace("+", "").index("3"))
    appeal = await unanswered(
        office, number, "abandoned", pressed=pressed, ended=truth.taken("BYE")
    )
    assert await office.history(appeal["number"], "pressed_again") == [], keys
    await office.playable(number)


def is_no_complaint(call: Json, truth: Truth) -> None:
    """He was let go; nobody's talk with a menu is recorded, and no telephone rings."""
    assert near(call["ended_at"], truth.at("BYE", "R"))
    told = [call[name] for name in ("outcome", "pressed_at", "answered_at", "appeal", "queue")]
    assert told == ["closed", None, None, None, None], "he asked for nobody, and was let go"
    assert (call["recovered"], call["legs"], call["recordings"]) == (False, [], [])


def typed(keys: str) -> list[Step]:
    steps: list[Step] = [Speak(), Wait(0.3)]
    for key in keys:
        steps += [Wait(1)] if key == "+" else [Key(key), Wait(0.15)]
    return [*steps, Wait(2), Bye()] if KEYS[keys] else [*steps, WaitBye(60)]


async def test_keys_as_rfc_4733_events(office: Office) -> None:
    """Quick, long, and let go in the moment of hanging up: each is one press at the time of its end."""
    lasting_s = {"+79110003401": 0.06, "+79110003402": 0.1, "+79110003403": 1.2}
    async with (
        office.screens("op101") as (screen,),
        rtp_sides(len(lasting_s)) as sides,
        office.lab.control() as pbx,
    ):
        callers = {
            number: await office.lab.call(number=number, steps=[WaitBye(60)], rtp_port=side.port)
            for number, side in zip(lasting_s, sides, strict=True)
        }
        released = dict(
            zip(
                lasting_s,
                await asyncio.gather(
                    *(
                        side.key("3", lasts_s=lasts_s)
                        for side, lasts_s in zip(sides, lasting_s.values(), strict=True)
                    )
                ),
                strict=True,
            )
        )
        await all_done(callers)
        assert len(pbx.all("DTMFEnd", Digit="3", Direction="Received")) == len(lasting_s)
        for number, released_at in released.items():
            await office.over(number)
            let_go = callers[number].truth.at("BYE", "R")
            appeal = await unanswered(
                office, number, "no_answer", pressed=released_at, ended=let_go
            )
            assert appeal["calls"][0]["legs"] == [], "nobody is signed in"
            assert appeal["times"]["queue_wait_s"] == 0
            assert await office.history(appeal["number"], "pressed_again") == []
            await office.playable(number)
    assert screen.of("pop.shown") == []


@asynccontextmanager
async def rtp_sides(n: int) -> AsyncIterator[list[RtpSide]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(rtp_side()) for _ in range(n)]


async def test_what_a_caller_calls_himself_stays_data(office: Office) -> None:
    async with (
        office.screens("op101", "chief") as (first, board),
        office.lab.telephone("101", SILENT) as phone,
        office.lab.control() as pbx,
        on_duty(pbx, "101", several_calls=True),
    ):
        steps = [*PRESS, Wait(2.4), Bye()]  # within the first ringing
        callers = [
            await office.lab.call(
                number=who.number, name=who.name, to=who.to, headers=who.headers, steps=steps
            )
            for who in IDENTITIES
        ]
        await asyncio.gather(*(caller.done() for caller in callers))
        everybody = len(IDENTITIES)
        await until(
            lambda: len(board.of("call.ended")) == everybody,
            deadline_s=60,
            what="all are over",
        )
        await until(lambda: len(first.of("pop.withdrawn")) == everybody, what="no card is left")
        readable = {who.raw for who in IDENTITIES if not who.broken}
        await until(lambda: len(seen(phone.truth, "CANCEL", "R")) == len(readable), what="silence")
        opened, pops = board.of("appeal.opened"), first.of("pop.shown")
        keys = {event.get("Key") for event in pbx.all("UserEvent", UserEvent="Press3")}
        spool = await office.lab.spool()
    assert len({told["number"] for told in opened}) == len(opened) == everybody, "once each"
    assert sorted(pop["appeal"] for pop in pops) == sorted(told["number"] for told in opened)
    appeals = [await with_sound(office, told["number"]) for told in opened]
    by_raw = {appeal["caller"]["raw"]: appeal for appeal in appeals}
    assert set(by_raw) == {who.raw for who in IDENTITIES}
    for who, caller in zip(IDENTITIES, callers, strict=True):
        appeal, truth = by_raw[who.raw], caller.truth
        pressed = key_released(truth)
        check_unanswered(appeal, who.raw, "abandoned", pressed=pressed, ended=truth.taken("BYE"))
        (call,) = appeal["calls"]
        assert call["from"]["name"] == appeal["caller"]["name"], who
        assert appeal["caller"]["name"] in who.names, who
        check_pops(first, call, "abandoned")
        await office.plays(call)
    check_rings([by_raw[raw]["calls"][0] for raw in readable], "101", phone.truth)
    told = [[leg["outcome"] for leg in appeal["calls"][0]["legs"]] for appeal in appeals]
    assert told == [["no_answer"]] * everybody
    rows = {key: value for key, value in spool.items() if key in keys}
    assert len(rows) >= everybody
    assert {value.count("|") for value in rows.values()} == {8}, "each row is one row"
    assert not [key for key in spool if key.startswith("press3/1/")]


async def with_sound(office: Office, appeal: int) -> Json:
    """Wait until the recording of the appeal's only call can be played; a hostile number finds no call."""

    async def found() -> Json | None:
        told: Json = await office.get(f"/appeals/{appeal}")
        return told if has_sound(told["calls"][0]) else None

    told = await until(found, deadline_s=60, what=f"the recording of appeal {appeal}")
    assert told is not None
    return told
