"""Appeals: the list, one with its calls, its history, and the verbs."""

from typing import Annotated, Any

from pydantic import StringConstraints

from appeals.card import own_case, read
from appeals.case.model import Appeal, Kind, Phase
from appeals.registration import verbs
from web import schemas
from web.api import (
    Ask,
    Given,
    Id,
    Moment,
    Nothing,
    Operation,
    Page,
    Reply,
    Written,
    get,
    patch,
    post,
)

__all__ = ["OPERATIONS"]

Code = Annotated[str, StringConstraints(min_length=1, max_length=32)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000)]
VERB_PROBLEMS = ("conflict-of-interest", "forbidden", "wrong-stage")


class AppealFilter(Page):
    """`employee` is the person responsible; `opened_to` is not included; `q` is the appeal's number, or a part of
    the caller's number or name or of the gist, in any case; of one or two letters, the beginning of a word."""

    phase: Phase | None = None
    kind: Kind | None = None
    type: Code | None = None
    customer: Id | None = None
    employee: Id | None = None
    opened_from: Moment | None = None
    opened_to: Moment | None = None
    q: Annotated[str, StringConstraints(max_length=100)] | None = None


class Resolution(Given):
    """Gist and category may have been noted before; what is missing then is named (422 `missing`)."""

    gist: Text | None = None
    category: Code | None = None
    result: Text | None = None


class AppealPatch(Given):
    """Only the fields that are given change. `responsible` and `accused` are employee ids."""

    gist: Text | None = None
    category: Code | None = None
    type: Code | None = None
    result: Text | None = None
    responsible: Id | None = None
    accused: Id | None = None


async def _appeal(ask: Ask[Nothing, Any]) -> Reply:
    appeal = await read.one_appeal(ask.session, ask.person, ask.number("number"))
    return Reply(body=appeal, version=appeal.get("version"))


async def _changed_appeal(ask: Ask[Any, Any], _: Written) -> Reply:
    """Read the appeal that a verb has changed; its number is in the address."""
    return await _appeal(ask)


def _written(appeal: Appeal) -> Written:
    return Written(reference=str(appeal.number), version=appeal.version)


async def _note_reading(ask: Ask[Nothing, Nothing]) -> None:
    """An admin above whom nobody stands reads an appeal about themselves: that is recorded first."""
    number, person, now = ask.number("number"), ask.person, ask.now
    if await own_case.reads_in_conflict(ask.session, person, number):
        await ask.deps.writer.run(lambda s: own_case.note_reading(s, number, person, now=now))


@get("/appeals", query=AppealFilter, answers=schemas.AppealList)
async def list_appeals(ask: Ask[AppealFilter, Nothing]) -> Reply:
    """List the appeals that you may read, newest first."""
    query = read.AppealQuery(**dict(ask.query))
    page = await read.list_appeals(ask.session, ask.person, query)
    return Reply(body={"items": page.items, "next": page.next}, next_cursor=page.next)


@get("/appeals/{number}", answers=schemas.OneAppeal)
async def read_appeal(ask: Ask[Nothing, Nothing]) -> Reply:
    """Read an appeal with its calls. The ETag is for If-Match. The employee whom it accuses gets `OwnCase`."""
    await _note_reading(ask)
    return await _appeal(ask)


@get("/appeals/{number}/history", answers=schemas.History)
async def read_history(ask: Ask[Nothing, Nothing]) -> Reply:
    """Read what was done to an appeal, from its beginning. Nothing in it can be changed."""
    await _note_reading(ask)
    items = await read.history_of(
        ask.session, ask.person, ask.number("number"), kinds=ask.deps.entry_kinds
    )
    return Reply(body={"items": items})


@post(
    "/appeals/{number}/take",
    answers=schemas.OneAppeal,
    answer=_changed_appeal,
    versioned=True,
    problems=VERB_PROBLEMS,
)
async def take_appeal(ask: Ask[Nothing, Nothing]) -> Written:
    """Take an appeal into work. You become the person responsible."""
    appeal = await verbs.take(
        ask.session,
        ask.number("number"),
        ask.person,
        now=ask.now,
        if_version=ask.if_version,
    )
    return _written(appeal)


@post(
    "/appeals/{number}/resolve",
    body=Resolution,
    answers=schemas.OneAppeal,
    answer=_changed_appeal,
    versioned=True,
    problems=(*VERB_PROBLEMS, "missing"),
)
async def resolve_appeal(ask: Ask[Nothing, Resolution]) -> Written:
    """Finish the analysis of an appeal. It needs gist and category."""
    appeal = await verbs.resolve(
        ask.session,
        ask.number("number"),
        ask.person,
        gist=ask.body.gist,
        category=ask.body.category,
        result=ask.body.result,
        now=ask.now,
        if_version=ask.if_version,
    )
    return _written(appeal)


@patch(
    "/appeals/{number}",
    body=AppealPatch,
    answers=schemas.OneAppeal,
    answer=_changed_appeal,
    versioned=True,
    problems=(*VERB_PROBLEMS, "missing"),
)
async def change_appeal(ask: Ask[Nothing, AppealPatch]) -> Written:
    """Change fields of an appeal. Old and new values go to its history."""
    changes = ask.body.model_dump(exclude_unset=True)
    appeal = await verbs.patch(
        ask.session,
        ask.number("number"),
        ask.person,
        verbs.Patch(**changes),  # type: ignore[typeddict-item]
        now=ask.now,
        if_version=ask.if_version,
    )
    return _written(appeal)


OPERATIONS: tuple[Operation, ...] = (
    list_appeals,
    read_appeal,
    read_history,
    take_appeal,
    resolve_appeal,
    change_appeal,
)
