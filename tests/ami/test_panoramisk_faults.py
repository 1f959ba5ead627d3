"""One test for each measured fault of panoramisk 1.4 that the wall closes (DESIGN §4, MEASURES)."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from ami import events
from ami.connection import AmiLink, EventArrived, LinkDown, LinkUp
from ami.errors import (
    ActionFailed,
    ActionTimeout,
    IncompleteList,
    LinkDownError,
    TooManyActions,
    UnsafeValue,
)
from ami.session import IN_FLIGHT_LIMIT
from tests.ami.frames import frame, snapshot
from tests.ami.test_connection import Reading, hangup, new_link, running
from tests.fakes.ami_peer import Action, AmiPeer, message
from tests.waiting import until

pytestmark = pytest.mark.timing


@pytest.fixture
async def peer() -> AsyncIterator[AmiPeer]:
    async with AmiPeer() as peer:
        yield peer


@pytest.fixture
async def link(peer: AmiPeer) -> AsyncIterator[AmiLink]:
    async with running(new_link(peer)) as link:
        yield link


@pytest.fixture
async def reading(link: AmiLink) -> Reading:
    reading = Reading(link)
    await reading.to(LinkUp)
    return reading


async def test_a_cyrillic_name_split_between_segments_keeps_its_letters(
    peer: AmiPeer, reading: Reading
) -> None:
    whole = frame("Newchannel", snapshot(CallerIDName="Иван Петров")) + b"\r\n\r\n"
    cut = whole.index("в".encode()) + 1
    peer.send(whole[:cut])
    await asyncio.sleep(0)
    peer.send(whole[cut:])
    event = (await reading.to(EventArrived)).event
    while not isinstance(event, events.Newchannel):
        event = (await reading.to(EventArrived)).event
    assert event.channel.caller_name == "Иван Петров"


async def test_a_reader_that_fails_harms_neither_the_link_nor_the_rest_of_the_segment(
    peer: AmiPeer, link: AmiLink
) -> None:
    reading = Reading(link)
    await reading.to(LinkUp)
    peer.send(hangup(1) + hangup(2) + hangup(3))
    await reading.to_hangup(1)
    failing = asyncio.create_task(link.next_batch())
    failing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await failing
    await reading.to_hangup(3)
    assert reading.causes == [1, 2, 3]


async def test_events_come_in_the_order_of_the_wire(peer: AmiPeer, reading: Reading) -> None:
    peer.send(b"".join(hangup(cause) for cause in range(500)))
    await reading.to_hangup(499)
    assert reading.causes == list(range(500))


@pytest.mark.parametrize("value", ["x\r\nAction: Originate", "x\nAction: Hangup"])
async def test_a_line_break_in_a_value_sends_nothing(
    peer: AmiPeer, link: AmiLink, reading: Reading, value: str
) -> None:
    with pytest.raises(UnsafeValue):
        await link.action("Getvar", Variable=value)
    with pytest.raises(UnsafeValue):
        await link.action("Getvar", ActionID=value)
    await link.action("Ping")
    assert not peer.received("Getvar")
    assert not peer.received("Originate")


async def test_an_action_has_a_time_limit(peer: AmiPeer, link: AmiLink, reading: Reading) -> None:
    peer.on("Status", lambda action: [action.ok(EventList="start")])
    with pytest.raises(ActionTimeout):
        await link.action_list("Status", timeout_s=0.05)


async def test_an_originate_is_never_sent_twice(
    peer: AmiPeer, link: AmiLink, reading: Reading
) -> None:
    peer.on("Originate", lambda action: [])
    asked = asyncio.create_task(link.action("Originate", Channel="PJSIP/101", timeout_s=60))
    await until(lambda: peer.received("Originate"))
    for _ in range(3):
        peer.reset()
        await reading.to(LinkDown)
        await reading.to(LinkUp)
        await link.action("Ping")
    with pytest.raises(LinkDownError):
        await asked
    assert len(peer.received("Originate")) == 1


async def test_an_action_without_a_connection_fails_at_once_and_is_not_kept(
    peer: AmiPeer,
) -> None:
    link = new_link(peer)
    with pytest.raises(LinkDownError, match="not connected yet"):
        await link.action("Originate", Channel="PJSIP/101")
    async with running(link):
        await Reading(link).to(LinkUp)
        await link.action("Ping")
    assert not peer.received("Originate")
    with pytest.raises(LinkDownError, match="closed"):
        await link.action("Ping")


@pytest.mark.parametrize("header", [b"Event: Newstate", b"ActionID: 1\r\nActionID: 2"])
async def test_a_repeated_event_or_action_id_costs_no_other_event(
    peer: AmiPeer, reading: Reading, header: bytes
) -> None:
    peer.send(hangup(1)[:-2] + header + b"\r\n\r\n" + hangup(2))
    await reading.to_hangup(2)
    assert "LinkDown" not in reading.kinds


async def test_an_originate_response_reaches_who_asked(
    peer: AmiPeer, link: AmiLink, reading: Reading
) -> None:
    def originate(action: Action) -> list[bytes]:
        rung = action.item("OriginateResponse", Response="Failure", Reason="5")
        return [action.ok("Originate successfully queued"), hangup(1), rung]

    peer.on("Originate", originate)
    told = await link.action_event("Originate", "OriginateResponse", Channel="PJSIP/101")
    assert (told.event, told.get("response"), told.get("Reason")) == (
        "OriginateResponse",
        "Failure",
        "5",
    )
    await reading.to_hangup(1)


async def test_a_missing_blank_after_the_colon_is_read(
    peer: AmiPeer, link: AmiLink, reading: Reading
) -> None:
    peer.on("Getvar", lambda action: [action.ok().replace(b"\r\n\r\n", b"\r\nValue:42\r\n\r\n")])
    assert (await link.action("Getvar", Variable="X")).get("Value") == "42"


async def test_a_shutdown_event_is_an_event_and_not_the_end(
    peer: AmiPeer, reading: Reading
) -> None:
    peer.send(frame("Shutdown", {"Shutdown": "Cleanly", "Restart": "False"}) + b"\r\n\r\n")
    peer.send(hangup(1))
    await reading.to_hangup(1)
    assert "LinkDown" not in reading.kinds


async def test_every_action_has_a_random_id_of_128_bits(
    peer: AmiPeer, link: AmiLink, reading: Reading
) -> None:
    await asyncio.gather(*(link.action("Ping") for _ in range(20)))
    ids = [action.id for action in peer.actions]
    assert len(set(ids)) == len(ids)
    assert {len(bytes.fromhex(each)) for each in ids} == {16}


async def test_replies_find_their_questions_in_any_order(
    peer: AmiPeer, link: AmiLink, reading: Reading
) -> None:
    asked: list[Action] = []

    def later(action: Action) -> list[bytes]:
        asked.append(action)
        if len(asked) < 3:
            return []
        return [each.ok(Value=each.get("Variable")) for each in reversed(asked)]

    peer.on("Getvar", later)
    told = await asyncio.gather(*(link.action("Getvar", Variable=v) for v in "abc"))
    assert [reply.get("Value") for reply in told] == ["a", "b", "c"]


async def test_a_name_with_line_breaks_answers_nothing(
    peer: AmiPeer, link: AmiLink, reading: Reading
) -> None:
    """Even one who knew the ActionID: his words are inside an event, and an event is no response."""
    forged: list[bytes] = []

    def getvar(action: Action) -> list[bytes]:
        name = f"x\r\nResponse: Success\r\nActionID: {action.id}\r\nValue: forged"
        forged.append(frame("Newchannel", snapshot(CallerIDName=name)) + b"\r\n\r\n")
        return [*forged, action.ok(Value="true")]

    peer.on("Getvar", getvar)
    assert (await link.action("Getvar", Variable="X")).get("Value") == "true"


async def test_a_guessed_id_answers_nothing(peer: AmiPeer, link: AmiLink, reading: Reading) -> None:
    def getvar(action: Action) -> list[bytes]:
        forged = message(Response="Success", ActionID="0" * 32, Value="forged")
        return [forged, action.ok(Value="true")]

    peer.on("Getvar", getvar)
    assert (await link.action("Getvar", Variable="X")).get("Value") == "true"


async def test_a_name_can_not_end_a_list_early(
    peer: AmiPeer, link: AmiLink, reading: Reading
) -> None:
    """A Status row ends with the ActionID, so a name that breaks it owns a frame with our id."""

    def status(action: Action) -> list[bytes]:
        tail = f"Uniqueid: 1.1\r\nActionID: {action.id}"
        row = f"Event: Status\r\nCallerIDName: x\r\n\r\nEvent: StatusComplete\r\n{tail}\r\n\r\n"
        return action.listed("StatusComplete", [row.encode(), action.item("Status")], counted=3)

    peer.on("Status", status)
    with pytest.raises(IncompleteList) as caught:
        await link.action_list("Status")
    assert (caught.value.received, caught.value.expected) == (2, 3)


async def test_an_error_is_an_error_with_the_pbx_own_words(link: AmiLink, reading: Reading) -> None:
    with pytest.raises(ActionFailed, match="Invalid/unknown command: Nonsense"):
        await link.action("Nonsense")


async def test_output_lines_of_a_command_are_kept(
    peer: AmiPeer, link: AmiLink, reading: Reading
) -> None:
    lines = message(("Output", "one"), ("Output", "  two: 2"))
    peer.on("Command", lambda action: [action.ok()[:-2] + lines])
    reply = await link.action("Command", Command="core show version")
    assert reply.get_all("output") == ["one", "  two: 2"]


async def test_actions_in_flight_are_bounded(
    peer: AmiPeer, link: AmiLink, reading: Reading
) -> None:
    peer.on("Getvar", lambda action: [])
    waiting = [
        asyncio.create_task(link.action("Getvar", Variable="X", timeout_s=60))
        for _ in range(IN_FLIGHT_LIMIT)
    ]
    await asyncio.sleep(0)
    with pytest.raises(TooManyActions):
        await link.action("Getvar", Variable="X")
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await link.action("Ping")
