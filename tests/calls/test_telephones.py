"""Whose telephone it is that rings, where its name is no extension: shapes from the field, numbers replaced."""

import pytest

from ami import events as ami
from tests.calls.builders import Line, Pbx


@pytest.fixture
def pbx() -> Pbx:
    return Pbx()


def made_for(caller: Line, name: str, *, number: str = "", context: str = "staff") -> Line:
    """A channel as the PBX makes it for a dialling; `number` is what its line is configured to show."""
    return caller.pbx.channel(
        name,
        linkedid=caller.shown.linkedid,
        state="Down",
        caller_number=number,
        context=context,
        exten="s",
    )


def is_called(line: Line, number: str) -> None:
    """Dial() gives a line that shows no number the one that was dialled."""
    line.shown = line.shown._replace(caller_number=number)
    line.pbx.say(ami.NewCallerid, channel=line.shown)


def rings(caller: Line, line: Line, dial_string: str = "x") -> None:
    caller.pbx.say(ami.DialBegin, source=caller.shown, dest=line.shown, dial_string=dial_string)


def legs(pbx: Pbx) -> list[tuple[str | None, str | None, str | None]]:
    return [(leg.extension, leg.number, leg.outcome) for leg in pbx.story.legs]


def test_the_port_of_a_contact_is_no_number_dialled_through_the_telephone(pbx: Pbx) -> None:
    """PJSIP_DIAL_CONTACTS, a telephone in a browser: `PJSIP/x7kq/sip:…@192.0.2.7:60812`."""
    ivan = pbx.incoming("+79110000001")
    phone = made_for(ivan, "PJSIP/x7kq")
    rings(ivan, phone, "x7kq/sip:q3cz81@192.0.2.7:60812;transport=ws;x-ast-orig-host=192.0.2.40:0")
    phone.answers()
    ivan.talks_to(phone)
    ivan.hangs_up()
    assert legs(pbx) == [("x7kq", None, "answered")]


def test_what_a_line_shows_at_its_birth_is_its_own_extension(pbx: Pbx) -> None:
    """Lines are named at random, and their caller id is configured: hosted and unified PBXs."""
    ivan = pbx.incoming("+79110000001")
    phone = made_for(ivan, "PJSIP/x7kq", number="103")
    rings(ivan, phone, "x7kq")
    phone.answers()
    ivan.talks_to(phone)
    ivan.hangs_up()
    assert legs(pbx) == [("103", None, "answered")]


def test_two_such_telephones_in_a_group(pbx: Pbx) -> None:
    ivan = pbx.incoming("+79110000001")
    first = made_for(ivan, "PJSIP/x7kq", number="103")
    second = made_for(ivan, "PJSIP/m2wv", number="104")
    rings(ivan, first)
    rings(ivan, second)
    second.answers()
    first.is_cancelled()
    ivan.talks_to(second)
    ivan.hangs_up()
    assert legs(pbx) == [("103", None, "elsewhere"), ("104", None, "answered")]


def test_the_number_of_a_ring_group_is_no_extension(pbx: Pbx) -> None:
    """`exten => 401,1,Dial(PJSIP/ivanov&PJSIP/petrov)`: both lines are called 401 while they ring."""
    ivan = pbx.incoming("+79110000001")
    ivan.moves_unseen("groups", "401")
    first, second = made_for(ivan, "PJSIP/ivanov"), made_for(ivan, "PJSIP/petrov")
    is_called(first, "401")
    is_called(second, "401")
    rings(ivan, first)
    rings(ivan, second)
    second.answers()
    first.is_cancelled()
    ivan.talks_to(second)
    ivan.hangs_up()
    assert legs(pbx) == [("ivanov", None, "elsewhere"), ("petrov", None, "answered")]


def test_a_ring_group_of_locals(pbx: Pbx) -> None:
    """Each Local dials one telephone, and all of them are called by the group's number."""
    ivan = pbx.incoming("+79110000001")
    ivan.moves_unseen("groups", "401")
    locals_ = [ivan.makes_local(exten, "accounts") for exten in ("ID1", "ID2")]
    for one, two in locals_:
        is_called(one, "401")
        two.moves_unseen("accounts", "401")
        ivan.dials(one)
    phones = [made_for(ivan, name) for name in ("SIP/150010002", "SIP/150010003")]
    for phone, (_, two) in zip(phones, locals_, strict=True):
        is_called(phone, "401")
        rings(two, phone)
    phones[1].answers()
    locals_[1][0].answers()
    phones[0].is_cancelled()
    ivan.talks_to(phones[1])
    ivan.hangs_up()
    assert legs(pbx) == [("150010002", None, "elsewhere"), ("150010003", None, "answered")]


def test_one_telephone_of_an_extension_is_the_extensions(pbx: Pbx) -> None:
    ivan = pbx.incoming("+79110000001")
    ivan.moves_unseen("staff", "103")
    phone = made_for(ivan, "PJSIP/ivanov")
    is_called(phone, "103")
    rings(ivan, phone)
    phone.answers()
    ivan.talks_to(phone)
    ivan.hangs_up()
    assert legs(pbx) == [("103", None, "answered")]


def test_a_line_of_a_trunks_context_is_outside_though_no_number_is_seen(pbx: Pbx) -> None:
    anna = pbx.picks_up_receiver("PJSIP/101", "89110000001")
    line = made_for(anna, "PJSIP/dev_34", context="from-extern")
    rings(anna, line, "dev_34")
    line.answers()
    anna.talks_to(line)
    anna.hangs_up()
    line.is_gone()
    story = pbx.story
    assert (story.direction, story.to.e164, story.outcome) == ("out", "+79110000001", "answered")
    assert legs(pbx) == [("101", None, "answered")]


def test_handed_over_while_a_group_rings_it_rings_on(pbx: Pbx) -> None:
    """A transfer to a ringing group: the dialling of the consultation ends, and the customer dials on."""
    ivan = pbx.incoming("+79110000001")
    phone = ivan.rings("PJSIP/101")
    phone.answers()
    ivan.talks_to(phone)
    second = pbx.picks_up_receiver("PJSIP/101", "401")
    colleagues = [second.makes(f"PJSIP/{ext}") for ext in ("102", "103")]
    for line in colleagues:
        second.dials(line)
    phone.hands_over(second, ivan, None)
    for line in colleagues:
        line.stops("NOANSWER")
        ivan.dials(line)
    phone.is_gone()
    second.is_gone()
    colleagues[1].answers()
    colleagues[0].is_cancelled()
    ivan.talks_to(colleagues[1])
    ivan.hangs_up()
    assert legs(pbx) == [
        ("101", None, "answered"),
        ("102", None, "elsewhere"),
        ("103", None, "answered"),
    ]
