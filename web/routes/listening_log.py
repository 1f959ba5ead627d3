"""Who listened to which recording, for those who oversee."""

from pydantic import Field

from appeals.case.listening import ListeningQuery, listened
from appeals.case.pages import cut
from web import schemas
from web.api import Ask, Id, Moment, Nothing, Operation, Page, Reply, get
from web.routes.blind_windows import OVERSEERS, place_of

__all__ = ["OPERATIONS"]


class ListeningPage(Page):
    """`employee`: who listened. `at_to` is not included."""

    employee: Id | None = None
    recording: Id | None = None
    call: str | None = Field(None, max_length=200)
    at_from: Moment | None = None
    at_to: Moment | None = Field(None, description="not included")


@get("/listening-log", query=ListeningPage, answers=schemas.ListeningLog, roles=OVERSEERS)
async def list_listenings(ask: Ask[ListeningPage, Nothing]) -> Reply:
    """List who listened to which recording, of calls that you may read, newest first."""
    given = ask.query
    query = ListeningQuery(
        limit=given.limit,
        employee=given.employee,
        recording=given.recording,
        call=given.call,
        at_from=given.at_from,
        at_to=given.at_to,
        before=place_of(given.cursor) if given.cursor is not None else None,
    )
    found = await listened(ask.session, ask.person, query)
    playings, following = cut(found, given.limit, lambda playing: (playing.row.id,))
    items = [
        {
            "id": playing.row.id,
            "at": playing.row.at.isoformat(),
            "employee": {"id": playing.row.employee_id, "name": playing.name},
            "recording": playing.row.recording_id,
            "call": playing.call,
            "address": playing.row.address,
            "agent": playing.row.agent,
        }
        for playing in playings
    ]
    return Reply(body={"items": items, "next": following}, next_cursor=following)


OPERATIONS: tuple[Operation, ...] = (list_listenings,)
