"""Which lines the doctor names: read otherwise than by their names."""

import pytest

from ami import events as ami
from ami.events import Event
from calls.misread import Doubt, doubts
from calls.numbers import NumberRules
from tests.calls.builders import START, Pbx
from tests.calls.test_traces import ALL
from tests.calls.traces import events_of

RULES = NumberRules()
STRANGER = "+79245555937"


def enters(name: str, number: str, context: str) -> list[Event]:
    pbx = Pbx(now=START)
    pbx.channel(name, state="Ring", caller_number=number, context=context, exten="74950000000")
    return pbx.events


def dialled(name: str, dial_string: str) -> list[Event]:
    pbx = Pbx(now=START)
    anna = pbx.picks_up_receiver("PJSIP/101", "89110000001")
    dest = pbx.channel(name, linkedid=anna.uniqueid, state="Down", caller_number="89110000001")
    pbx.say(ami.DialBegin, source=anna.shown, dest=dest.shown, dial_string=dial_string)
    return pbx.events


@pytest.mark.parametrize(
    ("events", "doubt"),
    [
        (
            enters("PJSIP/211553", STRANGER, "from-trunk"),
            Doubt("named_like_a_telephone", "PJSIP/211553", "from-trunk"),
        ),
        (
            dialled("PJSIP/211553", "89110000001@211553"),
            Doubt("named_like_a_telephone", "PJSIP/211553", ""),
        ),
        (
            enters("PJSIP/101", STRANGER, "from-internal"),
            Doubt("outside_number", "PJSIP/101", "from-internal", "101"),
        ),
        (
            enters("SCCP/101", "101", "default"),
            Doubt("by_its_number", "SCCP/101", "default", "101"),
        ),
        (
            enters("PJSIP/mango", "900", "mango"),
            Doubt("by_a_guess", "PJSIP/mango", "mango", "900"),
        ),
    ],
)
def test_a_line_that_is_read_by_more_than_its_name(events: list[Event], doubt: Doubt) -> None:
    assert doubts(RULES, events) == [doubt]
    assert doubts(RULES, [*events, *events]) == [doubt], "said once"


def test_what_the_configuration_says_is_no_doubt() -> None:
    known = NumberRules(trunks=["^PJSIP/211553-"], trunk_contexts=["mango"])
    assert doubts(known, enters("PJSIP/211553", STRANGER, "from-trunk")) == []
    assert doubts(known, enters("PJSIP/mango", "900", "mango")) == []


@pytest.mark.parametrize("trace", ALL)
def test_our_own_lab_leaves_no_doubt(trace: str) -> None:
    assert doubts(RULES, events_of(trace)) == []
