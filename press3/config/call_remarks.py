"""Remarks of check-config on `[calls]`: what it can mean and probably does not. Pure."""

from collections.abc import Iterator

import phonenumbers

from press3.config.settings import Settings
from press3.telephony_parts import number_rules

__all__ = ["call_remarks"]

Remark = tuple[str, str]


def call_remarks(settings: Settings) -> Iterator[Remark]:
    """Yield what looks misread already in the configuration, and the line that mends it."""
    calls, rules = settings.calls, number_rules(settings)
    example = phonenumbers.example_number_for_type(
        calls.country, phonenumbers.PhoneNumberType.MOBILE
    )
    number = f"+{example.country_code}{example.national_number}" if example else "+79110000001"
    if any(rules.is_internal(text) for text in (number, number.lstrip("+"))):
        yield (
            f"[calls] internal takes the public number {number} for an "
            "extension: callers would be employees",
            "let it match whole extensions only, such as '^[0-9]{2,6}$'",
        )
    for context in sorted({*calls.trunk_contexts} & {*calls.phone_contexts}):
        yield (
            f"[calls] {context!r} is in trunk_contexts and in phone_contexts: "
            "it counts as a trunk's",
            "leave it in one of them",
        )
    for member in settings.ivr.members:
        if rules.is_trunk(member):
            yield (
                f"[ivr] member {member!r} is a line to the outside by [calls] trunks: "
                "it raises no card",
                "let the pattern of trunks match the trunk alone",
            )
        elif rules.extension(member) is None:
            yield (
                f"[ivr] member {member!r} gives no extension: it is known by its whole name alone",
                "add a pattern with (?P<ext>…) for it to [calls] interface, "
                "or give its employee that name",
            )
