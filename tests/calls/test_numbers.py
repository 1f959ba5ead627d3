"""Numbers as trunks, telephones and strangers write them."""

import pytest

from calls.numbers import NumberRules, dialled_user, resource

RULES = NumberRules()
# What PBXs and providers were seen to show where no number is shown.
HIDDEN = (
    "asterisk", "0", "00", "0000000000", "+0", "000-00-00", "Private Number", "No Number", "Blocked",
    "s", "+", "-", "<unknown>", "restricted", "UNAVAILABLE", "sip:anonymous@anonymous.invalid",
    "<sip:anonymous@10.0.0.1:5060>", "anonymous@10.0.0.1", "sip:@10.0.0.1", "sip:0@10.0.0.1", "скрыт",
)  # fmt: skip


@pytest.mark.parametrize(
    ("said", "e164", "kind"),
    [
        ("+79110000001", "+79110000001", "public"),
        ("89110000001", "+79110000001", "public"),
        ("79110000001", "+79110000001", "public"),
        ("9110000001", "+79110000001", "public"),
        ("8 (911) 000-00-01", "+79110000001", "public"),
        ("8/911/0000001", "+79110000001", "public"),
        ("810420212345678", "+420212345678", "public"),
        ("00420212345678", "+420212345678", "public"),
        ("+420 212 345 678", "+420212345678", "public"),
        ("420212345678", "+420212345678", "public"),
        ("sip:+79110000001@example.org", "+79110000001", "public"),
        ("tel:+79110000001;phone-context=x", "+79110000001", "public"),
        ("101", None, "internal"),
        ("112", None, "internal"),
        ("", None, "anonymous"),
        ("anonymous", None, "anonymous"),
        ("Anonymous", None, "anonymous"),
        ("unknown", None, "anonymous"),
        ("ivan.petrov", None, "anonymous"),
        ("sip:ivan@example.org", None, "anonymous"),
        ("sip:ivan77@example.org", None, "other"),
        *((hidden, None, "anonymous") for hidden in HIDDEN),
        ("1234567", None, "other"),
        ("+7", None, "other"),
        ("9" * 4000, None, "other"),
    ],
)
def test_a_number_is_read_whoever_wrote_it(said: str, e164: str | None, kind: str) -> None:
    party = RULES.party(said)
    assert (party.e164, party.kind) == (e164, kind)
    assert party.raw == said


def test_internal_numbers_come_first() -> None:
    rules = NumberRules(country="US", internal=r"^[0-9]{10}$")
    assert rules.party("2025550123").kind == "internal"
    assert NumberRules(country="US").party("2025550123").e164 == "+12025550123"


def test_more_texts_are_withheld_by_configuration() -> None:
    rules = NumberRules(withheld=["Unknown 1", "74950000000"])
    assert rules.party("unknown 1").kind == "anonymous"
    assert rules.party("sip:74950000000@10.0.0.1").kind == "anonymous"
    assert RULES.party("74950000000").kind == "public"


def test_an_outside_caller_is_no_extension_whatever_is_shown() -> None:
    assert RULES.outsider("900").kind == "other"
    assert RULES.outsider("112").kind == "other"
    assert RULES.outsider("+79110000001").e164 == "+79110000001"
    assert RULES.outsider("0").kind == "anonymous"


def test_a_sip_user_of_ours_is_somebody() -> None:
    assert RULES.ours("bob").kind == "other"
    assert RULES.ours("101").kind == "internal"
    assert RULES.ours("").kind == "anonymous"


@pytest.mark.parametrize(
    ("dialled", "number"),
    [
        ("89110000001", "89110000001"),
        ("+79110000001", "+79110000001"),
        ("89110000001@trunk,300,T", "89110000001"),
        ("trunk/89110000001", "89110000001"),
        ("211553/89110000001", "89110000001"),
        ("89110000001@211553", "89110000001"),
        ("trunk/sip:89110000001@10.0.0.1:5060", "89110000001"),
        ("g0/ww89110000001", "89110000001"),
        ("bob/sip:x7kq@192.0.2.7:60812;transport=ws;x-host=192.0.2.40:0", ""),
        ("bob/sip:192.0.2.7:5060", ""),
        ("89110000009#", "89110000009"),
        ("112", "112"),
        ("211553", ""),
        ("ID730151", ""),
        ("81ea4378-1647-4c21-9c55-5d1f2ee40101", ""),
        ("s", ""),
        ("", ""),
    ],
)
def test_a_number_is_a_whole_word(dialled: str, number: str) -> None:
    assert dialled_user(dialled, resource="211553") == number


def test_a_name_that_says_nothing_is_no_name() -> None:
    assert RULES.party("+79110000001", " Иван ").name == "Иван"
    assert RULES.party("+79110000001", "unknown").name is None
    assert RULES.party("anonymous", "").name is None


@pytest.mark.parametrize(
    ("name", "extension"),
    [
        ("PJSIP/101-0000002a", "101"),
        ("SIP/101-0000002a", "101"),
        ("PJSIP/101", "101"),
        ("PJSIP/101/sip:101@10.0.0.5:5060", "101"),
        ("PJSIP/99101-00000001", "101"),
        ("PJSIP/99101", "101"),
        ("Local/101@from-queue/n", "101"),
        ("Local/101@from-queue-0000000a;1", "101"),
        ("PJSIP/trunk-00000001", None),
        ("PJSIP/anonymous-00000000", None),
        ("PJSIP/78123334455-00000001", None),
        ("DAHDI/1-1", None),
        ("", None),
    ],
)
def test_a_channel_or_interface_names_an_extension(name: str, extension: str | None) -> None:
    assert RULES.extension(name) == extension


def test_interfaces_are_configuration() -> None:
    rules = NumberRules(internal=r"^1[0-9]{2}$", interfaces=[r"^PJSIP/agent-(?P<ext>[0-9]+)"])
    assert rules.extension("PJSIP/agent-101-0000002a") == "101"
    assert rules.extension("PJSIP/agent-777-0000002a") is None
    assert rules.extension("PJSIP/101-0000002a") is None


def test_the_resource_of_a_name() -> None:
    assert resource("PJSIP/bob-0000002a") == "bob"
    assert resource("Local/bob@agents/n") == "bob"
    assert resource("bob") == "bob"
    assert resource("PJSIP/alice-b") == "alice-b"
    assert resource("SIP/trunk-b-0000002a") == "trunk-b"
    assert resource("IAX2/101-4711") == "101"
    assert resource("DAHDI/5-1") == "5"
    assert resource("DAHDI/i1/89110000001-2f") == "i1"
    assert resource("SCCP/101-0000002a") == "101"
