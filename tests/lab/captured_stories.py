"""The telephone calls of tests/traces, each on a private real Asterisk. `capture` plays and writes them."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from ivr.menu import Action, Menu, ObservedMenu
from tests.lab.ami_tap import AmiTap
from tests.lab.dialogs import DialogStep, Keys, Refer
from tests.lab.harness import Lab, LabMenu, SippCall
from tests.lab.scenarios import Bye, Key, Speak, Step, TelephoneHabit, Wait, WaitBye
from tests.waiting import until

__all__ = ["STORIES", "Stage"]

PRESS: list[Step] = [Speak(), Wait(0.4), Key("3")]
TWO = Menu(
    members=("PJSIP/101", "PJSIP/102"), menu_timeout_s=1, queue_timeout_s=30, ring_s=3, rounds=1
)


@dataclass
class Stage:
    """What a story plays on: the PBX, press3's session, and an admin's session."""

    lab: Lab
    tap: AmiTap
    control: AmiTap
    phones: AsyncExitStack

    async def phone(self, name: str, habit: TelephoneHabit) -> SippCall:
        return await self.phones.enter_async_context(self.lab.telephone(name, habit))

    async def within(self, call: SippCall, *steps: DialogStep) -> None:
        """Do something in an answered call, to the end."""
        await until(lambda: call.dialogs, deadline_s=20, what="answered")
        await (await self.lab.within(call, *steps)).done()

    async def call(self, steps: list[Step], **who: str) -> SippCall:
        return await self.lab.call(steps=steps, **who)  # type: ignore[arg-type]

    async def channel(self, prefix: str) -> str:
        """Wait until the operator's channel has talked for two seconds; return its name."""
        event = await self.tap._wait(
            lambda: next(
                (e for e in self.tap.all("BridgeEnter") if e.get("Channel").startswith(prefix)),
                None,
            ),
            20,
            f"{prefix} talks",
        )
        await asyncio.sleep(2)
        return event.get("Channel")


Story = Callable[[Stage], Awaitable[None]]
STORIES: dict[str, tuple[Story, LabMenu]] = {}


def story(config: LabMenu | None = None) -> Callable[[Story], Story]:
    def register(play: Story) -> Story:
        name = play.__name__.replace("_", "-")
        STORIES[name] = (play, config or LabMenu(menu=TWO))
        return play

    return register


@story()
async def answered(stage: Stage) -> None:
    """3 pressed, two operators ring, 101 answers, they talk, the caller hangs up."""
    await stage.phone("101", TelephoneHabit(ring_s=1))
    await stage.phone("102", TelephoneHabit(then="noanswer"))
    await (await stage.call([*PRESS, Wait(6), Bye()])).done()


@story()
async def gave_up(stage: Stage) -> None:
    """3 pressed; the caller gives up while two operators ring."""
    await stage.phone("101", TelephoneHabit(then="noanswer"))
    await stage.phone("102", TelephoneHabit(then="noanswer"))
    await (await stage.call([*PRESS, Wait(4), Bye()])).done()


@story(LabMenu(menu=replace(TWO, queue_timeout_s=4)))
async def queue_timeout(stage: Stage) -> None:
    """3 pressed; nobody answers before the queue's time is over, the PBX says good-bye."""
    await stage.phone("101", TelephoneHabit(then="noanswer"))
    await stage.phone("102", TelephoneHabit(then="noanswer"))
    await (await stage.call([*PRESS, WaitBye()])).done()


@story(LabMenu(menu=replace(TWO, members=("PJSIP/101",))))
async def second_round(stage: Stage) -> None:
    """The only operator lets the first round ring out (3 s) and answers in the second."""
    await stage.phone("101", TelephoneHabit(ring_s=4))
    call = await stage.call([*PRESS, Wait(20), Bye()])
    await stage.control.event("AgentRingNoAnswer", deadline_s=15)
    await stage.phones.aclose()
    await stage.phone("101", TelephoneHabit(ring_s=1, talk_s=2))
    await call.done()


@story(LabMenu(menu=replace(TWO, queue_timeout_s=2, queue_timeout=Action(kind="menu"))))
async def pressed_twice(stage: Stage) -> None:
    """3 pressed, the queue's time runs out, back in the menu 3 is pressed again, 101 answers."""
    await stage.phone("101", TelephoneHabit(then="noanswer"))
    call = await stage.call([*PRESS, Wait(9), Key("3"), WaitBye()])
    await stage.tap.event("QueueCallerLeave", deadline_s=15)
    await stage.phones.aclose()
    await stage.phone("101", TelephoneHabit(ring_s=0.5, talk_s=2))
    await call.done()


