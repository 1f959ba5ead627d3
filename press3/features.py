"""The list of all features. One more line here, and the desk has one more."""

from collections.abc import Sequence
from typing import Final

import appeals.case.feature
import appeals.deadlines.feature
import calls.feature
import customers.feature
import people.feature
import push.feature
import recordings.feature
import store.own_feature
import web.feature
from store.feature import Feature

__all__ = ["FEATURES"]

FEATURES: Final[Sequence[Feature]] = (
    push.feature.FEATURE,
    appeals.case.feature.FEATURE,
    recordings.feature.FEATURE,
    appeals.deadlines.feature.FEATURE,
    calls.feature.FEATURE,
    customers.feature.FEATURE,
    people.feature.FEATURE,
    web.feature.FEATURE,
    store.own_feature.FEATURE,
)
