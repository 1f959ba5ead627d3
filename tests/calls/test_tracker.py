"""Telephone calls, told event by event, and what the tracker makes of them."""

from dataclasses import dataclass
from datetime import timedelta

import pytest

from ami.events import AgentCalled, Channel, Rename, UnparkedCall
from calls.facts import (
    CallArrived,
    CallEnded,
    ComplaintRequested,
    MenuKeyPressed,
    OperatorAnswered,
    OperatorRang,
    OperatorStoppedRinging,
    QueueLeft,
    RecordingStarted,
    Transferred,
)
from calls.keep import KeepRules
from calls.triggers import ObservedRule, TriggerRules
from tests.calls.builders import START, Line, Pbx, in_queue, stories_of, tracker


@pytest.fixture
def pbx() -> Pbx:
    return Pbx()


# -- ringing ------------------------------------------------------------------------------------


def test_answered_by_one_of_two(pbx: Pbx) -> None:
    ivan = in_queue(pbx)
    first, second = ivan.rings("PJSIP/101"), ivan.rings("PJSIP/102")
    pbx.wait(4)
    first.answers()
    second.is_cancelled()
    ivan.leaves("complaints")
    ivan.talks_to(first)
    pbx.wait(60)
    first.is_gone()
    ivan.hangs_up()

    assert pbx.names() == [
        "CallArrived",
        "ComplaintRequested",
        "QueueEntered",
        "OperatorRang",
        "OperatorRang",
        "OperatorStoppedRinging",
        "OperatorStoppedRinging",
        "QueueLeft",
        "OperatorAnswered",
        "OperatorLeft",
        "CallEnded",
    ]
    assert pbx.reasons() == {"101": "answered", "102": "elsewhere"}
    story = pbx.story
    assert (story.direction, story.outcome, story.caller.e164) == ("in", "answered", "+79110000001")
    winner, loser = story.legs
    assert winner.answered_at is not None
    assert winner.rang_at is not None
    assert timedelta(seconds=4) < winner.answered_at - winner.rang_at < timedelta(seconds=5)
    assert (loser.outcome, loser.answered_at) == ("elsewhere", None)


def test_an_answer_in_the_menu_is_no_human_contact(pbx: Pbx) -> None:
    ivan = pbx.incoming("+79110000001")
    ivan.enters("waiting", technology="holding_bridge")
    phone = ivan.rings("PJSIP/101")
    phone.enters("waiting", technology="holding_bridge")
    assert not pbx.of(OperatorAnswered)


def test_two_lift_at_once_and_one_of_them_was_too_late(pbx: Pbx) -> None:
    """His telephone answered his Local, but the queue had taken the other already."""
    ivan = in_queue(pbx)
    one, two = ivan.rings_local("101")
    phone = two.rings("PJSIP/101")
    winner = ivan.rings("PJSIP/102")
    phone.answers()
    winner.answers()
    one.is_cancelled()
    two.is_gone(26)
    phone.is_gone(16)
    ivan.leaves("complaints")
    ivan.talks_to(winner)
    ivan.hangs_up()
    assert pbx.reasons() == {"101": "elsewhere", "102": "answered"}
    assert [(leg.extension, leg.outcome) for leg in pbx.story.legs if leg.answered_at] == [
        ("102", "answered")
    ]


def test_who_is_dialled_after_the_ringing_was_taken_back_does_not_ring(pbx: Pbx) -> None:
    """He hung up in the moment of a new round: the Local's dialplan dials all the same."""
    ivan = in_queue(pbx)
    one, two = ivan.rings_local("101")
    ivan.asks_to_hang_up()
    one.is_cancelled(cause=0)
    phone = two.rings("PJSIP/101")
    phone.is_cancelled()
    two.is_gone()
    ivan.is_gone()
    assert not pbx.of(OperatorRang), "a Local is no telephone, and behind it nothing rang in time"


def test_all_stop_when_the_caller_gives_up(pbx: Pbx) -> None:
    ivan = in_queue(pbx)
    phones = [ivan.rings("PJSIP/101"), ivan.rings("PJSIP/102")]
    pbx.wait(9)
    ivan.asks_to_hang_up()
    for phone in phones:
        phone.is_cancelled(cause=0)
    ivan.leaves("complaints", abandon=True)
    ivan.is_gone()

    assert pbx.reasons() == {"101": "abandoned", "102": "abandoned"}
    assert pbx.of(QueueLeft)[0].reason == "abandoned"
    assert pbx.story.outcome == "abandoned"
    assert len(pbx.of(OperatorStoppedRinging)) == 2


