"""What an operator asks outside on a second line, and hands the customer over to."""

import pytest

from tests.calls.builders import Pbx, stories_of


@pytest.mark.parametrize("ends", ["mobile", "caller"])
@pytest.mark.parametrize("line", ["customer's", "second"])
def test_a_mobile_that_was_asked_on_a_second_line_gets_the_customer(line: str, ends: str) -> None:
    """The consultation was answered and stays a call; the customer's has the mobile's leg as well."""
    pbx = Pbx()
    ivan = pbx.incoming("+79110000001")
    anna = ivan.rings("PJSIP/101")
    anna.answers()
    ivan.talks_to(anna)
    second = pbx.picks_up_receiver("PJSIP/101", dials="89110000009")
    mobile = second.rings_number("PJSIP/trunk", "89110000009")
    mobile.is_up()
    mobile.answers()
    second.talks_to(mobile, "b2")
    pbx.wait(10)
    if line == "second":
        second.hands_over(anna, mobile, ivan)
    else:
        anna.hands_over(second, ivan, mobile)
    anna.is_gone()
    second.is_gone()
    ivan.enters("b2")
    pbx.wait(30)
    first, last = (mobile, ivan) if ends == "mobile" else (ivan, mobile)
    first.hangs_up()
    pbx.wait(5)
    last.is_gone()
    stories = stories_of(pbx.facts)
    customers = next(story for story in stories.values() if story.direction == "in")
    asked = next(story for story in stories.values() if story.direction == "out")
    assert [(leg.telephone, leg.outcome) for leg in customers.legs] == [
        ("101", "answered"),
        ("+79110000009", "answered"),
    ]
    leg = customers.legs[1]
    assert leg.answered_at is not None
    assert leg.ended_at is not None
    assert (leg.ended_at - leg.answered_at).total_seconds() == pytest.approx(30, abs=0.1)
    assert customers.ended_by == ("operator" if ends == "mobile" else "caller")
    assert [leg.telephone for leg in asked.legs] == ["101"]
    assert asked.outcome == "answered"
