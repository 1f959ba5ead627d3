"""What is stored as a name with JSON beside it: typed here, plain in the database.

A kind of history entry, a kind of event: each is a frozen dataclass with a stored name. Stored rows
outlive the program that wrote them, so a name never changes.
"""

from dataclasses import dataclass
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

    def to_data(self) -> dict[str, Any]:
        """Return the JSON of all fields."""
        # `asdict` copies every value deeply, and this is on the way of a press.
        data = {
            name[:-1] if name[-1] == "_" else name: value for name, value in self.__dict__.items()
        }
        for key in self.LEFT_OUT:
            if data[key] is None:
                del data[key]
        return data
