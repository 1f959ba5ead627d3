"""The text that an appeal is searched by, kept in the transaction that changes it."""

from sqlalchemy.ext.asyncio import AsyncSession

from appeals.case import hot
from appeals.case.model import Appeal
from store.search import folded

__all__ = ["keep_text", "text_changed"]


async def keep_text(session: AsyncSession, appeal: Appeal) -> None:
    """Keep the text of `appeal`, which has just been opened."""
    await hot.add_text(session, {"number": appeal.number, "text": _text(appeal)})


async def text_changed(session: AsyncSession, appeal: Appeal) -> None:
    """Keep the text of `appeal` as it is now."""
    await session.execute(hot.SET_TEXT, {"of": appeal.number, "text": _text(appeal)})


def _text(appeal: Appeal) -> str:
    return folded(appeal.caller_name, appeal.gist, appeal.caller_raw, appeal.caller_e164)
