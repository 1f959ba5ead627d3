"""`keep = "all"` is what "external" says, plus the calls between employees."""

import pytest

from ami import events as ami
from calls.facts import CallArrived, Fact
from calls.keep import KeepRules
from calls.story import CallStory
from calls.triggers import TriggerRules
from tests.calls.builders import Pbx, stories_of, tracker
from tests.calls.consistency import contradictions
from tests.calls.test_traces import ALL, MENU, story_name
from tests.calls.traces import replay

ALL_CALLS = KeepRules(internal=True)


def facts_with(trace: str, keep: KeepRules) -> list[Fact]:
    return replay(trace, tracker(TriggerRules(observed=(MENU,)), keep))


@pytest.mark.parametrize("trace", ALL)
def test_all_is_external_plus_the_calls_between_employees(trace: str) -> None:
    external, everything = facts_with(trace, KeepRules()), facts_with(trace, ALL_CALLS)
    outside = {fact.call for fact in external}
    assert [fact for fact in everything if fact.call in outside] == external
    added = stories_of([fact for fact in everything if fact.call not in outside])
    assert {story.direction for story in added.values()} <= {"internal"}
    assert all(story.ended_at for story in added.values())


@pytest.mark.parametrize("keep", [KeepRules(), ALL_CALLS], ids=["external", "all"])
@pytest.mark.parametrize("trace", ALL)
def test_no_story_contradicts_itself(trace: str, keep: KeepRules) -> None:
    for story in stories_of(facts_with(trace, keep)).values():
        assert contradictions(story) == []


def among_employees(trace: str) -> list[CallStory]:
    stories = stories_of(facts_with(trace, ALL_CALLS))
    return [story for story in stories.values() if story.direction == "internal"]


@pytest.mark.parametrize("trace", [t for t in ALL if story_name(t) == "internal"])
def test_a_call_between_employees(trace: str) -> None:
    (story,) = among_employees(trace)
    assert (story.caller.raw, story.to.raw, story.outcome) == ("101", "102", "answered")
    assert [(leg.extension, leg.outcome) for leg in story.legs] == [("102", "answered")]


@pytest.mark.parametrize(
    "trace", [t for t in ALL if story_name(t) not in ("internal", "attended-transfer-fails")]
)
def test_none_is_added_where_all_were_in_the_customers_call(trace: str) -> None:
    assert among_employees(trace) == []


def test_a_call_between_employees_that_goes_outside_is_one_call() -> None:
    pbx = Pbx(tracker=tracker(keep=ALL_CALLS))
    anna = pbx.picks_up_receiver("PJSIP/101", dials="102")
    boris = anna.rings("PJSIP/102")
    boris.is_cancelled()
    mobile = anna.rings_number("PJSIP/trunk", "89110000009")
    mobile.answers()
    anna.talks_to(mobile)
    anna.hangs_up()
    mobile.is_gone()
    assert [fact.direction for fact in pbx.of(CallArrived)] == ["out"]


def test_a_consultation_that_is_not_handed_over_is_a_call_of_its_own() -> None:
    pbx = Pbx(tracker=tracker(keep=ALL_CALLS))
    ivan = pbx.incoming("+79110000001")
    anna = ivan.rings("PJSIP/101")
    anna.answers()
    ivan.talks_to(anna)
    second = pbx.picks_up_receiver("PJSIP/101", dials="102")
    boris = second.rings("PJSIP/102")
    boris.answers()
    second.talks_to(boris)
    second.hangs_up()
    boris.is_gone()
    ivan.hangs_up()
    assert sorted(fact.direction for fact in pbx.of(CallArrived)) == ["in", "internal"]


def test_a_call_between_employees_that_another_picks_up_is_one_call() -> None:
    """By Replaces or where Pickup is not reported: the telephone that calls *8 is dialled, and answers."""
    pbx = Pbx(tracker=tracker(keep=ALL_CALLS))
    anna = pbx.picks_up_receiver("PJSIP/101", dials="102")
    boris = anna.rings("PJSIP/102")
    vera = pbx.picks_up_receiver("PJSIP/103", dials="*8")
    boris.stops("CANCEL")
    anna.dials(vera)
    boris.is_gone(cause=0)
    vera.answers()
    anna.talks_to(vera)
    vera.hangs_up()
    anna.is_gone()
    assert (pbx.story.caller.raw, pbx.story.to.raw, pbx.story.outcome) == ("101", "102", "answered")
    assert [(leg.extension, leg.outcome) for leg in pbx.story.legs] == [
        ("102", "elsewhere"),
        ("103", "answered"),
    ]
    assert pbx.story.legs[1].rang_at is None


def test_an_employee_hands_over_whom_they_called() -> None:
    pbx = Pbx(tracker=tracker(keep=ALL_CALLS))
    anna = pbx.picks_up_receiver("PJSIP/101", dials="102")
    boris = anna.rings("PJSIP/102")
    boris.answers()
    anna.talks_to(boris)
    anna.sends_to(boris, "103")
    anna.is_gone()
    vera = boris.rings("PJSIP/103")
    vera.answers()
    boris.talks_to(vera)
    vera.hangs_up()
    boris.is_gone()
    assert [(leg.extension, leg.outcome) for leg in pbx.story.legs] == [
        ("102", "answered"),
        ("103", "answered"),
    ]
    assert [(t.from_extension, t.to) for t in pbx.story.transfers] == [("101", "103")]


def test_the_caller_is_who_the_dialplan_says() -> None:
    """A telephone named by its account shows its extension once the dialplan has set it."""
    pbx = Pbx(tracker=tracker(keep=ALL_CALLS))
    anna = pbx.picks_up_receiver("SIP/150010001", dials="202")
    anna.shown = anna.shown._replace(caller_number="201")
    pbx.say(ami.NewCallerid, channel=anna.shown)
    phone = anna.rings("SIP/202")
    phone.times_out()
    anna.is_gone()
    assert (pbx.story.caller.raw, pbx.story.to.raw) == ("201", "202")


def test_a_program_connects_two_employees() -> None:
    pbx = Pbx(tracker=tracker(keep=ALL_CALLS))
    one = pbx.channel("Local/201@click-0000000a;1", state="Down", exten="201")
    two = pbx.channel("Local/201@click-0000000a;2", linkedid=one.uniqueid, state="Ring")
    pbx.say(ami.LocalBridge, one=one.shown, two=two.shown, context="click", exten="201")
    pbx.say(ami.DialBegin, source=None, dest=one.shown, dial_string="201@click/n")
    anna = two.rings("PJSIP/101")
    anna.answers()
    anna.talks_to(two, bridge="first")
    one.answers()
    boris = one.rings("PJSIP/102")
    boris.answers()
    boris.talks_to(one, bridge="second")
    for line in (boris, one, two, anna):
        line.is_gone()
    assert (pbx.story.caller.raw, pbx.story.to.raw, pbx.story.outcome) == ("101", "102", "answered")
    assert [(leg.extension, leg.outcome) for leg in pbx.story.legs] == [("102", "answered")]
