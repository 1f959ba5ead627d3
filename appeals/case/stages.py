"""Which verb leads from which phase to which: the table, and the picture drawn from it.

Run `python -m appeals.case.stages > docs/appeal-stages.md` after a change; a test compares the two.
"""

import enum
from collections.abc import Mapping
from typing import Final

from appeals.case.errors import WrongStage
from appeals.case.model import Phase
from appeals.case.template import STAGES

__all__ = [
    "NOT_YET",
    "OPEN",
    "REQUIRED",
    "TRANSITIONS",
    "UNRESOLVED",
    "Verb",
    "document",
    "next_phase",
]


class Verb(enum.StrEnum):
    """What leads from one phase to another."""

    ASSIGN = "assign"
    TAKE = "take"
    RESOLVE = "resolve"
    VERIFY = "verify"
    CLOSE = "close"
    REJECT = "reject"
    REOPEN = "reopen"
    RETURN = "return"


TRANSITIONS: Final[Mapping[tuple[Phase, Verb], Phase]] = {
    (Phase.RECEIVED, Verb.ASSIGN): Phase.ACKNOWLEDGED,
    (Phase.RECEIVED, Verb.TAKE): Phase.INVESTIGATING,
    (Phase.RECEIVED, Verb.REJECT): Phase.REJECTED,
    (Phase.ACKNOWLEDGED, Verb.ASSIGN): Phase.ACKNOWLEDGED,
    (Phase.ACKNOWLEDGED, Verb.TAKE): Phase.INVESTIGATING,
    (Phase.ACKNOWLEDGED, Verb.RETURN): Phase.RECEIVED,
    (Phase.ACKNOWLEDGED, Verb.REJECT): Phase.REJECTED,
    (Phase.INVESTIGATING, Verb.ASSIGN): Phase.ACKNOWLEDGED,
    (Phase.INVESTIGATING, Verb.RESOLVE): Phase.RESPONDED,
    (Phase.INVESTIGATING, Verb.RETURN): Phase.RECEIVED,
    (Phase.INVESTIGATING, Verb.REJECT): Phase.REJECTED,
    (Phase.RESPONDED, Verb.VERIFY): Phase.VERIFIED,
    (Phase.RESPONDED, Verb.RETURN): Phase.INVESTIGATING,
    (Phase.VERIFIED, Verb.CLOSE): Phase.CLOSED,
    (Phase.VERIFIED, Verb.RETURN): Phase.INVESTIGATING,
    (Phase.CLOSED, Verb.REOPEN): Phase.RECEIVED,
    (Phase.REJECTED, Verb.REOPEN): Phase.RECEIVED,
}

# In the table, but no use case of `appeals.registration.verbs` takes such a step yet: docs promise
# none of them.
NOT_YET: Final = frozenset({Verb.VERIFY, Verb.CLOSE, Verb.REJECT, Verb.REOPEN})
# The deadline runs in these.
UNRESOLVED: Final = frozenset({Phase.RECEIVED, Phase.ACKNOWLEDGED, Phase.INVESTIGATING})
# Without these no appeal is resolved, nor may they be emptied afterwards.
REQUIRED: Final = ("gist", "category")
# Not over: a new call of the customer may belong to it.
OPEN: Final = frozenset(Phase) - {Phase.CLOSED, Phase.REJECTED}


def next_phase(phase: Phase, verb: Verb) -> Phase:
    """Return the phase after `verb`; WrongStage when the table knows no such step."""
    try:
        return TRANSITIONS[phase, verb]
    except KeyError:
        raise WrongStage(Phase(phase), verb) from None


def document() -> str:
    """Return docs/appeal-stages.md: the diagram and the ready route."""
    arrows = "\n".join(f"    {a} --> {b}: {verb}" for (a, verb), b in TRANSITIONS.items())
    rows = "\n".join(
        f"| {s['position']} | {s['name']} | `{s['phase']}` | {s['shown_state']} |" for s in STAGES
    )
    not_yet = ", ".join(f"`{verb}`" for verb in Verb if verb in NOT_YET)
    return _DOCUMENT.format(arrows=arrows, rows=rows, not_yet=not_yet)


_DOCUMENT = """\
# Stages of an appeal

Generated from `appeals/case/stages.py` and `appeals/case/template.py` by `python -m appeals.case.stages`; do not edit.

Phases are fixed (ISO 10002); the stages of a route are data, and each maps to a phase. A step that
is not drawn here is refused and changes nothing.

```mermaid
stateDiagram-v2
    [*] --> received: press 3
{arrows}
```

Nobody can take the steps {not_yet} yet: no address and no button leads there, so that a complaint's way ends
at «Разобрана» for now.

The ready route «Разбор жалобы»:

| | stage | phase | shown state |
|---|---|---|---|
{rows}
"""  # noqa: E501 -- the lines of a document, which are broken as in docs/


if __name__ == "__main__":
    print(document(), end="")
