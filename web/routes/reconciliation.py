"""The daily comparison: pressed on the PBX, registered here, recorded."""

from appeals.case.conflicts import hidden_from
from web import schemas
from web.api import Ask, Day, Given, Nothing, Operation, Reply, get
from web.problems import ApiError
from web.routes.blind_windows import OVERSEERS

__all__ = ["OPERATIONS"]


class OneDay(Given):
    """A local day."""

    day: Day


@get(
    "/reconciliation",
    query=OneDay,
    answers=schemas.Reconciliation,
    roles=OVERSEERS,
    problems=("telephony-unavailable",),
)
async def reconcile(ask: Ask[OneDay, Nothing]) -> Reply:
    """Compare a day's presses, read afresh from the PBX, with appeals and recordings.

    Appeals about you, and their presses, are in no row and no figure.
    """
    if ask.deps.reconcile is None:
        raise ApiError("telephony-unavailable", "This process is not connected to a PBX.")
    hidden = await hidden_from(ask.session, ask.person.id)
    found = await ask.deps.reconcile(ask.session, ask.query.day, hidden.appeals)
    return Reply(body={"day": ask.query.day.isoformat(), **found})


OPERATIONS: tuple[Operation, ...] = (reconcile,)
