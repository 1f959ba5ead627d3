"""Every role, every action, every scope, every conflict: one table."""

import itertools

import pytest

from appeals.rights import Action, Allowed, Reason, Refusal, Subject, conflict, may, oversees
from people.audience import Viewer
from people.model import Role

ME, OTHER = 1, 2
MINE, ABOVE, ELSEWHERE = 10, 11, 12

WORKERS = {Role.OPERATOR, Role.HANDLER, Role.EXECUTOR, Role.SUPERVISOR, Role.ADMIN}
MAY_IN_SCOPE = {
    Action.READ: set(Role),
    Action.LISTEN: set(Role),
    Action.TAKE: WORKERS,
    Action.RESOLVE: WORKERS,
    Action.PATCH: WORKERS,
    Action.ACCUSE: {Role.SUPERVISOR, Role.ADMIN},
}
SCOPES = {
    "his department": (MINE, Subject(departments=(MINE, ABOVE))),
    "a department below his": (ABOVE, Subject(departments=(MINE, ABOVE))),
    "the whole company": (None, Subject(departments=(MINE, ABOVE))),
    "another department": (ELSEWHERE, Subject(departments=(MINE, ABOVE))),
    "the department above his": (MINE, Subject(departments=(ABOVE,))),
    "no department at all": (MINE, Subject()),
    "his telephone": (ELSEWHERE, Subject(departments=(MINE,), telephones=frozenset({ME}))),
    "he is responsible": (ELSEWHERE, Subject(departments=(MINE,), responsible_id=ME)),
}
REACHED_BY_DEPARTMENT = {"his department", "a department below his", "the whole company"}
REACHED_BY_HIMSELF = {"his telephone", "he is responsible"}


def reached(role: Role, scope: str) -> bool:
    if role is Role.ADMIN or scope in REACHED_BY_HIMSELF:
        return True
    return role is not Role.OPERATOR and scope in REACHED_BY_DEPARTMENT


@pytest.mark.parametrize(("role", "scope"), list(itertools.product(Role, SCOPES)))
def test_scope_comes_before_everything(role: Role, scope: str) -> None:
    department, subject = SCOPES[scope]
    actor = Viewer(ME, role, department)
    for action in Action:
        verdict = may(actor, action, subject)
        if not reached(role, scope):
            assert verdict == Refusal(Reason.OUT_OF_SCOPE)
        elif role in MAY_IN_SCOPE[action]:
            assert verdict == Allowed()
        else:
            assert verdict == Refusal(Reason.ROLE)


CONFLICTS = {
    Reason.ACCUSED: Subject(departments=(MINE,), telephones=frozenset({ME}), accused_id=ME),
    Reason.ANSWERED_THE_CALL: Subject(
        departments=(MINE,), telephones=frozenset({ME}), answered_by=frozenset({ME, OTHER})
    ),
}


@pytest.mark.parametrize(("role", "reason"), list(itertools.product(Role, CONFLICTS)))
def test_no_role_is_above_the_conflict_rule(role: Role, reason: Reason) -> None:
    actor = Viewer(ME, role, MINE)
    for action in Action:
        verdict = may(actor, action, CONFLICTS[reason])
        if action is Action.READ:
            assert verdict == Allowed()
        elif role not in MAY_IN_SCOPE[action]:
            assert verdict == Refusal(Reason.ROLE)
        else:
            assert verdict == Refusal(reason)
            assert isinstance(verdict, Refusal)
            assert verdict.conflict


def test_whoever_only_heard_it_ring_is_not_in_conflict() -> None:
    subject = Subject(telephones=frozenset({ME, OTHER}), answered_by=frozenset({OTHER}))
    assert conflict(ME, subject) is None
    assert may(Viewer(ME, Role.OPERATOR, None), Action.TAKE, subject) == Allowed()


def test_who_oversees() -> None:
    overseers = {role for role in Role if oversees(Viewer(ME, role, None))}
    assert overseers == {Role.SUPERVISOR, Role.AUDITOR, Role.ADMIN}
