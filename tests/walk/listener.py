"""press3 without its database: tracker, stories, journal, and the mending of a gap.

It does what `telephony.pipeline` and `telephony.catch_up` do with the same pure parts, in their order; the
walk through the real ones, on a real database, is `test_walk_stored`.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from ami.actions import LiveChannel
from ami.events import Event
from ami.spool import SpoolPress
from calls import resync
from calls.facts import Fact
from calls.numbers import NumberRules
from calls.story import CallStory
from calls.tracker import Tracker
from telephony.call_book import CallBook
from tests.calls.builders import tracker
from tests.walk.switch import Switch

__all__ = ["Listener"]

_SETTLED, _SWEEP_BACK = timedelta(seconds=5), timedelta(minutes=1)


class Listener:
    """`stored` are the facts by call, in order; `told` all that the tracker ever said."""

    def __init__(self) -> None:
        self.tracker: Tracker = tracker()
        self.book = CallBook({})
        self.stored: dict[str, list[Fact]] = {}
        self.told: list[Fact] = []
        self.journal: list[Event] = []
        self.last_contact: datetime | None = None
        self.startup = 0
        self._ended: dict[str, CallStory] = {}

    @property
    def stories(self) -> dict[str, CallStory]:
        return {**self._ended, **{story.id: story for story in self.book.open_stories}}

    def hears(self, events: Iterable[Event]) -> None:
        for event in events:
            facts = self.tracker.feed(event)
            self.journal.append(event)
            self.last_contact = max(self.last_contact or event.at, event.at)
            self.store(facts)

    def store(self, facts: Sequence[Fact]) -> None:
        self.told += facts
        for call in self.book.missing(facts):
            if call in self._ended:
                self.book.put(self._ended[call])
        changes = self.book.changes(facts)
        self.book.accept(changes)
        for change in changes:
            self.stored.setdefault(change.story.id, []).extend(change.facts)
            if change.story.ended_at is not None:
                self._ended[change.story.id] = change.story
        self.book.forget_ended()

    def dies(self) -> None:
        """kill -9 and a new start: the state comes back from the journal."""
        stories = {story.id: story for story in self.book.open_stories}
        self.book = CallBook(stories)
        self.tracker = tracker()
        started = min((story.started_at for story in stories.values()), default=None)
        if started is None:
            return
        first = next((i for i, event in enumerate(self.journal) if event.at >= started), None)
        for event in self.journal[first:] if first is not None else ():
            self.tracker.feed(event)

    # -- after a gap ----------------------------------------------------------------------------

    def catches_up(
        self, switch: Switch, there: Sequence[LiveChannel], blind_since: datetime, at: datetime
    ) -> None:
        """`at`: the login, `there`: the channels then. The spool is younger when people went on meanwhile."""
        for press in switch.presses():
            if blind_since - timedelta(minutes=10) <= press.pressed_at:
                self._read(press, at)
        if switch.startup != self.startup:
            facts = self.tracker.restarted(blind_since)
            facts += resync.from_channels(self.book.open_stories, frozenset(), blind_since)
            self.store(facts)
        alive = {row.uniqueid for row in there}
        facts = self.tracker.end_missing(alive, at)
        facts += resync.from_channels(self.book.open_stories, alive, at)
        facts += self.tracker.join(there, at)
        self.store(facts)
        self.startup = switch.startup
        self.last_contact = max(self.last_contact or at, at)

    def sweeps(self, switch: Switch, at: datetime) -> None:
        """`at`: up to when the events are heard."""
        settled = at - _SETTLED
        for press in switch.presses():
            if at - _SWEEP_BACK <= press.pressed_at <= at:
                self._read(press, settled)
        unseen = self._unseen()
        for press in switch.presses():
            if press.key in {story.press_key for story in unseen}:
                self._read(press, settled)
        if unseen:
            alive = {row.uniqueid for row in switch.channel_list()}
            facts = self.tracker.end_missing(alive, settled)
            self.store([*facts, *resync.from_channels(self._unseen(), alive, settled)])

    def _unseen(self) -> list[CallStory]:
        tracked = self.tracker.open_calls()
        return [story for story in self.book.open_stories if story.id not in tracked]

    def _read(self, press: SpoolPress, settled_before: datetime) -> None:
        story = next(
            (s for s in self.stories.values() if press.uniqueid in (s.press_uniqueid, s.uniqueid)),
            None,
        )
        self.store(
            resync.from_spool(
                story, press, pbx="main", numbers=NumberRules(), settled_before=settled_before
            )
        )
