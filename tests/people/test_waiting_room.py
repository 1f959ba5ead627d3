"""The waiting room: bounded, known devices first, and no turn is ever lost."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from people.errors import Crowded
from people.waiting_room import RoomRules, WaitingRoom
from tests.waiting import until


class Visitors:
    """Whoever waits in a room; `order` is in which order they had their turn."""

    def __init__(self, **rules: float) -> None:
        self.room = WaitingRoom(RoomRules(**{"at_once": 1, "places": 3, "per_network": 2, **rules}))  # type: ignore[arg-type]
        self.order: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []

    def come(self, name: str, network: str, *, known: bool = False) -> asyncio.Task[None]:
        async def turn() -> None:
            async with self.room.turn(network, known=known):
                self.order.append(name)

        self.tasks.append(asyncio.create_task(turn()))
        return self.tasks[-1]

    @property
    def waiting(self) -> int:
        return sum(len(lane) for lane in self.room._lanes.values())


async def test_known_devices_have_their_turn_before_strangers_who_came_first() -> None:
    visitors = Visitors()
    async with visitors.room.turn("a", known=False):
        for name, network in (("s1", "b"), ("s2", "c")):
            visitors.come(name, network)
        visitors.come("k1", "b", known=True)
        await until(lambda: visitors.waiting == 3)
    await asyncio.gather(*visitors.tasks)
    assert visitors.order == ["k1", "s1", "s2"]


async def test_a_full_lane_turns_away_at_once_and_the_other_stays_open() -> None:
    visitors = Visitors()
    async with visitors.room.turn("a", known=False):
        for n in range(3):
            visitors.come(f"s{n}", f"net{n}")
        await until(lambda: visitors.waiting == 3)
        with pytest.raises(Crowded):
            await visitors.come("late", "net9")
        known = visitors.come("k", "net9", known=True)
        await until(lambda: visitors.waiting == 4)
    await asyncio.gather(known, *visitors.tasks[:3])
    assert visitors.order == ["k", "s0", "s1", "s2"]


async def test_one_address_does_not_fill_the_room() -> None:
    visitors = Visitors()
    async with visitors.room.turn("a", known=False):
        visitors.come("s1", "a")
        await until(lambda: visitors.waiting == 1)
        with pytest.raises(Crowded):
            await visitors.come("s2", "a")
        visitors.come("s3", "b")
        await until(lambda: visitors.waiting == 2)
    await asyncio.gather(visitors.tasks[0], visitors.tasks[2])
    assert visitors.order == ["s1", "s3"]


async def test_whoever_waits_too_long_is_turned_away_and_leaves_no_trace() -> None:
    visitors = Visitors(patience_s=0.01)
    async with visitors.room.turn("a", known=False):
        with pytest.raises(Crowded):
            await visitors.come("s1", "b")
        assert visitors.waiting == 0
    async with visitors.room.turn("b", known=False):
        pass
    assert not visitors.room._of_network


async def test_whoever_goes_away_passes_the_turn_on() -> None:
    visitors = Visitors(per_network=9)
    for goes in range(3):
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(visitors.room.turn("a", known=False))
            for n in range(3):
                visitors.come(f"{goes}{n}", "b")
            await until(lambda: visitors.waiting == 3)
            visitors.tasks[-3 + goes].cancel()
        outcomes = await asyncio.gather(*visitors.tasks[-3:], return_exceptions=True)
        assert [type(one) for one in outcomes].count(asyncio.CancelledError) == 1
    assert len(visitors.order) == 6
    assert visitors.room._free == 1


async def test_a_turn_given_in_the_moment_of_leaving_is_the_next_ones() -> None:
    visitors = Visitors()
    async with visitors.room.turn("a", known=False):
        leaves, stays = visitors.come("leaves", "b"), visitors.come("stays", "c")
        await until(lambda: visitors.waiting == 2)
    leaves.cancel()  # its turn has come, and it has not noticed yet
    await stays
    with pytest.raises(asyncio.CancelledError):
        await leaves
    assert visitors.order == ["stays"]
    assert visitors.room._free == 1
