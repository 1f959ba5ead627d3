"""What is stored as a name with JSON beside it: typed here, plain in the database.

A kind of history entry, a kind of event: each is a frozen dataclass with a stored name. Stored rows
outlive the program that wrote them, so a name never changes.
"""

from dataclasses import dataclass
from inspect import get_annotations
from typing import Any, ClassVar

__all__ = ["Typed"]


@dataclass(frozen=True)
class Typed:
    """A dataclass whose fields are the keys of stored JSON in their order, of JSON values.

    A field of a name that Python keeps for itself ends in `_`: `from_` is the key `from`. `TYPE` is the
    stored name of the kind. A key of `LEFT_OUT` is not there when its value is None.
    """

    TYPE: ClassVar[str]
    LEFT_OUT: ClassVar[frozenset[str]] = frozenset()

    _reserved: ClassVar[bool] = False  # whether a field ends in `_`

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        names = (name for each in cls.__mro__ for name in get_annotations(each))
        cls._reserved = any(name[-1] == "_" for name in names)

    def to_data(self) -> dict[str, Any]:
        """Return the JSON of all fields."""
        # A press waits for this: `asdict` copies each value deeply and costs 60 times as much.
        data = self.__dict__.copy()
        if self._reserved:
            data = {name.removesuffix("_"): value for name, value in data.items()}
        for key in self.LEFT_OUT:
            if data[key] is None:
                del data[key]
        return data
