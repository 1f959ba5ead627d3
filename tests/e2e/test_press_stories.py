"""The press itself: cut short, nobody there, refused, hostile names, other keys.

Each story is real calls on Asterisk 22 and 16, seen through REST and the screens' socket; the
queue has only the members that a story signs in.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from urllib.parse import quote

import pytest
import pytest_asyncio

from ivr.menu import Action
from tests.e2e.desk import open_desk
from tests.e2e.duty import on_duty, pause
from tests.e2e.office import PRESS, SHORT, SILENT, STORIES, Office, near, reasons, seconds, seen
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
CRLF = (
    "Eve\r\nX: y\r\n\r\nEvent: UserEvent\r\nUserEvent: Press3\r\nKey: press3/1/x\r\nAt: 1.0\r\n\r\n"
)
LONG = "Ё" * 500
MARKUP = "<img src=x onerror=alert(1)>|\"'; ${SHELL(id)} =1+1 \\n %0d%0a &amp;"
# A route that looks names up sets them as they came.
LOOKED_UP = {"661": CRLF, "662": LONG, "663": MARKUP}
NAME_LOOK_UP = "[incoming](+)\n" + "".join(
    f"exten => {exten},1,Set(CALLERID(name)=${{URIDECODE({quote(name, safe='')})}})\n"
    " same => n,Goto(press3-menu,s,1)\n"
    for exten, name in LOOKED_UP.items()
)
CONFIG = replace(
    STORIES,
    menu=replace(
        STORIES.menu,
        members=(),
        prompts=replace(SHORT, nobody=("hello",)),
        rounds=2,
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
    async with open_desk(lab, tmp_path_factory.mktemp("press")) as desk:
        yield Office(lab, desk)


SETTLED = ("converted", "linked")  # `linked` is where a file without any sound stays


async def all_done(callers: dict[str, SippCall]) -> None:
    await asyncio.gather(*(caller.done() for caller in callers.values()))


# A key sent as INFO is taken when its tone of 80 ms is over: who hangs up sooner has not pressed.
TONE_S = 0.08
AT_ONCE_S = (0.09, 0.10, 0.12, 0.15, 0.2, 0.4, 0.8, 1.1)


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
        assert near(call["ended_at"], truth.at("BYE"))
        if number in taken:
            await has_pressed_and_gone(office, number, truth)
        else:
            assert await office.appeals(number) == []
            assert call["pressed_at"] is None
    assert len(board.of("appeal.opened")) == len(taken)
    assert first.of("pop.shown") == [], "nobody's telephone rang"


async def has_pressed_and_gone(office: Office, number: str, truth: Truth) -> None:
    settled = lambda call: all(r["state"] in SETTLED for r in call["recordings"])  # noqa: E731
    call = await office.call_when(number, settled)
    appeal = await office.appeal(number)
    assert (appeal["verified"], appeal["phase"]) == ("verified", "received")
    assert (call["appeal"], call["recovered"]) == (appeal["number"], False)
    released = truth.at("INFO") + timedelta(seconds=TONE_S)
    assert near(call["pressed_at"], released)
    times = appeal["times"]
    stored_s = seconds(call["pressed_at"], call["ended_at"])
    assert times["abandoned_after_s"] == pytest.approx(stored_s, abs=0.001)
    gave_up_s = (truth.at("BYE") - released).total_seconds()
    assert times["abandoned_after_s"] == pytest.approx(gave_up_s, abs=0.15)
    assert (times["queue_wait_s"], times["wait_s"], times["ring_s"]) == (None, None, None)
    lengths = [r["duration_s"] for r in call["recordings"] if r["state"] == "converted"]
    assert all(length <= stored_s + 0.1 for length in lengths)


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
        office.lab.telephone("101", SILENT),
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
    assert reasons(first, shown["pop_id"]) == ["timeout"]
    for number, caller in callers.items():
        appeal = await office.appeal(number)
        (call,) = appeal["calls"]
        assert (call["outcome"], call["answered_at"]) == ("no_answer", None)
        assert (call["recovered"], call["queue"]) == (False, "press3")
        assert near(call["pressed_at"], caller.truth.at("INFO") + timedelta(seconds=TONE_S))
        assert near(call["ended_at"], caller.truth.at("BYE", "R"))
        legs = [(leg["extension"], leg["outcome"]) for leg in call["legs"]]
        assert legs == ([("101", "no_answer")] if number == left else [])
        times = appeal["times"]
        assert (times["wait_s"], times["abandoned_after_s"], times["ring_s"]) == (None,) * 3
        if number != left:
            assert times["queue_wait_s"] == 0, "refused at the door"
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
        refused = {
            "101": seen(busy.truth, "SIP/2.0 486"),
            "102": seen(rejects.truth, "SIP/2.0 603"),
        }
    appeal = await office.appeal(number)
    (call,) = appeal["calls"]
    assert (ended["outcome"], call["outcome"], call["recovered"]) == ("no_answer",) * 2 + (False,)
    assert near(call["ended_at"], caller.truth.at("BYE", "R"))
    for screen, extension, outcome in ((first, "101", "busy"), (second, "102", "rejected")):
        legs = [leg for leg in call["legs"] if leg["extension"] == extension]
        rounds = len(refused[extension])
        assert rounds >= 2, "the queue goes on asking"
        assert [leg["outcome"] for leg in legs] == [outcome] * rounds
        for leg, at in zip(legs, refused[extension], strict=True):
            assert near(leg["ended_at"], at)
            assert leg["answered_at"] is None
        pops = screen.of("pop.shown")
        assert [pop["round"] for pop in pops] == list(range(1, rounds + 1))
        assert len({pop["pop_id"] for pop in pops}) == 1
        assert reasons(screen, pops[0]["pop_id"]) == ["rejected"] * rounds
    times = appeal["times"]
    assert 6 <= times["queue_wait_s"] < 11
    assert (times["wait_s"], times["abandoned_after_s"], times["ring_s"]) == (None,) * 3
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
        office.screens("chief") as (board,),
        office.lab.telephone("101", SILENT),
        office.lab.control() as pbx,
        on_duty(pbx, "101"),
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
    for number, keys in numbers.items():
        call, truth = calls[number], callers[number].truth
        appeals = await office.appeals(number)
        assert (len(appeals), call["pressed_at"] is not None) == (KEYS[keys], KEYS[keys]), keys
        assert (call["answered_at"], call["recovered"]) == (None, False), keys
        if not appeals:
            assert call["recordings"] == [], "nobody's talk with a menu is recorded"
            continue
        first_3 = seen(truth, "INFO")[keys.replace("+", "").index("3")]
        assert near(call["pressed_at"], first_3 + timedelta(seconds=TONE_S)), keys
        assert await office.history(appeals[0]["number"], "pressed_again") == [], keys
    opened = board.of("appeal.opened")
    assert len(opened) == len({told["call"] for told in opened}) == sum(KEYS.values())


def typed(keys: str) -> list[Step]:
    steps: list[Step] = [Speak(), Wait(0.3)]
    for key in keys:
        steps += [Wait(1)] if key == "+" else [Key(key), Wait(0.15)]
    return [*steps, Wait(2), Bye()] if KEYS[keys] else [*steps, WaitBye(60)]


async def test_keys_as_rfc_4733_events(office: Office) -> None:
    """Quick, long, and let go in the moment of hanging up: each is one press at the time of its end."""
    lasting_s = {"+79110003401": 0.06, "+79110003402": 0.1, "+79110003403": 1.2}
    async with rtp_sides(len(lasting_s)) as sides, office.lab.control() as pbx:
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
    for number, let_go in released.items():
        await office.over(number)
        appeal = await office.appeal(number)
        (call,) = appeal["calls"]
        assert call["outcome"] == "no_answer", "nobody is signed in"
        assert near(call["pressed_at"], let_go)
        assert await office.history(appeal["number"], "pressed_again") == []


@asynccontextmanager
async def rtp_sides(n: int) -> AsyncIterator[list[RtpSide]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(rtp_side()) for _ in range(n)]


CUT = 79  # bytes of a name or number that Asterisk keeps of SIP
BROKEN = "Caf\udce9 \udcff"
ASSERTED = 'P-Asserted-Identity: "Пётр|\\"<b>" <sip:+79110003595@127.0.0.1>'
NO_UTF_8 = ("Caf\ufffd \ufffd", "Cafй я", BROKEN)  # cleaned by the PBX, or as its bytes can be read


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a caller says of himself, and what of it must be shown: one of `names`."""

    number: str
    name: str = "Eve"
    to: str = "100"
    headers: tuple[str, ...] = ()
    raw: str
    names: tuple[str, ...]


