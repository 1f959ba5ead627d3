"""The way from the REST interface to the push socket."""

from people import audit, sessions, tickets
from people.audit import AuditKind
from web import schemas
from web.api import Ask, Nothing, Operation, Reply, post
from web.push_address import push_url

__all__ = ["OPERATIONS"]


@post("/push-ticket", answers=schemas.PushTicket, status=201, writes=True, replayable=False)
async def issue_push_ticket(ask: Ask[Nothing, Nothing]) -> Reply:
    """Get a one-time ticket for the push socket. Say it in the hello within 30 seconds."""
    session_hash = sessions.token_hash(ask.token or "")
    ticket = await tickets.issue(ask.session, ask.person.id, session_hash, ask.now)
    audit.record(
        ask.session, AuditKind.TICKET_ISSUED, at=ask.now, by=ask.by, subject_id=ask.person.id
    )
    return Reply(body={"ticket": ticket, "url": push_url(ask.request)}, status=201)


OPERATIONS: tuple[Operation, ...] = (issue_push_ticket,)
