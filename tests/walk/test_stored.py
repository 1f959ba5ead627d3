"""What hypothesis made up, through the real pipeline into the real database: what REST shows is the fold."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from ami.errors import LinkDownError
from ami.events import Event
from ami.inbox import EventArrived, LinkItem
from ami.replies import Reply
from appeals.card import view
from calls import storage
from calls.story import CallStory, LegStory
from store.writer import Writer
from tests.calls.builders import tracker
from tests.telephony.parts import new_pipeline, new_recorder
from tests.walk.switch import START
from tests.walk.test_machine import SwappedDay

DAYS = 12


class RecordedDay(SwappedDay):
    """Days one after the other, none lost on the line: what was heard, and what the stories were."""

    tape: ClassVar[list[Event]] = []
    numbers: ClassVar[Iterator[int]] = itertools.count()
    stories: ClassVar[dict[str, CallStory]] = {}

    def __init__(self) -> None:
        super().__init__()
        self.switch.now = START + timedelta(days=next(self.numbers))

    def teardown(self) -> None:
        super().teardown()
        self.tape.extend(self.listener.journal)
        self.stories.update(self.listener.stories)


@dataclass
class TapeLink:
    """A link that tells what was heard, batch by batch, and can't be asked."""

    tape: list[Event]
    pbx: str = "main"
    batches: int = 0
    sizes: Sequence[int] = field(default=(1, 7, 50, 500))

    @property
    def waiting(self) -> int:
        return 0

    def events_waiting(self, *names: bytes) -> Sequence[Event]:
        return ()

    async def next_batch(self, max_items: int = 500) -> list[LinkItem]:
        size = self.sizes[self.batches % len(self.sizes)]
        self.batches += 1
        batch, self.tape = self.tape[:size], self.tape[size:]
        if not batch:
            raise LinkDownError("all is told")
        return [EventArrived(event=event, raw=b"Event: of the walk") for event in batch]

    async def action(self, name: str, *, timeout_s: float | None = None, **_: Any) -> Reply:
        raise LinkDownError("nobody to ask")

    async def action_list(
        self, name: str, *, timeout_s: float | None = None, **_: Any
    ) -> list[Reply]:
        raise LinkDownError("nobody to ask")


async def told_to_the_database(
    tape: list[Event], writer: Writer, sessions: async_sessionmaker[AsyncSession]
) -> None:
    recorder = await new_recorder("main", writer, sessions, lambda: START)
    await new_pipeline(TapeLink(tape), recorder, tracker).run()


async def test_what_rest_shows_is_the_fold(
    writer: Writer, sessions: async_sessionmaker[AsyncSession]
) -> None:
    RecordedDay.tape.clear()
    RecordedDay.stories.clear()
    checks = settings(
        max_examples=DAYS,
        stateful_step_count=40,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate,),
    )
    run_state_machine_as_test(RecordedDay, settings=checks)
    stories = dict(RecordedDay.stories)
    await told_to_the_database(list(RecordedDay.tape), writer, sessions)
    async with sessions() as session:
        assert await storage.load_open(session, "main") == {}
        shown = {call["id"]: call for call in await view.calls(session, list(stories))}
        assert shown.keys() == stories.keys()
        for call, story in stories.items():
            assert await storage.load_story(session, call) == story
            assert shown[call].items() >= as_shown(story).items()
            legs = [_told_leg(leg) for leg in shown[call]["legs"]]
            assert legs == [_leg(leg) for leg in story.legs]
            assert (shown[call]["appeal"] is not None) >= (story.pressed_at is not None)


def as_shown(story: CallStory) -> dict[str, Any]:
    return {
        "direction": "out" if story.direction == "out" else "in",
        "queue": story.queue,
        "outcome": story.outcome,
        "recovered": story.recovered,
        **{
            name: _text(getattr(story, name))
            for name in (
                "started_at", "pressed_at", "queue_entered_at", "queue_left_at", "first_ring_at",
                "answered_at", "ended_at",
            )
        },
        "transfers": [
            {"at": _text(t.at), "kind": t.kind, "from": t.from_extension, "to": t.to}
            for t in story.transfers
        ],
    }  # fmt: skip


_SHOWN = {"abandoned": "no_answer", "transferred": "elsewhere", "unknown": None}


def _leg(leg: LegStory) -> tuple[Any, ...]:
    outcome = _SHOWN.get(leg.outcome or "", leg.outcome)
    return leg.extension, _text(leg.rang_at), _text(leg.answered_at), _text(leg.ended_at), outcome


def _told_leg(leg: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(
        leg[name] for name in ("extension", "rang_at", "answered_at", "ended_at", "outcome")
    )


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None