def test_two_rounds_without_answer_then_timeout(pbx: Pbx) -> None:
    ivan = in_queue(pbx)
    for _ in range(2):
        pbx.wait(2)
        phone = ivan.rings("PJSIP/101")
        pbx.wait(15)
        phone.times_out()
    ivan.leaves("complaints", abandon=True)
    ivan.hears_status("TIMEOUT")
    ivan.is_gone()

    assert [(rang.extension, rang.round) for rang in pbx.of(OperatorRang)] == [
        ("101", 1),
        ("101", 2),
    ]
    assert {stop.reason for stop in pbx.of(OperatorStoppedRinging)} == {"no_answer"}
    assert pbx.of(QueueLeft)[0].reason == "timeout"
    assert pbx.story.outcome == "no_answer"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("LEAVEEMPTY", "empty"),
        ("JOINEMPTY", "empty"),
        ("TIMEOUT", "timeout"),
        ("WITHDRAW", "transferred"),
    ],
)
def test_the_queue_says_why_it_was_left(pbx: Pbx, status: str, reason: str) -> None:
    ivan = in_queue(pbx)
    ivan.leaves("complaints", abandon=True)
    ivan.hears_status(status)
    assert pbx.of(QueueLeft)[0].reason == reason


@pytest.mark.parametrize("hung_up", [False, True])
def test_withdrawn_he_gave_up_only_if_he_hung_up(pbx: Pbx, hung_up: bool) -> None:
    """A program took him out of the queue (AMI QueueWithdrawCaller); the PBX lets him go, or he goes."""
    ivan = in_queue(pbx)
    ivan.leaves("complaints", abandon=True)
    ivan.hears_status("WITHDRAW")
    ivan.hangs_up() if hung_up else ivan.is_gone()
    assert [left.reason for left in pbx.of(QueueLeft)] == ["transferred"]
    assert pbx.story.outcome == ("abandoned" if hung_up else "no_answer")


def test_abandon_event_then_another_place_is_a_timeout(pbx: Pbx) -> None:
    """No QUEUESTATUS, no HangupRequest: the channel is elsewhere when it ends, so he had waited on."""
    ivan = in_queue(pbx)
    ivan.leaves("complaints", abandon=True)
    ivan.moves_unseen("from-trunk", "timeout")
    ivan.is_gone()
    assert pbx.of(QueueLeft)[0].reason == "timeout"
    assert pbx.story.outcome == "no_answer"


def test_back_in_the_queue_after_a_timeout(pbx: Pbx) -> None:
    ivan = in_queue(pbx)
    ivan.leaves("complaints", abandon=True)
    pbx.wait(5)
    ivan.joins("complaints")
    ivan.leaves("complaints", abandon=True)
    ivan.hangs_up()
    assert [left.reason for left in pbx.of(QueueLeft)] == ["timeout", "abandoned"]
    assert len(pbx.story.stays) == 2


@pytest.mark.parametrize(("cause", "reason"), [(21, "rejected"), (17, "busy"), (19, "no_answer")])
def test_the_cause_tells_a_declined_call(pbx: Pbx, cause: int, reason: str) -> None:
    ivan = in_queue(pbx)
    ivan.rings("PJSIP/101").refuses(cause)
    assert pbx.reasons() == {"101": reason}


def test_a_telephone_that_is_not_there(pbx: Pbx) -> None:
    ivan = in_queue(pbx)
    phone = ivan.rings("PJSIP/101")
    phone.stops("CHANUNAVAIL")
    phone.is_gone(20)
    assert pbx.reasons() == {"101": "failed"}


def test_two_devices_of_one_operator_are_one_ringing(pbx: Pbx) -> None:
    ivan = in_queue(pbx)
    desk, softphone = ivan.rings("PJSIP/101"), ivan.rings("PJSIP/99101")
    softphone.answers()
    desk.is_cancelled()
    ivan.leaves("complaints")
    ivan.talks_to(softphone)
    pbx.wait(5)
    softphone.is_gone()
    ivan.is_gone()

    assert len(pbx.of(OperatorRang)) == 1
    assert [stop.reason for stop in pbx.of(OperatorStoppedRinging)] == ["answered"]
    assert len(pbx.story.legs) == 1
    assert pbx.story.legs[0].answered_at is not None


