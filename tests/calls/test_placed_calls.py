"""Calls that a program places through a Local channel: what the Local names, and who is called by it."""

import pytest

from ami import events as ami
from calls.facts import CallArrived
from tests.calls.builders import Line, Pbx


@pytest.fixture
def pbx() -> Pbx:
    return Pbx()


def placed(pbx: Pbx, exten: str) -> tuple[Line, Line]:
    """AMI Originate with Channel: Local/EXTEN@from-internal/n."""
    one = pbx.channel(f"Local/{exten}@from-internal-0000000a;1", state="Down", exten=exten)
    two = pbx.channel(
        f"Local/{exten}@from-internal-0000000a;2", linkedid=one.uniqueid, state="Ring", exten=exten
    )
    pbx.say(ami.LocalBridge, one=one.shown, two=two.shown, context="from-internal", exten=exten)
    pbx.say(ami.DialBegin, source=None, dest=one.shown, dial_string=f"{exten}@from-internal/n")
    return one, two


@pytest.mark.parametrize("city", ["211553", "112"])
def test_a_customer_with_a_short_number_is_no_employee(pbx: Pbx, city: str) -> None:
    _, two = placed(pbx, city)
    trunk = two.rings_number("PJSIP/trunk", city)
    trunk.answers()
    assert (pbx.story.direction, pbx.story.to.raw) == ("out", city)
    assert pbx.story.legs == ()


def test_a_program_that_finds_no_agent_leaves_no_call(pbx: Pbx) -> None:
    one, two = placed(pbx, "613")
    two.joins("complaints")
    phone = two.rings("PJSIP/101")
    phone.is_cancelled()
    two.is_gone()
    one.is_gone()
    assert pbx.of(CallArrived) == []


def test_an_operators_call_into_a_watched_queue_through_a_local_is_kept(pbx: Pbx) -> None:
    anna = pbx.picks_up_receiver("PJSIP/101", "613")
    _, two = anna.rings_local("613", "from-internal")
    two.joins("complaints")
    assert [fact.direction for fact in pbx.of(CallArrived)] == ["internal"]


def test_a_customer_in_a_queue_through_a_local_is_kept(pbx: Pbx) -> None:
    ivan = pbx.incoming("+79110000001")
    _, two = ivan.rings_local("613", "from-internal")
    two.joins("complaints")
    assert (pbx.story.direction, pbx.story.queue) == ("in", "complaints")


def test_two_outside_telephones_are_connected(pbx: Pbx) -> None:
    """Click to call from a mobile: the first is on the line while the second is dialled, and both talk."""
    one, two = placed(pbx, "ID400387")
    first = two.rings_number("PJSIP/trunk", "89110000009")
    first.is_up()
    first.answers()
    first.talks_to(two, bridge="first")
    one.answers()
    second = one.rings_number("PJSIP/trunk", "89110000001")
    second.answers()
    second.talks_to(one, bridge="second")
    for line in (second, one, two, first):
        line.is_gone()
    story = pbx.story
    assert (story.direction, story.outcome) == ("out", "answered")
    assert [(leg.number, leg.outcome) for leg in story.legs] == [("+79110000001", "answered")]


def test_the_next_trunk_is_tried_for_the_same_customer(pbx: Pbx) -> None:
    anna = pbx.picks_up_receiver("PJSIP/101", "89110000001")
    anna.rings_number("PJSIP/trunk", "89110000001").refuses(34)
    second = anna.rings_number("PJSIP/spare", "89110000001")
    second.answers()
    anna.talks_to(second)
    anna.hangs_up()
    second.is_gone()
    assert pbx.story.outcome == "answered"
    assert [leg.extension for leg in pbx.story.legs] == ["101"]


@pytest.mark.parametrize("customer", ["answers", "is busy"])
def test_an_operator_behind_several_locals_rang_for_the_program(pbx: Pbx, customer: str) -> None:
    """The telephone was lifted before there was a customer: what happens to the customer is not its end."""
    one, two = placed(pbx, "ID400377")
    inner, inner_two = two.rings_local("201", "accounts")
    anna = inner_two.rings("PJSIP/201")
    anna.answers()
    inner.answers()
    one.answers()
    anna.talks_to(inner_two, bridge="first")
    inner.talks_to(two, bridge="second")
    ivan = one.rings_number("PJSIP/trunk", "89110000001")
    if customer == "answers":
        ivan.answers()
        ivan.talks_to(one, bridge="third")
    else:
        ivan.stops("BUSY")
    for line in (ivan, one, two, anna):
        line.is_gone()
    story = pbx.story
    assert (story.direction, story.caller.raw) == ("out", "201")
    legs = [(leg.extension, leg.outcome, leg.rang_at) for leg in story.legs]
    expected = ("answered", [("201", "answered", None)]) if customer == "answers" else ("busy", [])
    assert (story.outcome, legs) == expected