@story()
async def blind_transfer(stage: Stage) -> None:
    """101 answers and sends the caller blindly on to 103, who answers; the caller hangs up."""
    await stage.phone("101", TelephoneHabit(ring_s=0.5))
    await stage.phone("102", TelephoneHabit(then="noanswer"))
    await stage.phone("103", TelephoneHabit(ring_s=1.5))
    call = await stage.call([*PRESS, Wait(9), Bye()])
    channel = await stage.channel("PJSIP/101")
    await stage.control.action(
        "BlindTransfer", Channel=channel, Context="from-internal", Exten="103"
    )
    await call.done()


@story()
async def cyrillic_name(stage: Stage) -> None:
    """The caller's name is Cyrillic UTF-8 with quotes' neighbours: a company in brackets."""
    await stage.phone("101", TelephoneHabit(ring_s=0.5, talk_s=2))
    await stage.phone("102", TelephoneHabit(then="noanswer"))
    call = await stage.call([*PRESS, WaitBye()], name="Пётр Ильич (ООО «Ромашка»)")
    await call.done()


@story()
async def anonymous(stage: Stage) -> None:
    """The number is withheld."""
    await stage.phone("101", TelephoneHabit(ring_s=0.5, talk_s=2))
    await stage.phone("102", TelephoneHabit(then="noanswer"))
    call = await stage.call([*PRESS, WaitBye()], name="Anonymous", number="anonymous")
    await call.done()


@story(LabMenu(menu=replace(TWO, members=("Local/101@from-queue/n", "Local/102@from-queue/n"))))
async def local_members(stage: Stage) -> None:
    """FreePBX's members Local/101@from-queue/n and 102; 101 answers and hangs up."""
    await stage.phone("101", TelephoneHabit(ring_s=1, talk_s=3))
    await stage.phone("102", TelephoneHabit(then="noanswer"))
    await (await stage.call([*PRESS, WaitBye()])).done()


@story()
async def attended_transfer(stage: Stage) -> None:
    """101 answers, consults 103 by the feature code, hangs up: caller and 103 talk."""
    await stage.phone("101", TelephoneHabit(ring_s=0.5, talk_s=6))
    await stage.phone("102", TelephoneHabit(then="noanswer"))
    await stage.phone("103", TelephoneHabit(ring_s=1, talk_s=9))
    call = await stage.call([*PRESS, WaitBye()])
    channel = await stage.channel("PJSIP/101")
    await stage.control.action("Atxfer", Channel=channel, Context="from-internal", Exten="103")
    await call.done()


@story()
async def attended_transfer_fails(stage: Stage) -> None:
    """101 answers, consults 103, who is busy; the caller hangs up while 101 hears the busy tone."""
    await stage.phone("101", TelephoneHabit(ring_s=0.5))
    await stage.phone("102", TelephoneHabit(then="noanswer"))
    await stage.phone("103", TelephoneHabit(then="busy", ring_s=0.5))
    call = await stage.call([*PRESS, Wait(11), Bye()])
    channel = await stage.channel("PJSIP/101")
    await stage.control.action("Atxfer", Channel=channel, Context="from-internal", Exten="103")
    await call.done()


@story()
async def parked(stage: Stage) -> None:
    """101 answers and parks the caller; 103 fetches him from the space; the caller hangs up."""
    await stage.phone("101", TelephoneHabit(ring_s=0.5))
    await stage.phone("102", TelephoneHabit(then="noanswer"))
    call = await stage.call([*PRESS, Wait(12), Bye()])
    channel = await stage.channel("PJSIP/101")
    caller = next(e.get("Channel") for e in stage.tap.all("Newchannel"))
    await stage.control.action(
        "Park", Channel=caller, TimeoutChannel=channel, AnnounceChannel=channel
    )
    space = (await stage.control.event("ParkedCall")).get("ParkingSpace")
    fetch = await stage.call([Speak(), WaitBye()], number="103", name="Operator 103", to=space)
    await call.done()
    await fetch.done()


@story()
async def picked_up(stage: Stage) -> None:
    """103 dials *8 while the telephone of 101 rings outside a queue, and takes the call."""
    await stage.phone("101", TelephoneHabit(then="noanswer"))
    call = await stage.call([Speak(), Wait(5), Bye()], to="9101")
    await stage.tap.event("Newstate", ChannelStateDesc="Ringing")
    pick = await stage.call([Speak(), WaitBye()], number="103", name="Operator 103", to="*8")
    await call.done()
    await pick.done()


@story()
async def outbound(stage: Stage) -> None:
    """101 calls a customer, who answers and hangs up."""
    await stage.phone("customer", TelephoneHabit(ring_s=1, talk_s=2))
    steps: list[Step] = [Speak(), WaitBye()]
    call = await stage.call(steps, number="101", name="Operator 101", to="89110000002")
    await call.done()


