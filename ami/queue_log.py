"""What Asterisk's queue_log tells of presses and calls in queues. Pure.

A line is `epoch|uniqueid|queue|agent|EVENT|data…`, epoch in whole seconds. The rendered dialplan adds
`PRESS3|<AstDB key>|<AstDB row>` before it writes AstDB: on a full disk AstDB forgets in silence, this
line stays. Source: app_queue.c of 1.4, 11, 16.28 and 22.10; older ones write fewer data fields.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from ami.queue_lines import BadLine, QueueRecord, channel_of, is_start, parse_line, time_of
from ami.spool import Hand, SpoolAnswer, SpoolPress, SpoolStay, SpoolTransfer, parse_tree

__all__ = ["BadLine", "QueueRecord", "calls_in", "channel_of", "is_start", "parse_line", "time_of"]

# Event that ends a wait -> QUEUESTATUS.
_LEFT = {
    "ABANDON": "ABANDON",
    "EXITWITHTIMEOUT": "TIMEOUT",
    "EXITEMPTY": "LEAVEEMPTY",
    "EXITWITHKEY": "EXITWITHKEY",
    "WITHDRAW": "WITHDRAW",
    "SYSCOMPAT": "ABANDON",  # the PBX could not join the two and hung up
}
_ANSWERED = "CONTINUE"
_COMPLETED: dict[str, Hand] = {"COMPLETEAGENT": "operator", "COMPLETECALLER": "caller"}
_WAITED_S = re.compile(r"[0-9]{1,7}")
# An operator who sends a caller to a queue does so at once; a menu takes longer.
_SENT_ON = timedelta(seconds=1)


def calls_in(records: Iterable[QueueRecord], queues: Collection[str] = ()) -> Iterator[SpoolPress]:
    """Yield what `records`, in order, tell of each channel: a press of the rendered dialplan (`key`), or a call in queues.

    A call without a key has `pressed_at` at its entry into the first of `queues` that no operator
    sent it to, else into its first queue; `entered_at` is None where that lies before these records.
    Times are whole seconds but that of a press whose line holds its AstDB row.
    """
    drafts: dict[str, _Draft] = {}
    alive_at: datetime | None = None
    for record in records:
        if record.event == "QUEUESTART":
            for draft in drafts.values():
                draft.restarted(alive_at or record.at)
        elif record.uniqueid not in ("", "NONE"):
            draft = drafts.setdefault(record.uniqueid, _Draft(record))
            draft.take(record)
        alive_at = record.at
    for draft in drafts.values():
        yield draft.finished(queues)


@dataclass(slots=True)
class _Draft:
    """One channel's lines while they are read."""

    first: QueueRecord
    press: SpoolPress | None = None
    number: str = ""
    did: str = ""
    stays: list[SpoolStay] = field(default_factory=list)
    answers: list[SpoolAnswer] = field(default_factory=list)
    transfers: list[SpoolTransfer] = field(default_factory=list)
    ended: tuple[datetime, Hand | None] | None = None
    restarted_at: datetime | None = None

    def take(self, record: QueueRecord) -> None:
        """Add what one line tells; events that say nothing of a call add nothing."""
        event = record.event
        if event == "PRESS3" and self.press is None and record.value(0):
            self.press = _press_of(record)
        elif event == "DID":  # FreePBX writes the number that was called
            self.did = self.did or record.value(0)
        elif event == "ENTERQUEUE":
            self._entered(record)
        elif event == "CONNECT":
            self._connected(record)
        elif event in _COMPLETED:
            self._talk_over(record, waited_s=record.value(0), talked_s=record.value(1))
            self.ended = self._at(record), _COMPLETED[event]
        elif event in ("TRANSFER", "BLINDTRANSFER", "ATTENDEDTRANSFER"):
            self._transferred(record)
        elif event in _LEFT:
            self._left(record)

    def restarted(self, at: datetime) -> None:
        """The PBX, last alive at `at`, began anew: who waited or talked then is gone, and no line says so."""
        waits = bool(self.stays) and self.stays[-1].left is None
        talks = bool(self.answers) and self.answers[-1].left_at is None
        if waits or talks:
            self.ended, self.restarted_at = (at, None), at

    def _at(self, record: QueueRecord) -> datetime:
        """Return when, not before a press told in an earlier line: its row has milliseconds."""
        return record.at if self.press is None else max(record.at, self.press.pressed_at)

    def _goes_on(self) -> None:
        """The call did not end where it seemed to: who was taken out of a queue seems to give up."""
        self.ended = self.restarted_at = None
        if self.stays and (left := self.stays[-1].left) is not None and left[1] == "ABANDON":
            self.stays[-1] = replace(self.stays[-1], left=(left[0], "TIMEOUT"))

    def _entered(self, record: QueueRecord) -> None:
        """Begin a stay: the one before is over, by whatever it was left."""
        self._goes_on()
        at = self._at(record)
        if self.stays and self.stays[-1].left is None:
            self.stays[-1] = replace(self.stays[-1], left=(at, "TIMEOUT"))
        self._operator_left(at)
        # An old Asterisk writes no position; a caller id may hold the bar.
        number = record.data[1:-1] if len(record.data) > 2 else record.data[1:]
        self.number = self.number or "|".join(number)
        self.stays.append(SpoolStay(queue=record.queue, entered_at=at))

    def _connected(self, record: QueueRecord) -> None:
        self._goes_on()
        at = self._at(record)
        answer = SpoolAnswer(at=at, channel=record.agent, uniqueid=record.value(1))
        self._leave(record, at, _ANSWERED, waited_s=record.value(0))
        self.answers.append(answer)

    def _talk_over(self, record: QueueRecord, *, waited_s: str, talked_s: str) -> None:
        """End the talk; a line that says how long it was tells of the answer too, should its own be missing."""
        at = self._at(record)
        talks = self.answers and self.answers[-1].left_at is None
        if not talks and _WAITED_S.fullmatch(talked_s):
            began = at - timedelta(seconds=int(talked_s))
            self._leave(record, began, _ANSWERED, waited_s=waited_s)
            self.answers.append(SpoolAnswer(at=began, channel=record.agent))
        self._operator_left(at)

    def _operator_left(self, at: datetime) -> None:
        if self.answers and self.answers[-1].left_at is None:
            self.answers[-1] = replace(self.answers[-1], left_at=max(at, self.answers[-1].at))

    def _transferred(self, record: QueueRecord) -> None:
        """TRANSFER is the word of versions before 12; 1.4 says no times."""
        is_attended = record.event == "ATTENDEDTRANSFER"
        times = record.data[-3:-1] if is_attended else record.data[2:4]
        waited_s, talked_s = times if len(times) == 2 else ("", "")
        self._talk_over(record, waited_s=waited_s, talked_s=talked_s)
        to = record.value(0)
        if is_attended:
            to = record.value(1) if record.value(0) == "CHANNEL" else ""
        self.transfers.append(
            SpoolTransfer(
                at=self._at(record),
                kind="attended" if is_attended else "blind",
                channel=record.agent,
                to=to,
            )
        )
        self.ended = None

    def _left(self, record: QueueRecord) -> None:
        at, event = self._at(record), record.event
        is_key = event == "EXITWITHKEY"
        self._leave(
            record,
            at,
            _LEFT[event],
            waited_s=record.value(3 if is_key else 2),
            key=record.value(0) if is_key else "",
        )
        if event in ("ABANDON", "SYSCOMPAT"):
            self.ended = at, "caller" if event == "ABANDON" else None

    def _leave(
        self, record: QueueRecord, at: datetime, status: str, *, waited_s: str, key: str = ""
    ) -> None:
        """End the stay in the line's queue; one whose entry was not told began as long ago as the line says."""
        left = at, status
        for n, stay in reversed(list(enumerate(self.stays))):
            if stay.queue == record.queue and stay.left is None:
                self.stays[n] = replace(
                    stay, left=(max(at, stay.entered_at or at), status), key=key
                )
                return
        entered_at = None
        if _WAITED_S.fullmatch(waited_s):
            entered_at = at - timedelta(seconds=int(waited_s))
        self.stays.append(SpoolStay(queue=record.queue, entered_at=entered_at, left=left, key=key))

    def finished(self, queues: Collection[str]) -> SpoolPress:
        """Return the whole call; `queues` are those that only a press leads to."""
        if self.restarted_at is not None and self.stays and self.stays[-1].left is None:
            self.stays[-1] = replace(self.stays[-1], left=(self.restarted_at, ""))
        if self.restarted_at is not None:
            self._operator_left(self.restarted_at)
        call = self.press or self._observed(queues)
        here = [stay for stay in self.stays if stay.queue == call.queue or not call.queue]
        waits = [stay for stay in here if stay.entered_at is not None]
        entry = next((stay for stay in waits if stay.entered_at == call.pressed_at), None)
        entry = entry or next(iter(waits), None)
        last = self.stays[-1].left if self.stays else None
        return replace(
            call,
            queue=call.queue or (here[0].queue if here else ""),
            number=call.number or self.number,
            did=call.did or self.did,
            entered_at=entry.entered_at if entry is not None else None,
            answered=tuple(self.answers),
            queue_left=last if last is not None and last[1] != _ANSWERED else None,
            ended_at=self.ended[0] if self.ended is not None else None,
            ended_by=self.ended[1] if self.ended is not None else None,
            stays=tuple(self.stays),
            transfers=tuple(self.transfers),
            restarted_at=self.restarted_at,
        )

    def _observed(self, queues: Collection[str]) -> SpoolPress:
        """Return the call as one of a menu that is only watched."""
        entries = [stay for stay in self.stays if stay.entered_at is not None]
        chosen = [stay for stay in entries if stay.queue in queues and not self._was_sent(stay)]
        stay = next(iter(chosen or entries or self.stays), None)
        at = stay.entered_at if stay is not None else None
        return _call_of(self.first, at or self.first.at, stay.queue if stay else self.first.queue)

    def _was_sent(self, stay: SpoolStay) -> bool:
        """Return whether an operator sent the caller to this queue."""
        entered_at = stay.entered_at
        return entered_at is not None and any(
            timedelta() <= entered_at - each.at <= _SENT_ON for each in self.transfers
        )


def _press_of(record: QueueRecord) -> SpoolPress:
    row = "|".join(record.data[1:])
    found, _ = parse_tree([(record.value(0), row)])
    if found and found[0].uniqueid == record.uniqueid:
        return found[0]
    # a dialplan rendered by an older press3 writes the key alone
    return replace(_call_of(record, record.at, ""), key=record.value(0), timed_by="key")


def _call_of(record: QueueRecord, pressed_at: datetime, queue: str) -> SpoolPress:
    return SpoolPress(
        key=None,
        uniqueid=record.uniqueid,
        linkedid=record.uniqueid,
        pressed_at=pressed_at,
        number="",
        name="",
        did="",
        menu="",
        queue=queue,
        timed_by="queue_entry",
    )
