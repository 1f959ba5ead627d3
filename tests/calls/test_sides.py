"""Who is an employee and who is outside, by how a channel comes: from the field, numbers and names replaced."""

from dataclasses import dataclass, field

import pytest

from ami import events as ami
from calls.facts import CallArrived
from calls.numbers import NumberRules
from calls.sides import Sides
from calls.tracker import Tracker
from calls.triggers import TriggerRules
from tests.calls.builders import Line, Pbx

CITY, STRANGER = "PJSIP/211553", "+79245555937"


@pytest.fixture
def pbx() -> Pbx:
    return Pbx()


def comes_in(
    pbx: Pbx, name: str, number: str, context: str, *, to: str = "74950000000", birth: str = "Down"
) -> Line:
    """A channel is born in some state, and then the dialplan begins."""
    line = pbx.channel(name, state=birth, caller_number=number, context=context, exten=to)
    if birth != "Ring":
        line.shown = line.shown._replace(state="Ring")
        pbx.say(ami.Newstate, channel=line.shown)
    return line


def is_answered(caller: Line, telephone: str = "PJSIP/101", *, after_s: float = 4) -> Line:
    phone = caller.rings(telephone)
    caller.pbx.wait(after_s)
    phone.answers()
    caller.talks_to(phone)
    return phone


# -- birth ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("birth", ["Down", "Rsrvd", "Pre-ring", "Dialing", "Ring"])
@pytest.mark.parametrize("trunk", ["SIP/trunk", "DAHDI/5", "DAHDI/i1/9110000001", "IAX2/provider"])
def test_a_call_comes_in_whatever_state_its_channel_is_born_in(
    pbx: Pbx, trunk: str, birth: str
) -> None:
    ivan = comes_in(pbx, trunk, "+79110000001", "from-trunk", birth=birth)
    is_answered(ivan, "SIP/101")
    pbx.wait(30)
    ivan.hangs_up()
    story = pbx.story
    assert (story.direction, story.caller.e164) == ("in", "+79110000001")
    assert story.to.raw == "74950000000"
    (leg,) = story.legs
    assert (leg.extension, leg.outcome) == ("101", "answered")
    assert leg.rang_at is not None
    assert leg.answered_at is not None
    assert (leg.answered_at - leg.rang_at).total_seconds() == pytest.approx(4, abs=0.1)
    assert story.outcome == "answered"


def test_a_hang_up_in_the_menu_is_counted(pbx: Pbx) -> None:
    ivan = comes_in(pbx, "SIP/trunk", "+79110000001", "from-trunk", to="s")
    ivan.hangs_up()
    assert (pbx.story.direction, pbx.story.outcome) == ("in", "abandoned")


def test_sent_out_again_by_the_pbx_it_stays_incoming(pbx: Pbx) -> None:
    ivan = comes_in(pbx, "SIP/trunk", "+79110000001", "from-trunk")
    mobile = ivan.rings_number("SIP/trunk", "89110000009")
    mobile.answers()
    ivan.talks_to(mobile)
    ivan.hangs_up()
    assert (pbx.story.direction, pbx.story.caller.raw) == ("in", "+79110000001")


def test_the_number_of_a_reserved_line_comes_with_its_ring(pbx: Pbx) -> None:
    """PRI overlap: neither number nor extension is known at the birth."""
    line = pbx.channel("DAHDI/i1/9110000001", state="Rsrvd", context="from-digital")
    line.shown = line.shown._replace(state="Ring", exten="4950000000", caller_number="9110000001")
    pbx.say(ami.Newstate, channel=line.shown)
    assert pbx.story.caller.e164 == "+79110000001"
    assert pbx.story.to.raw == "4950000000"


def test_a_dialled_telephone_does_not_come_in(pbx: Pbx) -> None:
    ivan = comes_in(pbx, "SIP/trunk", "+79110000001", "from-trunk")
    phone = ivan.rings("SIP/101")
    phone.shown = phone.shown._replace(state="Ringing")
    pbx.say(ami.Newstate, channel=phone.shown)
    assert len(pbx.of(CallArrived)) == 1


