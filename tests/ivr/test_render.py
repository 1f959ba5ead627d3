"""The rendered files as text: order, places, and nothing from the configuration that could escape."""

import re
from dataclasses import replace
from typing import Any

import pytest

from ami.parser import WANTED
from ivr.menu import Action, AmiAccount, Menu, ObservedMenu, Prompts
from ivr.render import render

ACCOUNT = AmiAccount(username="press3", secret="s3cret")
EXISTING = Menu(queue="complaints")


def extensions(menu: Menu = EXISTING) -> str:
    return render(menu, ACCOUNT)["extensions_press3.conf"]


def section(text: str, name: str) -> str:
    found = re.search(rf"^\[{name}\]\n(.*?)(?=^\[|\Z)", text, re.M | re.S)
    assert found, f"no [{name}]"
    return found[1]


def test_the_files_of_the_contract() -> None:
    assert set(render(EXISTING, ACCOUNT)) == {
        "extensions_press3.conf",
        "manager_press3.conf",
        "queues_press3.conf",
        "README.txt",
    }


def test_both_contexts_are_entered_at_s() -> None:
    for context in ("press3-menu", "press3-complaint"):
        assert "exten => s,1," in section(extensions(), context)


def test_nothing_is_told_before_the_press_is_written() -> None:
    complaint = section(extensions(), "press3-complaint")
    order = [
        "hangup_handler_push",  # the first step: a hang-up ends the dialplan between any two
        "Set(__P3KEY=press3/",
        "QueueLog(",
        "Set(DB(${P3KEY})=",
        "UserEvent(Press3,Key: ${P3KEY},At: ${P3AT},Queue: complaints)",
        "MixMonitor(",
        "Playback(one-moment-please)",
        "Wait(",
        "DB_EXISTS(",
        "Playback(auth-thankyou)",
        "/enter)=",
        "Queue(complaints",
    ]
    places = [complaint.index(step) for step in order]
    assert places == sorted(places)


def test_member_gosub_stands_at_its_place_of_either_version() -> None:
    calls = re.findall(r"Queue\((.*)\)", section(extensions(), "press3-complaint"))
    places = sorted(call.split(",").index("press3-answered") + 1 for call in calls)
    assert places == [7, 8]


def test_three_is_always_the_complaint_and_other_keys_do_what_they_say() -> None:
    keys = {"1": Action.parse("queue:sales"), "0": Action.parse("goto:from-internal,101,1")}
    menu = section(extensions(replace(EXISTING, keys=keys)), "press3-menu")
    three = menu[menu.index("exten => 3,1,") :].partition("exten")[2].partition("exten =>")[0]
    assert "hangup_handler_push" in three.splitlines()[0], "before anything else"
    assert "Goto(press3-complaint,s,1)" in three.splitlines()[2]
    assert "exten => 1,1,Queue(sales,t)" in menu
    assert "exten => 0,1,Goto(from-internal,101,1)" in menu


def test_caller_text_reaches_neither_a_path_nor_a_shell() -> None:
    text = extensions()
    assert "System(" not in text
    recorder = next(line for line in text.splitlines() if "MixMonitor(" in line)
    assert "CALLERID" not in recorder
    for line in text.splitlines():
        for found in re.finditer(r"\$\{CALLERID\(\w+\)\}", line):
            before = line[: found.start()]
            assert before.endswith(("=", "FILTER(0-9+*#,")), line
    assert "${P3NAME}" not in text


def test_every_line_is_a_comment_a_section_or_a_step() -> None:
    step = re.compile(r"(exten => \w+,1|same => n)(\(\w+\))?,\w+\(.*\)")
    for line in extensions(Menu(members=("PJSIP/101",))).splitlines():
        assert not line or line[0] in ";[" or step.fullmatch(line.strip()), line
        assert ";" not in line[1:], f"a comment would begin in {line}"


def test_own_queue_has_the_members_and_an_existing_one_is_left_alone() -> None:
    own = render(Menu(members=("PJSIP/101", "Local/102@from-queue/n")), ACCOUNT)
    assert "[press3]" in own["queues_press3.conf"]
    assert "member => Local/102@from-queue/n\n" in own["queues_press3.conf"]
    assert "Queue(press3," in own["extensions_press3.conf"]
    assert "[" not in render(EXISTING, ACCOUNT)["queues_press3.conf"]


def test_ami_user_has_the_least_rights_and_is_shut_to_the_network() -> None:
    user = section(render(EXISTING, ACCOUNT)["manager_press3.conf"], "press3")
    settings = dict(line.split(" = ", 1) for line in user.splitlines() if "eventfilter" not in line)
    assert settings["read"] == "system,call,user,agent,cdr,dtmf,dialplan"
    assert settings["write"] == "reporting"
    assert settings["permit"] == "127.0.0.1/255.255.255.255"
    assert "deny = 0.0.0.0/0.0.0.0\n" in user
    assert int(settings["writetimeout"]) > 100


