"""Who the caller is, and the queue that does not take him in: before anybody's telephone rings."""

import pytest

from ami.events import NewCallerid
from calls.facts import CallerNamed, QueueEntered, QueueLeft
from tests.calls.builders import Line, Pbx


@pytest.fixture
def pbx() -> Pbx:
    return Pbx()


def is_called(line: Line, number: str, name: str) -> None:
    """The dialplan sets CALLERID(all)."""
    line.shown = line.shown._replace(caller_number=number, caller_name=name)
    line.pbx.say(NewCallerid, channel=line.shown)


def test_a_route_rewrites_the_number_and_looks_up_the_name(pbx: Pbx) -> None:
    ivan = pbx.incoming("989110000001")
    is_called(ivan, "+79110000001", "ООО «Ромашка»")
    ivan.presses_3()
    assert pbx.names() == ["CallArrived", "CallerNamed", "ComplaintRequested"]
    caller = pbx.story.caller
    assert (caller.raw, caller.e164) == ("+79110000001", "+79110000001")
    assert caller.name == "ООО «Ромашка»"


def test_a_prefix_for_the_telephones_does_not_rename_the_caller(pbx: Pbx) -> None:
    ivan = pbx.incoming("+79110000001")
    ivan.presses_3()
    is_called(ivan, "+79110000001", "Complaints: Ivan")
    ivan.joins("complaints")
    is_called(ivan, "+79110000001", "Q1: Ivan")
    ivan.rings("PJSIP/101")
    is_called(ivan, "101", "Operator")
    assert pbx.of(CallerNamed) == []
    assert pbx.story.caller.raw == "+79110000001"


def test_the_caller_id_of_an_operators_channel_is_not_the_callers(pbx: Pbx) -> None:
    pbx.incoming("+79110000001")
    is_called(pbx.picks_up_receiver("PJSIP/101", "102"), "101", "Anna")
    assert pbx.of(CallerNamed) == []


@pytest.mark.parametrize("status", ["JOINEMPTY", "FULL", "JOINUNAVAIL", "UNKNOWN"])
def test_a_queue_that_takes_nobody_in(pbx: Pbx, status: str) -> None:
    ivan = pbx.incoming("+79110000001")
    ivan.presses_3(queue="complaints")
    ivan.hears_status(status)
    ivan.is_gone()
    (entered,), (left,) = pbx.of(QueueEntered), pbx.of(QueueLeft)
    assert (entered.queue, left.queue, left.reason) == ("complaints", "complaints", "empty")
    assert entered.at == left.at
    assert (pbx.story.outcome, pbx.story.queue) == ("no_answer", "complaints")


def test_a_dialplan_of_before_does_not_say_which_queue_refused(pbx: Pbx) -> None:
    ivan = pbx.incoming("+79110000001")
    ivan.presses_3()
    ivan.hears_status("JOINEMPTY")
    ivan.is_gone()
    assert pbx.of(QueueEntered) == []
    assert pbx.story.outcome == "no_answer"


def test_the_word_on_a_queue_that_was_left_is_no_refusal(pbx: Pbx) -> None:
    ivan = pbx.incoming("+79110000001")
    ivan.presses_3(queue="complaints")
    ivan.joins("complaints")
    ivan.leaves("complaints")
    ivan.hears_status("LEAVEEMPTY")
    ivan.is_gone()
    assert len(pbx.of(QueueEntered)) == 1
    assert [left.reason for left in pbx.of(QueueLeft)] == ["empty"]
