"""One AMI session: frames in, events and replies out. Knows no socket and no library.

It only frames and hands on; it never waits, because Asterisk ends a session whose socket stalls.
"""

import asyncio
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ami.errors import ActionTimeout, AmiError, FrameTooLong, LinkDownError, TooManyActions
from ami.parser import JUDGED_BY_CONTENT, WANTED, wanted
from ami.replies import Reply, Until, Waiting, action_ids
from ami.wire import FrameDecoder, encode_action, event_type

__all__ = ["LinkCounters", "Session"]

IN_FLIGHT_LIMIT = 1000
KNOWN_LINES_LIMIT = 500


@dataclass(slots=True)
class LinkCounters:
    """What a link has seen since the process began."""

    seen: int = 0  # events of any type
    wanted: int = 0
    dropped: int = 0  # wanted, but the queue was full or the session never came up
    reconnects: int = 0
    overflows: int = 0
    actions_timed_out: int = 0
    broken_rows: int = 0  # of lists, by what a caller calls himself


@dataclass(slots=True)
class _Flight:
    waiting: Waiting
    answer: asyncio.Future[list[Reply]]


class _Verdicts(dict[bytes, "bool | re.Pattern[bytes]"]):
    """Whether events of a first line are wanted, or what is to be found in the wanted ones.

    Judged once a line: most of the traffic is unwanted, and costs no more than this look-up.
    """

    def __missing__(self, line: bytes) -> bool | re.Pattern[bytes]:
        kind = event_type(line)
        verdict = JUDGED_BY_CONTENT.get(kind, kind in WANTED)
        if len(self) < KNOWN_LINES_LIMIT:
            self[line] = verdict
        return verdict


class Session:
    """From connect to loss. `write` sends bytes; `on_events` takes the wanted events of a segment.

    `lost` is done, with the reason, when the session is over.
    """

    def __init__(self, on_events: Callable[[list[bytes]], None], counters: LinkCounters) -> None:
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.write: Callable[[bytes], None] = _not_connected
        self._on_events = on_events
        self._counters = counters
        self._decoder = FrameDecoder()
        self._flights: dict[str, _Flight] = {}
        self._verdicts = _Verdicts()

    def data_received(self, data: bytes) -> None:
        if self.lost.done():
            return
        try:
            frames = self._decoder.feed(data)
        except FrameTooLong as error:
            self.end(str(error))
            return
        events = self._sort(frames)
        if events:
            self._counters.wanted += len(events)
            self._on_events(events)

    def _sort(self, frames: list[bytes]) -> list[bytes]:
        """Give replies to who waits for them; return the wanted events."""
        if self._flights:
            frames = [frame for frame in frames if not self._answers(frame)]
        self._counters.seen += len(frames)
        verdicts = self._verdicts
        return [
            frame
            for frame in frames
            if (verdict := verdicts[frame.partition(b"\r\n")[0]])
            and (verdict is True or (verdict.search(frame) and wanted(frame)))
        ]

    def _answers(self, frame: bytes) -> bool:
        for action_id in action_ids(frame):
            flight = self._flights.get(action_id)
            if flight is not None:
                self._give(action_id, flight, frame)
                return True
        for flight in self._flights.values():
            self._counters.broken_rows += flight.waiting.foreign()
        return False

    def _give(self, action_id: str, flight: _Flight, frame: bytes) -> None:
        try:
            whole = flight.waiting.add(frame)
        except AmiError as error:
            del self._flights[action_id]
            if not flight.answer.done():
                flight.answer.set_exception(error)
            return
        if whole:
            del self._flights[action_id]
            if not flight.answer.done():
                flight.answer.set_result(flight.waiting.replies)

    async def ask(
        self,
        name: str,
        headers: dict[str, str | Sequence[str]],
        *,
        timeout_s: float,
        until: Until = Until.RESPONSE,
        event: str = "",
    ) -> list[Reply]:
        """Send an action once and wait for its answer.

        Raises UnsafeValue, TooManyActions, LinkDownError before sending; ActionFailed,
        ActionTimeout, IncompleteList, ReplyTooLong, LinkDownError after.
        """
        if self.lost.done():
            raise LinkDownError(self.lost.result())
        if len(self._flights) >= IN_FLIGHT_LIMIT:
            raise TooManyActions(IN_FLIGHT_LIMIT)
        action_id = secrets.token_hex(16)
        message = encode_action(name, headers, action_id)
        flight = _Flight(Waiting(name, until, event), asyncio.get_running_loop().create_future())
        self._flights[action_id] = flight
        try:
            self.write(message)
            async with asyncio.timeout(timeout_s):
                return await flight.answer
        except TimeoutError:
            if flight.answer.done() and not flight.answer.cancelled():
                return flight.answer.result()  # it came, while our own loop was held up
            self._counters.actions_timed_out += 1
            raise ActionTimeout(name, timeout_s) from None
        finally:
            self._flights.pop(action_id, None)

    def end(self, reason: str) -> None:
        """The session is over: whoever waits is told, nothing is kept to be sent again. Idempotent."""
        if self.lost.done():
            return
        self.lost.set_result(reason)
        flights, self._flights = self._flights, {}
        for flight in flights.values():
            if not flight.answer.done():
                flight.answer.set_exception(LinkDownError(reason))


def _not_connected(message: bytes) -> None:
    raise LinkDownError("not connected")