@story()
async def click_to_call(stage: Stage) -> None:
    """AMI Originate: the telephone of 101 rings, then the customer's."""
    await stage.phone("101", TelephoneHabit(ring_s=0.5))
    await stage.phone("customer", TelephoneHabit(ring_s=1, talk_s=2))
    await stage.control.action(
        "Originate",
        Channel="PJSIP/101",
        Context="from-internal",
        Exten="89110000002",
        Priority="1",
        Async="true",
        CallerID="+79110000002",
    )
    await stage.tap.event("Hangup", deadline_s=20)


@story()
async def internal(stage: Stage) -> None:
    """101 calls 102; a colleague's call, no customer in it."""
    await stage.phone("102", TelephoneHabit(ring_s=0.5, talk_s=2))
    steps: list[Step] = [Speak(), WaitBye()]
    await (await stage.call(steps, number="101", name="Operator 101", to="102")).done()


@story()
async def rejected(stage: Stage) -> None:
    """101 declines (603), 102 is busy (486), 103 answers later; then 103 hangs up."""
    await stage.phone("101", TelephoneHabit(ring_s=0.5, then="reject"))
    await stage.phone("102", TelephoneHabit(ring_s=0.2, then="busy"))
    await stage.phone("103", TelephoneHabit(ring_s=1.5, talk_s=2))
    await (await stage.call([*PRESS, WaitBye()])).done()


STORIES["rejected"] = (rejected, LabMenu(menu=replace(TWO, members=(*TWO.members, "PJSIP/103"))))


@story(LabMenu(menu=replace(TWO, members=("Local/101@both-devices/n", "PJSIP/102"))))
async def two_devices(stage: Stage) -> None:
    """Operator 101 has two telephones, PJSIP/101 and PJSIP/99101; the second one answers."""
    await stage.phone("101", TelephoneHabit(then="noanswer"))
    await stage.phone("99101", TelephoneHabit(ring_s=1, talk_s=3))
    await stage.phone("102", TelephoneHabit(then="noanswer"))
    await (await stage.call([*PRESS, WaitBye()])).done()


@story()
async def no_choice(stage: Stage) -> None:
    """The caller presses nothing and is sent away."""
    await (await stage.call([WaitBye()])).done()


@story(
    LabMenu(
        menu=TWO,
        observed=(ObservedMenu(context="ivr-7"),),
        files={
            "extensions_more.conf": "[incoming](+)\nexten => 7,1,Goto(ivr-7,s,1)\n"
            "[ivr-7]\nexten => s,1,Answer()\n same => n,Background(hello)\n same => n,WaitExten(5)\n"
            "exten => 3,1,Queue(press3,t,,,20)\n"
        },
    )
)
async def observed_menu(stage: Stage) -> None:
    """Key 3 in a menu of the PBX's own (context ivr-7), which press3 only watches; 101 answers."""
    await stage.phone("101", TelephoneHabit(ring_s=1, talk_s=2))
    await stage.phone("102", TelephoneHabit(then="noanswer"))
    await (await stage.call([*PRESS, WaitBye()], to="7")).done()


@story()
async def on_hold(stage: Stage) -> None:
    """101 answers, puts the caller on hold by re-INVITE, comes back; the caller hangs up."""
    await stage.phone("101", TelephoneHabit(ring_s=0.5, hold_after_s=1.5, hold_s=1.5))
    await stage.phone("102", TelephoneHabit(then="noanswer"))
    await (await stage.call([*PRESS, Wait(8), Bye()])).done()


@story()
async def rung_back(stage: Stage) -> None:
    """101 consults 103, who is busy, and hangs up: 101 is rung again and gets the caller back."""
    one = await stage.phone("101", TelephoneHabit(ring_s=0.5))
    await stage.phone("102", TelephoneHabit(then="noanswer"))
    three = await stage.phone("103", TelephoneHabit(then="busy", ring_s=0.3))
    call = await stage.call([*PRESS, WaitBye(60)])
    await stage.within(one, Wait(0.5), Keys("*2"), Wait(0.8), Keys("103"))
    await until(lambda: three.truth.said("SIP/2.0 486"), what="103 is busy")
    await stage.within(one, Bye())
    await until(lambda: len(one.dialogs) == 2, deadline_s=30, what="101 answers again")
    await stage.within(one, Wait(1), Bye())
    await call.done()


@story()
async def second_line(stage: Stage) -> None:
    """101 calls 103 on a second line and hands the caller over by REFER with Replaces; 103 hangs up."""
    one = await stage.phone("101", TelephoneHabit(ring_s=0.5))
    await stage.phone("102", TelephoneHabit(then="noanswer"))
    three = await stage.phone("103", TelephoneHabit(ring_s=0.5))
    call = await stage.call([*PRESS, WaitBye(60)])
    await until(lambda: one.dialogs, deadline_s=20, what="101 talks")
    second = await stage.call([Speak(), WaitBye(60)], number="101", name="", to="103")
    await until(lambda: second.dialogs, deadline_s=20, what="101 and 103 talk")
    await stage.within(one, Wait(0.5), Refer("103", second.dialogs[0]))
    await stage.within(three, Wait(1), Bye())
    await call.done()


