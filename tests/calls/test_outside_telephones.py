"""Answered by an outside telephone: follow-me, groups with mobiles, overflow, with and without "press 1"."""

from dataclasses import dataclass

import pytest

from calls.story import CallStory
from tests.calls.builders import Line, Pbx, in_queue

MOBILE = "+79110000009"


@dataclass(frozen=True, kw_only=True)
class LiveRow:
    """A row of the PBX's channel list: it talks."""

    name: str
    uniqueid: str
    linkedid: str
    caller_number: str
    state: str = "Up"
    caller_name: str = ""
    context: str = ""
    exten: str = ""
    bridge_id: str = "talk"


@pytest.fixture
def pbx() -> Pbx:
    return Pbx()


def legs(story: CallStory) -> list[tuple[str, str | None, bool]]:
    return [(leg.telephone, leg.outcome, leg.answered_at is not None) for leg in story.legs]


def follow_me(ivan: Line) -> tuple[Line, Line, Line, Line, Line, Line]:
    """FreePBX: the telephone and the mobile ring at once, each behind its Local."""
    near, near2 = ivan.rings_local("FMPR-101", "from-internal")
    far, far2 = ivan.rings_local("FMGL-89110000009#", "from-internal")
    phone = near2.rings("PJSIP/101")
    mobile = far2.rings_number("PJSIP/trunk", "89110000009")
    return near, near2, far, far2, phone, mobile


def lose(near: Line, near2: Line, phone: Line) -> None:
    near.is_cancelled(26)
    phone.is_cancelled(26)
    near2.is_gone(26)


def test_follow_me_answered_at_the_mobile(pbx: Pbx) -> None:
    ivan = pbx.incoming("+79110000001")
    near, near2, far, far2, phone, mobile = follow_me(ivan)
    pbx.wait(4)
    mobile.answers()
    far2.talks_to(mobile)
    far.answers()
    lose(near, near2, phone)
    ivan.talks_to(far)
    pbx.wait(60)
    ivan.hangs_up()
    story = pbx.story
    assert (story.outcome, story.ended_by, story.direction) == ("answered", "caller", "in")
    assert legs(story) == [("101", "elsewhere", False), (MOBILE, "answered", True)]
    talked = story.legs[1]
    assert (talked.extension, talked.number) == (None, MOBILE)
    assert story.ended_at is not None
    assert story.answered_at is not None
    assert (story.ended_at - story.answered_at).total_seconds() == pytest.approx(60, abs=0.1)


def test_follow_me_answered_at_the_telephone(pbx: Pbx) -> None:
    ivan = pbx.incoming("+79110000001")
    near, near2, far, far2, phone, mobile = follow_me(ivan)
    phone.answers()
    near2.talks_to(phone)
    near.answers()
    far.is_cancelled(26)
    mobile.is_cancelled(26)
    far2.is_gone(26)
    ivan.talks_to(near)
    assert legs(pbx.story) == [("101", "answered", True), (MOBILE, "elsewhere", False)]


def test_a_mobile_that_does_not_press_1_has_not_answered(pbx: Pbx) -> None:
    """Its voice box lifts; the telephone answers afterwards."""
    ivan = pbx.incoming("+79110000001")
    near, near2, far, far2, phone, mobile = follow_me(ivan)
    mobile.answers()
    pbx.wait(5)
    mobile.hangs_up()
    far2.is_gone()
    far.refuses(16)
    phone.answers()
    near2.talks_to(phone)
    near.answers()
    ivan.talks_to(near)
    assert legs(pbx.story) == [("101", "answered", True), (MOBILE, "no_answer", False)]


def test_who_is_asked_to_press_1_while_the_telephone_answers(pbx: Pbx) -> None:
    """The subroutine goes on after the Local was taken back, and ends with a status of its own."""
    ivan = pbx.incoming("+79110000001")
    near, near2, far, far2, phone, mobile = follow_me(ivan)
    mobile.is_up()
    phone.answers()
    far.stops("CANCEL")
    far.is_gone(26)
    near.answers()
    near2.talks_to(phone)
    ivan.talks_to(near)
    mobile.stops("CONGESTION")
    mobile.is_gone(16)
    far2.is_gone(26)
    assert legs(pbx.story) == [("101", "answered", True), (MOBILE, "elsewhere", False)]


