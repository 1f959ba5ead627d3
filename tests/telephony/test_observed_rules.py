"""`[[ivr.observe]]` and the logs: what of the configuration belongs to which PBX."""

import pytest
from pydantic import ValidationError

from calls.numbers import NumberRules
from press3.config.settings import Settings
from press3.menu_files import render_files
from press3.telephony_parts import logs_by_pbx, trigger_rules

TWO = Settings(
    asterisk=[
        {"name": "main", "secret": "s3cret", "queue_log": "/var/log/main/queue_log"},
        {"name": "branch", "secret": "s3cret", "cdr": "/var/log/branch/Master.csv"},
    ],  # type: ignore[list-item]
    ivr={
        "members": ["PJSIP/101"],
        "observe": [
            {"asterisk": "main", "context": "ivr-7", "exten": "3", "leads_to": "600"},
            {"asterisk": "branch", "context": "ivr-8", "digit": "3"},
            {"context": "ivr-9", "exten": "3", "leads_to": "900"},
        ],
    },  # type: ignore[arg-type]
)


def test_each_pbx_watches_its_own_menus_and_those_of_all() -> None:
    watched = {
        pbx: [rule.context for rule in trigger_rules(TWO, pbx).observed]
        for pbx in ("main", "branch")
    }
    assert watched == {"main": ["ivr-7", "ivr-9"], "branch": ["ivr-8", "ivr-9"]}


def test_the_events_of_a_menu_are_asked_of_its_own_pbx() -> None:
    files = render_files(TWO)
    main, branch = files["main/manager_press3.conf"], files["branch/manager_press3.conf"]
    assert ("ivr\\-7" in main, "ivr\\-8" in main, "ivr\\-9" in main) == (True, False, True)
    assert ("ivr\\-7" in branch, "ivr\\-8" in branch, "ivr\\-9" in branch) == (False, True, True)
    for text in (main, branch):
        rights = next(line for line in text.splitlines() if line.startswith("read = "))
        assert {"dialplan", "dtmf"} <= set(rights.removeprefix("read = ").split(","))


def test_each_pbx_has_its_own_logs_and_queues() -> None:
    logs = logs_by_pbx(TWO, NumberRules())
    main, branch = logs["main"], logs["branch"]
    assert [log.name for log in main.logs] == ["queue_log"]
    assert [log.name for log in branch.logs] == ["CDR"]
    assert (main.queues, main.is_shown) == ({"600", "900"}, True)
    assert (branch.queues, branch.is_shown) == ({"900"}, False), "ivr-8 leads nowhere of its own"


@pytest.mark.parametrize(
    "rule", [{"context": "ivr-7"}, {"context": "i", "exten": "3", "digit": "3"}]
)
def test_a_rule_is_an_extension_or_a_digit(rule: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="one of them"):
        Settings(ivr={"observe": [rule]})  # type: ignore[arg-type]
