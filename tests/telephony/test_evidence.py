"""What proves a press, and what waits for the proof: nobody for long."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ami.connection import AmiLink
from ami.inbox import LinkUp
from calls.facts import CallEnded, ComplaintRequested, Fact
from telephony.evidence import with_evidence
from tests.ami.test_connection import Reading, new_link, running
from tests.fakes.ami_peer import AmiPeer

pytestmark = pytest.mark.timing

AT = datetime(2026, 11, 21, 18, 33, 43, tzinfo=UTC)
MINUTE = "press3/202611211833"


def press(n: int, key: str | None = "") -> ComplaintRequested:
    """The press of the call `n`; its key is ours unless another is given."""
    return ComplaintRequested(
        call=f"main-{n}.0",
        at=AT,
        uniqueid=f"{n}.0",
        key=f"{MINUTE}/{n}.0-1" if key == "" else key,
        evidence="unverified",
        menu="main",
        queue=None,
    )


def keep(peer: AmiPeer, n: int, name: str = "Ann") -> None:
    value = f"2|{n}.0|{n}.0|{AT.timestamp():.3f}|+79161234567|{name}|100|main|sales"
    peer.astdb[f"{MINUTE}/{n}.0-1"] = value


@pytest.fixture
async def link(peer: AmiPeer) -> AsyncIterator[AmiLink]:
    async with running(new_link(peer, action_timeout_s=5)) as link:
        await Reading(link).to(LinkUp)
        yield link


@pytest.fixture
async def peer() -> AsyncIterator[AmiPeer]:
    async with AmiPeer() as peer:
        yield peer


async def test_the_key_proves_the_press_and_names_the_queue(peer: AmiPeer, link: AmiLink) -> None:
    keep(peer, 1)
    ended = CallEnded(call="main-9.0", at=AT, outcome="abandoned")
    facts: list[Fact] = [ended, press(1), ended]
    shown = await with_evidence(link, facts)
    assert shown == [ended, replace(press(1), evidence="verified", queue="sales"), ended]


@pytest.mark.parametrize("letters", [32, 33, 34, 35, 36, 500])
async def test_a_row_that_asterisk_16_cuts_is_read_whole(
    peer: AmiPeer, link: AmiLink, letters: int
) -> None:
    peer.db_get_bytes = 255
    keep(peer, 1, name="%D0%AF" * letters)
    assert await with_evidence(link, [press(1)]) == [
        replace(press(1), evidence="verified", queue="sales")
    ]


async def test_another_channels_key_proves_nothing(peer: AmiPeer, link: AmiLink) -> None:
    keep(peer, 2)
    told = press(1, key=f"{MINUTE}/2.0-1")
    peer.variables["CHANNEL(uniqueid)"] = "1.0"
    assert await with_evidence(link, [told]) == [replace(told, evidence="verified_live")]


@pytest.mark.parametrize("key", [None, "AMPUSER/101", "press3", "x\r\ny"])
async def test_a_key_that_is_none_of_ours_is_not_asked_for(
    peer: AmiPeer, link: AmiLink, key: str | None
) -> None:
    told = press(1, key=key)
    assert await with_evidence(link, [told]) == [told]
    assert not peer.received("DBGet")


async def test_who_has_evidence_and_who_did_not_press_costs_no_question(
    peer: AmiPeer, link: AmiLink
) -> None:
    before = len(peer.actions)
    facts: list[Fact] = [
        replace(press(1), evidence="verified"),
        CallEnded(call="main-2.0", at=AT, outcome="answered"),
    ]
    assert await with_evidence(link, facts) == facts
    assert len(peer.actions) == before


async def test_a_silent_pbx_holds_the_others_of_the_batch_for_a_second_only(
    peer: AmiPeer, link: AmiLink
) -> None:
    for n in range(50):
        keep(peer, n)
    peer.silent = True
    presses = [press(n) for n in range(50)]
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await with_evidence(link, presses) == presses
    assert loop.time() - began < 4.5, "the time of an action, 5 s, is not waited for"
    assert len(peer.received("DBGet")) == 50, "all were asked for at once"