def test_who_presses_nothing_was_not_out_of_order(pbx: Pbx) -> None:
    ivan = pbx.incoming("+79110000001")
    mobile = ivan.rings_number("PJSIP/trunk", "89110000009")
    mobile.is_up()
    mobile.stops("CONGESTION")
    mobile.is_gone(16)
    assert legs(pbx.story) == [(MOBILE, "no_answer", False)]


def test_a_mobile_dialled_directly_that_does_not_press_1(pbx: Pbx) -> None:
    """Dial(PJSIP/89110000009@trunk,,U(confirm)): lifted, never connected. The story does not contradict itself."""
    ivan = pbx.incoming("+79110000001")
    mobile = ivan.rings_number("PJSIP/trunk", "89110000009")
    mobile.answers()
    mobile.hangs_up()
    ivan.hangs_up()
    assert legs(pbx.story) == [(MOBILE, "no_answer", False)]
    assert (pbx.story.outcome, pbx.story.answered_at) == ("abandoned", None)


def test_a_did_that_is_sent_to_a_mobile(pbx: Pbx) -> None:
    ivan = pbx.incoming("+79110000001")
    mobile = ivan.rings_number("PJSIP/trunk", "89110000009")
    pbx.wait(3)
    mobile.answers()
    ivan.talks_to(mobile)
    pbx.wait(9)
    mobile.hangs_up()
    ivan.is_gone()
    story = pbx.story
    assert (story.outcome, story.ended_by) == ("answered", "operator")
    assert legs(story) == [(MOBILE, "answered", True)]
    assert story.legs[0].rang_at is not None


@pytest.mark.parametrize("deep", [False, True])
def test_a_queue_member_that_follows_its_employee(pbx: Pbx, deep: bool) -> None:
    """`Local/101@from-queue/n`, with a second Local behind the first."""
    ivan = in_queue(pbx)
    outer, outer2 = ivan.rings_local("101")
    near, near2 = outer2.rings_local("FMPR-101", "from-internal")
    far, far2 = outer2.rings_local("FMGL-89110000009#", "from-internal")
    phone = near2.rings("PJSIP/101")
    source = far2
    if deep:
        far3, source = far2.rings_local("89110000009", "outbound")
    mobile = source.rings_number("PJSIP/trunk", "89110000009")
    mobile.answers()
    source.talks_to(mobile)
    if deep:
        far3.answers()
        far2.talks_to(far3)
    far.answers()
    lose(near, near2, phone)
    outer2.talks_to(far)
    outer.answers()
    ivan.leaves("complaints")
    assert pbx.story.answered_at is None
    ivan.talks_to(outer)
    ivan.hangs_up()
    story = pbx.story
    assert legs(story) == [("101", "elsewhere", False), (MOBILE, "answered", True)]
    assert (story.outcome, story.stays[0].reason) == ("answered", "answered")
    assert story.stays[0].left_at is not None


def test_two_at_once_behind_two_locals_and_one_was_too_late(pbx: Pbx) -> None:
    ivan = pbx.incoming("+79110000001")
    near, near2, far, far2, phone, mobile = follow_me(ivan)
    phone.answers()  # its Local is not taken: the mobile was faster
    mobile.answers()
    far2.talks_to(mobile)
    far.answers()
    lose(near, near2, phone)
    ivan.talks_to(far)
    assert legs(pbx.story) == [("101", "elsewhere", False), (MOBILE, "answered", True)]


def test_a_mobile_that_is_itself_a_queue_member(pbx: Pbx) -> None:
    ivan = in_queue(pbx)
    mobile = ivan.makes("PJSIP/trunk")
    mobile.is_member(ivan, "PJSIP/89110000009@trunk")
    mobile.answers()
    mobile.connects(ivan, "complaints")
    ivan.leaves("complaints")
    ivan.talks_to(mobile)
    assert legs(pbx.story) == [(MOBILE, "answered", True)]


