"""More calls for tests/traces: outside telephones, sets that forward, queues within queues, second lines into a queue.

FreePBX's shapes: `FMPR-…` and `FMGL-…#` of follow-me, `Local/690@…` of a ring group. The mobile is the
endpoint `customer`, a trunk through which 89110000009 is dialled.
"""

from dataclasses import replace

from tests.lab.captured_stories import PRESS, TWO, Stage, story
from tests.lab.dialogs import Keys, Refer
from tests.lab.harness import LabMenu
from tests.lab.scenarios import Bye, Speak, Step, TelephoneHabit, Wait, WaitBye
from tests.waiting import until

__all__: list[str] = []

_DIALPLAN = """\
[incoming](+)
exten => 55,1,Dial(Local/FMPR-101@follow&Local/FMGL-89110000009#@follow,30,t)
exten => 56,1,Dial(Local/FMPR-101@follow&Local/FMGL-89110000009#@accept,30,t)
[follow]
exten => _FMPR-.,1,Dial(PJSIP/${EXTEN:5},30,t)
exten => _FMGL-.,1,Dial(PJSIP/${FILTER(0-9,${EXTEN:5})}@customer,30)
[accept]
exten => _FMGL-.,1,Dial(PJSIP/${FILTER(0-9,${EXTEN:5})}@customer,30,U(press-1))
[press-1]
exten => s,1,Read(accepted,beep,1,,1,4)
 same => n,ExecIf($["${accepted}" != "1"]?Set(GOSUB_RESULT=CONGESTION))
 same => n,Return()
[groups]
exten => 690,1,Dial(PJSIP/102&Local/89110000009#@mobiles,30)
exten => 606,1,Answer()
 same => n,Queue(inner,,,,30)
[mobiles]
exten => _8X.,1,Dial(PJSIP/${FILTER(0-9,${EXTEN})}@customer,30)
[from-internal](+)
exten => 500,1,Answer()
 same => n,Queue(inner,t,,,30)
exten => 691,1,Answer()
 same => n,Dial(PJSIP/103&Local/89110000009#@mobiles,30)
"""
_INNER = "[inner]\nstrategy = ringall\ntimeout = 20\nmember => PJSIP/103\n"
_FILES = {"extensions_more.conf": _DIALPLAN, "queues_more.conf": _INNER}
OUTSIDE = LabMenu(menu=TWO, files=_FILES)
_STAYS: list[Step] = [Speak(), WaitBye(60)]


def _with_member(*members: str) -> LabMenu:
    return LabMenu(menu=replace(TWO, members=members), files=_FILES)


@story(OUTSIDE)
async def follow_me(stage: Stage) -> None:
    """The telephone of 101 and 101's mobile ring; the mobile answers; the caller hangs up."""
    await stage.phone("101", TelephoneHabit(then="noanswer"))
    await stage.phone("customer", TelephoneHabit(ring_s=2))
    await (await stage.call([Speak(), Wait(3), Bye()], to="55")).done()


@story(OUTSIDE)
async def follow_me_at_home(stage: Stage) -> None:
    """The mobile's voice box lifts and presses nothing; then 101 answers; the caller hangs up."""
    await stage.phone("101", TelephoneHabit(ring_s=6))
    await stage.phone("customer", TelephoneHabit(ring_s=0.5))
    await (await stage.call([Speak(), Wait(2), Bye()], to="56")).done()


@story(OUTSIDE)
async def follow_me_accepted(stage: Stage) -> None:
    """The mobile lifts and presses 1; it hangs up at last."""
    await stage.phone("101", TelephoneHabit(then="noanswer"))
    mobile = await stage.phone("customer", TelephoneHabit(ring_s=0.5))
    call = await stage.call(_STAYS, to="56")
    await stage.within(mobile, Wait(1.5), Keys("1"), Wait(2), Bye())
    await call.done()


@story(_with_member("Local/690@groups/n"))
async def group_with_mobile(stage: Stage) -> None:
    """A ring group is the queue's member; its mobile answers and hangs up."""
    await stage.phone("102", TelephoneHabit(then="noanswer"))
    await stage.phone("customer", TelephoneHabit(ring_s=1, talk_s=2))
    await (await stage.call([*PRESS, WaitBye(60)])).done()


@story(OUTSIDE)
async def forwarded(stage: Stage) -> None:
    """101 sends the call on to 103 (302), who answers and hangs up."""
    await stage.phone("101", TelephoneHabit(ring_s=0.5, then="forward"))
    await stage.phone("103", TelephoneHabit(ring_s=1, talk_s=2))
    await (await stage.call(_STAYS, to="9101")).done()


@story(_with_member("Local/606@groups/n"))
async def queue_in_queue(stage: Stage) -> None:
    """Another queue is the queue's member: 103 of that one answers after 2 s and hangs up."""
    await stage.phone("103", TelephoneHabit(ring_s=2, talk_s=2))
    await (await stage.call([*PRESS, WaitBye(60)])).done()