def test_one_device_busy_the_other_rings_on(pbx: Pbx) -> None:
    ivan = in_queue(pbx)
    desk, softphone = ivan.rings("PJSIP/101"), ivan.rings("PJSIP/99101")
    desk.refuses(17)
    assert not pbx.of(OperatorStoppedRinging)
    softphone.times_out()
    assert pbx.reasons() == {"101": "busy"}


def test_a_member_whose_name_is_no_number(pbx: Pbx) -> None:
    ivan = in_queue(pbx)
    bob = pbx.channel("PJSIP/bob", linkedid=ivan.uniqueid, state="Down")
    pbx.say(
        AgentCalled, channel=ivan.shown, queue="complaints", dest=bob.shown, interface="PJSIP/bob"
    )
    ivan.dials(bob)
    assert [rang.extension for rang in pbx.of(OperatorRang)] == ["bob"]


# -- Local channels -----------------------------------------------------------------------------


def test_a_local_member_is_one_leg_of_its_operator(pbx: Pbx) -> None:
    ivan = in_queue(pbx)
    one, two = ivan.rings_local("101")
    phone = two.rings("PJSIP/101")
    pbx.wait(3)
    phone.answers()
    one.answers()
    phone.enters("inner")
    two.enters("inner")
    ivan.leaves("complaints")
    one.enters("outer")
    assert not pbx.of(OperatorAnswered), "the customer is not in the talk yet"
    ivan.enters("outer")

    assert len(pbx.of(OperatorRang)) == 1
    assert len(pbx.of(OperatorAnswered)) == 1
    assert pbx.story.legs[0].extension == "101"


def test_a_local_member_that_loses(pbx: Pbx) -> None:
    ivan = in_queue(pbx)
    winner = ivan.rings("PJSIP/102")
    one, two = ivan.rings_local("101")
    phone = two.rings("PJSIP/101")
    winner.answers()
    one.is_cancelled()
    phone.is_cancelled()
    two.is_gone(26)
    assert pbx.reasons() == {"102": "answered", "101": "elsewhere"}
    assert len([s for s in pbx.of(OperatorStoppedRinging) if s.extension == "101"]) == 1


def test_a_local_member_that_times_out_though_its_inner_dial_is_cancelled(pbx: Pbx) -> None:
    ivan = in_queue(pbx)
    one, two = ivan.rings_local("101")
    phone = two.rings("PJSIP/101")
    one.times_out()
    phone.is_cancelled()
    two.is_gone()
    assert pbx.reasons() == {"101": "no_answer"}


def test_a_group_behind_a_local_rings_its_members(pbx: Pbx) -> None:
    ivan = in_queue(pbx)
    one, two = ivan.rings_local("600")
    first, second = two.rings("PJSIP/101"), two.rings("PJSIP/102")
    first.answers()
    second.is_cancelled()
    one.answers()
    ivan.leaves("complaints")
    two.talks_to(first)
    ivan.talks_to(one)
    assert [answer.extension for answer in pbx.of(OperatorAnswered)] == ["101"]
    assert pbx.reasons() == {"101": "answered", "102": "elsewhere"}, "600 is nobody"


def test_a_mobile_behind_an_operators_local_is_a_telephone_of_its_own(pbx: Pbx) -> None:
    """Follow-me: the member Local/101 dials a mobile through the trunk. Whose it is, its number says."""
    ivan = in_queue(pbx)
    one, two = ivan.rings_local("101")
    mobile = two.rings_number("PJSIP/trunk", "89115555555")
    mobile.answers()
    one.answers()
    two.talks_to(mobile)
    ivan.talks_to(one)
    assert [(leg.extension, leg.number, leg.outcome) for leg in pbx.story.legs] == [
        (None, "+79115555555", "answered")
    ]
    assert pbx.story.direction == "in"


def test_a_local_that_answers_by_itself_is_nobody(pbx: Pbx) -> None:
    """Its dialplan says Answer(), plays something, queues: as in a menu, no person has spoken."""
    ivan = in_queue(pbx)
    one, two = ivan.rings_local("101")
    one.answers()
    ivan.talks_to(one)
    assert not pbx.of(OperatorAnswered)
    phone = two.rings("PJSIP/101")
    phone.answers()
    two.talks_to(phone)
    assert [answer.extension for answer in pbx.of(OperatorAnswered)] == ["101"]


