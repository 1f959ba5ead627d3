"""The entries of the kernel: what any feature may record."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from appeals.case.entry import Entry

__all__ = ["AttemptRefused", "Changed", "ConflictStored", "ResponsibleWithdrawn"]

_FREE_TEXTS = frozenset({"gist", "result"})


@dataclass(frozen=True, kw_only=True)
class Changed(Entry):
    """A field of the appeal has another value.

    `as_`: the role of the author; None: the system.
    """

    TYPE: ClassVar = "changed"
    LEFT_OUT: ClassVar = frozenset({"as"})

    field: str
    as_: str | None = None
    old: Any
    new: Any

    def personal_fields(self) -> tuple[str, ...]:
        """Return the fields that hold free text."""
        # Free text: people write names and numbers into it.
        return ("old", "new") if self.field in _FREE_TEXTS else ()


@dataclass(frozen=True, kw_only=True)
class ConflictStored(Entry):
    """A conflict of interest of `employee` is stored. `call`: the one that they answered.

    `stored_before`: the case is older than stored conflicts, and the upkeep job found this one.
    """

    TYPE: ClassVar = "conflict"
    LEFT_OUT: ClassVar = frozenset({"call", "stored_before"})

    employee: int
    degree: int
    reason: str
    call: str | None = None
    stored_before: Literal[True] | None = None


@dataclass(frozen=True, kw_only=True)
class ResponsibleWithdrawn(Entry):
    """The appeal was taken from `employee`, in conflict.

    `verb`, `from_`, `to`: the step back, if there was one.
    """

    TYPE: ClassVar = "responsible_withdrawn"
    LEFT_OUT: ClassVar = frozenset({"verb", "from", "to"})
    STAGES: ClassVar = ("from", "to")

    employee: int
    reason: str
    verb: str | None = None
    from_: str | None = None
    to: str | None = None


@dataclass(frozen=True, kw_only=True)
class AttemptRefused(Entry):
    """The rights refused `action` to the author."""

    TYPE: ClassVar = "refused"
    FOR_OVERSEERS: ClassVar = True

    action: str
    reason: str