def test_a_blind_transfer_to_a_mobile(pbx: Pbx) -> None:
    ivan = pbx.incoming("+79110000001")
    anna = ivan.rings("PJSIP/101")
    anna.answers()
    ivan.talks_to(anna)
    anna.sends_to(ivan, "89110000009")
    anna.hangs_up()
    mobile = ivan.rings_number("PJSIP/trunk", "89110000009")
    mobile.answers()
    ivan.talks_to(mobile)
    ivan.hangs_up()
    assert legs(pbx.story) == [("101", "answered", True), (MOBILE, "answered", True)]


def test_an_outgoing_call_that_is_sent_on_to_a_mobile(pbx: Pbx) -> None:
    anna = pbx.picks_up_receiver("PJSIP/101", "89110000001")
    ivan = anna.rings_number("PJSIP/trunk", "89110000001")
    ivan.answers()
    anna.talks_to(ivan)
    anna.sends_to(ivan, "89110000009")
    anna.hangs_up()
    mobile = ivan.rings_number("PJSIP/trunk", "89110000009")
    mobile.answers()
    ivan.talks_to(mobile)
    ivan.hangs_up()
    mobile.is_gone()
    assert (pbx.story.direction, pbx.story.to.e164) == ("out", "+79110000001")
    assert legs(pbx.story) == [("101", "answered", True), (MOBILE, "answered", True)]


def test_a_mobile_found_talking_after_a_gap(pbx: Pbx) -> None:
    ivan = pbx.incoming("+79110000001")
    pbx.wait(30)
    mobile = LiveRow(
        name="PJSIP/trunk-00000009",
        uniqueid=f"{int(pbx.now.timestamp())}.9",
        linkedid=ivan.uniqueid,
        caller_number="89110000009",
    )
    caller = LiveRow(
        name=ivan.shown.name,
        uniqueid=ivan.uniqueid,
        linkedid=ivan.uniqueid,
        caller_number="+79110000001",
    )
    pbx.facts += pbx.tracker.join([caller, mobile], pbx.now)
    ivan.hangs_up()
    assert legs(pbx.story) == [(MOBILE, "answered", True)]
    assert pbx.story.outcome == "answered"


def test_a_telephone_that_sends_the_call_on(pbx: Pbx) -> None:
    """302 of the set, call forward."""
    ivan = in_queue(pbx)
    phone = ivan.rings("PJSIP/101")
    one, two = pbx_local(ivan, "103")
    phone.forwards("103@from-internal")
    ivan.dials(one)
    phone.is_gone(0)
    other = two.rings("PJSIP/103")
    other.answers()
    two.talks_to(other)
    one.answers()
    ivan.leaves("complaints")
    ivan.talks_to(one)
    assert legs(pbx.story) == [("101", "forwarded", False), ("103", "answered", True)]


def pbx_local(ivan: Line, exten: str) -> tuple[Line, Line]:
    return ivan.makes_local(exten, "from-internal")


def test_a_person_is_one_leg_whatever_the_member_is_called(pbx: Pbx) -> None:
    ivan = in_queue(pbx)
    for exten, context in (
        ("9990", "MemberConnector"),
        ("id-9", "agentcallback"),
        ("81ea4378-1647-4c51-9d5e-000000000001", "usersharedlines"),
    ):
        one, two = ivan.rings_local(exten, context)
        one.is_member(ivan, f"Local/{exten}@{context}")
        phone = two.rings("PJSIP/101")
        one.times_out()
        phone.is_cancelled(0)
        two.is_gone(0)
    assert legs(pbx.story) == [("101", "no_answer", False)] * 3
    assert [leg.round for leg in pbx.story.legs] == [1, 2, 3]


# -- a queue within a queue ---------------------------------------------------------------------