# -- trunks with the name of an extension ------------------------------------------------------------


@pytest.mark.parametrize("context", ["from-trunk", "from-pstn-toheader", "default", "mango", "in1"])
def test_a_trunk_that_is_called_by_a_city_number(pbx: Pbx, context: str) -> None:
    stranger = comes_in(pbx, CITY, STRANGER, context, birth="Ring")
    is_answered(stranger, "PJSIP/301")
    stranger.hangs_up()
    story = pbx.story
    assert (story.direction, story.caller.e164, story.outcome) == ("in", STRANGER, "answered")
    assert [leg.extension for leg in story.legs] == ["301"]


def test_such_a_trunk_in_a_queue(pbx: Pbx) -> None:
    stranger = comes_in(pbx, CITY, STRANGER, "default", birth="Ring")
    stranger.joins("sales")
    assert (pbx.story.direction, pbx.story.caller.e164) == ("in", STRANGER)


def test_a_hidden_number_by_a_trunk_that_was_seen_to_be_one(pbx: Pbx) -> None:
    comes_in(pbx, CITY, STRANGER, "default", birth="Ring").hangs_up()
    hidden = comes_in(pbx, CITY, "anonymous", "default", birth="Ring")
    hidden.hangs_up()
    arrived = pbx.of(CallArrived)
    assert [fact.direction for fact in arrived] == ["in", "in"]
    assert arrived[1].caller.kind == "anonymous"


def test_such_a_trunk_found_in_the_middle_of_a_call(pbx: Pbx) -> None:
    comes = comes_in(pbx, CITY, STRANGER, "default", birth="Ring")
    comes.hangs_up()
    middle = Line(pbx, comes.shown._replace(uniqueid="1795271400.77", linkedid="", state="Up"))
    middle.joins("sales")
    assert [fact.direction for fact in pbx.of(CallArrived)] == ["in", "in"]


@pytest.mark.parametrize(
    ("line", "dialled"),
    [
        (CITY, "89110000001@211553"),
        ("SIP/211553", "211553/89110000001"),
        ("IAX2/211553", "211553/89110000001"),
    ],
)
def test_a_call_out_through_such_a_trunk(pbx: Pbx, line: str, dialled: str) -> None:
    anna = pbx.picks_up_receiver("PJSIP/101", "89110000001")
    trunk = pbx.channel(line, linkedid=anna.uniqueid, state="Down", exten="s")
    pbx.say(ami.DialBegin, source=anna.shown, dest=trunk.shown, dial_string=dialled)
    trunk.answers()
    anna.talks_to(trunk)
    anna.hangs_up()
    trunk.is_gone()
    story = pbx.story
    assert (story.direction, story.caller.raw, story.to.e164) == ("out", "101", "+79110000001")
    assert (story.outcome, [leg.extension for leg in story.legs]) == ("answered", ["101"])


@pytest.mark.parametrize("number", ["900", "112", "211553"])
def test_an_outside_caller_with_a_short_number_is_outside(pbx: Pbx, number: str) -> None:
    caller = comes_in(pbx, "PJSIP/provider", number, "from-trunk", birth="Ring")
    caller.joins("sales")
    assert (pbx.story.direction, pbx.story.caller.raw) == ("in", number)
    assert pbx.story.caller.kind == "other"


def test_a_short_number_out_of_a_context_that_outside_callers_come_from(pbx: Pbx) -> None:
    comes_in(pbx, "PJSIP/mango", STRANGER, "mango", birth="Ring").hangs_up()
    comes_in(pbx, "PJSIP/mango", "900", "mango", birth="Ring").hangs_up()
    assert [fact.caller.raw for fact in pbx.of(CallArrived)] == [STRANGER, "900"]


