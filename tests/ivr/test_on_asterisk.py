"""The rendered files on a real Asterisk 16 and 22, with a real caller. press3 itself is not running."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote

import pytest

from ami.parser import WANTED
from ivr.menu import Action, Menu, Prompts
from tests import timing
from tests.lab.ami_tap import AmiTap
from tests.lab.fixtures import Labs, StartAsterisk
from tests.lab.harness import DID, QUICK, Lab, LabMenu
from tests.lab.scenarios import Bye, Key, Speak, TelephoneHabit, Wait, WaitBye
from tests.waiting import until

pytestmark = pytest.mark.asterisk

SHORT = Prompts(
    greeting=("hello",), invalid=("beep",), registering=(), accepted=(), nobody=(), goodbye=()
)
# Two seconds from the press to the first telephone, and no long words.
BRIEF = replace(QUICK, prompts=SHORT, members=("PJSIP/101", "PJSIP/102"), rounds=1)
BUSY = TelephoneHabit(then="noanswer")
PRESS = [Speak(), Wait(0.3), Key("3")]

NEAR = timedelta(milliseconds=150)
EXISTING_QUEUE = "[complaints]\nstrategy = ringall\ntimeout = 10\nmember => PJSIP/101\n"
OWN_DIALPLAN = """\
[incoming](+)
exten => 200,1,MixMonitor(own-recording.wav)
 same => n,Answer()
 same => n,Goto(press3-menu,s,1)
[after-queue]
exten => s,1,Set(DB(test/after)=yes)
 same => n,Hangup()
