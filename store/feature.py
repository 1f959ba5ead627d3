"""What a package or a feature of a case adds to the whole, declared as plain data.

Each declares one `FEATURE` in its `feature.py`; `press3.features` lists them and hands what they hold
down at the start. Importing a declaration does nothing else.
"""

from dataclasses import dataclass

from store.base import Base
from store.typed import Typed

__all__ = ["Feature"]


@dataclass(frozen=True, kw_only=True)
class Feature:
    """One part of the desk.

    `tables`: the models whose rows it owns. `entries`: the kinds of entry that it records in the history
    of an appeal, subclasses of `appeals.case.entry.Entry`. `events`: the kinds that it publishes; several
    of one name are the shapes that it may have.
    """

    name: str
    tables: tuple[type[Base], ...] = ()
    entries: tuple[type[Typed], ...] = ()
    events: tuple[type[Typed], ...] = ()