# -- transfer, pickup, parking ------------------------------------------------------------------


def talking(pbx: Pbx) -> tuple[Line, Line]:
    ivan = in_queue(pbx)
    anna = ivan.rings("PJSIP/101")
    anna.answers()
    ivan.leaves("complaints")
    ivan.talks_to(anna)
    pbx.wait(10)
    return ivan, anna


def test_blind_transfer_rings_for_the_customer(pbx: Pbx) -> None:
    ivan, anna = talking(pbx)
    anna.sends_to(ivan, "102")
    anna.is_gone()
    boris = ivan.rings("PJSIP/102")
    boris.answers()
    ivan.talks_to(boris)

    moved = pbx.of(Transferred)
    assert [(t.kind, t.from_extension, t.to) for t in moved] == [("blind", "101", "102")]
    assert {fact.call for fact in pbx.facts} == {f"main-{ivan.uniqueid}"}
    assert [leg.extension for leg in pbx.story.legs] == ["101", "102"]
    assert pbx.story.caller.e164 == "+79110000001"


def test_attended_transfer_between_two_calls(pbx: Pbx) -> None:
    """The consultation is a call of its own between employees until it is handed over."""
    ivan, anna = talking(pbx)
    anna.holds()
    second = pbx.picks_up_receiver("PJSIP/101", dials="102")
    boris = second.rings("PJSIP/102")
    boris.answers()
    second.talks_to(boris, "consultation")
    assert {fact.call for fact in pbx.facts} == {f"main-{ivan.uniqueid}"}
    assert [rang.extension for rang in pbx.of(OperatorRang)] == ["101"]

    anna.hands_over(second, ivan, boris)
    ivan.enters("consultation")
    second.exits("consultation")
    second.is_gone()
    anna.is_gone()
    pbx.wait(20)
    boris.is_gone()
    ivan.hangs_up()

    assert [(t.kind, t.to) for t in pbx.of(Transferred)] == [("attended", "102")]
    assert [answer.extension for answer in pbx.of(OperatorAnswered)] == ["101", "102"]
    assert pbx.story.outcome == "answered"
    assert not pbx.tracker.open_calls()


def test_handed_over_while_the_second_still_rings(pbx: Pbx) -> None:
    ivan, anna = talking(pbx)
    second = pbx.picks_up_receiver("PJSIP/101", dials="102")
    boris = second.rings("PJSIP/102")
    anna.hands_over(second, ivan, None)
    rang = pbx.of(OperatorRang)[-1]
    assert (rang.extension, rang.leg) == ("102", boris.uniqueid)
    assert pbx.of(Transferred)[0].to == "102"


def test_ringing_that_a_transfer_overtook(pbx: Pbx) -> None:
    """The customer rings at 102 and is sent on to 103 before anybody answers there."""
    ivan, anna = talking(pbx)
    boris = ivan.rings("PJSIP/102")
    anna.sends_to(ivan, "103")
    boris.is_cancelled(cause=0)
    assert pbx.reasons()["102"] == "transferred"


def test_a_failed_attended_transfer_returns(pbx: Pbx) -> None:
    ivan, anna = talking(pbx)
    anna.holds()
    second = pbx.picks_up_receiver("PJSIP/101", dials="102")
    second.rings("PJSIP/102").refuses(17)
    anna.hands_over(second, ivan, None, result="Fail")
    second.is_gone()
    anna.resumes()
    assert not pbx.of(Transferred)
    assert pbx.names()[-2:] == ["HeldBy", "Resumed"]
    assert len(pbx.story.legs) == 1
    assert pbx.story.legs[0].holds[0][1] is not None


def test_pickup_by_a_colleague(pbx: Pbx) -> None:
    ivan = pbx.incoming("+79110000001", to="101")
    anna = ivan.rings("PJSIP/101")
    boris = pbx.picks_up_receiver("PJSIP/103", dials="*8")
    boris.takes_ringing_of(anna)
    boris.answers()
    anna.is_gone(26)
    ivan.talks_to(boris)
    assert pbx.reasons()["101"] == "elsewhere"
    assert [answer.extension for answer in pbx.of(OperatorAnswered)] == ["103"]


