"""Telephone numbers and channel names: who is a customer, who is an operator, and which number is it.

Internal numbers are looked at first, so that 101 never becomes a public number of some country.
What the PBX said is kept as it was (`raw`); E.164 is what customers are found by.
"""

import re
from collections.abc import Sequence

import phonenumbers

from calls.facts import Party

__all__ = ["DEFAULT_INTERFACES", "DEFAULT_INTERNAL", "NumberRules", "resource"]

DEFAULT_INTERNAL = r"^[0-9]{2,6}$"
DEFAULT_INTERFACES = (
    r"^(?:PJSIP|SIP)/99(?P<ext>[0-9]{2,6})(?:[-/@]|$)",
    r"^(?:PJSIP|SIP|Local)/(?P<ext>[0-9]{2,6})(?:[-/@]|$)",
)

_WITHHELD = frozenset(
    ["", "anonymous", "unknown", "<unknown>", "restricted", "private", "withheld", "unavailable"]
)
_SIP_URI = re.compile(r"^(?:sips?|tel):([^@;]*)", re.IGNORECASE)
_PUNCTUATION = re.compile(r"[\s().\-/]+")
_RESOURCE = re.compile(r"^[^/]+/(?P<user>[^@/;]+?)(?:-[0-9a-f]{8})?(?:[@/;]|$)")
_DIGITS = re.compile(r"^\+?[0-9*#]+$")


class NumberRules:
    """What is internal here, and how interfaces and channel names become extensions.

    `country` is the ISO code whose national habits apply (`8…`, `810…`). `interfaces` are regular
    expressions with a group `ext`, tried in order; an `ext` that is not internal is no extension.
    """

    def __init__(
        self,
        country: str = "RU",
        internal: str = DEFAULT_INTERNAL,
        interfaces: Sequence[str] = DEFAULT_INTERFACES,
    ) -> None:
        self._country = country
        self._internal = re.compile(internal)
        self._interfaces = tuple(re.compile(pattern) for pattern in interfaces)

    def party(self, number: str, name: str | None = None) -> Party:
        """Return the party behind a caller id; never fails, whatever a stranger sent."""
        raw = number.strip()
        shown = (name or "").strip() or None
        if shown is not None and shown.lower() in _WITHHELD:
            shown = None
        if raw.lower() in _WITHHELD:
            return Party(raw=raw, e164=None, name=shown, kind="anonymous")
        uri = _SIP_URI.match(raw)
        plain = _PUNCTUATION.sub("", uri.group(1) if uri else raw)
        if self.is_internal(plain):
            return Party(raw=raw, e164=None, name=shown, kind="internal")
        e164 = self._e164(plain) if _DIGITS.match(plain) else None
        return Party(raw=raw, e164=e164, name=shown, kind="public" if e164 else "other")

    def is_internal(self, number: str) -> bool:
        return self._internal.search(number) is not None

    def extension(self, channel_or_interface: str) -> str | None:
        """Return the extension of `PJSIP/101-0000002a`, `Local/101@queue/n`, …; None for a trunk."""
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


def resource(channel_or_interface: str) -> str:
    """Return the name that a channel or interface has below its technology: `bob` of `PJSIP/bob-0000002a`."""
    found = _RESOURCE.match(channel_or_interface)
    return found["user"] if found else channel_or_interface
