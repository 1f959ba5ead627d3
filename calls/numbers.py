"""Telephone numbers and channel names: who is a customer, who is an operator, and which number is it.

Internal numbers are looked at first, so that 101 never becomes a public number of some country.
What the PBX said is kept as it was (`raw`); E.164 is what customers are found by.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import phonenumbers

from calls.facts import Party

__all__ = [
    "DEFAULT_INTERFACES",
    "DEFAULT_INTERNAL",
    "NumberRules",
    "dialled_user",
    "resource",
]

DEFAULT_INTERNAL = r"^[0-9]{2,6}$"
DEFAULT_INTERFACES = (
    r"^(?:PJSIP|SIP)/99(?P<ext>[0-9]{2,6})(?:[-/@]|$)",
    r"^(?:PJSIP|SIP|Local)/(?P<ext>[0-9]{2,6})(?:[-/@]|$)",
)
# As FreePBX, Issabel, MikoPBX, VitalPBX, Wazo and plain dialplans call them.
_TRUNK_CONTEXT = re.compile(
    r"(?i)(?:^|[^a-z])(?:trunks?|trk|trunkinbound|pstn|dids?|extern|external|outside|incoming|inbound|incall"
    r"|public|provider|from-(?:digital|analog|zaptel|zap|dahdi)|isdn|fxo|gsm)(?:[^a-z]|$)|[^a-z]in$"
)
_PHONE_CONTEXT = re.compile(
    r"(?i)(?:^|[^a-z])(?:internal|phones?|office|users?|agents?|operators?|employees?|extensions?|local|sets"
    r"|localsets|stations?|fxs|peers|outgoing|outbound|cos)(?:[^a-z]|$)"
)

# The words of Asterisk and of providers for a number that is not shown. A text without a digit is none
# anyway; these are the names that say nothing, too.
_NOTHING = frozenset(
    ["", "anonymous", "unknown", "<unknown>", "restricted", "private", "withheld", "unavailable",
     "asterisk", "private number", "no number", "unknown number", "blocked", "hidden"]
)  # fmt: skip
_URI = re.compile(r"^<?(?:sips?:|tel:)?(?P<user>[^@;>]*)", re.IGNORECASE)
_PUNCTUATION = re.compile(r"[\s().\-/]+")
_RESOURCE = re.compile(r"^[^/]+/(?P<user>[^@/;]+?)(?:-[0-9a-f]{8})?(?:[@/;]|$)")
# These drivers count their channels in few digits: IAX2/101-4711, DAHDI/5-1.
_COUNTED = re.compile(r"^(?:IAX2|DAHDI|Zap)/(?P<user>[^@/;]+?)(?:-[0-9a-f]{1,8})?(?:[@/;]|$)")
_DIGIT = re.compile(r"\d")
_DIGITS = re.compile(r"^\+?[0-9*#]+$")
_DIALLED = re.compile(r"w*(?P<number>\+?[0-9*#]*[0-9*])#?", re.IGNORECASE)
# What follows the user of a SIP address is a host, whose port is no number: 101/sip:x7@192.0.2.7:5060.
_HOST = re.compile(r"(?i)(?P<user>sips?:(?:[^@/,&;]*@)?)[^/,&]*")
_WORDS = re.compile(r"[\s@/,;:|&()]+")


class NumberRules:
    """What is internal here, and how interfaces and channel names become extensions.

    `country` is the ISO code whose national habits apply (`8…`, `810…`). `interfaces` are regular
    expressions with a group `ext`, tried in order; an `ext` that is not internal is no extension.
    `trunks` are regular expressions of channel names that are lines to the outside whatever they look
    like; `trunk_contexts` and `phone_contexts` name contexts where outside callers, and employees'
    telephones, enter the dialplan, in addition to those whose name says so (`calls.sides` has the rule).
    `withheld` are more texts that a provider shows for a number that is not shown, in any case.
    """

    def __init__(
        self,
        country: str = "RU",
        internal: str = DEFAULT_INTERNAL,
        interfaces: Sequence[str] = DEFAULT_INTERFACES,
        withheld: Sequence[str] = (),
        trunks: Sequence[str] = (),
        trunk_contexts: Sequence[str] = (),
        phone_contexts: Sequence[str] = (),
    ) -> None:
        self._trunks = tuple(re.compile(pattern) for pattern in trunks)
        self._trunk_contexts = frozenset(trunk_contexts)
        self._phone_contexts = frozenset(phone_contexts)
        self._country = country
        self._withheld = _NOTHING | {text.strip().lower() for text in withheld}
        self._internal = re.compile(internal)
        self._interfaces = tuple(re.compile(pattern) for pattern in interfaces)

    def party(self, number: str, name: str | None = None) -> Party:
        """Return the party behind a caller id; never fails, whatever a stranger sent.

        A text without a digit, or of zeros only, identifies nobody: it is what a PBX or provider
        writes where no number is shown.
        """
        raw = number.strip()
        user = user_of(raw)
        if self.is_withheld(raw) or self.is_withheld(user):
            return Party(raw=raw, e164=None, name=self._name(name), kind="anonymous")
        return self._read(raw, user, name)

    def outsider(self, number: str, name: str | None = None) -> Party:
        """Return the party behind the caller id of an outside line: `900` and `112` are no extensions."""
        party = self.party(number, name)
        return replace(party, kind="other") if party.kind == "internal" else party

    def ours(self, text: str, name: str | None = None) -> Party:
        """Return the party of a name of this PBX: an extension, a SIP user, what was dialled."""
        raw = text.strip()
        if not raw:
            return Party(raw=raw, e164=None, name=self._name(name), kind="anonymous")
        return self._read(raw, user_of(raw), name)

    def is_trunk(self, name: str) -> bool:
        """Return whether the configuration names the channel or interface a line to the outside."""
        return bool(self._trunks) and any(pattern.search(name) for pattern in self._trunks)

    def is_trunk_context(self, context: str) -> bool:
        """Return whether outside callers enter the dialplan there: by configuration, else by its name."""
        if context in self._trunk_contexts or context in self._phone_contexts:
            return context in self._trunk_contexts
        return _TRUNK_CONTEXT.search(context) is not None

    def is_phone_context(self, context: str) -> bool:
        """Return whether employees' telephones enter the dialplan there."""
        if context in self._trunk_contexts or context in self._phone_contexts:
            return context not in self._trunk_contexts
        return _PHONE_CONTEXT.search(context) is not None

    def says_nothing(self, text: str) -> bool:
        """Return whether `text` is a word for "not shown"."""
        return text.lower() in self._withheld

    def is_withheld(self, text: str) -> bool:
        """Return whether `text`, shown as a number, identifies nobody."""
        return text.lower() in self._withheld or not text.strip("+0 ().-/") or not _has_digit(text)

    def is_public(self, number: str) -> bool:
        """Return whether `number` is one of the public telephone network."""
        return self.party(number).kind == "public"

    def _read(self, raw: str, user: str, name: str | None) -> Party:
        plain = _PUNCTUATION.sub("", user)
        shown = self._name(name)
        if self.is_internal(plain):
            return Party(raw=raw, e164=None, name=shown, kind="internal")
        e164 = self._e164(plain) if _DIGITS.match(plain) else None
        return Party(raw=raw, e164=e164, name=shown, kind="public" if e164 else "other")

    def _name(self, name: str | None) -> str | None:
        shown = (name or "").strip()
        return None if shown.lower() in self._withheld else shown or None

    def is_internal(self, number: str) -> bool:
        return self._internal.search(number) is not None

    def extension(self, channel_or_interface: str) -> str | None:
        """Return the extension of `PJSIP/101-0000002a`, `Local/101@queue/n`, …; None for a trunk."""
        if self.is_trunk(channel_or_interface):
            return None
        for pattern in self._interfaces:
            found = pattern.match(channel_or_interface)
            if found and self.is_internal(found["ext"]):
                return found["ext"]
        return None

    def _e164(self, digits: str) -> str | None:
        """Try the national reading first, then forms that a trunk sends without the plus."""
        tries = [digits]
        if digits.startswith("00"):
            tries.insert(0, "+" + digits[2:])
        elif not digits.startswith("+") and len(digits) > 10:
            tries.append("+" + digits)
        for text in tries:
            if (found := self._parse(text)) is not None:
                return found
        return None

    def _parse(self, text: str) -> str | None:
        try:
            number = phonenumbers.parse(text, self._country)
        except phonenumbers.NumberParseException:
            return None
        reason = phonenumbers.is_possible_number_with_reason(number)
        if reason != phonenumbers.ValidationResult.IS_POSSIBLE:
            return None
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