def test_parked_and_taken_back_by_another(pbx: Pbx) -> None:
    ivan, anna = talking(pbx)
    ivan.exits("bridge")
    ivan.enters("lot", technology="holding_bridge")
    anna.is_gone()
    boris = pbx.picks_up_receiver("PJSIP/102", dials="701")
    pbx.say(UnparkedCall, parkee=ivan.shown, retriever=boris.shown)
    ivan.exits("lot", technology="holding_bridge")
    ivan.talks_to(boris)
    assert [answer.extension for answer in pbx.of(OperatorAnswered)] == ["101", "102"]
    assert len({fact.call for fact in pbx.facts}) == 1


def test_a_renamed_channel_is_the_same_channel(pbx: Pbx) -> None:
    ivan, anna = talking(pbx)
    pbx.say(Rename, uniqueid=anna.uniqueid, old_name="x", new_name="PJSIP/101-0000002a<ZOMBIE>")
    anna.is_gone()
    assert pbx.names()[-1] == "OperatorLeft"
    assert ivan.uniqueid in pbx.story.id


def test_two_customers_stay_two_calls(pbx: Pbx) -> None:
    """An operator brings two outside parties together: two calls, not one."""
    ivan, anna = talking(pbx)
    second = pbx.picks_up_receiver("PJSIP/101", dials="89115555555")
    maria = second.rings_number("PJSIP/trunk", "89115555555")
    maria.answers()
    second.talks_to(maria, "b2")
    anna.hands_over(second, ivan, maria)
    ivan.enters("b2")
    assert len(pbx.tracker.open_calls()) == 2


# -- the press ----------------------------------------------------------------------------------


def test_a_second_press_is_a_key_of_the_first(pbx: Pbx) -> None:
    ivan = pbx.incoming("+79110000001")
    ivan.presses_3()
    pbx.wait(20)
    ivan.presses_3()
    assert len(pbx.of(ComplaintRequested)) == 1
    assert len(pbx.of(MenuKeyPressed)) == 1


def test_the_same_press_told_twice_is_one(pbx: Pbx) -> None:
    ivan = pbx.incoming("+79110000001")
    ivan.presses_3()
    for event in pbx.events[-1:]:
        assert pbx.tracker.feed(event) == []


def test_the_press_carries_its_key_and_its_own_time(pbx: Pbx) -> None:
    ivan = pbx.incoming("+79110000001")
    ivan.presses_3(key="press3/202611211430/7-1")
    press = pbx.of(ComplaintRequested)[0]
    assert (press.key, press.uniqueid, press.evidence) == (
        "press3/202611211430/7-1",
        ivan.uniqueid,
        "unverified",
    )


def test_an_observed_menu_by_extension() -> None:
    rules = TriggerRules(observed=(ObservedRule(context="ivr-7", exten="3"),))
    pbx = Pbx(tracker=tracker(rules))
    ivan = pbx.incoming("+79110000001")
    ivan.goes_to("ivr-7", "s")
    ivan.goes_to("ivr-7", "3")
    ivan.goes_to("ivr-7", "3")  # the next priority of the same extension
    assert len(pbx.of(ComplaintRequested)) == 1
    assert not pbx.of(MenuKeyPressed)
    ivan.goes_to("ivr-7", "s")
    ivan.goes_to("ivr-7", "3")
    assert len(pbx.of(MenuKeyPressed)) == 1
    assert pbx.of(ComplaintRequested)[0].key is None


def test_an_observed_menu_by_digit_hears_only_the_caller() -> None:
    rules = TriggerRules(observed=(ObservedRule(context="from-trunk", digit="3"),))
    pbx = Pbx(tracker=tracker(rules))
    ivan = pbx.incoming("+79110000001")
    ivan.keys("1")
    anna = ivan.rings("PJSIP/101")
    anna.moves_unseen("from-trunk", "s")
    anna.keys("3")
    assert not pbx.of(ComplaintRequested)
    ivan.keys("3")
    assert pbx.of(ComplaintRequested)[0].menu == "from-trunk"


@pytest.mark.parametrize("talks", [False, True])
def test_a_key_to_the_queue_or_to_an_operator_is_none_to_the_menu(talks: bool) -> None:
    rules = TriggerRules(observed=(ObservedRule(context="ivr-7", digit="3"),))
    pbx = Pbx(tracker=tracker(rules))
    ivan = pbx.incoming("+79110000001")
    ivan.goes_to("ivr-7", "1")
    ivan.joins("sales")
    if talks:
        anna = ivan.rings("PJSIP/101")
        anna.answers()
        ivan.leaves("sales")
        ivan.talks_to(anna)
    ivan.keys("3")
    assert not pbx.of(ComplaintRequested)