@story(OUTSIDE)
async def second_line_to_queue(stage: Stage) -> None:
    """101 calls a queue on a second line, talks to 103 there and hands the caller over; 103 hangs up."""
    one = await stage.phone("101", TelephoneHabit(ring_s=0.5))
    await stage.phone("102", TelephoneHabit(then="noanswer"))
    three = await stage.phone("103", TelephoneHabit(ring_s=0.5))
    call = await stage.call([*PRESS, WaitBye(60)])
    await until(lambda: one.dialogs, deadline_s=20, what="101 talks")
    second = await stage.call(_STAYS, number="101", name="", to="500")
    await until(lambda: three.dialogs, deadline_s=20, what="103 talks")
    await stage.within(one, Wait(0.5), Refer("500", second.dialogs[0]))
    await stage.within(three, Wait(1), Bye())
    await call.done()


@story(OUTSIDE)
async def second_line_to_ringing_queue(stage: Stage) -> None:
    """As second_line_to_queue, but handed over while 103 rings, who answers 3 s later."""
    one = await stage.phone("101", TelephoneHabit(ring_s=0.5))
    await stage.phone("102", TelephoneHabit(then="noanswer"))
    three = await stage.phone("103", TelephoneHabit(ring_s=4))
    call = await stage.call([*PRESS, WaitBye(60)])
    await until(lambda: one.dialogs, deadline_s=20, what="101 talks")
    second = await stage.call(_STAYS, number="101", name="", to="500")
    await until(lambda: second.dialogs, deadline_s=20, what="101 waits in the queue")
    await until(lambda: _rings(stage, "PJSIP/103"), deadline_s=20, what="103 rings")
    await stage.within(one, Wait(0.2), Refer("500", second.dialogs[0]))
    await stage.within(three, Wait(1), Bye())
    await call.done()


@story(LabMenu(menu=replace(TWO, queue_options="tk"), files=_FILES))
async def consulted_queue_rings(stage: Stage) -> None:
    """101 consults a queue by *2 and hangs up while 103 rings there; 103 answers 3 s later and hangs up."""
    one = await stage.phone("101", TelephoneHabit(ring_s=0.5))
    await stage.phone("102", TelephoneHabit(then="noanswer"))
    three = await stage.phone("103", TelephoneHabit(ring_s=4))
    call = await stage.call([*PRESS, WaitBye(60)])
    await stage.within(one, Wait(0.5), Keys("*2"), Wait(0.8), Keys("500"))
    await until(lambda: _rings(stage, "PJSIP/103"), deadline_s=20, what="103 rings")
    await stage.within(one, Wait(0.2), Bye())
    await stage.within(three, Wait(1), Bye())
    await call.done()


def _rings(stage: Stage, channel: str) -> bool:
    return any(
        e.get("Channel").startswith(channel) and e.get("ChannelStateDesc") == "Ringing"
        for e in stage.tap.all("Newstate")
    )


@story(LabMenu(menu=replace(TWO, queue_options="tk"), files=_FILES))
async def consulted_group_rings(stage: Stage) -> None:
    """101 consults a ring group of 103 and a mobile by *2 and hangs up while it rings; the mobile answers."""
    one = await stage.phone("101", TelephoneHabit(ring_s=0.5))
    await stage.phone("102", TelephoneHabit(then="noanswer"))
    await stage.phone("103", TelephoneHabit(then="noanswer"))
    await stage.phone("customer", TelephoneHabit(ring_s=4, talk_s=2))
    call = await stage.call([*PRESS, WaitBye(60)])
    await stage.within(one, Wait(0.5), Keys("*2"), Wait(0.8), Keys("691"))
    await until(lambda: _rings(stage, "PJSIP/103"), deadline_s=20, what="103 rings")
    await stage.within(one, Wait(0.2), Bye())
    await call.done()


@story(OUTSIDE)
async def second_line_to_ringing_group(stage: Stage) -> None:
    """101 calls a ring group of 103 and a mobile on a second line and hands the caller over while it rings."""
    one = await stage.phone("101", TelephoneHabit(ring_s=0.5))
    await stage.phone("102", TelephoneHabit(then="noanswer"))
    await stage.phone("103", TelephoneHabit(then="noanswer"))
    await stage.phone("customer", TelephoneHabit(ring_s=4, talk_s=2))
    call = await stage.call([*PRESS, WaitBye(60)])
    await until(lambda: one.dialogs, deadline_s=20, what="101 talks")
    second = await stage.call(_STAYS, number="101", name="", to="691")
    await until(lambda: _rings(stage, "PJSIP/103"), deadline_s=20, what="103 rings")
    await stage.within(one, Wait(0.2), Refer("691", second.dialogs[0]))
    await call.done()


@story(OUTSIDE)
async def sent_to_group(stage: Stage) -> None:
    """101 sends the caller blindly to the ring group; 103 answers and hangs up."""
    one = await stage.phone("101", TelephoneHabit(ring_s=0.5))
    await stage.phone("102", TelephoneHabit(then="noanswer"))
    await stage.phone("103", TelephoneHabit(ring_s=1, talk_s=2))
    await stage.phone("customer", TelephoneHabit(then="noanswer"))
    call = await stage.call([*PRESS, WaitBye(60)])
    await stage.within(one, Wait(0.5), Refer("691"))
    await call.done()