def filters(*observed: ObservedMenu) -> list[re.Pattern[str]]:
    text = render(EXISTING, ACCOUNT, observed=observed)["manager_press3.conf"]
    patterns = re.findall(r"^eventfilter = (.*)$", text, re.M)
    return [re.compile(p.replace("[[:cntrl:]]", r"[\x00-\x1f]"), re.S) for p in patterns]


def passes(event: str, *observed: ObservedMenu) -> bool:
    return any(pattern.search(event) for pattern in filters(*observed))


def test_filter_knows_every_wanted_type() -> None:
    narrowed = {"VarSet", "UserEvent", "Newexten"}
    for name in {wanted.decode() for wanted in WANTED} - narrowed:
        assert passes(f"Event: {name}\r\nPrivilege: call,all\r\n"), name


@pytest.mark.parametrize(
    ("event", "wanted"),
    [
        ("Event: VarSet\r\nChannel: x\r\nVariable: MIXMONITOR_FILENAME\r\nValue: /a\r\n", True),
        ("Event: VarSet\r\nChannel: x\r\nVariable: OTHER\r\nValue: a\r\n", False),
        ("Event: UserEvent\r\nUserEvent: Press3\r\nKey: k\r\n", True),
        ("Event: UserEvent\r\nUserEvent: Press3Store\r\nKey: k\r\n", True),
        ("Event: UserEvent\r\nUserEvent: Press3Foreign\r\n", False),
        ("Event: RTCPSent\r\nChannel: x\r\n", False),
        ("Event: HangupHandlerRun\r\nChannel: x\r\n", False),
        ("Event: Newexten\r\nContext: ivr-7\r\n", False),
        ("Event: Cdr\r\nName: Event: Hangup\r\n", False),
    ],
)
def test_filter_narrows(event: str, wanted: bool) -> None:
    assert passes(event) is wanted


def test_newexten_comes_only_for_observed_menus() -> None:
    watched = ObservedMenu(context="ivr-7.x")
    assert passes("Event: Newexten\r\nChannel: x\r\nContext: ivr-7.x\r\nExten: 3\r\n", watched)
    assert not passes("Event: Newexten\r\nChannel: x\r\nContext: ivr-70x\r\nExten: 3\r\n", watched)


EVIL = ["a\nb", "a\r\nb", "a;b", "a,b", "a)b", "${SHELL(id)}", "", " a", "a]b", "$[1+1]"]


WHERE = [
    (where, evil)
    for where in ("name", "queue", "members")
    for evil in EVIL
    if evil or where != "queue"  # an empty queue means our own
]


@pytest.mark.parametrize(("where", "evil"), WHERE)
def test_a_value_that_would_escape_is_refused(where: str, evil: str) -> None:
    value: Any = (evil,) if where == "members" else evil
    with pytest.raises(ValueError, match="can't be written"):
        Menu(**{where: value})


@pytest.mark.parametrize("evil", EVIL)
def test_evil_elsewhere_is_refused(evil: str) -> None:
    with pytest.raises(ValueError, match="can't be written"):
        Prompts(greeting=(evil,))
    with pytest.raises(ValueError, match="can't be written"):
        ObservedMenu(context=evil)
    with pytest.raises(ValueError, match="can't be written"):
        AmiAccount(username=evil, secret="x")
    with pytest.raises(ValueError, match="queue"):
        Action(kind="queue", target=evil)
    with pytest.raises(ValueError, match="goto"):
        Action(kind="goto", target=evil)


@pytest.mark.parametrize("secret", ["", "a;b", "a b", "a\nb", " a", "п"])
def test_a_secret_that_the_file_can_not_hold_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="AMI secret") as refused:
        AmiAccount(username="press3", secret=secret)
    assert repr(secret) not in str(refused.value), "a secret is not repeated in a message"


@pytest.mark.parametrize("text", ["", "nonsense", "queue:", "goto:a,b", "menu:x", "hangup:now"])
def test_actions_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"action|queue|goto"):
        Action.parse(text)


def test_parent_folders_are_no_sounds() -> None:
    with pytest.raises(ValueError, match="can't be written"):
        Prompts(accepted=("../../etc/passwd",))


def test_key_three_can_not_be_given_away() -> None:
    with pytest.raises(ValueError, match="3 always"):
        Menu(keys={"3": Action(kind="hangup")})
    with pytest.raises(ValueError, match="one key"):
        Menu(keys={"33": Action(kind="menu")})
