"""What Asterisk's QUEUESTATUS means here; used for events and for the spool alike."""

from calls.facts import QueueLeftReason

__all__ = ["QUEUE_REFUSALS", "QUEUE_RESULTS"]

# The queue did not take the caller in: no QueueCallerJoin tells of him.
QUEUE_REFUSALS = frozenset({"FULL", "JOINEMPTY", "JOINUNAVAIL", "UNKNOWN"})

# QUEUESTATUS as app_queue sets it -> why the queue was left.
QUEUE_RESULTS: dict[str, QueueLeftReason] = {
    "TIMEOUT": "timeout",
    "FULL": "empty",
    "JOINEMPTY": "empty",
    "LEAVEEMPTY": "empty",
    "JOINUNAVAIL": "empty",
    "LEAVEUNAVAIL": "empty",
    "UNKNOWN": "empty",  # the PBX has no queue of that name
    "CONTINUE": "answered",
    "WITHDRAW": "transferred",
    "ABANDON": "abandoned",
    "ABANDONED": "abandoned",
}
