"""Where a key stands in a TOML file, for error messages: tomllib keeps no positions. Pure."""

import re
from collections.abc import Iterator

__all__ = ["line_of"]

_HEADER = re.compile(r"^\s*\[\[?\s*([\w.\-]+)\s*\]")
_KEY = re.compile(r"^\s*(?:\"([^\"]+)\"|([\w\-]+))\s*[=.]")


def line_of(text: str, path: tuple[str | int, ...]) -> int | None:
    """Return the 1-based line of the key at `path` of pydantic, None when it has no line.

    `("asterisk", 0, "port")` is the key `port` under the first `[[asterisk]]`; a key that is not
    there gives the line of its section.
    """
    places = {(place[:-1]): place[-1] for place in _places(text)}
    names = [part for part in path if isinstance(part, str)]
    index = next((part for part in path if isinstance(part, int)), 0)
    for depth in range(len(names), 0, -1):
        section = ".".join(names[: depth - 1])
        for occurrence in (index, 0):
            found = places.get((section, occurrence, names[depth - 1]))
            found = found or places.get((".".join(names[:depth]), occurrence, ""))
            if found:
                return found
    return None


def _places(text: str) -> Iterator[tuple[str, int, str, int]]:
    """Yield (section, its occurrence from 0, key or "" for the header, line)."""
    section, occurrence = "", 0
    counts: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            section = header.group(1)
            occurrence = counts.get(section, 0)
            counts[section] = occurrence + 1
            yield section, occurrence, "", number
        elif key := _KEY.match(line):
            yield section, occurrence, key.group(1) or key.group(2), number
