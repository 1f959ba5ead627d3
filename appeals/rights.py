"""Who may do what with which appeal, call or recording: one pure function.

Scope comes first: whoever may not read a thing is not told that it exists. An employee reads what
rang at his own telephone and what he is responsible for; all roles but the operator read besides what
belongs to their department or to one below it, and without a department everything.

Then the role, then the conflict rule: on every appeal the accused, and on a complaint that the
machine opened also whoever answered its call, may not take it, resolve it, change it, listen to it
or say who is accused. No role is above that rule. Is a supervisor in conflict, then the supervisor of
a department above decides, or an admin.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from people.model import Role

__all__ = [
    "Action",
    "Allowed",
    "Person",
    "Reason",
    "Refusal",
    "Subject",
    "conflict",
    "may",
    "oversees",
]


class Action(enum.StrEnum):
    READ = "read"
    TAKE = "take"
    RESOLVE = "resolve"
    PATCH = "patch"
    LISTEN = "listen"
    ACCUSE = "accuse"


class Reason(enum.StrEnum):
    OUT_OF_SCOPE = "out_of_scope"
    ROLE = "role"
    ACCUSED = "accused"
    ANSWERED_THE_CALL = "answered_the_call"


class Person(Protocol):
    """Whoever acts: `people.model.Employee` and `people.audience.Viewer` both fit."""

    @property
    def id(self) -> int: ...
    @property
    def role(self) -> Role: ...
    @property
    def department_id(self) -> int | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What the rule needs to know of an appeal, or of a call that belongs to none (`number` null).

    `departments`: its department and all above. `telephones`: at whose telephones its calls rang.
    `answered_by`: who answered the call of the press, when that makes a conflict; else empty.
    """

    number: int | None = None
    departments: tuple[int, ...] = ()
    telephones: frozenset[int] = frozenset()
    responsible_id: int | None = None
    accused_id: int | None = None
    answered_by: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Allowed:
    pass


@dataclass(frozen=True, slots=True)
class Refusal:
    reason: Reason

    @property
    def conflict(self) -> bool:
        return self.reason in (Reason.ACCUSED, Reason.ANSWERED_THE_CALL)


_EVERYBODY: Final = frozenset(Role)
_WORKERS: Final = _EVERYBODY - {Role.AUDITOR}
_ROLES: Final[Mapping[Action, frozenset[Role]]] = {
    Action.READ: _EVERYBODY,
    Action.TAKE: _WORKERS,
    Action.RESOLVE: _WORKERS,
    Action.PATCH: _WORKERS,
    Action.LISTEN: _EVERYBODY,
    Action.ACCUSE: frozenset({Role.SUPERVISOR, Role.ADMIN}),
}


def may(actor: Person, action: Action, subject: Subject) -> Allowed | Refusal:
    """Say whether `actor` may do `action` to `subject`, and if not, why."""
    if not _in_scope(actor, subject):
        return Refusal(Reason.OUT_OF_SCOPE)
    if actor.role not in _ROLES[action]:
        return Refusal(Reason.ROLE)
    reason = None if action is Action.READ else conflict(actor.id, subject)
    return Refusal(reason) if reason else Allowed()


def conflict(employee_id: int, subject: Subject) -> Reason | None:
    """Return why this employee must keep his hands off the appeal; None when nothing speaks against it."""
    if employee_id == subject.accused_id:
        return Reason.ACCUSED
    return Reason.ANSWERED_THE_CALL if employee_id in subject.answered_by else None


def oversees(person: Person) -> bool:
    """Say whether `person` sees refused attempts, blind windows and the reconciliation."""
    return person.role in (Role.SUPERVISOR, Role.AUDITOR, Role.ADMIN)


def _in_scope(actor: Person, subject: Subject) -> bool:
    if actor.role == Role.ADMIN:
        return True
    if actor.id == subject.responsible_id or actor.id in subject.telephones:
        return True
    if actor.role == Role.OPERATOR:
        return False
    return actor.department_id is None or actor.department_id in subject.departments
