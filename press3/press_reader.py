"""The day's presses, read afresh from the PBX for the reconciliation: never from our own tables."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

import structlog

from ami import actions, spool
from ami.asking import Asking
from ami.errors import AmiError
from ami.spool import SpoolPress
from appeals.reconcile import Press, PressReading, PressSource
from press3.settings import Settings

__all__ = ["AstDbReader", "observed_on"]

log = structlog.get_logger(__name__)


class AstDbReader:
    """Reads the AstDB families of a period from every linked PBX.

    Incomplete is a PBX that can't be read, a period that the dialplan has pruned, and a menu that is
    only observed (`observed`: the names of such PBXs): its presses are in no AstDB.
    """

    def __init__(self, links: Sequence[Asking], *, observed: Collection[str] = ()) -> None:
        self._links = links
        self._observed = observed

    async def read(self, start: datetime, end: datetime) -> PressReading:
        """Return the presses from `start` to `end` (PBX time) and which sources told them."""
        pressed: list[Press] = []
        sources: list[PressSource] = []
        for link in self._links:
            name = f"{link.pbx}: AstDB"
            try:
                async for presses in spool.read_families(link, start, end):
                    pressed += _within(link, presses, start, end)
                complete = start >= await actions.ping(link) - spool.KEPT
            except AmiError as error:
                log.warning("presses can't be read from the PBX", pbx=link.pbx, error=str(error))
                complete = False
            sources.append(PressSource(name=name, complete=complete))
            if link.pbx in self._observed:
                sources.append(PressSource(name=f"{link.pbx}: observed menu", complete=False))
        return PressReading(pressed=tuple(pressed), sources=tuple(sources))


def observed_on(settings: Settings) -> frozenset[str]:
    """Return the names of the PBXs that have a menu which is only observed."""
    names = frozenset(pbx.name for pbx in settings.asterisk)
    rules = settings.ivr.observe
    every = any(rule.asterisk is None for rule in rules)
    return names if every else frozenset(rule.asterisk for rule in rules if rule.asterisk)


def _within(
    link: Asking, presses: Iterable[SpoolPress], start: datetime, end: datetime
) -> list[Press]:
    return [
        Press(pbx=link.pbx, uniqueid=p.uniqueid, pressed_at=p.pressed_at, key=p.key)
        for p in presses
        if start <= p.pressed_at < end
    ]
