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