# Each event of a channel asks for the same few names, and finding one takes longer than all else here.
@lru_cache(maxsize=4096)
def resource(channel_or_interface: str) -> str:
    """Return the name that a channel or interface has below its technology: `bob` of `PJSIP/bob-0000002a`."""
    found = _COUNTED.match(channel_or_interface) or _RESOURCE.match(channel_or_interface)
    return found["user"] if found else channel_or_interface


def user_of(text: str) -> str:
    """Return the user of `sip:bob@example.org`, `<tel:+7…>`, `bob@host`; any other text as it is."""
    found = _URI.match(text)
    return found["user"].strip() if found else text


def dialled_user(text: str, *, resource: str = "") -> str:
    """Return the number in what was dialled, a whole word of it; empty when it has none.

    `89110000001@trunk,300` and `trunk/89110000001` have one; `ID730151` and the parts of an
    `81ea4378-1647-…` are none, nor is the port of a contact. `resource` is the name of the line itself, which may be digits too.
    """
    for word in _WORDS.split(_HOST.sub(r"\g<user>", text)):
        found = _DIALLED.fullmatch(word)
        if found is not None and _has_digit(word) and word != resource:
            return found["number"]
    return ""


def _has_digit(text: str) -> bool:
    return _DIGIT.search(text) is not None
