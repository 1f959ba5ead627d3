"""A caller's stay in a queue, and what Asterisk's QUEUESTATUS says of its end; for events and spool alike."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from calls.facts import QueueLeftReason

__all__ = ["QUEUE_REFUSALS", "QUEUE_RESULTS", "QueueStay"]

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
    "EXITWITHKEY": "key",  # queue_log's word: no QUEUESTATUS says so
}


_AT_ONCE = timedelta(milliseconds=500)


@dataclass(slots=True)
class QueueStay:
    """`left_at` set while the reason is not known yet: only what follows tells it.

    `left_in` is the (context, exten) the caller left from: found elsewhere later, nobody had hung up.
    `inner`: another queue rings this one as its member. `member`: the Local that answered the queue,
    while nobody behind it has talked to the caller. `told`: the story knows of it.
    """

    queue: str
    chan: str
    joined_at: datetime
    left_at: datetime | None = None
    left_in: tuple[str, str] = ("", "")
    inner: bool = False
    member: str | None = None
    told: bool = False
    # The caller's last key and its time: one that leads out of the queue does so at once.
    key: str = ""
    key_at: datetime | None = None

    def left_by_key(self) -> str | None:
        """Return the key by which the caller left, None when it was not one."""
        if self.left_at is None or self.key_at is None or self.left_at - self.key_at > _AT_ONCE:
            return None
        return self.key