def inner_queue(ivan: Line) -> tuple[Line, Line]:
    """606 is a queue, and a member of the queue in which the caller waits."""
    one, two = ivan.rings_local("606")
    one.is_member(ivan, "Local/606@from-queue/n")
    two.joins("606")
    return one, two


def stays(story: CallStory) -> list[tuple[str, str | None]]:
    return [(stay.queue, stay.reason) for stay in story.stays]


def test_a_queue_in_a_queue_is_a_stay_within_the_same_wait(pbx: Pbx) -> None:
    ivan = in_queue(pbx)
    one, two = inner_queue(ivan)
    phone = two.rings("PJSIP/101")
    pbx.wait(10)
    assert stays(pbx.story) == [("complaints", None), ("606", None)]
    phone.answers()
    two.leaves("606")
    two.talks_to(phone)
    one.answers()
    ivan.leaves("complaints")
    ivan.talks_to(one)
    ivan.hangs_up()
    story = pbx.story
    assert stays(story) == [("complaints", "answered"), ("606", "answered")]
    assert legs(story) == [("101", "answered", True)]
    assert story.queue == "complaints"
    assert story.queue_wait_s == pytest.approx(10, abs=0.1)
    assert story.outcome == "answered"
    assert story.queue_left_at is not None


def test_an_inner_queue_that_answers_before_anybody_does(pbx: Pbx) -> None:
    """FreePBX: Answer() comes before Queue(), so the outer queue believes that its member talks."""
    ivan = in_queue(pbx)
    one, two = ivan.rings_local("606")
    one.is_member(ivan, "Local/606@from-queue/n")
    one.answers()
    one.connects(ivan, "complaints")
    ivan.leaves("complaints")
    ivan.talks_to(one)
    two.joins("606")
    phone = two.rings("PJSIP/101")
    pbx.wait(7)
    assert pbx.story.answered_at is None
    assert stays(pbx.story) == [("complaints", None), ("606", None)]
    phone.answers()
    two.leaves("606")
    two.talks_to(phone)
    story = pbx.story
    assert stays(story) == [("complaints", "answered"), ("606", "answered")]
    assert story.queue_left_at == story.answered_at
    assert legs(story) == [("101", "answered", True)]


def test_an_inner_queue_that_gives_up_lets_the_outer_go_on(pbx: Pbx) -> None:
    ivan = in_queue(pbx)
    one, two = inner_queue(ivan)
    phone = two.rings("PJSIP/101")
    phone.times_out()
    one.stops("NOANSWER")  # the outer queue's patience with this member
    two.leaves("606", abandon=True)
    two.hears_status("ABANDON")
    two.is_gone()
    one.is_gone()
    assert stays(pbx.story) == [("complaints", None), ("606", "timeout")]
    other = ivan.rings("PJSIP/102")
    other.answers()
    ivan.leaves("complaints")
    ivan.talks_to(other)
    assert stays(pbx.story) == [("complaints", "answered"), ("606", "timeout")]


def test_who_gives_up_leaves_both_queues(pbx: Pbx) -> None:
    ivan = in_queue(pbx)
    one, two = inner_queue(ivan)
    ivan.asks_to_hang_up()
    one.is_cancelled(0)
    two.leaves("606", abandon=True)
    two.is_gone()
    ivan.leaves("complaints", abandon=True)
    ivan.is_gone()
    assert stays(pbx.story) == [("complaints", "abandoned"), ("606", "abandoned")]
    assert (pbx.story.outcome, pbx.story.legs) == ("abandoned", ())


def test_a_ring_group_as_a_member_has_no_leg_of_its_own(pbx: Pbx) -> None:
    ivan = in_queue(pbx)
    one, two = ivan.rings_local("690")
    one.is_member(ivan, "Local/690@from-queue/n")
    first, second = two.rings("PJSIP/101"), two.rings("PJSIP/102")
    first.answers()
    second.is_cancelled()
    two.talks_to(first)
    one.answers()
    ivan.leaves("complaints")
    ivan.talks_to(one)
    assert legs(pbx.story) == [("101", "answered", True), ("102", "elsewhere", False)]
