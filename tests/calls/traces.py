"""Read the captured traces: real AMI bytes, through the real parser and tracker."""

import json
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from pathlib import Path

from ami.errors import EventError
from ami.events import Event
from ami.parser import parse
from calls.facts import Fact
from calls.tracker import Tracker
from calls.triggers import ObservedRule, TriggerRules
from tests.calls.builders import tracker

__all__ = ["TRACES", "events_of", "facts_of", "messages_of", "replay"]

TRACES = Path(__file__).parent.parent / "traces"


def messages_of(name: str) -> Iterator[tuple[bytes, datetime]]:
    with (TRACES / f"{name}.jsonl").open() as lines:
        for line in lines:
            row = json.loads(line)
            yield row["raw"].encode("latin-1"), datetime.fromisoformat(row["at"])


@cache
def events_of(name: str) -> tuple[Event, ...]:
    """The events of a trace; damaged ones are skipped as the link does."""
    found = []
    for raw, at in messages_of(name):
        try:
            found.append(parse(raw, at))
        except EventError:
            continue
    return tuple(found)


def replay(name: str, listener: Tracker) -> list[Fact]:
    return [fact for event in events_of(name) for fact in listener.feed(event)]


def facts_of(name: str, *observed: ObservedRule) -> list[Fact]:
    """The facts that a fresh tracker makes of a trace; afterwards it must know nobody any more."""
    listener = tracker(TriggerRules(observed=observed))
    facts = replay(name, listener)
    assert listener.open_calls() == set()
    assert listener._graph.channels == {}
    return facts
