"""What Asterisk's QUEUESTATUS means here; used for events and for the spool alike."""

from calls.facts import QueueLeftReason

__all__ = ["QUEUE_RESULTS"]

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
