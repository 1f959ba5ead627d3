"""What the conflict rule leaves to the employee who answered the call, and when that was changed."""

from appeals.case import conflicts
from store import setting_log
from web import schemas
from web.api import Ask, Nothing, Operation, Reply, get

__all__ = ["OPERATIONS"]


@get("/conflict-rule", answers=schemas.ConflictRule)
async def read_conflict_rule(ask: Ask[Nothing, Nothing]) -> Reply:
    """Read `[conflict] answered_by` as it is in force, with every value it had, newest first."""
    changes = await setting_log.changes(ask.session, conflicts.SETTING)
    changed = [{"at": each.at.isoformat(), "old": each.old, "new": each.new} for each in changes]
    return Reply(body={"answered_by": await conflicts.rule(ask.session), "changes": changed})


OPERATIONS: tuple[Operation, ...] = (read_conflict_rule,)
