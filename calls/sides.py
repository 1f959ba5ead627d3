"""Is a channel an employee's telephone or a line to the outside? Pure.

The one rule; docs/call-model.md has it in words. A name alone does not decide: a trunk may be named by
a city number, a telephone by a word. How a channel comes decides. It comes by itself: then its context
and the number that it shows. Or it is dialled: then whether a number was dialled through it.
"""

from collections import OrderedDict
from typing import Generic, NamedTuple, TypeVar

from calls.numbers import NumberRules, dialled_user, resource

__all__ = ["Side", "Sides"]

_KEPT = 10_000
# The names of these lines are ports and spans, not extensions: DAHDI/12-1, DAHDI/i1/9110000001-2.
_PORTS = ("DAHDI/", "Zap/", "Khomp/", "mISDN/", "Console/", "Dongle/", "GSM/", "Mobile/")
_SPANS = ("DAHDI/i", "Zap/i", "mISDN/", "Dongle/", "GSM/", "Mobile/")
_Value = TypeVar("_Value")


class Side(NamedTuple):
    """`extension` is the employee's; None: it is a line to the outside."""

    extension: str | None

    @property
    def is_outside(self) -> bool:
        return self.extension is None


OUTSIDE = Side(None)


class Sides:
    """Reads channels by `NumberRules`, and remembers what lines were seen to be.

    The memory only settles what is open otherwise; it is of this process and bounded.
    """

    def __init__(self, numbers: NumberRules) -> None:
        self._numbers = numbers
        self._rung: _Recent[str] = _Recent()  # telephones that were rung: whose they are
        self._shown: _Recent[str] = _Recent()  # the extension that a line showed when it called
        self._trunks: _Recent[bool] = _Recent()
        self._contexts: _Recent[bool] = _Recent()  # out of which outside callers come

    def by_name(self, name: str) -> Side:
        """Return whose a channel is of which no more is known: found in the middle of a call."""
        return OUTSIDE if _line(name) in self._trunks else Side(self._numbers.extension(name))

    def entering(self, name: str, *, number: str, context: str) -> Side:
        """Return whose a channel is that came into the dialplan by itself, showing `number`."""
        numbers, line, rung = self._numbers, _line(name), self._rung.get(_line(name))
        if numbers.is_trunk(name):
            return OUTSIDE
        extension = numbers.extension(name) or rung
        own = number != "" and number in (extension, resource(name))
        if numbers.is_phone_context(context):
            return self._at_home(line, extension, number, own)
        if numbers.is_trunk_context(context) or name.startswith(_SPANS):
            return self._brought(line, extension, context)
        if not own and numbers.is_public(number):
            return Side(rung) if rung is not None else self._brought(line, extension, context)
        if extension is not None:
            return OUTSIDE if line in self._trunks and not own else Side(extension)
        if line in self._trunks or context in self._contexts:
            return self._shows(line, number) if own and numbers.is_internal(number) else OUTSIDE
        if numbers.is_internal(number) or (own and not numbers.says_nothing(number)):
            return self._shows(line, number)
        return OUTSIDE

    def shows(self, name: str, number: str) -> str | None:
        """Return the extension that a telephone shows now; None where its name says it, or none is shown."""
        if self._numbers.extension(name) is not None or not self._numbers.is_internal(number):
            return None
        return self._shows(_line(name), number).extension

    def dialled(
        self,
        name: str,
        *,
        dial_string: str,
        number: str,
        dialled_from: str,
        born_as: str = "",
        context: str = "",
        one_of_several: bool = False,
    ) -> Side:
        """Return whose a dialled channel is.

        `dial_string` is what followed the technology; `number` what the PBX calls the dialled party,
        `dialled_from` the extension of the dialplan that dials; `born_as` the number that the channel
        showed before it was dialled, which is its line's own; `context` where its line enters the
        dialplan. `one_of_several`: other lines are called by the same number, which is a group's.
        """
        numbers, line, own = self._numbers, _line(name), resource(name)
        if numbers.is_trunk(name):
            return OUTSIDE
        extension = numbers.extension(name)
        if _through(own, extension, dial_string):
            self._trunks.put(line, True)
            return OUTSIDE
        is_port = name.startswith(_PORTS)
        if extension is None and not is_port and numbers.is_internal(born_as):
            extension = born_as
        extension = extension or self._shown.get(line)
        if extension is None and number == dialled_from and numbers.is_internal(number):
            extension = self._rung.get(line) or own if one_of_several else number
        if extension is None and (is_port or numbers.is_trunk_context(context)):
            return OUTSIDE
        # no number was dialled: it is nobody else's line
        extension = extension or self._rung.get(line) or own
        if not one_of_several:
            self._rung.put(line, extension)
        self._trunks.drop(line)
        return Side(extension)

    def _at_home(self, line: str, extension: str | None, number: str, own: bool) -> Side:
        """It came out of a context of employees: theirs by its name, else by the number it shows."""
        if extension is not None:
            return Side(extension)
        if self._numbers.is_internal(number) or (own and not self._numbers.says_nothing(number)):
            return self._shows(line, number)
        return OUTSIDE

    def _shows(self, line: str, extension: str) -> Side:
        self._shown.put(line, extension)
        return Side(extension)

    def _brought(self, line: str, extension: str | None, context: str) -> Side:
        """An outside caller came by this line: a trunk, and if its name is none's, a trunk's context."""
        self._trunks.put(line, True)
        self._shown.drop(line)
        if extension is None:
            self._contexts.put(context, True)
        return OUTSIDE


def _through(own: str, extension: str | None, dial_string: str) -> bool:
    """Return whether a number was dialled through the line: `89110000001@211553`, `trunk/8911…`."""
    if extension is not None and dial_string.lower().startswith((f"{own}/sip:", f"{own}/sips:")):
        return False  # the contact of a telephone
    return dialled_user(dial_string, resource=own) not in ("", extension)


def _line(name: str) -> str:
    return f"{name.partition('/')[0]}/{resource(name)}"


class _Recent(Generic[_Value]):
    """A bounded memory: the oldest is forgotten first."""

    def __init__(self) -> None:
        self._values: OrderedDict[str, _Value] = OrderedDict()

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def get(self, key: str) -> _Value | None:
        return self._values.get(key)

    def drop(self, key: str) -> None:
        self._values.pop(key, None)

    def put(self, key: str, value: _Value) -> None:
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > _KEPT:
            self._values.popitem(last=False)
