"""A trace in place of a PBX: `press3 replay FILE`, and the demo where no Asterisk can be had."""

import itertools
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path

from ami.errors import EventError, LinkDownError
from ami.events import Event
from ami.inbox import EventArrived, EventBroken, LinkItem
from ami.parser import parse
from ami.replies import Reply
from appeals.intake.presses import IntakeSettings
from calls.facts import Fact
from calls.tracker import Tracker
from press3.config.settings import Settings
from press3.database import Database, open_database
from press3.telephony_parts import change_handlers, keep_rules, number_rules, trigger_rules
from press3.traces import TraceLine, read_trace
from store.lease import Lease
from telephony.pipeline import Pipeline
from telephony.recorder import Recorder, Stored

__all__ = ["REPLAY_PBX", "TraceLink", "replay", "replay_link", "shifted"]

# A name of its own: replayed calls can't be taken for those of a real PBX.
REPLAY_PBX = "replay"
_UNIQUEID = re.compile(rb"\b1[0-9]{9}(?=\.[0-9]+)")
_TIMESTAMP = re.compile(rb"(?m)^(Timestamp: )[0-9.]+")
_PRESSED_AT = re.compile(rb"(?m)^(At: )[0-9.]+")


class TraceLink:
    """A link that tells a trace and then is closed. It answers no action: a trace can't be asked.

    `pace` waits until a line's time has come (the demo); None tells all at once.
    """

    def __init__(
        self,
        lines: Iterable[TraceLine],
        *,
        pace: Callable[[datetime], Awaitable[None]] | None = None,
    ) -> None:
        self.pbx = REPLAY_PBX
        self._lines = iter(lines)
        self._pace = pace

    @property
    def waiting(self) -> int:
        """Return 0: what is not told yet has not happened yet."""
        return 0

    def events_waiting(self, *names: bytes) -> Iterable[Event]:
        return ()

    async def next_batch(self, max_items: int = 500) -> list[LinkItem]:
        """Return the next events, one by one when paced; a damaged one as the live link gives it."""
        most = 1 if self._pace else max_items
        batch = list(itertools.islice(self._lines, most))
        if not batch:
            raise LinkDownError("the trace is over")
        if self._pace:
            await self._pace(batch[0].at)
        return [_item(line) for line in batch]

    async def action(
        self, name: str, *, timeout_s: float | None = None, **headers: str | Sequence[str]
    ) -> Reply:
        raise LinkDownError("a trace is being replayed")

    async def action_list(
        self, name: str, *, timeout_s: float | None = None, **headers: str | Sequence[str]
    ) -> list[Reply]:
        raise LinkDownError("a trace is being replayed")


def _item(line: TraceLine) -> LinkItem:
    raw = line.raw.rstrip(b"\r\n")
    try:
        return EventArrived(event=parse(raw, line.at), raw=raw)
    except EventError as error:
        return EventBroken(at=line.at, raw=raw, error=error)


def shifted(lines: Iterable[TraceLine], start: datetime) -> Iterator[TraceLine]:
    """Yield the lines as if the first had come at `start`: times and uniqueids moved alike."""
    move: timedelta | None = None
    for line in lines:
        move = start - line.at if move is None else move
        at = line.at + move
        seconds = round(move.total_seconds())
        raw = _UNIQUEID.sub(lambda m: b"%d" % (int(m.group()) + seconds), line.raw)  # noqa: B023
        stamp = rb"\g<1>%s" % f"{at.timestamp():.6f}".encode()
        raw = _TIMESTAMP.sub(stamp, raw)
        yield TraceLine(at, _PRESSED_AT.sub(stamp, raw))


async def replay(settings: Settings, file: Path, say: Callable[[str], None]) -> None:
    """Feed a trace, at full speed and in its own time, into the configured database; say its facts.

    A damaged event is passed over, as on the link, and counted. Raises Press3Error at a line that is no
    line of a trace.
    """

    def told(stored: Stored) -> None:
        for change in stored.changes:
            for fact in change.facts:
                say(_sentence(fact))

    async with open_database(settings) as database:
        broken = await replay_link(database, settings, TraceLink(read_trace(file)), told)
    if broken:
        say(f"{broken} damaged events were passed over; the log names them")


async def replay_link(
    database: Database, settings: Settings, link: TraceLink, told: Callable[[Stored], None]
) -> int:
    """Take what `link` tells through the whole pipeline, as calls of the PBX named `replay`.

    Return how many events could not be read.
    """
    lease = Lease(database.writer, REPLAY_PBX)
    rules = trigger_rules(settings, REPLAY_PBX)
    numbers, keep = number_rules(settings), keep_rules(settings)
    recorder = Recorder(
        REPLAY_PBX,
        await lease.acquire(),
        writer=database.writer,
        sessions=database.sessions,
        handlers=change_handlers(IntakeSettings(departments={})),
        now=database.now,
        on_stored=told,
    )
    pipeline = Pipeline(
        link,
        recorder,
        new_tracker=lambda: Tracker(REPLAY_PBX, rules, numbers, keep),
        catch_up=_nothing,
        link_down=_nothing,
    )
    try:
        await pipeline.run()
    finally:
        await lease.release()
    return pipeline.broken_events


async def _nothing(pipeline: Pipeline, item: object) -> None:
    """A trace has no gaps to mend."""


def _sentence(fact: Fact) -> str:
    data = {name: value for name, value in asdict(fact).items() if name not in ("call", "at")}
    told = ", ".join(
        f"{name}={value}" for name, value in data.items() if value not in (None, False)
    )
    return f"{fact.at:%H:%M:%S.%f} {fact.call} {fact.TYPE} {told}"