# -- telephones ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("telephone", "number", "context"),
    [
        ("SCCP/101", "101", "default"),
        ("IAX2/101", "101", "staff"),
        ("DAHDI/5", "101", "from-internal"),
        ("DAHDI/5", "101", "analog-fxs"),
        ("PJSIP/bob", "101", "from-internal"),
        ("PJSIP/bob", "101", "staff"),
        ("PJSIP/101", "+74950000000", "from-internal"),
    ],
)
def test_a_telephone_calls_out(pbx: Pbx, telephone: str, number: str, context: str) -> None:
    anna = comes_in(pbx, telephone, number, context, to="89110000001")
    trunk = anna.rings_number("PJSIP/trunk", "89110000001")
    trunk.answers()
    anna.talks_to(trunk)
    anna.hangs_up()
    trunk.is_gone()
    story = pbx.story
    assert (story.direction, story.caller.raw, story.to.e164) == ("out", "101", "+79110000001")
    assert (story.outcome, [leg.extension for leg in story.legs]) == ("answered", ["101"])


@pytest.mark.parametrize("telephone", ["SCCP/102", "IAX2/102", "DAHDI/7", "PJSIP/carol"])
def test_a_telephone_of_another_driver_is_rung(pbx: Pbx, telephone: str) -> None:
    """Rung by its own extension's dialplan: `exten => 102,1,Dial(DAHDI/7)`."""
    ivan = comes_in(pbx, "PJSIP/trunk", "+79110000001", "from-trunk", birth="Ring")
    ivan.moves_unseen("ext-local", "102")
    phone = pbx.channel(
        telephone, linkedid=ivan.uniqueid, state="Down", caller_number="102", exten="102"
    )
    own = telephone.partition("/")[2]
    pbx.say(ami.DialBegin, source=ivan.shown, dest=phone.shown, dial_string=own)
    phone.answers()
    ivan.talks_to(phone)
    ivan.hangs_up()
    assert [(leg.extension, leg.outcome) for leg in pbx.story.legs] == [("102", "answered")]


def test_a_telephone_that_was_rung_may_show_the_companys_number(pbx: Pbx) -> None:
    ivan = comes_in(pbx, "PJSIP/trunk", "+79110000001", "from-trunk", birth="Ring")
    is_answered(ivan)
    ivan.hangs_up()
    anna = comes_in(pbx, "PJSIP/101", "74950000000", "default", to="89110000002", birth="Ring")
    anna.rings_number("PJSIP/trunk", "89110000002")
    assert [fact.direction for fact in pbx.of(CallArrived)] == ["in", "out"]


def test_a_telephone_by_its_account_shows_its_extension_later(pbx: Pbx) -> None:
    """Hosted PBXs name telephones by accounts; the dialplan then sets the extension that is shown."""
    anna = comes_in(pbx, "SIP/150010001", "150010001", "account", to="202")
    anna.shown = anna.shown._replace(caller_number="201")
    pbx.say(ami.NewCallerid, channel=anna.shown)
    is_answered(anna, "SIP/150010002")
    anna.hangs_up()
    assert pbx.facts == [], "a call between employees"
    again = comes_in(pbx, "SIP/150010001", "150010001", "account", to="89110000001")
    again.shown = again.shown._replace(caller_number="201")
    pbx.say(ami.NewCallerid, channel=again.shown)
    again.rings_number("SIP/trunk", "89110000001")
    assert (pbx.story.direction, pbx.story.caller.raw) == ("out", "201")


def test_a_telephone_by_its_account_is_rung_from_outside(pbx: Pbx) -> None:
    """No number is dialled through it, so it is a telephone, though its name is no extension."""
    ivan = comes_in(pbx, "SIP/proxy", "+79110000001", "hosted_in", birth="Ring")
    phone = pbx.channel("SIP/150010001", linkedid=ivan.uniqueid, state="Down", exten="s")
    pbx.say(ami.DialBegin, source=ivan.shown, dest=phone.shown, dial_string="150010001")
    phone.answers()
    ivan.talks_to(phone)
    ivan.hangs_up()
    assert [(leg.extension, leg.outcome) for leg in pbx.story.legs] == [("150010001", "answered")]


