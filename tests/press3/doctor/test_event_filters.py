"""What an AMI account gets, judged by its lines as Asterisk applies them."""

import re

import pytest

from ami.parser import WANTED
from ivr.manager import render_manager
from ivr.menu import AmiAccount, ObservedMenu
from press3.doctor.event_filters import (
    FOREIGN,
    WithoutMeaning,
    kept_back,
    passes,
    wanted_samples,
)

HANGUP = "Event: Hangup\r\nPrivilege: call,all\r\nChannel: PJSIP/101-1\r\n"


def rendered(*observed: str) -> list[str]:
    account = AmiAccount(username="press3", secret="x")
    text = render_manager(account, [ObservedMenu(context=context) for context in observed])
    return re.findall(r"^eventfilter = (.*)$", text, re.M)


def test_the_rendered_filters_let_through_what_is_read_and_no_more() -> None:
    assert kept_back(rendered("ivr-7"), ["ivr-7"]) == []
    assert kept_back(rendered(), ["ivr-7"]) == ["Newexten in ivr-7"]
    assert not [kind for kind, event in FOREIGN.items() if passes(rendered("ivr-7"), event)]


def test_every_wanted_type_has_a_sample() -> None:
    named = {name.split()[0].encode() for name in wanted_samples(["c"])}
    assert named == WANTED


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ([], True),
        (["Event: Hangup"], True),
        (["Event: Newchannel"], False),
        (["!Event: Hangup"], False),
        (["!Event: Newchannel"], True),
        (["Event: Hangup", "!Channel: PJSIP/101"], False),
        (["Event: Hangup", "!Channel: PJSIP/102"], True),
        (["^Event: Hangup[[:cntrl:]].*Channel: PJSIP/[[:digit:]]+-"], True),
        (["^Channel: "], False),
    ],
)
def test_filters_mean_what_asterisk_says(filters: list[str], expected: bool) -> None:
    assert passes(filters, HANGUP) is expected


def test_a_filter_that_is_no_expression_here_is_not_judged() -> None:
    with pytest.raises(WithoutMeaning):
        passes(["(Event"], HANGUP)
