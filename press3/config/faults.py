"""What is wrong with the configuration: where a value stands, what it is, what is allowed.

Pure. A value may stand in the file or in the environment, which wins; a fault names which.
"""

import difflib
import json
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from press3.config.toml_lines import line_of
from press3.errors import ConfigError

__all__ = ["PREFIX", "Fault", "Given", "Place", "explain", "ill_named", "named", "no_json"]

# As pydantic names a place: ("asterisk", 0, "port") is the key `port` of the first [[asterisk]].
Place: TypeAlias = tuple[str | int, ...]
Fault: TypeAlias = tuple[Place, str]

PREFIX = "PRESS3_"
_BETWEEN = "__"
# What must not be shown in a terminal or a log.
_HIDDEN = frozenset({"secret", "url"})
# pydantic's kinds of fault where sections or a list belong: what stands there instead may hold a
# hidden one.
_NO_SECTION = frozenset({"model_type", "dict_type", "list_type"})
_NUMBERS = ("first", "second", "third", "fourth", "fifth")
# What other programs call it.
_ELSEWHERE = {
    "password": "secret", "passwd": "secret", "pass": "secret", "user": "username",
    "login": "username", "server": "host", "address": "host",
}  # fmt: skip
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "a text in quotes",
    "path": "a path in quotes",
    "finite": "a whole number",  # inf or nan for an int; the bounds of a float refuse them
    "list": 'a list, such as ["one", "two"]',
}


@dataclass(frozen=True, kw_only=True)
class Given:
    """Where values were given: `file` (its name) with its `text`, and the environment.

    `variables` are the variables of the environment, `values` what they mean, by section and key.
    """

    file: str
    text: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)

    def error(self, faults: Sequence[Fault]) -> ConfigError:
        """Return the error that names every fault with its place."""
        outside = all(self._variable(place) for place, _ in faults)
        where = "the environment" if outside else self.file
        return ConfigError(where, [self._located(place, what) for place, what in faults])

    def _located(self, place: Place, what: str) -> str:
        if variable := self._variable(place):
            return f"{variable}: {what}"
        if not place and self.values:
            return f"{what} (the environment gives {', '.join(self.variables)})"
        line = line_of(self.text, place)
        return f"line {line}: {what}" if line else what

    def _variable(self, place: Place) -> str | None:
        """Return the variable that gave the value at `place` (or the list in which it lacks)."""
        in_list = any(isinstance(part, int) for part in place)
        if not (_holds(self.values, place) or (in_list and _holds(self.values, place[:-1]))):
            return None
        wanted = {
            PREFIX + _BETWEEN.join(str(part) for part in place[:depth]).upper()
            for depth in range(1, len(place) + 1)
        }
        # The longest one wins, as it does for pydantic.
        return max((n for n in self.variables if n.upper() in wanted), key=len, default=None)


def named(place: Place, what: str) -> Fault:
    """Return the fault `what` of the value at `place`, with its name in front."""
    return (place, f"{_dotted(place)}: {what}" if place else what)


def _dotted(place: Place) -> str:
    at = next((n for n, part in enumerate(place) if isinstance(part, int)), None)
    if at is None or at + 1 == len(place):
        return ".".join(str(part) for part in place)
    return f"{_dotted(place[at + 1 :])} of {_which(place[: at + 1])}"


def _which(place: Place) -> str:
    """Name a section that may repeat by its number among its like."""
    section, n = ".".join(str(part) for part in place[:-1]), int(place[-1])
    number = _NUMBERS[n] if n < len(_NUMBERS) else f"{n + 1}th"
    return f"the {number} [[{section}]]"


def _holds(values: Any, place: Place) -> bool:
    """Return whether nested `values` have something at `place`; no place is in none."""
    for part in place:
        inside = range(len(values)) if isinstance(values, list) else values
        if not isinstance(inside, Mapping | range) or part not in inside:
            return False
        values = values[part]
    return bool(place)


def explain(model: type[BaseModel], faults: Iterable[Any]) -> list[Fault]:
    """Return pydantic's faults of `model` in our words."""
    return [_explained(model, fault) for fault in faults]


