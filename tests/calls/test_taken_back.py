"""The PBX takes a ringing back, and does not say why: an answer elsewhere, a pickup, or the caller gave up.

Asterisk tells the end of the losers and the reason of it in either order.
"""

from collections.abc import Callable

import pytest

from ami.events import AgentConnect, DialEnd, Event, Hangup, Pickup
from calls.facts import OperatorAnswered, OperatorRang, OperatorStoppedRinging, QueueLeft
from tests.calls.builders import Line, Pbx, in_queue, tracker
from tests.calls.traces import events_of

Members = Callable[[Line], tuple[Line, list[Line]]]


@pytest.fixture
def pbx() -> Pbx:
    return Pbx()


def picked_up(pbx: Pbx, *, told_late: bool, members: Members) -> Line:
    """Boris takes what rings at 101; 102 loses. `told_late`: as Asterisk 22 was seen to say it once in a while."""
    ivan = in_queue(pbx)
    anna, (loser, *behind) = members(ivan)
    boris = pbx.picks_up_receiver("PJSIP/103", dials="*8")
    if not told_late:
        boris.takes_ringing_of(anna)
    loser.stops("CANCEL")
    ivan.leaves("complaints")
    loser.is_gone(26)
    if told_late:
        boris.takes_ringing_of(anna)
    for each in behind:
        each.is_gone(26)
    anna.is_gone(26)
    pbx.say(
        AgentConnect,
        channel=ivan.shown,
        queue="complaints",
        dest=boris.shown,
        interface="PJSIP/101",
    )
    ivan.talks_to(boris)
    return ivan


def plain(ivan: Line) -> tuple[Line, list[Line]]:
    return ivan.rings("PJSIP/101"), [ivan.rings("PJSIP/102")]


def local(ivan: Line) -> tuple[Line, list[Line]]:
    """The loser is 102's Local, with his telephone behind it."""
    anna = ivan.rings("PJSIP/101")
    one, two = ivan.rings_local("102")
    return anna, [one, two.rings("PJSIP/102"), two]


@pytest.mark.parametrize("members", [plain, local])
@pytest.mark.parametrize("told_late", [False, True])
def test_picked_up_from_the_queue_whenever_it_is_told(
    pbx: Pbx, told_late: bool, members: Members
) -> None:
    """Asterisk may take the others' ringing back before it says that it was picked up."""
    ivan = picked_up(pbx, told_late=told_late, members=members)
    assert pbx.reasons() == {"101": "elsewhere", "102": "elsewhere"}
    assert [left.reason for left in pbx.of(QueueLeft)] == ["answered"]
    assert [answer.extension for answer in pbx.of(OperatorAnswered)] == ["103"]
    ivan.hangs_up()
    assert len(pbx.of(OperatorStoppedRinging)) == len(pbx.of(OperatorRang)) == 2


def test_a_picked_up_losers_card_goes_at_his_hang_up(pbx: Pbx) -> None:
    """Not later: the pickup itself may be told after any time."""
    ivan = in_queue(pbx)
    ivan.rings("PJSIP/101")
    loser = ivan.rings("PJSIP/102")
    loser.stops("CANCEL")
    assert pbx.reasons() == {}
    loser.is_gone(26)
    assert pbx.reasons() == {"102": "elsewhere"}


def test_dial_tells_of_the_losers_before_the_winner(pbx: Pbx) -> None:
    """Not in a queue: Dial(PJSIP/101&PJSIP/102) as in the captured two-devices trace."""
    ivan = pbx.incoming("+79110000001", to="600")
    winner, loser = ivan.rings("PJSIP/101"), ivan.rings("PJSIP/102")
    loser.stops("CANCEL")
    loser.is_gone(26)
    winner.answers()
    ivan.talks_to(winner)
    assert pbx.reasons() == {"101": "answered", "102": "elsewhere"}


@pytest.mark.parametrize("cause", [0, 16])
def test_taken_back_and_nothing_tells_why(pbx: Pbx, cause: int) -> None:
    """His end may come without a HangupRequest."""
    ivan = in_queue(pbx)
    ivan.rings("PJSIP/101").is_cancelled(cause)
    assert pbx.reasons() == {"101": "abandoned"}


def test_a_queue_that_calls_every_end_an_answer_elsewhere(pbx: Pbx) -> None:
    """Queue(…,C): cause 26 whatever happened. He asked to hang up: nobody answered."""
    ivan = in_queue(pbx)
    phone = ivan.rings("PJSIP/101")
    ivan.asks_to_hang_up()
    phone.is_cancelled(26)
    assert pbx.reasons() == {"101": "abandoned"}


def test_a_local_taken_back_for_a_pickup_told_late_rings_nobody_any_more(pbx: Pbx) -> None:
    """What the Local dials after it was taken back: no card, no round."""
    ivan = in_queue(pbx)
    one, two = ivan.rings_local("102")
    one.stops("CANCEL")
    phone = two.rings("PJSIP/102")
    one.is_gone(26)
    phone.is_cancelled()
    two.is_gone(26)
    assert not pbx.of(OperatorRang)


@pytest.mark.parametrize("version", [16, 22])
def test_the_captured_pickup_in_the_other_order(version: int) -> None:
    """What Asterisk really sent, the Pickup moved behind the hang-up of the telephone that lost."""
    events = list(events_of(f"picked-up-from-queue-{version}"))
    pickup = next(event for event in events if isinstance(event, Pickup))
    lost = next(e.dest.uniqueid for e in events if isinstance(e, DialEnd) and e.status == "CANCEL")
    events.remove(pickup)
    events.insert(1 + _hangup_of(events, lost), pickup)
    listener = tracker()
    facts = [fact for event in events for fact in listener.feed(event)]
    stopped = [fact for fact in facts if isinstance(fact, OperatorStoppedRinging)]
    assert sorted((stop.extension, stop.reason) for stop in stopped) == [
        ("101", "elsewhere"),
        ("102", "elsewhere"),
    ]
    assert [fact.extension for fact in facts if isinstance(fact, OperatorAnswered)] == ["103"]


def _hangup_of(events: list[Event], uniqueid: str) -> int:
    return next(
        i
        for i, event in enumerate(events)
        if isinstance(event, Hangup) and event.channel.uniqueid == uniqueid
    )