"""


def marks(spool: dict[str, str]) -> dict[str, str]:
    """The one press in the spool: mark → value; the row itself under the empty name."""
    rows = [key for key in spool if key.count("/") == 2]
    assert len(rows) == 1, spool
    row = rows[0]
    return {key.removeprefix(row).lstrip("/"): value for key, value in spool.items()}


def epoch(value: str) -> datetime:
    seconds, _, rest = value.partition("|")[0].partition(".")
    assert len(rest) == 3, f"{value} has no milliseconds"
    return datetime.fromtimestamp(float(f"{seconds}.{rest}"), UTC)


async def spool_once_ended(lab: Lab) -> dict[str, str]:
    async def ended() -> dict[str, str]:
        spool = await lab.spool()
        return spool if any(key.endswith("/ended") for key in spool) else {}

    return await until(ended, what="the mark `ended`")


async def empty_spool(lab: Lab) -> None:
    await lab.pbx.rx("database deltree press3")


async def test_a_press_with_all_its_marks(asterisk: StartAsterisk, asterisk_version: str) -> None:
    lab = await asterisk(asterisk_version, LabMenu(menu=replace(BRIEF, prompts=Prompts())))
    await empty_spool(lab)
    async with lab.tap() as ami, lab.telephone("101", TelephoneHabit(ring_s=0.3)):
        async with lab.telephone("102", BUSY):
            caller = await lab.call(steps=[*PRESS, Wait(5), Bye()], name="Иван Петров")
            hint = await ami.event("UserEvent")
            family, _, rest = hint.get("Key").partition("/")
            evidence = await ami.action("DBGet", Family=family, Key=rest)
            assert evidence.get("Response") == "Success", "AstDB is written before AMI is told"
            await caller.done()
        spool = marks(await spool_once_ended(lab))

    fields = spool[""].split("|")
    assert fields[0] == "2"
    assert fields[1] == fields[2] == hint.get("Uniqueid")
    assert fields[4:5] == ["+79110000001"]
    assert unquote(fields[5]) == "Иван Петров"
    assert fields[6:] == [DID, "main", "press3"]
    assert set(spool) == {"", "recording", "enter", "answered", "ended"}

    pressed, entered, answered = epoch(fields[3]), epoch(spool["enter"]), epoch(spool["answered"])
    truth = caller.truth
    assert timing.near(pressed, truth.at("INFO"), NEAR)
    assert entered - pressed >= timedelta(seconds=1.2), "the promise waits until it is safe"
    assert pressed <= epoch(spool["recording"]) < entered < answered < epoch(spool["ended"])
    assert timing.near(epoch(spool["ended"]), truth.at("BYE"), NEAR)
    assert spool["enter"].endswith("|press3")
    assert "|PJSIP/101-" in spool["answered"]
    recording = lab.monitor / spool["recording"].partition("|")[2]
    assert recording.relative_to(lab.monitor).parts[:-1] == tuple(f"{pressed:%Y/%m/%d}".split("/"))
    assert recording.stem.endswith(f"-{fields[1]}")
    seconds = (recording.stat().st_size - 44) / 16_000
    assert timing.lasted(seconds, 0.3, (pressed, epoch(spool["ended"])))
    queue_log = (lab.directory / "log/queue_log").read_text()
    assert f"|{fields[1]}|press3|NONE|PRESS3|{hint.get('Key')}|{spool['']}" in queue_log


async def test_an_existing_queue_is_used_and_the_answer_is_marked(
    asterisk: StartAsterisk, asterisk_version: str
) -> None:
    config = LabMenu(
        menu=replace(BRIEF, queue="complaints"), files={"queues_more.conf": EXISTING_QUEUE}
    )
    lab = await asterisk(asterisk_version, config)
    await empty_spool(lab)
    async with lab.telephone("101", TelephoneHabit(ring_s=0.2, talk_s=0.5)):
        await (await lab.call(steps=[*PRESS, WaitBye()])).done()
        spool = marks(await spool_once_ended(lab))
    assert spool[""].endswith("|complaints")
    assert "|PJSIP/101-" in spool["answered"]


async def test_three_again_leaves_only_a_mark_and_is_told_at_once(
    asterisk: StartAsterisk, asterisk_version: str
) -> None:
    menu = replace(BRIEF, queue_timeout_s=1, queue_timeout=Action(kind="menu"))
    lab = await asterisk(asterisk_version, LabMenu(menu=menu))
    await empty_spool(lab)
    async with lab.telephone("101", BUSY), lab.telephone("102", BUSY), lab.tap() as ami:
        # press, 1.2 s, queue 1 s, greeting again
        caller = await lab.call(steps=[*PRESS, Wait(2.8), Key("3"), Wait(0.5), Bye()])
        await caller.done()
        spool = marks(await spool_once_ended(lab))
        first, second = ami.all("UserEvent", UserEvent="Press3")
        assert len(ami.all("VarSet", Variable="MIXMONITOR_FILENAME")) == 1
    again = [name for name in spool if name.startswith("again/")]
    assert set(spool) == {"", "recording", "enter", "queue", "ended", *again}
    assert again == [f"again/{second.get('At')}"]
    assert first.get("Key") == second.get("Key")
    assert spool[again[0]] == spool[""].split("|")[1]
    assert epoch(again[0].removeprefix("again/")) > epoch(spool["queue"])


async def test_hanging_up_right_after_the_key_leaves_press_and_end(
    asterisk: StartAsterisk, asterisk_version: str
) -> None:
    lab = await asterisk(asterisk_version, LabMenu(menu=BRIEF))
    await empty_spool(lab)
    number = "+7911000[call_number]"
    steps = [Wait(0.2), Key("3"), Wait(0.09), Bye()]
    async with lab.tap() as ami:
        caller = await lab.call(steps=steps, number=number, calls=20, per_second=20)
        await caller.done()
        await lab.quiet()
        await _echo(ami)
        told = {event.get("Key") for event in ami.all("UserEvent", UserEvent="Press3")}
    spool = await lab.spool()
    rows = {key for key in spool if key.count("/") == 2}
    # A BYE may overtake the key, which Asterisk takes a tone's length after it came: that is no press.
    assert len(rows) >= 5
    log = (lab.directory / "log/queue_log").read_text()
    logged = {line.split("|")[5] for line in log.splitlines() if "|PRESS3|" in line}
    assert rows <= logged, "each press stands twice on the PBX"
    assert rows == told, "and press3 hears of each at once"
    assert {key.removesuffix("/ended") for key in spool if key.endswith("/ended")} == rows


async def test_queue_timeout_goes_where_the_menu_says(
    asterisk: StartAsterisk, asterisk_version: str
) -> None:
    onward = Action(kind="goto", target="after-queue,s,1")
    menu = replace(
        BRIEF, queue_timeout_s=1, queue_timeout=onward, queue_empty=Action(kind="hangup")
    )
    lab = await asterisk(
        asterisk_version, LabMenu(menu=menu, files={"extensions_more.conf": OWN_DIALPLAN})
    )
    await empty_spool(lab)
    async with lab.telephone("101", BUSY), lab.telephone("102", BUSY):
        await (await lab.call(steps=[*PRESS, WaitBye()])).done()
    spool = marks(await spool_once_ended(lab))
    assert spool["queue"].endswith("|TIMEOUT")
    assert "answered" not in spool
    assert "yes" in await lab.pbx.rx("database get test after")


async def test_who_is_withdrawn_from_the_queue_goes_where_a_timeout_goes(
    asterisk: StartAsterisk,
) -> None:
    """A program takes him out (AMI QueueWithdrawCaller, not on 16): he is not dropped without a word."""
    onward = Action(kind="goto", target="after-queue,s,1")
    menu = replace(BRIEF, ring_s=1, queue_timeout=onward, queue_empty=Action(kind="hangup"))
    lab = await asterisk("22", LabMenu(menu=menu, files={"extensions_more.conf": OWN_DIALPLAN}))
    await lab.pbx.rx("database deltree test")
    await empty_spool(lab)
    async with lab.telephone("101", BUSY), lab.telephone("102", BUSY), lab.control() as pbx:
        caller = await lab.call(steps=[*PRESS, WaitBye()])
        joined = await pbx.event("QueueCallerJoin")
        who = {"Queue": joined.get("Queue"), "Caller": joined.get("Channel")}
        reply = await pbx.action("QueueWithdrawCaller", **who)
        assert reply.get("Response") == "Success", reply.raw
        await caller.done()
    spool = marks(await spool_once_ended(lab))
    assert spool["queue"].endswith("|WITHDRAW")
    assert "answered" not in spool
    assert "yes" in await lab.pbx.rx("database get test after")


async def test_an_empty_queue_takes_nobody(asterisk: StartAsterisk, asterisk_version: str) -> None:
    onward = Action(kind="goto", target="after-queue,s,1")
    menu = replace(BRIEF, members=(), queue_empty=onward)
    lab = await asterisk(
        asterisk_version, LabMenu(menu=menu, files={"extensions_more.conf": OWN_DIALPLAN})
    )
    await empty_spool(lab)
    await (await lab.call(steps=[*PRESS, WaitBye()])).done()
    spool = marks(await spool_once_ended(lab))
    assert spool["queue"].endswith("|JOINEMPTY")
    assert "yes" in await lab.pbx.rx("database get test after")


async def test_a_queue_that_the_pbx_does_not_have_is_an_empty_one(
    asterisk: StartAsterisk, asterisk_version: str
) -> None:
    onward = Action(kind="goto", target="after-queue,s,1")
    menu = replace(BRIEF, queue="nosuch", queue_empty=onward)
    lab = await asterisk(
        asterisk_version, LabMenu(menu=menu, files={"extensions_more.conf": OWN_DIALPLAN})
    )
    await lab.pbx.rx("database deltree test")
    await empty_spool(lab)
    await (await lab.call(steps=[*PRESS, WaitBye()])).done()
    spool = marks(await spool_once_ended(lab))
    assert spool["queue"].endswith("|UNKNOWN")
    assert "yes" in await lab.pbx.rx("database get test after")


async def test_no_key_and_a_wrong_key_end_the_call_without_a_press(
    asterisk: StartAsterisk, asterisk_version: str
) -> None:
    lab = await asterisk(asterisk_version, LabMenu(menu=BRIEF))
    await empty_spool(lab)
    silent = await lab.call(steps=[WaitBye()])
    wrong = await lab.call(steps=[Wait(0.2), Key("9"), WaitBye()], number="+79110000009")
    await silent.done()
    await wrong.done()
    assert await lab.spool() == {}
    called, let_go = silent.truth.at("INVITE"), silent.truth.at("BYE", "R")
    assert timing.lasted(2.75, 1.25, (called, let_go)), "greeting and menu_timeout_s"
    assert wrong.truth.at("BYE", "R")


async def test_hostile_names_and_numbers_stay_data(
    asterisk: StartAsterisk, asterisk_version: str
) -> None:
    name = "Ёж|\"'; Action: Originate\r\nKey: x\r\n\r\n${SHELL(id)} a)b:3,c (ООО) \\ [x] %0A"
    number = "+7911|0;0\r\nX: y${EPOCH}"
    hostile = (
        "[incoming](+)\n"
        f"exten => 666,1,Set(CALLERID(name)=${{URIDECODE({quote(name, safe='')})}})\n"
        f" same => n,Set(CALLERID(num)=${{URIDECODE({quote(number, safe='')})}})\n"
        " same => n,Goto(press3-menu,s,1)\n"
    )
    lab = await asterisk(
        asterisk_version, LabMenu(menu=BRIEF, files={"extensions_more.conf": hostile})
    )
    await empty_spool(lab)
    caller = await lab.call(steps=[*PRESS, Wait(0.5), Bye()], to="666")
    await caller.done()
    fields = marks(await spool_once_ended(lab))[""].split("|")
    assert len(fields) == 9
    assert unquote(fields[5]) == name.replace(":", ".")
    assert fields[4] == "+79110" + "0"


async def test_old_families_are_forgotten_an_hour_at_a_time(
    asterisk: StartAsterisk, asterisk_version: str
) -> None:
    lab = await asterisk(asterisk_version, LabMenu(menu=BRIEF))
    await empty_spool(lab)
    limit = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(days=8)
    old, kept = limit - timedelta(minutes=50), limit + timedelta(minutes=50)
    for minute in (old, kept):
        await lab.pbx.rx(f'database put press3/{minute:%Y%m%d%H%M} x-1 "2|x"')
    done = int((limit - timedelta(minutes=90)).timestamp())
    await lab.pbx.rx(f"database put press3-state pruned {done}")
    await (await lab.call(steps=[*PRESS, Wait(0.3), Bye()])).done()
    await spool_once_ended(lab)

    async def advanced() -> bool:
        return f": {done + 3600}" in await lab.pbx.rx("database show press3-state")

    await until(advanced, what="an hour was pruned, no more")
    spool = await lab.spool()
    assert f"press3/{old:%Y%m%d%H%M}/x-1" not in spool
    assert f"press3/{kept:%Y%m%d%H%M}/x-1" in spool


async def test_our_recorder_runs_beside_another(
    asterisk: StartAsterisk, asterisk_version: str
) -> None:
    lab = await asterisk(
        asterisk_version, LabMenu(menu=BRIEF, files={"extensions_more.conf": OWN_DIALPLAN})
    )
    await empty_spool(lab)
    await (await lab.call(steps=[*PRESS, Wait(1), Bye()], to="200")).done()
    spool = marks(await spool_once_ended(lab))
    ours = lab.monitor / spool["recording"].partition("|")[2]
    for recording in (ours, lab.monitor / "own-recording.wav"):
        await until(
            lambda file=recording: file.stat().st_size > 8_000, what=f"{recording} has sound"
        )


async def test_complaint_is_reached_from_any_dialplan(
    asterisk: StartAsterisk, asterisk_version: str
) -> None:
    lab = await asterisk(asterisk_version, LabMenu(menu=BRIEF))
    await empty_spool(lab)
    caller = await lab.call(steps=[Speak(), Wait(0.5), Bye()], to="complaint")
    await caller.done()
    spool = marks(await spool_once_ended(lab))
    assert {"", "recording", "ended"} <= set(spool)
    assert caller.truth.at("200", "R") >= epoch(spool[""].split("|")[3]), "written, then answered"


async def test_a_press_that_astdb_forgot_is_told(
    asterisk: StartAsterisk, asterisk_version: str
) -> None:
    lab = await asterisk(asterisk_version, LabMenu(menu=BRIEF))
    async with lab.tap() as ami, lab.telephone("101", BUSY), lab.telephone("102", BUSY):
        caller = await lab.call(steps=[*PRESS, Wait(2), Bye()])
        key = (await ami.event("UserEvent", UserEvent="Press3")).get("Key")
        await lab.pbx.rx(f"database del press3 {key.removeprefix('press3/')}")
        failed = await ami.event("UserEvent", UserEvent="Press3Store")
        assert failed.get("Key") == key
        await ami.event("QueueCallerJoin")  # the press is real: the caller notices nothing
        await caller.done()


async def test_only_wanted_events_come_and_none_is_missing(
    asterisk: StartAsterisk, asterisk_version: str
) -> None:
    lab = await asterisk(asterisk_version, LabMenu(menu=BRIEF))
    async with lab.tap() as ami, lab.control() as everything, lab.telephone("102", BUSY):
        async with lab.telephone("101", TelephoneHabit(ring_s=0.3, talk_s=1)):
            await (await lab.call(steps=[*PRESS, WaitBye()])).done()
        await lab.quiet()
        last = await everything.event(
            "Hangup", Linkedid=everything.all("Newchannel")[0].get("Uniqueid")
        )
        for tap in (ami, everything):
            await tap.event("Hangup", Uniqueid=last.get("Uniqueid"))
        await _echo(ami, everything)
    expected = [event.raw for event in everything.events if _wanted(event.raw)]
    seen = [event.raw for event in ami.events if event.get("Event") != "FullyBooted"]
    assert sorted(seen) == sorted(e for e in expected if b"Event: FullyBooted" not in e)
    assert len(everything.events) > 2 * len(seen), "the filter had something to do"
    assert all(b"\r\nTimestamp: " in raw for raw in seen)


async def _echo(*taps: AmiTap) -> None:
    """A reply comes after all that was queued before it."""
    await asyncio.gather(*(tap.action("Ping") for tap in taps))


def _wanted(raw: bytes) -> bool:
    kind = raw.partition(b"\r\n")[0].removeprefix(b"Event: ")
    if kind == b"VarSet":
        return b"Variable: MIXMONITOR_FILENAME\r\n" in raw or b"Variable: QUEUESTATUS\r\n" in raw
    if kind == b"UserEvent":
        return b"UserEvent: Press3" in raw
    return kind in WANTED and kind != b"Newexten"


async def test_the_account_may_read_everything_and_change_nothing(
    asterisk: StartAsterisk, asterisk_version: str
) -> None:
    lab = await asterisk(asterisk_version, LabMenu(menu=BRIEF))
    async with lab.tap() as ami:
        for name in (
            "Ping",
            "CoreStatus",
            "CoreShowChannels",
            "Status",
            "QueueStatus",
            "ListCommands",
        ):
            assert (await ami.action(name)).get("Response") == "Success", name
        tree = await ami.action("DBGetTree", Family="press3")
        assert tree.get("Message") != "Permission denied"
        for name, headers in (
            ("Originate", {"Channel": "PJSIP/101", "Application": "Hangup"}),
            ("Command", {"Command": "core stop now"}),
            ("DBDel", {"Family": "press3", "Key": "x"}),
            ("DBPut", {"Family": "press3", "Key": "x", "Val": "y"}),
            ("Hangup", {"Channel": "x"}),
            ("Redirect", {"Channel": "x", "Exten": "s", "Context": "default", "Priority": "1"}),
        ):
            reply = await ami.action(name, **headers)
            assert reply.get("Message") == "Permission denied", name


@pytest.mark.parametrize("language", ["ru", "en"])
def test_every_prompt_exists_in_both_trees(
    labs: Labs, asterisk_version: str, language: str
) -> None:
    sounds = labs.tree(asterisk_version).data / "sounds" / language
    prompts = Menu().prompts
    names = {
        name
        for field in vars(type(prompts))["__dataclass_fields__"]
        for name in getattr(prompts, field)
    }
    assert [name for name in sorted(names) if not list(sounds.glob(f"{name}.*"))] == []
