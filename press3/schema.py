"""The whole schema: the tables of all packages in one place, and the door to its migrations.

`store` may not know the packages above it; importing this module registers every model on
`store.base.Base.metadata`, which is what the migrations are compared with and made from.
"""

import appeals.case.model
import appeals.deadlines.model
import calls.model
import customers.model
import people.model
import push.model
import recordings.model
import store.journal
import store.lease
import store.outbox
import store.progress
import store.setting_log
import web.model
from store.base import Base
from store.migrate import check_known, current, head, is_current, upgrade

__all__ = ["MODELS", "check_known", "current", "head", "is_current", "metadata", "upgrade"]

MODELS = (
    appeals.case.model,
    appeals.deadlines.model,
    calls.model,
    customers.model,
    people.model,
    push.model,
    recordings.model,
    store.journal,
    store.lease,
    store.outbox,
    store.progress,
    store.setting_log,
    web.model,
)
metadata = Base.metadata
