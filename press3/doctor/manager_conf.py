"""What manager.conf says of our AMI user, read through the PBX itself.

The dialplan function AST_CONFIG reads a configuration file as Asterisk would load it, includes too,
and Getvar evaluates it: a user with `write = reporting` may do that (measured on 16.28 and 22.10).
It tells what stands in the file now, not what was loaded at the last `manager reload`.
"""

from dataclasses import dataclass

from ami import actions
from ami.asking import Asking

__all__ = ["UNKNOWN", "ManagerUser", "read_user"]

_MOST_FILTERS = 50
_VALUE_LIMIT = 1000  # Getvar cuts a value at 1,023 bytes: a longer filter can't be judged


@dataclass(frozen=True, kw_only=True)
class ManagerUser:
    """`known` is False when the PBX could not read its own file: func_config is missing, or the user
    stands elsewhere. `cut` are filters too long to be read whole."""

    read: frozenset[str]
    write: frozenset[str]
    filters: tuple[str, ...]
    cut: bool
    timestamps: bool
    write_timeout_ms: int | None

    @property
    def known(self) -> bool:
        return bool(self.read or self.write)


_NOTHING: frozenset[str] = frozenset()
UNKNOWN = ManagerUser(
    read=_NOTHING, write=_NOTHING, filters=(), cut=False, timestamps=True, write_timeout_ms=None
)


async def read_user(link: Asking, username: str) -> ManagerUser:
    """Ask the PBX. Raises AmiError."""
    filters = await _filters(link, username)
    timeout = await _value(link, username, "writetimeout")
    return ManagerUser(
        read=_classes(await _value(link, username, "read")),
        write=_classes(await _value(link, username, "write")),
        filters=filters,
        cut=any(len(each) >= _VALUE_LIMIT for each in filters),
        timestamps=_is_true(await _value(link, "general", "timestampevents")),
        write_timeout_ms=int(timeout) if timeout.isdecimal() else None,
    )


async def _filters(link: Asking, username: str) -> tuple[str, ...]:
    found: list[str] = []
    for n in range(_MOST_FILTERS):
        value = await _value(link, username, "eventfilter", n)
        if not value:
            break
        found.append(value)
    return tuple(found)


async def _value(link: Asking, category: str, name: str, index: int = -1) -> str:
    """The value, by default the last of several: that is the one which counts."""
    return await actions.getvar(link, f"AST_CONFIG(manager.conf,{category},{name},{index})")


def _classes(value: str) -> frozenset[str]:
    return frozenset(part.strip() for part in value.split(",") if part.strip())


def _is_true(value: str) -> bool:
    """As Asterisk reads a boolean."""
    return value.lower() in {"yes", "true", "y", "t", "1", "on"}
