"""One PBX under examination: what every part of it is given."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from ami.connection import AmiLink
from press3.config.sections import AsteriskSettings
from press3.config.settings import Settings

__all__ = ["Patient"]


@dataclass(frozen=True, kw_only=True)
class Patient:
    """`link` is logged in; `sessions` is None when the database can't be read."""

    settings: Settings
    pbx: AsteriskSettings
    link: AmiLink
    sessions: async_sessionmaker[AsyncSession] | None

    @property
    def name(self) -> str:
        return self.pbx.name

    @property
    def is_observed(self) -> bool:
        """Whether a menu of this PBX is only watched: then it may do without the rendered dialplan."""
        return any(rule.asterisk in (None, self.name) for rule in self.settings.ivr.observe)
