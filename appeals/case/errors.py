"""What can go wrong with an appeal: one tree, typed data.

`web` maps it to problem types by one table.
"""

from collections.abc import Sequence
from typing import Literal

from appeals.case.model import Phase

__all__ = [
    "AppealError",
    "Invalid",
    "Missing",
    "NotFound",
    "PbxUnread",
    "Refused",
    "VersionConflict",
    "WrongStage",
]

Thing = Literal["appeal", "call", "recording"]


class AppealError(Exception):
    """Base of all errors of this package."""


class NotFound(AppealError):
    """There is no such thing, or the person asking may not know that there is."""

    def __init__(self, what: Thing, key: int | str) -> None:
        super().__init__(f"no {what} {key}")
        self.what = what
        self.key = key


class Refused(AppealError):
    """The rights refuse it.

    `conflict`: by the conflict rule; `reason` is a code of `rights.Reason`.
    """

    def __init__(
        self, *, action: str, reason: str, conflict: bool, employee_id: int, number: int | None
    ) -> None:
        super().__init__(f"{action} refused: {reason}")
        self.action = action
        self.reason = reason
        self.conflict = conflict
        self.employee_id = employee_id
        self.number = number


class Missing(AppealError):
    """Fields without which the step can't be taken."""

    def __init__(self, fields: Sequence[str]) -> None:
        super().__init__(f"missing: {', '.join(fields)}")
        self.fields = tuple(fields)


class Invalid(AppealError):
    """A value that names nothing known or can't be set; `reason` is for people."""

    def __init__(self, field: str, value: object, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.value = value
        self.reason = reason


class VersionConflict(AppealError):
    """Somebody changed the appeal since the caller read it."""

    def __init__(self, number: int, *, expected: int, actual: int) -> None:
        super().__init__(f"appeal {number} is at version {actual}, not {expected}")
        self.number = number
        self.expected = expected
        self.actual = actual


class WrongStage(AppealError):
    """The verb is not possible in this phase; nothing was changed."""

    def __init__(self, phase: Phase, verb: str) -> None:
        super().__init__(f"can't {verb} an appeal that is {phase}")
        self.phase = phase
        self.verb = verb


class PbxUnread(AppealError):
    """What was pressed can't be read from any of `pbxs` now: nothing can be compared with it."""

    def __init__(self, pbxs: Sequence[str]) -> None:
        super().__init__(f"what was pressed can't be read from PBX {', '.join(pbxs)} now")
        self.pbxs = tuple(pbxs)