def test_two_rules_and_each_menu_by_its_own() -> None:
    rules = TriggerRules(
        observed=(
            ObservedRule(context="ivr-7", exten="3"),
            ObservedRule(context="ivr-8", digit="5"),
        )
    )
    pbx = Pbx(tracker=tracker(rules))
    ivan, maria = pbx.incoming("+79110000001"), pbx.incoming("+79110000002")
    ivan.goes_to("ivr-7", "s")
    ivan.keys("3")
    ivan.keys("5")
    maria.goes_to("ivr-8", "3")
    assert not pbx.of(ComplaintRequested), "each rule is of its own menu"
    ivan.goes_to("ivr-7", "3")
    maria.keys("5")
    assert [(p.menu, p.uniqueid) for p in pbx.of(ComplaintRequested)] == [
        ("ivr-7", ivan.uniqueid),
        ("ivr-8", maria.uniqueid),
    ]


# -- which calls are kept -----------------------------------------------------------------------


def test_a_call_between_employees_is_not_kept(pbx: Pbx) -> None:
    anna = pbx.picks_up_receiver("PJSIP/101", dials="102")
    boris = anna.rings("PJSIP/102")
    boris.answers()
    anna.talks_to(boris)
    boris.is_gone()
    anna.hangs_up()
    assert pbx.facts == []


def test_it_is_kept_when_configured() -> None:
    pbx = Pbx(tracker=tracker(keep=KeepRules(internal=True)))
    anna = pbx.picks_up_receiver("PJSIP/101", dials="102")
    boris = anna.rings("PJSIP/102")
    boris.answers()
    anna.talks_to(boris)
    anna.hangs_up()
    assert (pbx.story.direction, pbx.story.outcome) == ("internal", "answered")
    assert [leg.extension for leg in pbx.story.legs] == ["102"]


def test_an_employee_in_a_watched_queue_is_kept() -> None:
    pbx = Pbx(tracker=tracker(keep=KeepRules(queues=frozenset(["complaints"]))))
    anna = pbx.picks_up_receiver("PJSIP/101", dials="800")
    anna.joins("other")
    assert pbx.facts == []
    anna.joins("complaints")
    assert pbx.names() == ["CallArrived", "QueueEntered"]


def test_an_outbound_call_is_answered_by_the_customer(pbx: Pbx) -> None:
    anna = pbx.picks_up_receiver("PJSIP/101", dials="89110000002")
    assert pbx.facts == []
    maria = anna.rings_number("PJSIP/trunk", "89110000002")
    pbx.wait(5)
    maria.answers()
    anna.talks_to(maria)
    maria.is_gone()
    assert pbx.tracker.open_calls(), "the operator is still on the line"
    anna.is_gone()
    story = pbx.story
    assert (story.direction, story.outcome) == ("out", "answered")
    assert (story.caller.raw, story.to.e164) == ("101", "+79110000002")
    assert story.first_ring_at is None


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("BUSY", "busy"),
        ("NOANSWER", "no_answer"),
        ("CHANUNAVAIL", "failed"),
        ("CANCEL", "no_answer"),
    ],
)
def test_an_outbound_call_that_is_not_answered(pbx: Pbx, status: str, outcome: str) -> None:
    anna = pbx.picks_up_receiver("PJSIP/101", dials="89110000002")
    maria = anna.rings_number("PJSIP/trunk", "89110000002")
    maria.stops(status)
    maria.is_gone(0)
    anna.is_gone()
    assert pbx.story.outcome == outcome


def test_the_second_trunk_is_tried(pbx: Pbx) -> None:
    anna = pbx.picks_up_receiver("PJSIP/101", dials="89110000002")
    dead = anna.rings_number("PJSIP/trunk", "89110000002")
    dead.stops("CONGESTION")
    dead.is_gone(34)
    maria = anna.rings_number("PJSIP/backup", "89110000002")
    maria.answers()
    anna.talks_to(maria)
    maria.is_gone()
    anna.is_gone()
    assert pbx.story.outcome == "answered"


@pytest.mark.parametrize("number", ["", "anonymous", "ivan.petrov"])
def test_callers_without_a_number(pbx: Pbx, number: str) -> None:
    ivan = pbx.incoming(number)
    ivan.presses_3()
    ivan.hangs_up()
    assert pbx.story.caller.e164 is None
    assert pbx.names() == ["CallArrived", "ComplaintRequested", "CallEnded"]


