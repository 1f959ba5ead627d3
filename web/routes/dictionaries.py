"""The words that forms and lists need: time zone, types, categories, stages, colleagues."""

from sqlalchemy import select

from appeals.case.model import Category, RecordType, Stage
from people.model import Employee
from web import schemas
from web.api import Ask, Nothing, Operation, Reply, get

__all__ = ["OPERATIONS"]


@get("/dictionaries", answers=schemas.Dictionaries)
async def read_dictionaries(ask: Ask[Nothing, Nothing]) -> Reply:
    """Read the time zone, and the types, categories, stages and colleagues that there are."""
    session = ask.session
    types = await session.scalars(select(RecordType).order_by(RecordType.code))
    categories = await session.scalars(select(Category).order_by(Category.name))
    stages = await session.scalars(select(Stage).order_by(Stage.route, Stage.position))
    people = await session.scalars(
        select(Employee).where(Employee.disabled_at.is_(None)).order_by(Employee.name, Employee.id)
    )
    body = {
        "timezone": ask.deps.timezone,
        "types": [{"code": t.code, "name": t.name, "kind": t.kind} for t in types],
        "categories": [{"code": c.code, "name": c.name} for c in categories],
        "stages": [
            {"code": s.code, "name": s.name, "phase": s.phase, "shown_state": s.shown_state}
            for s in stages
        ],
        "employees": [{"id": e.id, "name": e.name} for e in people],
    }
    return Reply(body=body)


OPERATIONS: tuple[Operation, ...] = (read_dictionaries,)
