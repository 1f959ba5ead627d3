"""Facts as rows: every kind has one stored name, and the names of stored facts never change."""

from datetime import UTC, datetime

import pytest

from calls import codec, facts
from calls.codec import fact_from_row, fact_to_data
from calls.facts import Fact, LegFact
from tests.calls.traces import TRACES, facts_of

AT = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
# Databases hold facts under these names: a name may be added, none may change or go.
STORED = {
    "CallArrived": facts.CallArrived,
    "CallRetold": facts.CallRetold,
    "CallerNamed": facts.CallerNamed,
    "MenuKeyPressed": facts.MenuKeyPressed,
    "ComplaintRequested": facts.ComplaintRequested,
    "QueueEntered": facts.QueueEntered,
    "QueueLeft": facts.QueueLeft,
    "OperatorRang": facts.OperatorRang,
    "OperatorStoppedRinging": facts.OperatorStoppedRinging,
    "OperatorAnswered": facts.OperatorAnswered,
    "OperatorLeft": facts.OperatorLeft,
    "HeldBy": facts.HeldBy,
    "Resumed": facts.Resumed,
    "Transferred": facts.Transferred,
    "RecordingStarted": facts.RecordingStarted,
    "RecordingStopped": facts.RecordingStopped,
    "CallEnded": facts.CallEnded,
    "StateLost": facts.StateLost,
}


def test_every_kind_of_fact_is_decoded_by_the_name_it_was_always_stored_under() -> None:
    assert codec._TYPES == STORED


def test_no_kind_of_fact_is_without_a_name_of_its_own() -> None:
    kinds = {
        kind
        for kind in vars(facts).values()
        if isinstance(kind, type) and issubclass(kind, Fact) and kind not in (Fact, LegFact)
    }
    assert kinds == set(STORED.values())
    assert all("TYPE" in vars(kind) for kind in kinds), "an inherited name is another's"
    assert len({kind.TYPE for kind in kinds}) == len(kinds)


def test_the_facts_of_every_trace_come_back_from_their_rows() -> None:
    told = [fact for path in sorted(TRACES.glob("*.jsonl")) for fact in facts_of(path.stem)]
    assert len({fact.TYPE for fact in told}) > 10
    for fact in told:
        data = fact_to_data(fact)
        assert "TYPE" not in data
        assert fact_from_row(fact.call, fact.TYPE, fact.at, data) == fact


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(KeyError):
        fact_from_row("main-1.0", "LegFact", AT, {})
