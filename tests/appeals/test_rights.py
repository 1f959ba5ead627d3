"""Every role, every action, every scope, every conflict: one table."""

import itertools
from dataclasses import replace

import pytest

from appeals.case.rights import (
    Action,
    Allowed,
    AnsweredBy,
    Reason,
    Refusal,
    Subject,
    conflict,
    may,
    oversees,
)
from people.access.audience import Viewer
from people.model import Role

ME, OTHER = 1, 2
MINE, ABOVE, ELSEWHERE = 10, 11, 12
ONLY_ME = frozenset({ME})

DESK = {Role.HANDLER, Role.SUPERVISOR}
TALKERS = {Role.OPERATOR, *DESK}
# DOMAIN's table of who may, for one who reads the appeal and is outside the conflict. `own`: besides, an
# operator who is responsible for it; `answered`: besides, one who answered its call.
MAY_IN_SCOPE = {
    Action.READ: set(Role),
    Action.LISTEN: set(Role),
    Action.TAKE: TALKERS,
    Action.RESOLVE: TALKERS,
    Action.RETURN: TALKERS,
    Action.ASSIGN: DESK,
    Action.RETYPE: {Role.SUPERVISOR},
    Action.PATCH: DESK,
    Action.NOTE: DESK,
    Action.ACCUSE: DESK,
}
OPERATORS_OWN = {Action.PATCH, Action.NOTE, Action.ACCUSE}
OPERATORS_ANSWERED = {Action.NOTE, Action.ACCUSE}
SCOPES = {
    "own department": (MINE, Subject(departments=(MINE, ABOVE))),
    "a department below": (ABOVE, Subject(departments=(MINE, ABOVE))),
    "the whole company": (None, Subject(departments=(MINE, ABOVE))),
    "another department": (ELSEWHERE, Subject(departments=(MINE, ABOVE))),
    "the department above": (MINE, Subject(departments=(ABOVE,))),
    "no department at all": (MINE, Subject()),
    "own telephone": (ELSEWHERE, Subject(departments=(MINE,), telephones=ONLY_ME)),
    "responsible": (ELSEWHERE, Subject(departments=(MINE,), own=ONLY_ME)),
}
REACHED_BY_DEPARTMENT = {"own department", "a department below", "the whole company"}
REACHED_BY_ONESELF = {"own telephone", "responsible"}
BY_DEPARTMENT = {Role.HANDLER, Role.SUPERVISOR, Role.AUDITOR}


def reached(role: Role, scope: str) -> bool:
    if role is Role.ADMIN or scope in REACHED_BY_ONESELF:
        return True
    return role in BY_DEPARTMENT and scope in REACHED_BY_DEPARTMENT


@pytest.mark.parametrize(("role", "scope"), list(itertools.product(Role, SCOPES)))
def test_scope_comes_before_the_role(role: Role, scope: str) -> None:
    department, subject = SCOPES[scope]
    actor = Viewer(ME, role, department)
    for action in Action:
        allowed = role in MAY_IN_SCOPE[action]
        if role is Role.OPERATOR and scope == "responsible":
            allowed = allowed or action in OPERATORS_OWN
        verdict = may(actor, action, subject)
        if not reached(role, scope):
            assert verdict == Refusal(Reason.OUT_OF_SCOPE)
        else:
            assert verdict == (Allowed() if allowed else Refusal(Reason.ROLE)), action


@pytest.mark.parametrize("action", Action)
def test_an_operator_who_answered_writes_down_what_the_caller_said(action: Action) -> None:
    answered = Subject(telephones=ONLY_ME, talked=ONLY_ME)
    verdict = may(Viewer(ME, Role.OPERATOR, MINE), action, answered)
    allowed = action in OPERATORS_ANSWERED or Role.OPERATOR in MAY_IN_SCOPE[action]
    assert verdict == (Allowed() if allowed else Refusal(Reason.ROLE))


@pytest.mark.parametrize("action", Action)
def test_an_admin_acts_in_place_of_a_supervisor_that_is_missing(action: Action) -> None:
    admin = Viewer(ME, Role.ADMIN, None)
    reads = action in (Action.READ, Action.LISTEN)
    assert (may(admin, action, Subject()) == Allowed()) is reads
    assert may(admin, action, Subject(supervised=False)) == Allowed()
    named = Subject(supervised=False, named=True)
    assert may(admin, action, named) == Allowed()


@pytest.mark.parametrize(("role", "action"), list(itertools.product(Role, Action)))
def test_no_role_is_above_the_conflict_rule_of_the_accused(role: Role, action: Action) -> None:
    subject = Subject(
        departments=(MINE,), telephones=ONLY_ME, own=ONLY_ME, accused=ONLY_ME, supervised=False
    )
    verdict = may(Viewer(ME, role, MINE), action, subject)
    assert verdict == Refusal(Reason.ACCUSED)
    assert isinstance(verdict, Refusal)
    assert verdict.conflict


LEFT_BY = {
    AnsweredBy.NOTES: {Action.READ, Action.NOTE, Action.ACCUSE},
    AnsweredBy.BARRED: {Action.READ},
}


@pytest.mark.parametrize(
    ("role", "action", "rule", "named"),
    list(itertools.product(Role, Action, LEFT_BY, (False, True))),
)
def test_who_answered_the_call_has_what_the_setting_leaves(
    role: Role, action: Action, rule: AnsweredBy, named: bool
) -> None:
    subject = Subject(
        departments=(MINE,),
        telephones=ONLY_ME,
        talked=ONLY_ME,
        answered_by=frozenset({ME, OTHER}),
        rule=rule,
        named=named,
        supervised=False,
    )
    verdict = may(Viewer(ME, role, MINE), action, subject)
    if action not in LEFT_BY[rule] or (action is Action.ACCUSE and named):
        assert verdict == Refusal(Reason.ANSWERED_THE_CALL)
    elif action is Action.READ or role in {*TALKERS, Role.ADMIN}:
        assert verdict == Allowed()
    else:
        assert verdict == Refusal(Reason.ROLE)


@pytest.mark.parametrize(("role", "action"), list(itertools.product(Role, Action)))
def test_a_company_may_do_without_the_second_degree(role: Role, action: Action) -> None:
    subject = Subject(departments=(MINE,), telephones=ONLY_ME, talked=ONLY_ME, answered_by=ONLY_ME)
    without = replace(subject, rule=AnsweredBy.NONE)
    actor = Viewer(ME, role, MINE)
    assert may(actor, action, without) == may(
        actor, action, replace(subject, answered_by=frozenset())
    )
    assert conflict(ME, without) is None


@pytest.mark.parametrize("role", Role)
def test_once_named_the_accused_is_a_supervisors_to_change(role: Role) -> None:
    subject = Subject(departments=(MINE,), own=ONLY_ME, named=True)
    verdict = may(Viewer(ME, role, MINE), Action.ACCUSE, subject)
    assert (verdict == Allowed()) is (role is Role.SUPERVISOR)


def test_who_only_heard_it_ring_is_not_in_conflict() -> None:
    subject = Subject(telephones=frozenset({ME, OTHER}), answered_by=frozenset({OTHER}))
    assert conflict(ME, subject) is None
    assert may(Viewer(ME, Role.OPERATOR, None), Action.TAKE, subject) == Allowed()


def test_who_oversees() -> None:
    overseers = {role for role in Role if oversees(Viewer(ME, role, None))}
    assert overseers == {Role.SUPERVISOR, Role.AUDITOR, Role.ADMIN}
