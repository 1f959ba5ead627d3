"""The day's presses, read afresh from the PBX for the reconciliation: never from our own tables."""

from collections.abc import Sequence
from datetime import datetime

from ami import spool
from ami.asking import Asking
from ami.errors import AmiError
from appeals.reconcile import Press, PressReading, PressSource

__all__ = ["AstDbReader"]


class AstDbReader:
    """Reads the AstDB families of a period from every linked PBX; one that can't be read is incomplete."""

    def __init__(self, links: Sequence[Asking]) -> None:
        self._links = links

    async def read(self, start: datetime, end: datetime) -> PressReading:
        """Return the presses from `start` to `end` (PBX time) and which sources told them."""
        pressed: list[Press] = []
        sources: list[PressSource] = []
        for link in self._links:
            name = f"{link.pbx}: AstDB"
            try:
                pressed += await _read_one(link, start, end)
            except AmiError:
                sources.append(PressSource(name=name, complete=False))
            else:
                sources.append(PressSource(name=name, complete=True))
        return PressReading(pressed=tuple(pressed), sources=tuple(sources))


async def _read_one(link: Asking, start: datetime, end: datetime) -> list[Press]:
    found = []
    async for presses in spool.read_families(link, start, end):
        found += [
            Press(pbx=link.pbx, uniqueid=p.uniqueid, pressed_at=p.pressed_at, key=p.key)
            for p in presses
            if start <= p.pressed_at < end
        ]
    return found