def test_the_caller_hangs_up_in_the_menu(pbx: Pbx) -> None:
    pbx.incoming("+79110000001").hangs_up()
    assert pbx.story.outcome == "abandoned"


def test_ignored_channels_are_nobody() -> None:
    pbx = Pbx(tracker=tracker(keep=KeepRules(ignore=r"^PJSIP/loop-")))
    pbx.incoming("+79110000001", trunk="PJSIP/loop").hangs_up()
    assert pbx.facts == []


# -- recordings ---------------------------------------------------------------------------------


def test_a_recording_is_told_once_and_ends_with_its_channel(pbx: Pbx) -> None:
    ivan = in_queue(pbx)
    ivan.records("/var/spool/a.wav")
    ivan.records("/var/spool/a.wav")
    ivan.hangs_up()
    assert [r.path for r in pbx.of(RecordingStarted)] == ["/var/spool/a.wav"]
    assert pbx.story.recordings[0].stopped_at is not None


def test_a_recording_begun_before_the_call_was_worth_keeping(pbx: Pbx) -> None:
    anna = pbx.picks_up_receiver("PJSIP/101", dials="89110000002")
    anna.records("/var/spool/a.wav")
    anna.rings_number("PJSIP/trunk", "89110000002")
    assert [r.path for r in pbx.of(RecordingStarted)] == ["/var/spool/a.wav"]


@dataclass(frozen=True)
class Row:
    """A row of CoreShowChannels."""

    shown: Channel
    state: str
    bridge_id: str = ""

    def __getattr__(self, name: str) -> str:
        return getattr(self.shown, name)  # type: ignore[no-any-return]


# -- gaps ---------------------------------------------------------------------------------------


def test_a_restart_of_the_pbx_ends_everything(pbx: Pbx) -> None:
    ivan = in_queue(pbx)
    ivan.rings("PJSIP/101")
    facts = pbx.tracker.restarted(pbx.now + timedelta(seconds=9))
    assert [type(f).__name__ for f in facts] == [
        "StateLost",
        "OperatorStoppedRinging",
        "QueueLeft",
        "CallEnded",
    ]
    assert all(fact.recovered for fact in facts)
    assert not pbx.tracker.open_calls()
    assert pbx.tracker.restarted(pbx.now) == []


def test_reconcile_ends_what_ended_unseen(pbx: Pbx) -> None:
    ivan, anna = talking(pbx)
    asked_at = pbx.now
    pbx.wait(60)
    maria = pbx.incoming("+79110000009")
    facts = pbx.tracker.end_missing({anna.uniqueid}, asked_at)
    assert [type(f).__name__ for f in facts] == ["OperatorLeft", "CallEnded"]
    assert all(fact.recovered and ivan.uniqueid in fact.call for fact in facts)
    assert pbx.tracker.open_calls() == {f"main-{maria.uniqueid}"}, "it is younger than the list"


def test_a_call_taken_up_in_the_middle(pbx: Pbx) -> None:
    """press3 was started while he waited: the next event on his channel makes it known."""
    deaf = Pbx()
    ivan = in_queue(deaf)
    ivan.pbx = pbx
    pbx.now = START + timedelta(minutes=2)
    phone = ivan.rings("PJSIP/101")
    assert pbx.names() == ["CallArrived", "OperatorRang"]
    assert pbx.story.id == f"main-{ivan.uniqueid}"
    assert pbx.story.started_at == START
    phone.answers()
    ivan.talks_to(phone)
    ivan.hangs_up()
    assert pbx.story.outcome == "answered"


def test_a_call_found_in_the_channel_list(pbx: Pbx) -> None:
    """It began in a gap: its telephone rings now, so the operator gets his pop now."""
    deaf = Pbx()
    ivan = in_queue(deaf)
    ringing = ivan.rings("PJSIP/101")
    rows = [Row(line.shown, state) for line, state in ((ringing, "Ringing"), (ivan, "Up"))]
    facts = pbx.tracker.join(rows, deaf.now)
    assert [type(fact).__name__ for fact in facts] == ["CallArrived", "OperatorRang"]
    assert all(fact.recovered for fact in facts)
    (leg,) = stories_of(facts)[facts[0].call].legs
    assert (leg.extension, leg.rang_at, leg.outcome) == ("101", None, None)
    assert pbx.tracker.join(rows, deaf.now) == []


