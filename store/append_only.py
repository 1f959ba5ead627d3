"""Tables that the program only adds to: it refuses UPDATE and DELETE of their rows itself.

Against someone with the database's password this shows nothing; the owner of the table names what
does (a hash chain, grants without UPDATE and DELETE).
"""

from typing import Any

from sqlalchemy import Connection, event, inspect
from sqlalchemy.orm import Mapper, ORMExecuteState, Session

from store.base import Base
from store.errors import WrittenOnce

__all__ = ["append_only"]


def append_only(model: type[Base], *, erasable: str | None = None) -> None:
    """Let each UPDATE and DELETE of rows of `model` raise WrittenOnce, one by one or in bulk.

    `erasable` names the one column that may be set to None, for personal data; None: there is none.
    """

    def refuse_update(mapper: Mapper[Any], connection: Connection, row: Base) -> None:
        changed = {each.key for each in inspect(row).attrs if each.history.has_changes()}
        if erasable is None or changed != {erasable} or getattr(row, erasable) is not None:
            raise WrittenOnce(model.__tablename__)

    def refuse_delete(mapper: Mapper[Any], connection: Connection, row: Base) -> None:
        raise WrittenOnce(model.__tablename__)

    def refuse_bulk(state: ORMExecuteState) -> None:
        if (state.is_update or state.is_delete) and state.bind_mapper is model.__mapper__:
            raise WrittenOnce(model.__tablename__)

    event.listen(model, "before_update", refuse_update)
    event.listen(model, "before_delete", refuse_delete)
    event.listen(Session, "do_orm_execute", refuse_bulk)
