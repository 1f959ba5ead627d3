"""`press3 doctor --call` on a PBX where others call too: whose call it follows, and what it says of the rest."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from press3.config.settings import Settings
from press3.doctor import guided_call as module
from press3.doctor.guided_call import guide
from tests.fakes.ami_peer import AmiPeer, message
from tests.waiting import until

FAMILY = "press3/202611211833"
OLD = "1795286000.1"  # before the peer's clock, 1795286023.65
OURS = "1795286025.7"
OTHER = "1795286024.5"


@pytest.fixture(autouse=True)
def _brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(module, "_SETTLE_S", 0.1)


@pytest.fixture
async def peer() -> AsyncIterator[AmiPeer]:
    async with AmiPeer() as peer:
        yield peer


@dataclass
class Caller:
    """A call on the peer, told by its events."""

    peer: AmiPeer
    uniqueid: str
    number: str = "+79110000001"
    _times: Iterator[int] = field(default_factory=lambda: iter(range(1, 100)))

    def channel(self) -> dict[str, str]:
        return {
            "Channel": f"PJSIP/trunk-{self.uniqueid[-1]:0>8}", "ChannelState": "4",
            "ChannelStateDesc": "Ring", "CallerIDNum": self.number, "CallerIDName": "Ivan",
            "Context": "press3-menu", "Exten": "s", "Priority": "1",
            "Uniqueid": self.uniqueid, "Linkedid": self.uniqueid,
        }  # fmt: skip

    def says(self, event: str, **more: str) -> None:
        at = f"{float(self.uniqueid) + next(self._times):.6f}"
        self.peer.send(
            message(("Event", event), ("Timestamp", at), *self.channel().items(), **more)
        )

    def comes(self) -> None:
        self.says("Newchannel")

    def presses(self, *, told: bool = True, at: float | None = None) -> None:
        """The row in AstDB, then its event (`told`)."""
        pressed_at = f"{float(self.uniqueid) + 2 if at is None else at:.3f}"
        key = f"{FAMILY}/{self.uniqueid}-1"
        self.peer.astdb[key] = (
            f"2|{self.uniqueid}|{self.uniqueid}|{pressed_at}|{self.number}|Ivan|74951234567|main|press3"
        )
        if told:
            self.says("UserEvent", UserEvent="Press3", Key=key, At=pressed_at)

    def hangs_up(self) -> None:
        self.says("Hangup", Cause="16")


@dataclass
class Run:
    said: list[str]
    task: "asyncio.Task[bool]"

    async def says(self, words: str) -> None:
        await until(
            lambda: any(words in line for line in self.said) or self.task.done(), what=words
        )
        assert any(words in line for line in self.said), self.said


@asynccontextmanager
async def guided(
    peer: AmiPeer, folder: Path, *, wait_s: float = 30, caller: str = ""
) -> AsyncIterator[Run]:
    settings = Settings.model_validate(
        {"service": {"data_dir": folder}, "asterisk": [{"port": peer.port, "secret": "s3cret"}]}
    )
    said: list[str] = []
    task = asyncio.create_task(guide(settings, said.append, wait_s=wait_s, caller=caller))
    run = Run(said, task)
    try:
        await run.says("Call now")
        yield run
        await asyncio.wait_for(task, 30)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_call_under_way_is_not_the_test_call(peer: AmiPeer, tmp_path: Path) -> None:
    old, ours = Caller(peer, OLD, "+79110000009"), Caller(peer, OURS)
    old.presses(told=False, at=1795286010)
    peer.channels = [old.channel()]
    async with guided(peer, tmp_path) as run:
        old.says("QueueCallerJoin", Queue="press3", Position="1", Count="1")
        ours.comes()
        await run.says("a call arrived from +79110000001")
        old.hangs_up()
        ours.presses()
        await run.says("the press is kept as")
        ours.hangs_up()
    told = "\n".join(run.said)
    assert "+79110000009" not in told
    assert "no 3 was seen" not in told
    assert f"the press is kept as {FAMILY}/{OURS}-1" in told


async def test_one_more_telephone_of_a_call_under_way_is_no_new_call(
    peer: AmiPeer, tmp_path: Path
) -> None:
    old = Caller(peer, OLD, "+79110000009")
    peer.channels = [old.channel()]
    async with guided(peer, tmp_path, wait_s=0.5) as run:
        leg = {**old.channel(), "Uniqueid": OURS, "Channel": "PJSIP/trunk-00000099"}
        peer.event("Newchannel", {"Timestamp": OURS, **leg})
        old.presses()
    assert not run.task.result()
    assert "no call came in" in run.said[-1]


async def test_of_two_new_calls_the_one_that_presses_is_followed(
    peer: AmiPeer, tmp_path: Path
) -> None:
    other, ours = Caller(peer, OTHER, "+79110000002"), Caller(peer, OURS)
    async with guided(peer, tmp_path) as run:
        other.comes()
        ours.comes()
        other.hangs_up()
        await run.says("the call from +79110000002 is over, and no 3 was seen in it")
        ours.presses()
        await run.says("I follow the call from +79110000001: the first in which 3 was pressed")
        ours.hangs_up()
    told = "\n".join(run.said)
    assert "3 was pressed" in told
    assert "but no 3 was seen" not in told


async def test_no_3_in_any_of_two_calls(peer: AmiPeer, tmp_path: Path) -> None:
    async with guided(peer, tmp_path, wait_s=0.5) as run:
        for caller in (Caller(peer, OTHER, "+79110000002"), Caller(peer, OURS)):
            caller.comes()
            caller.hangs_up()
        await run.says("the call from +79110000001 is over")
    assert "2 calls came, but no 3 was seen" in run.said[-1]
    assert not run.task.result()


async def test_a_press_that_only_astdb_tells_is_found_before_none_is_said(
    peer: AmiPeer, tmp_path: Path
) -> None:
    ours = Caller(peer, OURS)
    async with guided(peer, tmp_path, caller="9110000001") as run:
        ours.comes()
        await run.says("a call arrived")
        ours.presses(told=False)
        ours.hangs_up()
    told = "\n".join(run.said)
    assert f"the press is kept as {FAMILY}/{OURS}-1, though no event told of it" in told
    assert "its event did not come: it is seen a minute late — UserEvent" in told
    assert "no 3 was seen" not in told.replace("is over, and no 3 was seen in it", "")


async def test_when_astdb_does_not_answer_no_menu_is_blamed(peer: AmiPeer, tmp_path: Path) -> None:
    peer.on("DBGetTree", lambda action: [action.error("Permission denied")])
    ours = Caller(peer, OURS)
    async with guided(peer, tmp_path, caller="9110000001") as run:
        ours.comes()
        await run.says("a call arrived")
        ours.hangs_up()
    told = "\n".join(run.said)
    assert "AstDB did not say whether one was pressed" in told
    assert "does not lead to press3-complaint" not in told


async def test_only_the_caller_asked_for_is_followed(peer: AmiPeer, tmp_path: Path) -> None:
    other, ours = Caller(peer, OTHER, "+79110000002"), Caller(peer, OURS)
    async with guided(peer, tmp_path, caller="8 911 000-00-01"[2:]) as run:
        other.comes()
        other.presses()
        ours.comes()
        ours.presses()
        await run.says("the press is kept as")
        ours.hangs_up()
    assert "+79110000002" not in "\n".join(run.said)
    assert f"{FAMILY}/{OTHER}-1" not in "\n".join(run.said)
