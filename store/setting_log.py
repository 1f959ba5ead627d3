"""The history of the settings that decide rights: a changed value is a row, never overwritten."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from store.append_only import append_only
from store.base import Base

__all__ = ["Change", "SettingChange", "changes", "note", "value_of"]


class SettingChange(Base):
    """`old` None: the first value of this database."""

    __tablename__ = "setting_changes"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(index=True)
    old: Mapped[str | None]
    new: Mapped[str]
    at: Mapped[datetime]


append_only(SettingChange)


@dataclass(frozen=True, slots=True)
class Change:
    at: datetime
    old: str | None
    new: str


async def value_of(session: AsyncSession, name: str) -> str | None:
    """Return the value that is in force, None when none was ever noted."""
    newest = select(SettingChange.new).where(SettingChange.name == name)
    return await session.scalar(newest.order_by(SettingChange.id.desc()).limit(1))


async def note(session: AsyncSession, name: str, value: str, at: datetime) -> Change | None:
    """Store `value` when it differs from the one in force; return what changed, None when nothing did."""
    old = await value_of(session, name)
    if old == value:
        return None
    session.add(SettingChange(name=name, old=old, new=value, at=at))
    return Change(at=at, old=old, new=value)


async def changes(session: AsyncSession, name: str) -> list[Change]:
    """Return every value that the setting had, newest first."""
    rows = await session.scalars(
        select(SettingChange).where(SettingChange.name == name).order_by(SettingChange.id.desc())
    )
    return [Change(at=row.at, old=row.old, new=row.new) for row in rows]
