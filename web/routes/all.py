"""Every operation of `/api/v1`: what is not listed here is not routed and not documented."""

from web.api import Operation
from web.routes import (
    appeals,
    audit,
    blind_windows,
    calls,
    conflict_rule,
    dictionaries,
    links,
    listening_log,
    my_sessions,
    push_ticket,
    reconciliation,
    recordings,
    session,
)

__all__ = ["OPERATIONS"]

OPERATIONS: tuple[Operation, ...] = (
    *session.OPERATIONS,
    *my_sessions.OPERATIONS,
    *push_ticket.OPERATIONS,
    *appeals.OPERATIONS,
    *calls.OPERATIONS,
    *recordings.OPERATIONS,
    *blind_windows.OPERATIONS,
    *reconciliation.OPERATIONS,
    *audit.OPERATIONS,
    *listening_log.OPERATIONS,
    *links.OPERATIONS,
    *conflict_rule.OPERATIONS,
    *dictionaries.OPERATIONS,
)
