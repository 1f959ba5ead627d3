"""Which side ended a call, and what becomes of one that the PBX ends."""

import pytest

from tests.calls.builders import Line, Pbx


def answered(pbx: Pbx) -> tuple[Line, Line]:
    ivan = pbx.incoming("+79110000001")
    phone = ivan.rings("PJSIP/101")
    phone.answers()
    ivan.talks_to(phone)
    return ivan, phone


def end(pbx: Pbx) -> tuple[str | None, str | None]:
    return pbx.story.outcome, pbx.story.ended_by


def test_who_hangs_up_first_ends_the_call() -> None:
    for first in (0, 1):
        pbx = Pbx()
        lines = answered(pbx)
        lines[first].asks_to_hang_up()
        lines[1 - first].asks_to_hang_up()  # his own BYE crosses Asterisk's
        for line in lines:
            line.is_gone()
        assert end(pbx) == ("answered", ("caller", "operator")[first])


def test_the_pbx_ends_a_talk() -> None:
    pbx = Pbx()
    for line in answered(pbx):
        line.is_gone()
    assert end(pbx) == ("answered", "pbx")


def test_a_caller_abandons_and_a_pbx_ends() -> None:
    """Closed at night, blocked, sent to an announcement: the dialplan hangs up."""
    for asks, expected in ((True, ("abandoned", "caller")), (False, ("closed", "pbx"))):
        pbx = Pbx()
        ivan = pbx.incoming("+79110000001")
        ivan.goes_to("closed", "s")
        if asks:
            ivan.asks_to_hang_up()
        ivan.is_gone()
        assert end(pbx) == expected


def test_the_pbx_ends_a_call_that_waits() -> None:
    pbx = Pbx()
    ivan = pbx.incoming("+79110000001")
    ivan.joins("complaints")
    ivan.leaves("complaints", abandon=True)
    ivan.is_gone()
    assert end(pbx) == ("closed", "pbx")


def test_nobody_knows_who_hung_up_on_a_line_that_does_not_say() -> None:
    pbx = Pbx()
    pbx.incoming("+79110000001", trunk="DAHDI/1").is_gone()
    assert end(pbx) == ("abandoned", None)


def test_an_operator_who_is_followed_by_another_ended_nothing() -> None:
    pbx = Pbx()
    ivan, phone = answered(pbx)
    phone.sends_to(ivan, "103")
    phone.hangs_up()
    second = ivan.rings("PJSIP/103")
    second.times_out()
    ivan.is_gone()
    assert end(pbx) == ("answered", "pbx")


@pytest.mark.parametrize("side", ["operator", "caller"])
def test_an_outgoing_call(side: str) -> None:
    pbx = Pbx()
    phone = pbx.picks_up_receiver("PJSIP/101", "89110000001")
    ivan = phone.rings_number("PJSIP/trunk", "89110000001")
    ivan.answers()
    phone.talks_to(ivan)
    first, second = (phone, ivan) if side == "operator" else (ivan, phone)
    first.hangs_up()
    second.is_gone()
    assert end(pbx) == ("answered", side)


def test_an_operator_gives_up_calling() -> None:
    pbx = Pbx()
    phone = pbx.picks_up_receiver("PJSIP/101", "89110000001")
    ivan = phone.rings_number("PJSIP/trunk", "89110000001")
    phone.asks_to_hang_up()
    ivan.is_cancelled()
    phone.is_gone()
    assert end(pbx) == ("no_answer", "operator")


def is_taken_back(pbx: Pbx) -> Line:
    """Dial() takes the ringing back, and no event says that anybody hung up."""
    ivan = pbx.incoming("+79110000001")
    phone = ivan.rings("PJSIP/101")
    phone.is_cancelled(cause=16)
    ivan.is_gone(cause=0)
    return ivan


def test_a_ringing_that_is_taken_back_was_abandoned_on_a_pbx_that_reports_no_hang_ups() -> None:
    """A filter leaves HangupRequest out, as other programs' filters do: the call and its leg say the same."""
    pbx = Pbx()
    is_taken_back(pbx)
    assert end(pbx) == ("abandoned", None)
    assert [leg.outcome for leg in pbx.story.legs] == ["abandoned"]


def test_where_hang_ups_are_reported_a_missing_one_is_the_pbxs_doing() -> None:
    pbx = Pbx()
    pbx.channel("PJSIP/102").hangs_up()
    is_taken_back(pbx)
    assert end(pbx) == ("closed", "pbx")


def test_a_mobile_that_accepts_nothing_until_the_dialling_is_over_did_not_answer() -> None:
    """The caller's Dial() times out while the mobile listens to "press 1"; nobody abandons anything."""
    pbx = Pbx()
    ivan = pbx.incoming("+79110000001")
    one, two = ivan.rings_local("ID3", "fixed-destination")
    mobile = two.rings_number("PJSIP/trunk", "89110000009")
    mobile.is_up()
    mobile.stops("ANSWER")
    one.times_out()
    ivan.is_gone(cause=19)
    mobile.is_gone()
    two.is_gone()
    assert end(pbx) == ("no_answer", "pbx")
    assert [leg.outcome for leg in pbx.story.legs] == ["no_answer"]
