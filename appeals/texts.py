"""What appeals are searched by: kept beside each appeal, in the transaction that changes it."""

from sqlalchemy import bindparam, insert, update
from sqlalchemy.ext.asyncio import AsyncSession

from appeals.model import Appeal, AppealText
from store.base import table
from store.prepared import insert_later, prepared
from store.search import folded

__all__ = ["keep_text", "text_changed"]

_TEXTS = table(AppealText)
_INSERT = prepared(insert(_TEXTS))
_UPDATE = prepared(update(_TEXTS).where(_TEXTS.c.number == bindparam("of")))


async def keep_text(session: AsyncSession, appeal: Appeal) -> None:
    """Keep the text of `appeal`, which has just been opened."""
    await insert_later(session, _INSERT, [{"number": appeal.number, "text": _text(appeal)}])


async def text_changed(session: AsyncSession, appeal: Appeal) -> None:
    """Keep the text of `appeal` as it is now."""
    await session.execute(_UPDATE, {"of": appeal.number, "text": _text(appeal)})


def _text(appeal: Appeal) -> str:
    return folded(appeal.caller_name, appeal.gist, appeal.caller_raw, appeal.caller_e164)
