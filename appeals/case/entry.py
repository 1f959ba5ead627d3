"""An entry in the history of an appeal: a kind with a name, its fields, some personal.

Features declare their kinds in their `entries.py`. What was ever recorded stays readable: a kind
keeps its name, a field that comes later has a default, and of a kind that no feature declares an
entry is read as `Unknown`.
"""

from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any, ClassVar, Self, get_origin

from store.typed import Typed

__all__ = ["Entry", "EntryKinds", "Unknown", "decode"]


@dataclass(frozen=True)
class Entry(Typed):
    """A kind of entry; `TYPE` is its stored action.

    `PERSONAL`: fields with names, numbers and what people wrote. They are stored apart and can be
    erased; then they are read as None. `STAGES`: keys whose values are codes of stages.
    `FOR_OVERSEERS`: of such an entry others see only that it is there.
    """

    PERSONAL: ClassVar[tuple[str, ...]] = ()
    STAGES: ClassVar[tuple[str, ...]] = ()
    FOR_OVERSEERS: ClassVar[bool] = False

    def personal_fields(self) -> tuple[str, ...]:
        """Return the names of the personal fields of this very entry."""
        return self.PERSONAL

    def parts(self) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """Return the JSON that the chain holds, and the personal JSON beside it.

        None: nothing is personal.
        """
        data = self.to_data()
        if not (names := self.personal_fields()):
            return data, None
        return data, {name: data.pop(name) for name in names}

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Self:
        """Return the entry that `data`, with the personal part in it, was made of.

        A missing key gets the default of its field, or the empty value of its type. A key
        that no field has is passed over. Values are taken as they are.
        """
        given = {field.name: field.name.removesuffix("_") for field in fields(cls)}
        absent = {
            field.name: _default(field) for field in fields(cls) if given[field.name] not in data
        }
        return cls(**absent, **{name: data[key] for name, key in given.items() if key in data})


def _default(field: Field[Any]) -> Any:
    if field.default is not MISSING:
        return field.default
    kind = get_origin(field.type) or field.type
    return kind() if kind in (str, int, bool, list, dict) else None


@dataclass(frozen=True)
class Unknown:
    """An entry of a kind that this program does not know, as it is stored."""

    action: str
    data: dict[str, Any]
    personal: dict[str, Any] | None = None

    STAGES: ClassVar[tuple[str, ...]] = ("stage", "from", "to")
    FOR_OVERSEERS: ClassVar[bool] = False


EntryKinds = Mapping[str, type[Entry]]
"""Stored action → kind."""


def decode(
    kinds: EntryKinds, action: str, data: dict[str, Any], personal: dict[str, Any] | None
) -> Entry | Unknown:
    """Return a stored entry as what it is; never fails.

    `personal` None: there was none, or it is erased.
    """
    kind = kinds.get(action)
    if kind is None or not isinstance(data, dict):
        return Unknown(action, data, personal)
    return kind.from_data({**data, **personal} if isinstance(personal, dict) else data)
