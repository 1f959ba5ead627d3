"""The list of all features, and the tables made of it that the start hands down.

One more line here, and the desk has one more.
"""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

import appeals.card.feature
import appeals.case.feature
import appeals.deadlines.feature
import appeals.intake.feature
import appeals.links.feature
import appeals.parties.feature
import appeals.registration.feature
import calls.feature
import customers.feature
import people.feature
import push.feature
import recordings.feature
import store.own_feature
import telephony.feature
import web.feature
from appeals.case.entry import Entry, EntryKinds
from push.asyncapi import EventKinds
from store.feature import Feature

__all__ = ["FEATURES", "entry_kinds", "event_kinds"]

# Events stand in docs/asyncapi.yaml in this order.
FEATURES: Final[Sequence[Feature]] = (
    push.feature.FEATURE,
    appeals.intake.feature.FEATURE,
    appeals.case.feature.FEATURE,
    recordings.feature.FEATURE,
    appeals.deadlines.feature.FEATURE,
    telephony.feature.FEATURE,
    appeals.registration.feature.FEATURE,
    appeals.links.feature.FEATURE,
    appeals.parties.feature.FEATURE,
    appeals.card.feature.FEATURE,
    calls.feature.FEATURE,
    customers.feature.FEATURE,
    people.feature.FEATURE,
    web.feature.FEATURE,
    store.own_feature.FEATURE,
)


def entry_kinds() -> EntryKinds:
    """Return stored action → kind, of the entries of all features."""
    kinds = [kind for feature in FEATURES for kind in feature.entries if issubclass(kind, Entry)]
    return MappingProxyType({kind.TYPE: kind for kind in kinds})


def event_kinds() -> EventKinds:
    """Return name of an event → the shapes that it may have, of all features."""
    kinds = [kind for feature in FEATURES for kind in feature.events]
    names = dict.fromkeys(kind.TYPE for kind in kinds)
    return MappingProxyType(
        {name: tuple(kind for kind in kinds if name == kind.TYPE) for name in names}
    )
