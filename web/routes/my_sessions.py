"""Where one is signed in, and signing out there."""

from people import audit, sessions
from people.audit import AuditKind
from web import schemas
from web.api import Ask, Nothing, Operation, Reply, Written, delete, get

__all__ = ["OPERATIONS"]


@get("/me/sessions", answers=schemas.SessionList)
async def list_my_sessions(ask: Ask[Nothing, Nothing]) -> Reply:
    """List your open sessions, newest first: since when, last used (to the half hour), from where."""
    found = await sessions.list_of(ask.session, ask.person.id, ask.now)
    own = sessions.token_hash(ask.token or "")
    items = [
        {
            "id": sessions.public_id(row.token_hash),
            "current": row.token_hash == own,
            "created_at": row.created_at.isoformat(),
            "seen_at": row.seen_at.isoformat() if row.seen_at else None,
            "expires_at": row.expires_at.isoformat(),
            "address": row.address,
            "agent": row.agent,
        }
        for row in found
    ]
    return Reply(body={"items": items, "next": None})


@delete("/me/sessions/{session}", status=204)
async def end_my_session(ask: Ask[Nothing, Nothing]) -> Written:
    """End one of your sessions. Its screens are cut off."""
    await sessions.end(ask.session, ask.person.id, ask.request.match_info["session"], ask.now)
    _record(ask, 1)
    return Written()


@delete("/me/sessions", status=204)
async def end_my_other_sessions(ask: Ask[Nothing, Nothing]) -> Written:
    """End all your sessions but this one."""
    own = sessions.token_hash(ask.token or "")
    _record(ask, await sessions.revoke_all(ask.session, ask.person.id, ask.now, but=own))
    return Written()


def _record(ask: Ask[Nothing, Nothing], ended: int) -> None:
    kind = AuditKind.SESSIONS_ENDED
    audit.record(ask.session, kind, at=ask.now, by=ask.by, subject_id=ask.person.id, ended=ended)


OPERATIONS: tuple[Operation, ...] = (list_my_sessions, end_my_session, end_my_other_sessions)
