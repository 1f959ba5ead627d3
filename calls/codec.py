"""Facts as JSON rows and back. Pure."""

from dataclasses import fields
from datetime import datetime
from typing import Any

from calls.facts import (
    CallArrived,
    CallEnded,
    CallerNamed,
    CallRetold,
    ComplaintRequested,
    Fact,
    HeldBy,
    MenuKeyPressed,
    OperatorAnswered,
    OperatorLeft,
    OperatorRang,
    OperatorStoppedRinging,
    Party,
    QueueEntered,
    QueueLeft,
    RecordingStarted,
    RecordingStopped,
    Resumed,
    StateLost,
    Transferred,
)

__all__ = ["fact_from_row", "fact_to_data"]

_KINDS: tuple[type[Fact], ...] = (
    CallArrived,
    CallRetold,
    CallerNamed,
    MenuKeyPressed,
    ComplaintRequested,
    QueueEntered,
    QueueLeft,
    OperatorRang,
    OperatorStoppedRinging,
    OperatorAnswered,
    OperatorLeft,
    HeldBy,
    Resumed,
    Transferred,
    RecordingStarted,
    RecordingStopped,
    CallEnded,
    StateLost,
)
_TYPES: dict[str, type[Fact]] = {kind.TYPE: kind for kind in _KINDS}
_FIELDS: dict[type[Fact], tuple[str, ...]] = {
    kind: tuple(field.name for field in fields(kind) if field.name not in ("call", "at"))
    for kind in _KINDS
}
_PARTY = tuple(field.name for field in fields(Party))


def fact_to_data(fact: Fact) -> dict[str, Any]:
    """Return everything of `fact` but its call and time, as JSON values."""
    data = {name: getattr(fact, name) for name in _FIELDS[type(fact)]}
    return {name: _plain(value) for name, value in data.items()}


def fact_from_row(call: str, type_: str, at: datetime, data: dict[str, Any]) -> Fact:
    """Return the fact that `fact_to_data` took apart.

    Raises:
        KeyError: no kind of fact has this TYPE.
    """
    kind = _TYPES[type_]
    values = dict(data)
    if issubclass(kind, CallArrived):
        values["caller"], values["to"] = Party(**values["caller"]), Party(**values["to"])
    elif kind is CallerNamed:
        values["caller"] = Party(**values["caller"])
    return kind(call=call, at=at, **values)


def _plain(value: Any) -> Any:
    if isinstance(value, Party):
        return {name: getattr(value, name) for name in _PARTY}
    return value
