"""The same call told by AMI and by the PBX's own files: fact for fact the same story, where both tell it.

Real calls; queue_log keeps whole seconds and the CDR when a call ended, so times are compared so far
(`docs/call-model.md`, "What each source tells").
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ami.parser import parse
from ami.spool import SpoolPress
from calls.facts import ComplaintRequested, Fact
from calls.numbers import NumberRules
from calls.resync import from_spool
from calls.retelling import story_of
from calls.story import CallStory, LegStory
from calls.tracker import Tracker
from calls.triggers import ObservedRule, TriggerRules
from ivr.menu import ObservedMenu
from press3.config.settings import Settings
from press3.telephony_parts import logs_by_pbx
from telephony.log_follower import known_now
from telephony.pbx_logs import PbxLogs
from tests.e2e.office import PRESS, SHORT, SILENT
from tests.lab.ami_tap import AmiTap
from tests.lab.dialogs import Keys, Refer
from tests.lab.fixtures import StartAsterisk
from tests.lab.harness import QUICK, Lab, LabMenu, SippCall
from tests.lab.scenarios import Bye, Key, Speak, TelephoneHabit, Wait, WaitBye
from tests.timing import near
from tests.waiting import until

pytestmark = pytest.mark.asterisk

NUMBERS = NumberRules()
PBX = "main"
DIALPLAN = """\
[incoming](+)
exten => _7X,1,Set(__STORY=${EXTEN:1})
 same => n,Goto(ivr-7,s,1)
exten => _6X,1,Answer()
 same => n,Set(__STORY=${EXTEN:1})
 same => n,Queue(59${STORY},t,,,2)
 same => n,Goto(key-queue,600,1)
exten => 58,1,Goto(ivr-8,3,1)
[ivr-7]
exten => s,1,Answer()
 same => n,Background(hello)
 same => n,WaitExten(5)
exten => 3,1,Goto(key-queue,600,1)
[ivr-8]
exten => 3,1,Dial(PJSIP/103,20,t)
 same => n,Hangup()
[key-queue]
exten => 600,1,Queue(60${STORY},tT,,,3)
 same => n,Hangup()