def _explained(model: type[BaseModel], fault: Any) -> Fault:
    place: Place = fault["loc"]
    if fault["type"] == "value_error":
        return named(place, fault["msg"].removeprefix("Value error, "))
    if fault["type"] == "missing":
        return named(place, "must be given")
    if fault["type"] == "extra_forbidden":
        near = _near(str(place[-1]), _keys(model, place[:-1]))
        if any(isinstance(part, int) for part in place[:-1]):
            key, _, where = _dotted(place).partition(" of ")
            return place, f"unknown key {key!r} in {where}{near}"
        return place, f"unknown key {_dotted(place)!r}{near}"
    instead = "" if _is_hidden(fault) else f", not {_shown(fault['input'])}"
    return named(place, f"must be {_allowed(model, fault)}{instead}")


def _is_hidden(fault: Any) -> bool:
    if not _HIDDEN.isdisjoint(fault["loc"]):
        return True
    return fault["type"] in _NO_SECTION and not isinstance(fault["input"], dict | list)


def _allowed(model: type[BaseModel], fault: Any) -> str:
    place: Place = fault["loc"]
    found = _field(model, place)
    if found is not None and found.description:
        return found.description
    if fault["type"] == "literal_error":
        return str(fault["ctx"]["expected"])
    name = ".".join(part for part in place if isinstance(part, str))
    if fault["type"] in ("model_type", "dict_type"):
        in_list = isinstance(place[-1], int)
        return f"a section of its own, [[{name}]]" if in_list else f"a section of its own, [{name}]"
    if fault["type"] == "list_type" and found is not None and _model_of(found) is not None:
        return f"a section that may repeat, [[{name}]]"
    return _KINDS.get(fault["type"].split("_")[0], "another value")


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str | int | float):
        return repr(value)
    return "a list" if isinstance(value, list) else "a section"


def ill_named(model: type[BaseModel], variables: Iterable[str]) -> Iterator[str]:
    """Yield the variables that look like settings and are none: nothing would read them."""
    for variable in variables:
        section, _, key = variable.upper().removeprefix(PREFIX).lower().partition(_BETWEEN)
        if key and section not in model.model_fields:
            yield f"{variable}: unknown section {section!r}" + _near(section, model.model_fields)
        for name in model.model_fields:
            rest = section.removeprefix(f"{name}_")
            if not key and rest != section and rest in _keys(model, (name,)):
                right = f"{PREFIX}{name}{_BETWEEN}{rest}".upper()
                yield f"{variable}: section and key have two _ between them: {right}"


def no_json(model: type[BaseModel], variables: Mapping[str, str]) -> Iterator[str]:
    """Yield the variables of lists and sections that are no JSON."""
    for variable, value in variables.items():
        place = tuple(variable.upper().removeprefix(PREFIX).lower().split(_BETWEEN))
        found = _field(model, place)
        if found is None or not _is_structured(found):
            continue
        try:
            json.loads(value)
        except ValueError:
            example = '{"key": "value"}' if _is_section(found) else '["one", "two"]'
            yield f"{variable}: must be JSON, such as {example}"


def _is_structured(found: FieldInfo) -> bool:
    return _is_section(found) or typing.get_origin(found.annotation) is list


def _is_section(found: FieldInfo) -> bool:
    kind = found.annotation
    return typing.get_origin(kind) is dict or (
        isinstance(kind, type) and issubclass(kind, BaseModel)
    )


def _near(name: str, names: Iterable[str]) -> str:
    known = list(names)
    meant = _ELSEWHERE.get(name.lower())
    near = [meant] if meant in known else difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def _keys(model: type[BaseModel], place: Place) -> list[str]:
    """Return the names of the keys in the section at `place`."""
    inner: type[BaseModel] | None = model
    for part in place:
        if isinstance(part, str) and inner is not None:
            inner = _model_of(inner.model_fields.get(part))
    return list(inner.model_fields) if inner is not None else []


def _field(model: type[BaseModel], place: Place) -> FieldInfo | None:
    """Return the field at `place`; None for an item of a list, and where there is none."""
    inner, found = model, None
    for part in place:
        if isinstance(part, int):
            found = None
            continue
        found = inner.model_fields.get(part)
        inner = _model_of(found) or BaseModel
    return found


def _model_of(found: FieldInfo | None) -> type[BaseModel] | None:
    """Return the model of a section, or of the items of a list of sections."""
    annotation: Any = found.annotation if found else None
    inner = getattr(annotation, "__args__", (annotation,))[0]
    return inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None