IDENTITIES = (
    Identity(number="+79110003501", to="661", raw="+79110003501", names=(CRLF.strip(),)),
    Identity(number="+79110003502", to="662", raw="+79110003502", names=(LONG,)),
    Identity(number="+79110003503", to="663", raw="+79110003503", names=(MARKUP,)),
    Identity(number="+79110003504", name="A" * 500, raw="+79110003504", names=("A" * CUT,)),
    Identity(number="+79110003505", name="Ё" * 500, raw="+79110003505", names=("Ё" * (CUT // 2),)),
    Identity(number="+79110003506", name=BROKEN, raw="+79110003506", names=NO_UTF_8),
    Identity(
        number="+79110003507", headers=(ASSERTED,), raw="+79110003595", names=('Пётр|\\"<b>',)
    ),
    Identity(number="+7911%0d%0aX:%20y", raw="+7911", names=("Eve",)),  # AMI ends the line there
    Identity(number="5" * 300, raw="5" * CUT, names=("Eve",)),
    Identity(number="=1+1", raw="=1+1", names=("Eve",)),
)


async def test_what_a_caller_calls_himself_stays_data(office: Office) -> None:
    async with (
        office.screens("op101", "chief") as (first, board),
        office.lab.telephone("101", SILENT),
        office.lab.control() as pbx,
        on_duty(pbx, "101", several_calls=True),
    ):
        steps = [*PRESS, Wait(4), Bye()]
        callers = [
            await office.lab.call(
                number=who.number, name=who.name, to=who.to, headers=who.headers, steps=steps
            )
            for who in IDENTITIES
        ]
        await asyncio.gather(*(caller.done() for caller in callers))
        for who, caller in zip(IDENTITIES, callers, strict=True):
            assert caller.truth.at("200", "R"), who
        everybody = len(IDENTITIES)
        await until(
            lambda: len(board.of("call.ended")) == everybody,
            deadline_s=60,
            what="all are over",
        )
        opened, pops = board.of("appeal.opened"), first.of("pop.shown")
        keys = {event.get("Key") for event in pbx.all("UserEvent", UserEvent="Press3")}
        spool = await office.lab.spool()
    assert len({told["number"] for told in opened}) == len(opened) == everybody, "once each"
    assert sorted(pop["appeal"] for pop in pops) == sorted(told["number"] for told in opened)
    appeals = [await office.get(f"/appeals/{told['number']}") for told in opened]
    by_raw = {appeal["caller"]["raw"]: appeal for appeal in appeals}
    assert set(by_raw) == {who.raw for who in IDENTITIES}
    shown = {pop["caller"]["raw"]: pop["caller"]["name"] for pop in pops}
    for who in IDENTITIES:
        appeal = by_raw[who.raw]
        assert appeal["caller"]["name"] in who.names, who
        assert appeal["verified"] in ("verified", "verified_live"), who
        (call,) = appeal["calls"]
        assert (call["outcome"], call["recovered"]) == ("abandoned", False)
        assert shown[who.raw] == call["from"]["name"] == appeal["caller"]["name"]
    rows = {key: value for key, value in spool.items() if key in keys}
    assert len(rows) >= everybody
    assert {value.count("|") for value in rows.values()} == {8}, "each row is one row"
    assert not [key for key in spool if key.startswith("press3/1/")]