QUICK_PARKING = (
    "[default]\nparkext = 700\nparkpos = 701-710\ncontext = parkedcalls\nparkingtime = 2\n"
    "comebacktoorigin = yes\n"
)


@story(LabMenu(menu=replace(TWO, queue_options="tk"), files={"res_parking.conf": QUICK_PARKING}))
async def parked_too_long(stage: Stage) -> None:
    """101 parks the caller by *5; nobody fetches him for 2 s, so 101 is rung again; 101 hangs up."""
    one = await stage.phone("101", TelephoneHabit(ring_s=0.5))
    await stage.phone("102", TelephoneHabit(then="noanswer"))
    call = await stage.call([*PRESS, WaitBye(60)])
    await stage.within(one, Wait(0.5), Keys("*5"))
    await until(lambda: len(one.dialogs) == 2, deadline_s=30, what="101 answers again")
    await stage.within(one, Wait(1), Bye())
    await call.done()


@story()
async def parked_blindly(stage: Stage) -> None:
    """101 sends the caller to 700 by ##; 103 fetches him from 701 and hangs up."""
    one = await stage.phone("101", TelephoneHabit(ring_s=0.5))
    await stage.phone("102", TelephoneHabit(then="noanswer"))
    call = await stage.call([*PRESS, WaitBye(60)])
    await stage.within(one, Wait(0.5), Keys("##"), Wait(0.8), Keys("700"))
    await until(lambda: _left(stage), deadline_s=20, what="101 is out")
    fetch = await stage.call([Speak(), Wait(2), Bye()], number="103", name="", to="701")
    await call.done()
    await fetch.done()


def _left(stage: Stage) -> bool:
    return any(e.get("Channel").startswith("PJSIP/101") for e in stage.tap.all("Hangup"))


@story(
    LabMenu(
        menu=TWO,
        files={
            "extensions_more.conf": "[from-internal](+)\n"
            "exten => _**1XX,1,PickupChan(PJSIP/${EXTEN:2},p)\n"
        },
    )
)
async def picked_up_from_queue(stage: Stage) -> None:
    """103, no member of the queue, dials **101 while 101 and 102 ring; 103 hangs up."""
    await stage.phone("101", TelephoneHabit(then="noanswer"))
    await stage.phone("102", TelephoneHabit(then="noanswer"))
    call = await stage.call([*PRESS, WaitBye(60)])
    await stage.tap.event("AgentCalled", deadline_s=20)
    pick = await stage.call([Speak(), Wait(2), Bye()], number="103", name="", to="**101")
    await call.done()
    await pick.done()


CALL_BACK = LabMenu(
    menu=replace(TWO, members=("PJSIP/101",)),
    files={
        "extensions_more.conf": "[from-internal](+)\n"
        "exten => 613,1,Answer()\n same => n,Queue(press3,,,,20)\n"
        "exten => 614,1,Queue(press3,,,,20)\n"
    },
)


async def _placed(stage: Stage, local: str, exten: str) -> None:
    """A program places a call through a Local channel; the customer hangs up."""
    await stage.phone("101", TelephoneHabit(ring_s=1))
    await stage.phone("customer", TelephoneHabit(ring_s=0.5, talk_s=3))
    await stage.control.action(
        "Originate",
        Channel=f"Local/{local}",
        Context="from-internal",
        Exten=exten,
        Priority="1",
        Async="true",
        CallerID="+79110000002",
    )
    await until(lambda: _over(stage), deadline_s=40, what="everybody has hung up")


def _over(stage: Stage) -> bool:
    born, gone = (len(stage.tap.all(event)) for event in ("Newchannel", "Hangup"))
    return born == gone and any(
        event.get("Channel").startswith("PJSIP/customer") for event in stage.tap.all("Hangup")
    )


@story()
async def crm_call(stage: Stage) -> None:
    """A CRM places a call by Local/101@from-internal/n: 101 answers, then the customer does."""
    await _placed(stage, "101@from-internal/n", "89110000002")


@story()
async def crm_call_optimized(stage: Stage) -> None:
    """The same without /n: the Local channel is optimised away when both talk."""
    await _placed(stage, "101@from-internal", "89110000002")


@story(CALL_BACK)
async def call_back_agent_first(stage: Stage) -> None:
    """A queue's call-back: an agent is found by queue 614, then the customer is called."""
    await _placed(stage, "614@from-internal/n", "89110000002")


@story(CALL_BACK)
async def call_back_customer_first(stage: Stage) -> None:
    """The customer is called, then waits in the queue, whose agent answers."""
    await _placed(stage, "89110000002@from-internal/n", "613")
