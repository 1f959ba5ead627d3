"""Questions to the PBX: what comes back, and what a hostile caller can't make of it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from ami import actions
from ami.connection import AmiLink, LinkUp
from ami.errors import ActionFailed, BadField
from tests.ami.frames import snapshot
from tests.ami.test_connection import Reading, new_link, running
from tests.fakes.ami_peer import AmiPeer


@pytest.fixture
async def peer() -> AsyncIterator[AmiPeer]:
    async with AmiPeer() as peer:
        yield peer


@pytest.fixture
async def link(peer: AmiPeer) -> AsyncIterator[AmiLink]:
    async with running(new_link(peer, ping_every_s=60)) as link:
        await Reading(link).to(LinkUp)
        yield link


async def test_ping_is_the_pbx_clock(peer: AmiPeer, link: AmiLink) -> None:
    assert await actions.ping(link) == datetime(2026, 11, 21, 18, 33, 43, 654136, UTC)
    peer.clock = "noon"
    with pytest.raises(BadField):
        await actions.ping(link)


async def test_show_channels_gives_every_channel(peer: AmiPeer, link: AmiLink) -> None:
    peer.channels = [
        snapshot() | {"Application": "Queue", "ApplicationData": "q", "BridgeId": "b1"}
    ]
    (channel,) = await actions.show_channels(link)
    assert channel == actions.LiveChannel(
        name="PJSIP/trunk-00000001",
        uniqueid="lab-1795286023.0",
        linkedid="lab-1795286023.0",
        state="Up",
        caller_number="+79111234567",
        caller_name="Иван|П",
        connected_number="",
        connected_name="",
        context="press3-menu",
        exten="s",
        application="Queue",
        app_data="q",
        bridge_id="b1",
    )


async def test_a_name_in_the_list_is_read_as_it_was(peer: AmiPeer, link: AmiLink) -> None:
    peer.channels = [snapshot(CallerIDName=r"O\'Neil\?", ConnectedLineName=r"a\\b")]
    (channel,) = await actions.show_channels(link)
    assert (channel.caller_name, channel.connected_name) == ("O'Neil?", "a\\b")


@pytest.mark.parametrize(
    "name",
    [
        "x\r\nUniqueid: 1.1",
        "x\r\nUniqueid: 9.9\r\nLinkedid: 9.9\r\n\r\nX: ",
        "x\r\nUniqueid: 9.9\r\n\r\nEvent: Hangup\r\n\r\nEvent: Hangup\r\nX: ",
        "x\r\n\r\nEvent: CoreShowChannel\r\nChannel: a\r\nUniqueid: 1.1",
        "x\r\n\r\nEvent: CoreShowChannelsComplete\r\nEventList: Complete\r\nListItems: 0",
    ],
)
async def test_a_name_that_breaks_its_row_hides_only_itself(
    peer: AmiPeer, link: AmiLink, name: str
) -> None:
    peer.channels = [
        snapshot(Uniqueid="1.1", Channel="one"),
        snapshot(Uniqueid="2.2", CallerIDName=name),
        snapshot(Uniqueid="3.3", Channel="three"),
    ]
    for _ in range(3):  # wherever he stands in the list
        peer.channels.append(peer.channels.pop(0))
        told = {channel.uniqueid for channel in await actions.show_channels(link)}
        assert told == {"1.1", "3.3"}


async def test_is_alive_is_answered_by_getvar_of_the_channel(peer: AmiPeer, link: AmiLink) -> None:
    peer.variables["CHANNEL(uniqueid)"] = "1.1"
    assert await actions.is_alive(link, "1.1")
    assert not await actions.is_alive(link, "2.2")
    peer.on("Getvar", lambda action: [action.error("No such channel")])
    assert not await actions.is_alive(link, "1.1")


async def test_astdb_values_are_there_or_none(peer: AmiPeer, link: AmiLink) -> None:
    peer.astdb = {"a/b": "1", "a/b/c": "2", "ab": "3"}
    assert await actions.db_get(link, "a", "b") == "1"
    assert await actions.db_get(link, "a", "x") is None
    assert await actions.db_get_tree(link, "a/b") == [("/a/b", "1"), ("/a/b/c", "2")]
    peer.on("DBGet", lambda action: [action.error("Permission denied")])
    with pytest.raises(ActionFailed):
        await actions.db_get(link, "a", "b")


async def test_queue_status_is_a_list(peer: AmiPeer, link: AmiLink) -> None:
    assert await actions.queue_status(link) == []
    await actions.queue_status(link, "complaints")
    assert peer.received("QueueStatus")[-1].get("Queue") == "complaints"


async def test_list_commands_names_what_we_may(peer: AmiPeer, link: AmiLink) -> None:
    about = {"Ping": "Keepalive command.  (Priv: <none>)", "DBGet": "Get DB Entry."}
    peer.on("ListCommands", lambda action: [action.ok(**about)])
    assert await actions.list_commands(link) == about
