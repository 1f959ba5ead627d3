"""The connections to the PBXs, for the banner that says when press3 hears nothing."""

from web import schemas
from web.api import Ask, Nothing, Operation, Reply, get

__all__ = ["OPERATIONS"]


@get("/links", answers=schemas.LinkList)
async def list_links(ask: Ask[Nothing, Nothing]) -> Reply:
    """Tell the state of the connection to every PBX."""
    items = [
        {"pbx": o.pbx, "state": o.state, "since": o.since.isoformat(), "reason": o.reason}
        for o in ask.deps.links()
    ]
    return Reply(body={"items": items})


OPERATIONS: tuple[Operation, ...] = (list_links,)
