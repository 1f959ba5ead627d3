"""Facts as JSON rows and back. Pure."""

from dataclasses import fields
from datetime import datetime
from typing import Any

from calls import facts
from calls.facts import CallArrived, CallerNamed, Fact, Party

__all__ = ["fact_from_row", "fact_to_data"]

_TYPES: dict[str, type[Fact]] = {
    name: kind
    for name, kind in vars(facts).items()
    if isinstance(kind, type) and issubclass(kind, Fact) and kind is not Fact
}
_FIELDS: dict[type[Fact], tuple[str, ...]] = {
    kind: tuple(field.name for field in fields(kind) if field.name not in ("call", "at"))
    for kind in _TYPES.values()
}
_PARTY = tuple(field.name for field in fields(Party))


def fact_to_data(fact: Fact) -> dict[str, Any]:
    """Return everything of `fact` but its call and time, as JSON values."""
    data = {name: getattr(fact, name) for name in _FIELDS[type(fact)]}
    return {name: _plain(value) for name, value in data.items()}


def fact_from_row(call: str, kind: str, at: datetime, data: dict[str, Any]) -> Fact:
    """Return the fact that `fact_to_data` took apart; raises KeyError for a type we do not know."""
    cls = _TYPES[kind]
    values = dict(data)
    if issubclass(cls, CallArrived):
        values["caller"], values["to"] = Party(**values["caller"]), Party(**values["to"])
    elif cls is CallerNamed:
        values["caller"] = Party(**values["caller"])
    return cls(call=call, at=at, **values)


def _plain(value: Any) -> Any:
    if isinstance(value, Party):
        return {name: getattr(value, name) for name in _PARTY}
    return value