def test_an_account_that_others_call_by_is_a_trunk_when_it_shows_its_own_name(pbx: Pbx) -> None:
    comes_in(pbx, "SIP/74950000000", STRANGER, "default", birth="Ring").hangs_up()
    comes_in(pbx, "SIP/74950000000", "74950000000", "default", birth="Ring").hangs_up()
    assert [fact.direction for fact in pbx.of(CallArrived)] == ["in", "in"]


def test_the_contact_of_a_telephone_is_no_number_dialled_through_it() -> None:
    sides = Sides(NumberRules())
    contact = "101/sip:78120000000@10.0.0.5:5060"
    side = sides.dialled(
        "PJSIP/101-0000002a", dial_string=contact, number="101", dialled_from="101"
    )
    assert side.extension == "101"


def test_configuration_has_the_last_word() -> None:
    numbers = NumberRules(
        trunks=["^PJSIP/211553-"], trunk_contexts=["shop"], phone_contexts=["from-pstn"]
    )
    sides = Sides(numbers)
    assert sides.entering("PJSIP/211553-1", number="101", context="from-pstn").is_outside
    assert sides.entering("PJSIP/102-1", number="102", context="shop").is_outside
    assert sides.entering("PJSIP/102-1", number=STRANGER, context="from-pstn").extension == "102"
    assert numbers.extension("PJSIP/211553-00000001") is None


# -- the number that is called -----------------------------------------------------------------------


@dataclass(frozen=True)
class Sent:
    typed: str
    sent: str
    to: str
    line: str = field(default="PJSIP/trunk")


@pytest.mark.parametrize(
    "case",
    [
        Sent("89110000001", "79110000001@trunk", "89110000001"),
        Sent("989110000001", "89110000001@trunk", "89110000001"),
        Sent("89110000001", "012389110000001@trunk", "89110000001"),
        Sent("ID730151", "89110000001@trunk", "89110000001"),
        Sent("81ea4378-1647-4c21-9c55-5d1f2ee40101", "89110000001@trunk", "89110000001"),
        Sent("102", "89110000009@trunk", "89110000009"),
        Sent("s", "trunk/89110000009", "89110000009", line="SIP/trunk"),
        Sent("112", "112@trunk", "112"),
    ],
)
def test_whom_an_outgoing_call_goes_to(pbx: Pbx, case: Sent) -> None:
    anna = pbx.picks_up_receiver("PJSIP/101", case.typed)
    trunk = pbx.channel(case.line, linkedid=anna.uniqueid, state="Down", exten="s")
    pbx.say(ami.DialBegin, source=anna.shown, dest=trunk.shown, dial_string=case.sent)
    assert (pbx.story.direction, pbx.story.to.raw) == ("out", case.to)


def test_a_call_between_employees_that_is_forwarded_outside(pbx: Pbx) -> None:
    anna = pbx.picks_up_receiver("PJSIP/101", "102")
    phone = anna.rings("PJSIP/102")
    phone.stops("CANCEL")
    one, two = anna.rings_local("89110000009", "from-internal")
    two.rings_number("PJSIP/trunk", "89110000009")
    one.answers()
    assert (pbx.story.direction, pbx.story.caller.raw) == ("out", "101")
    assert pbx.story.to.e164 == "+79110000009"


@pytest.mark.parametrize("shown", ["asterisk", "0", "Private Number", "s", "-"])
def test_a_hidden_number_is_nobodys(shown: str) -> None:
    pbx = Pbx(tracker=Tracker("main", TriggerRules(), NumberRules()))
    comes_in(pbx, "PJSIP/trunk", shown, "from-trunk", birth="Ring").joins("sales")
    assert (pbx.story.caller.kind, pbx.story.caller.raw) == ("anonymous", shown)
