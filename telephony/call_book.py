"""Stories of the calls in hand: facts in, changes out; only what commits counts."""

from collections.abc import Iterable, Mapping

from calls.facts import CallArrived, Fact
from calls.story import CallChange, CallStory, fold

__all__ = ["CallBook"]


class CallBook:
    """Keeps the story of each open call of one PBX. Plain object: no I/O, no clock."""

    def __init__(self, stories: Mapping[str, CallStory]) -> None:
        self._stories = dict(stories)

    @property
    def open_stories(self) -> tuple[CallStory, ...]:
        """The stories of calls that have not ended."""
        return tuple(story for story in self._stories.values() if story.ended_at is None)

    def put(self, story: CallStory) -> None:
        """Take up a story that was read from the database."""
        self._stories[story.id] = story

    def missing(self, facts: Iterable[Fact]) -> set[str]:
        """Return the calls of `facts` whose story is not in hand: read them first."""
        return {fact.call for fact in facts} - self._stories.keys()

    def changes(self, facts: Iterable[Fact]) -> list[CallChange]:
        """Return what `facts` would change, by call, in the order of first facts."""
        by_call: dict[str, list[Fact]] = {}
        for fact in facts:
            by_call.setdefault(fact.call, []).append(fact)
        found = (self._change(call, of_call) for call, of_call in by_call.items())
        return [change for change in found if change is not None]

    def accept(self, changes: Iterable[CallChange]) -> None:
        """Take the stories of `changes`, which are committed."""
        for change in changes:
            self._stories[change.story.id] = change.story

    def forget_ended(self) -> None:
        """Drop ended calls; a late fact makes the story be read again."""
        for story in list(self._stories.values()):
            if story.ended_at is not None:
                del self._stories[story.id]

    def forget(self, call: str) -> None:
        """Drop one call whose stored state is not what was expected."""
        self._stories.pop(call, None)

    def _change(self, call: str, facts: list[Fact]) -> CallChange | None:
        before = story = self._stories.get(call)
        new: list[Fact] = []
        for fact in facts:
            if story is None and not isinstance(fact, CallArrived):
                continue  # a call that is not kept: internal, or its beginning fell into a gap
            after = fold(story, fact)
            if after is not story:
                new.append(fact)
            story = after
        if story is None or not new:
            return None
        return CallChange(before=before, story=story, facts=tuple(new))
