"""What a package or a feature of a case adds to the whole, declared as plain data.

Each declares one `FEATURE` in its `feature.py`; `press3.features` lists them and hands what they hold
down at the start. Importing a declaration does nothing else.
"""

from dataclasses import dataclass

from store.base import Base

__all__ = ["Feature"]


@dataclass(frozen=True, kw_only=True)
class Feature:
    """One part of the desk. `tables`: the models whose rows it owns."""

    name: str
    tables: tuple[type[Base], ...] = ()
