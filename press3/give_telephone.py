"""`press3 user telephone`: give an employee a telephone, an extension or an outside number, with dates."""

from collections.abc import Callable
from datetime import date

from calls import days
from people import roster
from people.errors import WrongValue
from press3.config.settings import Settings
from press3.database import open_database
from press3.telephony_parts import number_rules

__all__ = ["give_telephone"]


async def give_telephone(
    settings: Settings, login: str, number: str, until: date | None, say: Callable[[str], None]
) -> None:
    """Give `number` to the employee from now on, through the local day `until` (None: without an end).

    An outside number is kept as E.164, whatever way of writing it is given in.

    Raises:
        WrongValue: neither an extension nor a telephone number of `[calls] country`, or `until` is over.
        ExtensionTaken, UnknownEmployee.
    """
    telephone = _telephone(settings, number)
    end = days.bounds(until, settings.zone)[1] if until is not None else None
    async with open_database(settings) as database:
        now = database.now()
        if end is not None and end <= now:
            raise WrongValue(f"--until {until} is over")
        await database.writer.run(
            lambda session: roster.give_telephone(session, login, telephone, now, until=end)
        )
    say(f"telephone {telephone} is {login}'s" + (f" until the end of {until}" if until else ""))


def _telephone(settings: Settings, number: str) -> str:
    rules = number_rules(settings)
    if rules.is_internal(number.strip()):
        return number.strip()
    e164 = rules.party(number).e164
    if e164 is None:
        raise WrongValue(
            f"{number!r} is neither an extension ([calls] internal is {settings.calls.internal!r}) nor a "
            f"telephone number of [calls] country {settings.calls.country!r}: write it as +79161234567"
        )
    return e164
