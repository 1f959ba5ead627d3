"""Keyset pages: a cursor is the place of the last row, opaque to the client."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from appeals.case.errors import Invalid

__all__ = ["Page", "cut", "decode", "encode"]

_INTEGERS = 2**31  # what the key columns hold; a larger number would be an error of the database
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Page:
    """`next` is the cursor of the page that follows, None on the last one."""

    items: list[dict[str, Any]]
    next: str | None


def encode(place: Sequence[str | int]) -> str:
    """Return the cursor of `place`."""
    return base64.urlsafe_b64encode(json.dumps(list(place)).encode()).decode().rstrip("=")


def decode(cursor: str, kinds: Sequence[type]) -> list[Any]:
    """Return the place in `cursor`.

    Raises:
        Invalid: `encode` did not make it of values of such `kinds`.
    """
    try:
        place = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError) as error:
        raise Invalid("cursor", cursor, "not a cursor of this list") from error
    if not isinstance(place, list) or [type(value) for value in place] != list(kinds):
        raise Invalid("cursor", cursor, "not a cursor of this list")
    if any(isinstance(value, int) and not 0 <= value < _INTEGERS for value in place):
        raise Invalid("cursor", cursor, "not a cursor of this list")
    return place


def cut(
    rows: Sequence[Row], limit: int, place: Callable[[Row], Sequence[str | int]]
) -> tuple[Sequence[Row], str | None]:
    """Cut the one row too many that was asked for; return the page and the next cursor."""
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], encode(place(rows[limit - 1]))
