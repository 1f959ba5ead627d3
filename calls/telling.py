"""Collect the facts of another source that a story does not have yet. Pure."""

from dataclasses import replace
from datetime import datetime, timedelta

from calls.facts import Fact
from calls.story import CallStory, fold

__all__ = ["NEAR", "Telling", "after"]

NEAR = timedelta(seconds=2)  # times of one thing in two sources differ by less
_CUT_OFF = timedelta(seconds=1)  # queue_log leaves the fraction of a second out


class Telling:
    """Collects the facts that say something new to the story as it grows."""

    def __init__(self, story: CallStory | None, blind_until: datetime | None = None) -> None:
        self._story = story
        self._blind_until = blind_until
        self.facts: list[Fact] = []

    @property
    def known(self) -> bool:
        return self._story is not None

    @property
    def now(self) -> CallStory:
        if self._story is None:
            raise ValueError("the call has no fact yet")
        return self._story

    def tell(self, fact: Fact, *, recovered: bool = True) -> None:
        blind = self._blind_until is None or fact.at <= self._blind_until
        fact = replace(fact, recovered=recovered and blind)
        after = fold(self._story, fact)
        if after is not self._story:
            self.facts.append(fact)
            self._story = after


def after(known: datetime | None, at: datetime) -> datetime:
    """Return `at`, or `known` for what came after it in that second and has no fraction.

    A time with a fraction is exact: it did come before `known`.
    """
    cut_off = not at.microsecond
    return known if cut_off and known is not None and at < known < at + _CUT_OFF else at