def test_a_talk_found_in_the_channel_list(pbx: Pbx) -> None:
    deaf = Pbx()
    ivan, anna = talking(deaf)
    rows = [Row(line.shown, "Up", bridge_id="b") for line in (ivan, anna)]
    facts = pbx.tracker.join(rows, deaf.now)
    assert [type(fact).__name__ for fact in facts] == ["CallArrived", "OperatorAnswered"]


def made_for(dead_or_unseen: str) -> Line:
    """A channel in a talk that shows nothing of itself but whom it was made for."""
    line = Pbx().channel("PJSIP/trunk", linkedid=dead_or_unseen, caller_number="+79110000007")
    line.shown = line.shown._replace(state="Up", context="from-trunk", exten="74951234567")
    return line


def test_a_channel_made_for_an_unseen_one_is_no_caller_of_its_own(pbx: Pbx) -> None:
    """Birth and dialling of a follow-me mobile were lost; the caller is met after it."""
    deaf = Pbx(now=START - timedelta(minutes=1))
    ivan = deaf.incoming("+79110000001")
    mobile = made_for(ivan.uniqueid)
    mobile.pbx = ivan.pbx = pbx
    mobile.enters("b")
    assert pbx.facts == []
    mobile.is_gone()
    ivan.joins("complaints")
    ivan.hangs_up()
    assert [each.caller.raw for each in pbx.of(CallArrived)] == ["+79110000001"]
    assert len(pbx.of(CallEnded)) == 1


def test_a_caller_linked_to_a_channel_that_is_gone_is_found_in_the_list(pbx: Pbx) -> None:
    """A transfer of long ago made the link: nobody else is the caller now."""
    ivan = made_for(f"{int(START.timestamp()) - 60}.7")
    anna = Pbx(now=START + timedelta(seconds=1)).channel(
        "PJSIP/101", linkedid=ivan.shown.linkedid, state="Up", caller_number="101"
    )
    rows = [Row(line.shown, "Up", bridge_id="b") for line in (ivan, anna)]
    facts = pbx.tracker.join(rows, pbx.now)
    assert [type(fact).__name__ for fact in facts] == ["CallArrived", "OperatorAnswered"]


def test_a_press_of_a_channel_made_for_an_unseen_one_is_a_callers(pbx: Pbx) -> None:
    ivan = made_for(f"{int(START.timestamp()) - 60}.7")
    ivan.pbx = pbx
    ivan.enters("b")
    ivan.presses_3()
    assert pbx.names() == ["CallArrived", "ComplaintRequested"]


def test_an_answer_in_the_gap_is_found_in_the_channel_list(pbx: Pbx) -> None:
    """He was ringing when the link was lost and talks now: his card must not ring on."""
    ivan = in_queue(pbx)
    phone = ivan.rings("PJSIP/101")
    rows = [Row(line.shown, "Up", bridge_id="b") for line in (ivan, phone)]
    facts = pbx.tracker.join(rows, pbx.now)
    assert [type(fact).__name__ for fact in facts] == [
        "OperatorStoppedRinging",
        "QueueLeft",
        "OperatorAnswered",
    ]
    assert pbx.tracker.join(rows, pbx.now) == []
    ivan.hangs_up()
    assert pbx.tracker.open_calls() == set()


def test_events_of_the_dead_bring_nobody_back(pbx: Pbx) -> None:
    ivan, _ = talking(pbx)
    ivan.hangs_up()
    told = len(pbx.facts)
    ivan.joins("complaints")
    ivan.presses_3()
    ivan.enters("b")
    ivan.is_gone()
    assert len(pbx.facts) == told


def test_a_call_knows_its_events(pbx: Pbx) -> None:
    ivan, anna = talking(pbx)
    anna.is_gone()
    ivan.hangs_up()
    assert {pbx.tracker.call_of(event) for event in pbx.events} == {f"main-{ivan.uniqueid}"}


def test_nothing_is_kept_after_the_end(pbx: Pbx) -> None:
    for _ in range(3):
        ivan, anna = talking(pbx)
        anna.is_gone()
        ivan.hangs_up()
    assert pbx.tracker._graph.channels == {}
    assert pbx.tracker._board.live_calls == {}
    assert pbx.tracker._graph._bridges == {}
    assert len(pbx.of(CallEnded)) == 3
