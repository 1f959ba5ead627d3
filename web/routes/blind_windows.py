"""Times without AMI, for those who oversee."""

from sqlalchemy import select

from appeals.card import read
from appeals.case.errors import Invalid
from appeals.case.pages import cut, decode
from calls.model import BlindWindow
from people.model import Role
from web import schemas
from web.api import Ask, Nothing, Operation, Page, Reply, get

__all__ = ["OPERATIONS", "OVERSEERS", "place_of"]

OVERSEERS = frozenset({Role.SUPERVISOR, Role.AUDITOR, Role.ADMIN})


@get("/blind-windows", query=Page, answers=schemas.BlindWindowList, roles=OVERSEERS)
async def list_blind_windows(ask: Ask[Page, Nothing]) -> Reply:
    """List the times in which press3 did not hear a PBX, and how many calls and appeals it recovered of those
    that you may read: `GET /calls?blind_window=id` lists them. Newest first."""
    query = select(BlindWindow).order_by(BlindWindow.id.desc()).limit(ask.query.limit + 1)
    if ask.query.cursor is not None:
        query = query.where(BlindWindow.id < place_of(ask.query.cursor))
    found = (await ask.session.scalars(query)).all()
    rows, following = cut(found, ask.query.limit, lambda row: (row.id,))
    recovered = await read.recovered_in(ask.session, ask.person, [row.id for row in rows])
    items = [
        {
            "id": row.id,
            "pbx": row.pbx,
            "from": row.started_at.isoformat(),
            "to": row.ended_at.isoformat() if row.ended_at else None,
            "reason": row.reason,
            "calls_recovered": recovered[row.id].calls,
            "appeals_recovered": recovered[row.id].appeals,
        }
        for row in rows
    ]
    return Reply(body={"items": items, "next": following}, next_cursor=following)


def place_of(cursor: str) -> int:
    """Return the id in the cursor of a list that is ordered by ids; raises Invalid."""
    place = int(decode(cursor, (int,))[0])
    if not 0 < place < 2**31:
        raise Invalid("cursor", cursor, "not a cursor of this list")
    return place


OPERATIONS: tuple[Operation, ...] = (list_blind_windows,)
