"""Stories in hand: nothing counts before it is committed, told twice it is told once."""

from datetime import UTC, datetime, timedelta

from calls.facts import CallArrived, CallEnded, ComplaintRequested, Party
from telephony.call_book import CallBook

T0 = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
CALLER = Party(raw="+79110000001", e164="+79110000001", name=None, kind="public")
MENU = Party(raw="100", e164=None, name=None, kind="internal")


def arrived(call: str = "main-1.0") -> CallArrived:
    return CallArrived(
        call=call, at=T0, pbx="main", uniqueid="1.0", linkedid="1.0", direction="in", caller=CALLER, to=MENU
    )  # fmt: skip


def pressed(call: str = "main-1.0") -> ComplaintRequested:
    return ComplaintRequested(
        call=call, at=T0 + timedelta(seconds=5), uniqueid="1.0", key="press3/1/1", evidence="verified", menu="main", queue="q"
    )  # fmt: skip


def test_what_was_not_accepted_is_told_again() -> None:
    book = CallBook({})
    first = book.changes([arrived(), pressed()])
    again = book.changes([arrived(), pressed()])
    assert first == again
    assert [type(fact) for fact in first[0].facts] == [CallArrived, ComplaintRequested]


def test_what_was_accepted_says_nothing_new() -> None:
    book = CallBook({})
    book.accept(book.changes([arrived(), pressed()]))
    assert book.changes([arrived(), pressed()]) == []
    (end,) = book.changes([pressed(), CallEnded(call="main-1.0", at=T0, outcome="abandoned")])
    assert [type(fact) for fact in end.facts] == [CallEnded]
    assert end.before is not None
    assert end.before.pressed_at == T0 + timedelta(seconds=5)


def test_facts_of_a_call_whose_beginning_is_not_known_are_no_call() -> None:
    assert CallBook({}).changes([CallEnded(call="main-9.0", at=T0, outcome="abandoned")]) == []


def test_calls_are_told_apart_and_ended_ones_put_away() -> None:
    book = CallBook({})
    changes = book.changes(
        [arrived("a"), arrived("b"), CallEnded(call="a", at=T0, outcome="failed")]
    )
    assert [change.story.id for change in changes] == ["a", "b"]
    book.accept(changes)
    assert [story.id for story in book.open_stories] == ["b"]
    book.forget_ended()
    assert book.missing([CallEnded(call="a", at=T0, outcome="failed")]) == {"a"}
