"""The rights to appeals, calls and recordings: one pure function.

The conflict rule comes first, in two degrees. *The accused* has no verb and does not read the
appeal, whatever the role. *The employee who answered the call* of a complaint that the machine
opened reads it and may write down what the caller said while that is empty, and no more
(`AnsweredBy`).

Then the scope: an appeal that a person may not read does not exist for that person
(`appeals.case.scope`). Then the role. An admin acts only where no supervisor in charge stands
outside the conflict.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from appeals.case.scope import BY_DEPARTMENT, EVERYTHING
from people.model import Role

__all__ = [
    "Action",
    "Allowed",
    "AnsweredBy",
    "Person",
    "Reason",
    "Refusal",
    "Subject",
    "conflict",
    "may",
    "oversees",
]


class Action(enum.StrEnum):
    """What is done; an action comes under the conflict rule unless `_EXEMPT` holds it."""

    READ = "read"
    TAKE = "take"
    RESOLVE = "resolve"
    PATCH = "patch"
    NOTE = "note"  # gist and category while they are empty
    RETYPE = (
        "retype"  # to a kind that is neither complaint nor claim, or from one, for a pressed case
    )
    ASSIGN = "assign"
    RETURN = "return"
    LISTEN = "listen"
    ACCUSE = "accuse"


class Reason(enum.StrEnum):
    """Why the rights refuse."""

    OUT_OF_SCOPE = "out_of_scope"
    ROLE = "role"
    ACCUSED = "accused"
    ANSWERED_THE_CALL = "answered_the_call"


class AnsweredBy(enum.StrEnum):
    """What `[conflict] answered_by` leaves to the employee who answered the call of the press."""

    NOTES = "notes"
    BARRED = "barred"
    NONE = "none"


class Person(Protocol):
    """A person who acts: `people.model.Employee`, `people.access.audience.Viewer`."""

    @property
    def id(self) -> int:
        """The employee's id."""

    @property
    def role(self) -> Role:
        """The one role."""

    @property
    def department_id(self) -> int | None:
        """The department; None is the whole company."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What the rule knows of an appeal, or of a call that belongs to none (`number` None).

    `departments`: its department and all above. `telephones`: the employees at whose telephones the
    call of its press rang; `talked`: those who answered it. `own`: those who read it for a column
    of its own (`scope.OWN_COLUMNS`). `accused` and `answered_by`: conflicts in force of the first
    and the second degree; `rule`: what the second means now. `named`: an accused was named before.
    `supervised`: a supervisor in charge stands outside the conflict.
    """

    number: int | None = None
    departments: tuple[int, ...] = ()
    telephones: frozenset[int] = frozenset()
    talked: frozenset[int] = frozenset()
    own: frozenset[int] = frozenset()
    accused: frozenset[int] = frozenset()
    answered_by: frozenset[int] = frozenset()
    rule: AnsweredBy = AnsweredBy.NOTES
    named: bool = False
    supervised: bool = True


@dataclass(frozen=True, slots=True)
class Allowed:
    """The rights allow it."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The rights refuse it."""

    reason: Reason

    @property
    def conflict(self) -> bool:
        """Whether the conflict rule refuses it."""
        return self.reason in (Reason.ACCUSED, Reason.ANSWERED_THE_CALL)


_EVERYBODY: Final = frozenset(Role)
_DESK: Final = frozenset({Role.HANDLER, Role.SUPERVISOR})
_TALKERS: Final = _DESK | {Role.OPERATOR}
_ROLES: Final[Mapping[Action, frozenset[Role]]] = {
    Action.READ: _EVERYBODY,
    Action.TAKE: _TALKERS,
    Action.RESOLVE: _TALKERS,
    Action.PATCH: _TALKERS,
    Action.NOTE: _TALKERS,
    Action.RETYPE: frozenset({Role.SUPERVISOR}),
    Action.ASSIGN: _DESK,
    Action.RETURN: _TALKERS,
    Action.LISTEN: _EVERYBODY,
    Action.ACCUSE: _TALKERS,
}
# An operator does these only to an appeal of their own; `True`: one whose call they answered
# counts.
_OWN_ONLY: Final[Mapping[Action, bool]] = {
    Action.PATCH: False,
    Action.NOTE: True,
    Action.ACCUSE: True,
}
# What `AnsweredBy` leaves to the second degree.
_EXEMPT: Final[Mapping[AnsweredBy, frozenset[Action]]] = {
    AnsweredBy.NOTES: frozenset({Action.READ, Action.NOTE, Action.ACCUSE}),
    AnsweredBy.BARRED: frozenset({Action.READ}),
    AnsweredBy.NONE: frozenset(Action),
}
_ANYBODYS: Final = frozenset({Action.READ, Action.LISTEN})


def may(actor: Person, action: Action, subject: Subject) -> Allowed | Refusal:
    """Return whether `actor` may do `action` to `subject`, and if not, why."""
    if actor.id in subject.accused:
        return Refusal(Reason.ACCUSED)
    if not _in_scope(actor, subject):
        return Refusal(Reason.OUT_OF_SCOPE)
    if actor.id in subject.answered_by and not _left_to_answerer(action, subject):
        return Refusal(Reason.ANSWERED_THE_CALL)
    return Allowed() if _has_role(actor, action, subject) else Refusal(Reason.ROLE)


def conflict(employee_id: int, subject: Subject) -> Reason | None:
    """Return why this employee may not handle the appeal; None when nothing speaks against it."""
    if employee_id in subject.accused:
        return Reason.ACCUSED
    if employee_id in subject.answered_by and subject.rule is not AnsweredBy.NONE:
        return Reason.ANSWERED_THE_CALL
    return None


def oversees(person: Person) -> bool:
    """Return whether `person` sees refused attempts, blind windows and the reconciliation."""
    return person.role in (Role.SUPERVISOR, Role.AUDITOR, Role.ADMIN)


def _left_to_answerer(action: Action, subject: Subject) -> bool:
    """Naming the accused is theirs the first time only."""
    if subject.rule is AnsweredBy.NOTES and action is Action.ACCUSE and subject.named:
        return False
    return action in _EXEMPT[subject.rule]


def _has_role(actor: Person, action: Action, subject: Subject) -> bool:
    role = actor.role
    if role == Role.ADMIN and action not in _ANYBODYS:
        if subject.supervised:
            return False
        role = Role.SUPERVISOR  # in place of the supervisor that is missing
    if role not in _ROLES[action]:
        return False
    if action is Action.ACCUSE and subject.named:
        return role == Role.SUPERVISOR
    if role == Role.OPERATOR and action in _OWN_ONLY:
        answered = _OWN_ONLY[action] and actor.id in subject.talked
        return answered or actor.id in subject.own
    return True


def _in_scope(actor: Person, subject: Subject) -> bool:
    if actor.role in EVERYTHING or actor.id in subject.own or actor.id in subject.telephones:
        return True
    if actor.role not in BY_DEPARTMENT:
        return False
    return actor.department_id is None or actor.department_id in subject.departments
