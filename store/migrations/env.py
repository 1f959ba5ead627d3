"""Run by alembic: in the product on the connection `store.migrate` hands over, else for developers."""

import asyncio
import importlib
from typing import Any, Literal

from alembic import context
from sqlalchemy import Connection

from store.base import Base, CleanText, UtcDateTime
from store.engine import create_engine
from store.search import in_models

__all__: list[str] = []


def _render(kind: str, item: Any, _autogen: Any) -> str | Literal[False]:
    """Write our own column type as what it is in the database: old revisions must not change with the code."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, CleanText):
        return "sa.String()"
    return False


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_item=_render,
        render_as_batch=connection.dialect.name == "sqlite",
        include_name=in_models,
        compare_type=True,
        compare_server_default=True,
        transactional_ddl=True,  # the engine sends BEGIN itself, on SQLite too
    )
    with context.begin_transaction():
        context.run_migrations()


async def _for_developers() -> None:
    importlib.import_module(context.config.get_main_option("models") or "press3.schema")
    url = context.get_x_argument(as_dictionary=True).get("url")
    if url is None:
        raise SystemExit("say which database: -x url=sqlite+aiosqlite:////path/to.db")
    engine = create_engine(url).execution_options(press3_write=True)
    async with engine.begin() as connection:
        await connection.run_sync(_run)
    await engine.dispose()


_given: Connection | None = context.config.attributes.get("connection")
if _given is None:
    asyncio.run(_for_developers())
else:
    _run(_given)
