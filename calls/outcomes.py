"""How a call that nobody answered ended. Pure."""

from calls.facts import Direction, EndedBy, Outcome, QueueLeftReason, RingStop

__all__ = ["unanswered_outcome"]

_BY_DIAL: dict[str, Outcome] = {"BUSY": "busy", "CHANUNAVAIL": "failed", "CONGESTION": "failed"}
_BY_RING: dict[RingStop | None, Outcome] = {
    "busy": "busy",
    "rejected": "busy",
    "failed": "failed",
    "no_answer": "no_answer",
}


def unanswered_outcome(
    direction: Direction | None,
    *,
    dial_status: str,
    queue: QueueLeftReason | None,
    ring: RingStop | None,
    hung_up: bool,
    ended_by: EndedBy | None = None,
) -> Outcome:
    """Return the outcome of a call without human contact.

    `dial_status`: DialEnd of the external party called; `queue`: why the last queue was left;
    `ring`: why the last telephone stopped; `hung_up`: the caller asked for the hang-up;
    `ended_by`: which side ended the call, None when nobody knows. A caller abandons, a PBX ends.
    """
    gave_up: Outcome = "closed" if ended_by == "pbx" else "abandoned"
    if direction == "out":
        return _BY_DIAL.get(dial_status, "no_answer")
    if queue == "transferred":  # taken out of the queue by somebody else, then let go or gone
        return "abandoned" if hung_up else "no_answer"
    if queue is not None:
        return "no_answer" if queue in ("timeout", "empty", "key") else gave_up
    return "abandoned" if hung_up else _BY_RING.get(ring, gave_up)