[from-internal](+)
exten => 606,1,Queue(606,t,,,5)
[out-of-queue]
exten => 3,1,Goto(key-queue,600,1)
"""
QUEUES = """\
[600]
member => PJSIP/101,0,Anna | Desk 1
[601]
member => PJSIP/101
[602]
member => PJSIP/102
[603]
member => Local/103@from-queue/n
[604]
member => PJSIP/102
[605]
member => PJSIP/101
[606]
member => PJSIP/103
[591]
member => PJSIP/102
context = out-of-queue
[592]
joinempty = yes
leavewhenempty = yes
"""
CDR = "[general]\nenable = yes\nunanswered = yes\n[csv]\nloguniqueid = yes\nnewcdrcolumns = yes\n"
OBSERVED = (ObservedMenu(context="ivr-7"), ObservedMenu(context="ivr-8"))
LAB = LabMenu(
    menu=replace(QUICK, prompts=SHORT),
    observed=OBSERVED,
    files={"extensions_more.conf": DIALPLAN, "queues_more.conf": QUEUES, "cdr.conf": CDR},
)
ANSWERS = TelephoneHabit(ring_s=0.5, talk_s=1.5)
TALKS = TelephoneHabit(ring_s=0.5)
WAITS = [*PRESS, WaitBye(60)]


class Sources:
    """One PBX, what its AMI said, and its files."""

    def __init__(self, lab: Lab, ami: AmiTap) -> None:
        self.lab, self._ami = lab, ami
        self.queue_log = lab.directory / "log/queue_log"
        self.cdr = lab.directory / "log/cdr-csv/Master.csv"

    def facts(self) -> dict[str, list[Fact]]:
        rules = TriggerRules(
            observed=tuple(ObservedRule(context=menu.context, exten="3") for menu in OBSERVED)
        )
        tracker = Tracker(PBX, rules, NUMBERS)
        facts: dict[str, list[Fact]] = {}
        for message in self._ami.events:
            for fact in tracker.feed(parse(message.raw, message.at)):
                facts.setdefault(fact.call, []).append(fact)
        return facts

    def heard(self) -> list[CallStory]:
        stories = (story_of(told) for told in self.facts().values())
        return [story for story in stories if story is not None]

    def of_ami(self, number: str) -> CallStory:
        (story,) = [story for story in self.heard() if story.caller.raw == number]
        return story

    def read(self, name: str, number: str) -> SpoolPress:
        logs = _logs(self.queue_log, self.cdr)
        (log,) = [log for log in logs.logs if log.name == name]
        (call,) = [
            call
            for call in log.calls_of(log.path.read_bytes().splitlines())
            if call.number == number and logs.is_observed_press(call)
        ]
        return call

    def in_two_parts(self, heard: CallStory, number: str) -> None:
        """Cut the link after each fact that was heard: queue_log makes the rest of the same story."""
        facts, call = self.facts()[heard.id], self.read("queue_log", number)
        for cut in range(1, len(facts)):
            _in_two_parts(heard, facts[:cut], call)

    def of_file(self, name: str, number: str) -> CallStory:
        call = self.read(name, number)
        story = _story(call)
        assert _beyond(story, call) == [], "told again it says nothing new"
        new = {type(fact) for fact in _beyond(self.of_ami(number), call)}
        assert new <= {ComplaintRequested}, (
            "who heard the call knows it, but for a press by `leads_to`"
        )
        return story


def _logs(queue_log: Path, cdr: Path) -> PbxLogs:
    queues = [f"60{n}" for n in range(7)]
    rules = [{"context": "ivr-7", "exten": "3", "leads_to": queue} for queue in queues]
    rules.append({"context": "ivr-8", "exten": "3", "leads_to": "600"})
    main = {"name": PBX, "queue_log": queue_log, "cdr": cdr}
    settings = Settings(asterisk=[main], ivr={"observe": rules})  # type: ignore[arg-type, list-item]
    return logs_by_pbx(settings, NUMBERS)[PBX]


def _beyond(story: CallStory | None, call: SpoolPress) -> list[Fact]:
    return from_spool(story, known_now(call, frozenset()), pbx=PBX, numbers=NUMBERS)


def _story(call: SpoolPress) -> CallStory:
    story = story_of(_beyond(None, call))
    assert story is not None
    return story


def _in_two_parts(heard: CallStory, facts: list[Fact], call: SpoolPress) -> None:
    """The link broke in the middle: what was heard before, and the file for the rest, are the same story."""
    half = story_of(facts)
    story = story_of([*facts, *_beyond(half, call)])
    assert story is not None
    told = f"heard until {facts[-1]}"
    assert [(s.queue, s.reason, s.key) for s in story.stays] == [
        (s.queue, s.reason, s.key) for s in heard.stays
    ], told
    for a, b in zip(story.stays, heard.stays, strict=True):
        assert same_second(a.entered_at, b.entered_at), told
        assert same_second(a.left_at, b.left_at), told
    answers = [leg.answered_at for leg in story.legs if leg.answered_at is not None]
    times = [leg.answered_at for leg in heard.legs if leg.answered_at is not None]
    assert all(same_second(a, b) for a, b in zip(answers, times, strict=False)), told
    assert len(answers) <= len(times), told
    assert (story.outcome == "answered") == (heard.outcome == "answered"), told
    assert _beyond(story, call) == [], told


# -- the calls ----------------------------------------------------------------------------------

Call = Callable[[Lab], Awaitable[None]]
NUMBER = "+7911000070{}".format


async def answered_and_the_caller_hangs_up(lab: Lab) -> None:
    async with lab.telephone("101", TALKS):
        caller = await lab.call(number=NUMBER(0), to="70", steps=[*PRESS, Wait(4), Bye()])
        await caller.done()


async def answered_and_the_operator_hangs_up(lab: Lab) -> None:
    async with lab.telephone("102", ANSWERS):
        await (await lab.call(number=NUMBER(2), to="72", steps=WAITS)).done()


async def answered_behind_a_local_member(lab: Lab) -> None:
    async with lab.telephone("103", ANSWERS):
        await (await lab.call(number=NUMBER(3), to="73", steps=WAITS)).done()


async def given_up(lab: Lab) -> None:
    async with lab.telephone("102", SILENT):
        caller = await lab.call(number=NUMBER(4), to="74", steps=[*PRESS, Wait(2.2), Bye()])
        await caller.done()


async def timed_out(lab: Lab) -> None:
    async with lab.telephone("102", SILENT):
        await (await lab.call(number=NUMBER(5), to="74", steps=WAITS)).done()


async def out_of_one_queue_by_a_key_into_that_of_the_key(lab: Lab) -> None:
    """A queue with an exit context; its key 3 leads to the queue of complaints."""
    async with lab.telephone("102", SILENT), lab.telephone("101", ANSWERS):
        steps = [Speak(), Wait(1.3), Key("3"), WaitBye(60)]
        await (await lab.call(number=NUMBER(6), to="61", steps=steps)).done()


async def out_of_an_empty_queue_into_another(lab: Lab) -> None:
    async with lab.telephone("102", ANSWERS):
        await (await lab.call(number=NUMBER(7), to="62", steps=WAITS)).done()


async def sent_on_blindly_into_another_queue(lab: Lab) -> None:
    async with lab.telephone("101", TALKS) as one, lab.telephone("103", ANSWERS):
        caller = await lab.call(number=NUMBER(8), to="75", steps=WAITS)
        await lab.within(one, Wait(1.2), Refer("606"))
        await caller.done()


async def handed_over_after_a_consultation(lab: Lab) -> None:
    async with lab.telephone("101", TALKS) as one, lab.telephone("103", ANSWERS):
        caller = await lab.call(number=NUMBER(9), to="75", steps=WAITS)
        await lab.within(one, Wait(0.5), Keys("*2"), Wait(0.8), Keys("103"), Wait(1.6), Bye())
        await caller.done()


SMALL: Sequence[Call] = (
    answered_and_the_caller_hangs_up,
    given_up,
    out_of_one_queue_by_a_key_into_that_of_the_key,
    sent_on_blindly_into_another_queue,
)
ALL: Sequence[Call] = (
    *SMALL,
    answered_and_the_operator_hangs_up,
    answered_behind_a_local_member,
    timed_out,
    out_of_an_empty_queue_into_another,
    handed_over_after_a_consultation,
)
NUMBER_OF = {
    answered_and_the_caller_hangs_up: 0,
    answered_and_the_operator_hangs_up: 2,
    answered_behind_a_local_member: 3,
    given_up: 4,
    timed_out: 5,
    out_of_one_queue_by_a_key_into_that_of_the_key: 6,
    out_of_an_empty_queue_into_another: 7,
    sent_on_blindly_into_another_queue: 8,
    handed_over_after_a_consultation: 9,
}


async def test_ami_and_the_files_of_the_pbx_tell_the_same_story(
    asterisk: StartAsterisk, asterisk_version: str
) -> None:
    lab = await asterisk(asterisk_version, LAB)
    (lab.directory / "log/cdr-csv").mkdir(exist_ok=True)
    async with lab.tap() as ami:
        sources = Sources(lab, ami)
        for call in ALL if asterisk_version == "22" else SMALL:
            await call(lab)
            await lab.quiet()
            number = NUMBER(NUMBER_OF[call])

            def ended(number: str = number) -> bool:
                told = [story for story in sources.heard() if story.caller.raw == number]
                return bool(told) and told[0].ended_at is not None

            await until(ended, what="the end of the call is heard")
            heard = sources.of_ami(number)
            try:
                compare(heard, sources.of_file("queue_log", number))
                sources.in_two_parts(heard, number)
                compare_cdr(heard, sources.of_file("CDR", number))
            except AssertionError as error:
                error.add_note(f"{call.__name__} on {asterisk_version}")
                raise


def compare(heard: CallStory, read: CallStory) -> None:
    assert (read.caller.e164, read.id) == (heard.caller.e164, heard.id)
    assert [(s.queue, s.reason, s.key) for s in read.stays] == [
        (s.queue, s.reason, s.key) for s in heard.stays
    ]
    for a, b in zip(read.stays, heard.stays, strict=True):
        assert same_second(a.entered_at, b.entered_at)
        assert same_second(a.left_at, b.left_at)
    talks = [leg for leg in heard.legs if leg.answered_at is not None]
    in_queue = [leg for leg in talks if any(_led_to(stay.left_at, leg) for stay in heard.stays)]
    assert len(read.legs) == len(in_queue), (read.legs, talks)
    for mine, theirs in zip(read.legs, in_queue, strict=True):
        assert mine.extension in (theirs.extension, "Anna | Desk 1")
        assert same_second(mine.answered_at, theirs.answered_at)
        assert same_second(mine.ended_at, theirs.ended_at)
    assert [(t.kind, t.from_extension) for t in read.transfers] == [
        (t.kind, t.from_extension) for t in heard.transfers
    ]
    assert [t.to for t in read.transfers if t.kind == "blind"] == [
        t.to for t in heard.transfers if t.kind == "blind"
    ]
    assert read.outcome in (heard.outcome, *_UNSURE.get(heard.outcome, ()))
    if read.ended_by is not None:
        assert read.ended_by == heard.ended_by
        assert same_second(read.ended_at, heard.ended_at)
    assert read.queue_wait_s is not None
    assert heard.queue_wait_s is not None
    assert abs(read.queue_wait_s - heard.queue_wait_s) <= 1.1 * len(read.stays)


# A file does not know that the PBX ended the call.
_UNSURE: dict[str | None, tuple[str, ...]] = {"closed": ("no_answer", "abandoned")}


def _led_to(left_at: datetime | None, leg: LegStory) -> bool:
    assert left_at is not None
    assert leg.answered_at is not None
    return abs(left_at - leg.answered_at) < timedelta(seconds=0.5)


def compare_cdr(heard: CallStory, read: CallStory) -> None:
    """The CDR knows who and how, and when the call ended."""
    assert (read.caller.e164, read.id) == (heard.caller.e164, heard.id)
    assert (read.outcome == "answered") == (heard.outcome == "answered")
    assert same_second(read.ended_at, heard.ended_at)
    who = [leg.extension for leg in heard.legs if leg.answered_at is not None]
    assert [leg.extension for leg in read.legs] == who


def same_second(read: datetime | None, heard: datetime | None) -> bool:
    """Return whether a time in whole seconds is the one that was heard, cut off or nearly so."""
    assert read is not None
    assert heard is not None
    return near(heard, (read, read + timedelta(seconds=1)), timedelta(seconds=0.3))


async def test_answered_by_dial_at_the_step_of_the_key(asterisk: StartAsterisk) -> None:
    """No queue at all: the CDR's answer is the answer itself, for the menu had not answered."""
    lab = await asterisk("22", LAB)
    (lab.directory / "log/cdr-csv").mkdir(exist_ok=True)
    async with lab.tap() as ami, lab.telephone("103", ANSWERS):
        sources, number = Sources(lab, ami), "+79110000799"
        call: SippCall = await lab.call(number=number, to="58", steps=[WaitBye(60)])
        await call.done()
        await lab.quiet()
        heard = sources.of_ami(number)
        compare_cdr(heard, read := sources.of_file("CDR", number))
        assert same_second(read.answered_at, heard.answered_at)
