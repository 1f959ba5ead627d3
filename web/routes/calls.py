"""Calls, with or without an appeal."""

from typing import Annotated, Literal

from pydantic import StringConstraints

from appeals.card import read
from web import schemas
from web.api import Ask, Id, Moment, Nothing, Operation, Page, Reply, get

__all__ = ["OPERATIONS"]


class CallFilter(Page):
    """`missed` is in, over and not answered; `recovered`: a part of it was learned after a blind window;
    `blind_window`: after that one; `press_recovered`: its press was (or was not) learned after a blind window;
    `recorded`: there is or was its sound; `employee` is at whose telephone it rang; `started_to` is not
    included; `q` is a part of a number or of the caller's name, in any case; of one or two letters, the beginning
    of a word."""

    direction: Literal["in", "out"] | None = None
    outcome: (
        Literal["answered", "abandoned", "no_answer", "busy", "failed", "closed", "in_progress"]
        | None
    ) = None
    pressed: bool | None = None
    missed: bool | None = None
    recovered: bool | None = None
    blind_window: Id | None = None
    press_recovered: bool | None = None
    recorded: bool | None = None
    pbx: Annotated[str, StringConstraints(max_length=64)] | None = None
    employee: Id | None = None
    customer: Id | None = None
    started_from: Moment | None = None
    started_to: Moment | None = None
    q: Annotated[str, StringConstraints(max_length=100)] | None = None


@get("/calls", query=CallFilter, answers=schemas.CallList)
async def list_calls(ask: Ask[CallFilter, Nothing]) -> Reply:
    """List the calls that you may read, newest first."""
    query = read.CallQuery(**dict(ask.query))
    page = await read.list_calls(ask.session, ask.person, query)
    return Reply(body={"items": page.items, "next": page.next}, next_cursor=page.next)


OPERATIONS: tuple[Operation, ...] = (list_calls,)
