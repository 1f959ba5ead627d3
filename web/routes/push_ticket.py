"""The way from the REST interface to the push socket."""

from typing import Any

from people import audit, sessions, tickets
from people.audit import AuditKind
from web import schemas
from web.api import Ask, Nothing, Operation, Reply, Written, post
from web.push_address import push_url

__all__ = ["OPERATIONS"]


async def _ticket(ask: Ask[Any, Any], written: Written) -> Reply:
    return Reply(body={"ticket": written.secret, "url": push_url(ask.request)})


@post("/push-ticket", answers=schemas.PushTicket, status=201, answer=_ticket, replayable=False)
async def issue_push_ticket(ask: Ask[Nothing, Nothing]) -> Written:
    """Get a one-time ticket for the push socket. Say it in the hello within 30 seconds."""
    session_hash = sessions.token_hash(ask.token or "")
    ticket = await tickets.issue(ask.session, ask.person.id, session_hash, ask.now)
    audit.record(
        ask.session, AuditKind.TICKET_ISSUED, at=ask.now, by=ask.by, subject_id=ask.person.id
    )
    return Written(secret=ticket)


OPERATIONS: tuple[Operation, ...] = (issue_push_ticket,)
