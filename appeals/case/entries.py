"""The entries of the kernel, which any feature may record, and the events of an appeal."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from appeals.case.entry import Entry
from store.typed import Typed

__all__ = [
    "AppealChanged",
    "AppealOpened",
    "AttemptRefused",
    "Changed",
    "ConflictStored",
    "HiddenChanged",
    "HiddenOpened",
    "ResponsibleWithdrawn",
]

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


@dataclass(frozen=True, kw_only=True)
class AppealOpened(Typed):
    """An appeal that you may read was opened."""

    TYPE: ClassVar = "appeal.opened"

    number: int
    version: int
    phase: str
    call: str | None


@dataclass(frozen=True, kw_only=True)
class HiddenOpened(Typed):
    """An appeal about you has changed.

    `GET /appeals/{number}` returns what you may know of it.
    """

    TYPE: ClassVar = "appeal.opened"

    number: int
    version: int
    hidden: Literal[True]


@dataclass(frozen=True, kw_only=True)
class AppealChanged(Typed):
    """An appeal that you may read has changed."""

    TYPE: ClassVar = "appeal.changed"

    number: int
    version: int
    phase: str
    call: str | None


@dataclass(frozen=True, kw_only=True)
class HiddenChanged(Typed):
    """An appeal about you has changed.

    `GET /appeals/{number}` returns what you may know of it.
    """

    TYPE: ClassVar = "appeal.changed"

    number: int
    version: int
    hidden: Literal[True]
