"""The whole schema: the tables of all features in one place, and the door to its migrations.

`store` may not know the packages above it; the features registered every table on
`store.base.Base.metadata`, which is what the migrations are compared with and made from.
"""

from press3.features import FEATURES
from store.base import Base
from store.migrate import check_known, current, head, upgrade

__all__ = ["MODELS", "check_known", "current", "head", "metadata", "upgrade"]

MODELS = tuple(table for feature in FEATURES for table in feature.tables)
metadata = Base.metadata
